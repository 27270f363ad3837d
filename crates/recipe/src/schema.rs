//! JSON schemas of the two formats, for editors.

use schemars::generate::SchemaSettings;

use crate::raw::RawRecipe;
use crate::raw_layer::RawLayer;

/// The schema of `osb.toml`.
pub fn recipe_schema() -> serde_json::Value {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<RawRecipe>();
    schema.to_value()
}

/// The schema of `layer.toml`.
pub fn layer_schema() -> serde_json::Value {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<RawLayer>();
    schema.to_value()
}
