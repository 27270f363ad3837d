//! Reading a provenance back, of which only who built what is looked at.

use std::collections::BTreeSet;

use super::model::Provenance;
use super::{BUILD_TYPE, PREDICATE, STATEMENT};

/// Why a provenance.json cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    /// Not a JSON document of this form.
    #[error("provenance.json is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// A statement of another kind.
    #[error("provenance.json: {field} is {found:?}, and not {expected:?}")]
    Kind {
        /// Which field.
        field: &'static str,
        /// What it says.
        found: String,
        /// What osb writes.
        expected: &'static str,
    },
    /// Something was built twice.
    #[error("provenance.json names {0:?} twice")]
    Twice(String),
}

impl Provenance {
    /// Reads a document that osb has written. Fields that are not known are ignored.
    ///
    /// # Errors
    /// If it is no provenance, or one of something else than a build by osb.
    pub fn read(text: &[u8]) -> Result<Provenance, ProvenanceError> {
        let statement: Provenance = serde_json::from_slice(text)?;
        let build_type = &statement.predicate.build_definition.build_type;
        for (field, found, expected) in [
            ("_type", &statement.kind, STATEMENT),
            ("predicateType", &statement.predicate_type, PREDICATE),
            ("buildType", build_type, BUILD_TYPE),
        ] {
            if found != expected {
                let found = found.chars().take(120).collect();
                return Err(ProvenanceError::Kind { field, found, expected });
            }
        }
        let mut seen = BTreeSet::new();
        for (name, _) in statement.subjects() {
            if !seen.insert(name) {
                return Err(ProvenanceError::Twice(name.chars().take(120).collect()));
            }
        }
        Ok(statement)
    }
}
