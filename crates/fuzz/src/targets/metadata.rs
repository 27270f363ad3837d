//! `metadata.json`: what is written is read back.

use osb_metadata::from_json;

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "metadata",
    about: "metadata.json; what is written is read back",
    run,
    seeds,
    words: &["\"schema_version\": 1", "\"layers\": [", "\"packages\": [", "null", "\\u0000", "1e9"],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(metadata) = from_json(text) else { return };
    let written = metadata.to_json();
    let again = from_json(&written).unwrap();
    assert_eq!(again, metadata);
    assert_eq!(again.to_json(), written);
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts([include_str!("../../../metadata/tests/golden/metadata.json"), "{}"]);
    seeds.extend([long("", "[", ""), long("{\"schema_version\":1,\"a\":", "{\"a\":", "")]);
    seeds.push(long("{", "\"a#\":1,", "\"schema_version\":1}"));
    seeds
}
