//! The committed JSON schemas are those of the types. `OSB_UPDATE_GOLDEN=1` writes them anew.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

fn golden(name: &str, schema: &serde_json::Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("OSB_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/{name} is stale: run the tests with OSB_UPDATE_GOLDEN=1");
}

#[test]
fn recipe() {
    golden("recipe.schema.json", &osb_recipe::recipe_schema());
}

#[test]
fn layer() {
    golden("layer.schema.json", &osb_recipe::layer_schema());
}
