//! The JSON schema, made from the types.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::model::{Node, VERSION};

/// The JSON schema (draft 2020-12) of `osb/node.toml`.
///
/// `docs/node.schema.json` is this value; a test compares the two.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut value = settings.into_generator().into_root_schema_for::<Node>().to_value();
    // The order of keys must not depend on which features of serde_json others turn on.
    value.sort_all_objects();
    value
}

/// The schema of `version`: exactly one number.
pub(crate) fn version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "const": VERSION })
}
