//! The statement, one struct a JSON object; names are the specifications'.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A provenance statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    #[serde(rename = "_type")]
    pub(super) kind: String,
    pub(super) subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    pub(super) predicate_type: String,
    pub(super) predicate: Predicate,
}

/// Something that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) digest: Digests,
}

/// Digests by algorithm, in hexadecimal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digests(pub(super) BTreeMap<String, String>);

impl Digests {
    pub(super) fn sha256(hex: String) -> Digests {
        Digests(BTreeMap::from([("sha256".to_owned(), hex)]))
    }

    pub(super) fn git(commit: String) -> Digests {
        Digests(BTreeMap::from([("gitCommit".to_owned(), commit)]))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Predicate {
    pub(super) build_definition: BuildDefinition,
    pub(super) run_details: RunDetails,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildDefinition {
    pub(super) build_type: String,
    pub(super) external_parameters: External,
    pub(super) internal_parameters: Internal,
    #[serde(default)]
    pub(super) resolved_dependencies: Vec<Dependency>,
}

/// What who asked for the build has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct External {
    pub(super) recipe: String,
    pub(super) set: Vec<String>,
    pub(super) architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) only: Option<String>,
}

/// What the machine that built has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Internal {
    pub(super) source_date_epoch: i64,
    pub(super) mirrors: BTreeMap<String, String>,
}

/// Something that went in: a ResourceDescriptor of in-toto.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) uri: Option<String>,
    pub(super) digest: Digests,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, Value>,
}

impl Dependency {
    pub(super) fn new(name: impl Into<String>, digest: Digests) -> Dependency {
        let (uri, annotations) = Default::default();
        Dependency { name: name.into(), uri, digest, annotations }
    }

    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Dependency {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunDetails {
    pub(super) builder: Builder,
    pub(super) metadata: Run,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Builder {
    pub(super) id: String,
    #[serde(default)]
    pub(super) version: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    pub(super) started_on: String,
    pub(super) finished_on: String,
}

impl Provenance {
    /// The document as text, with a newline at its end.
    pub fn to_json(&self) -> String {
        // Text, numbers and maps with text for keys always have a JSON form.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
