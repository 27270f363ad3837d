//! The document, one struct a JSON object; names are the specification's.

use serde::Serialize;

/// A bill of materials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sbom {
    pub(super) bom_format: &'static str,
    pub(super) spec_version: &'static str,
    pub(super) serial_number: String,
    pub(super) version: u32,
    pub(super) metadata: MetadataBlock,
    pub(super) components: Vec<Component>,
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct MetadataBlock {
    pub(super) timestamp: String,
    pub(super) tools: Tools,
    pub(super) component: Component,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Tools {
    pub(super) components: Vec<Component>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Component {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// Names the component within the document.
    #[serde(rename = "bom-ref")]
    pub(super) bom_ref: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) licenses: Vec<LicenceChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purl: Option<String>,
    #[serde(rename = "externalReferences", skip_serializing_if = "Vec::is_empty")]
    pub(super) external_references: Vec<ExternalReference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) properties: Vec<Property>,
}

impl Component {
    pub(super) fn new(kind: &'static str, bom_ref: &str, name: &str) -> Component {
        Component {
            kind,
            bom_ref: bom_ref.to_owned(),
            name: name.to_owned(),
            version: None,
            hashes: Vec::new(),
            licenses: Vec::new(),
            purl: None,
            external_references: Vec::new(),
            properties: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Hash {
    alg: &'static str,
    content: String,
}

impl Hash {
    pub(super) fn sha256(hex: &str) -> Hash {
        Hash { alg: "SHA-256", content: hex.to_owned() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct LicenceChoice {
    pub(super) license: Licence,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Licence {
    /// Of the SPDX list; otherwise there is a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) acknowledgement: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ExternalReference {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

impl ExternalReference {
    pub(super) fn distribution(url: &str) -> ExternalReference {
        ExternalReference { kind: "distribution", url: url.to_owned() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Property {
    name: String,
    value: String,
}

impl Property {
    pub(super) fn new(name: &str, value: &str) -> Property {
        Property { name: name.to_owned(), value: value.to_owned() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    pub(super) bom_ref: String,
    #[serde(rename = "dependsOn")]
    pub(super) depends_on: Vec<String>,
}
