//! `SECURITY.md` names the tests that show what it promises: each has to be there.
//!
//! A reference is a path in the repository and a test of that file, in Rust or Python:
//! `crates/NAME/tests/FILE.rs::test`.

use std::fs;
use std::path::Path;

/// The references in a text, in backticks: paths and names.
fn references(text: &str) -> Vec<(&str, &str)> {
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .filter_map(|span| span.split_once("::"))
        .filter(|(path, _)| path.ends_with(".rs"))
        .collect()
}

/// Why a reference leads nowhere.
fn missing(root: &Path, path: &str, name: &str) -> Option<String> {
    let Ok(text) = fs::read_to_string(root.join(path)) else {
        return Some(format!("there is no {path}"));
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    if path.ends_with(".py") {
        let found = lines.contains(&format!("def {name}(self):").as_str());
        return (!found).then(|| format!("{path} has no test {name}"));
    }
    let function = format!("fn {name}(");
    let place = lines.iter().position(|line| line.starts_with(&function));
    let is_test = place.is_some_and(|place| {
        let attributes = lines[..place].iter().rev().take_while(|line| line.starts_with("#["));
        attributes.into_iter().any(|line| *line == "#[test]")
    });
    (!is_test).then(|| format!("{path} has no test {name}"))
}

#[test]
fn every_test_that_security_md_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let references = references(&text);
    assert!(references.len() >= 20, "{} references", references.len());
    let missing: Vec<String> =
        references.iter().filter_map(|(path, name)| missing(root, path, name)).collect();
    assert!(missing.is_empty(), "SECURITY.md:\n{}", missing.join("\n"));
}

#[test]
fn a_reference_to_nothing_is_told() {
    let text =
        "| `a/b.rs::one` | `cargo xtask test` | `a::b` |\n`xtask/src/references.rs::missing`";
    let found = references(text);
    assert_eq!(found, [("a/b.rs", "one"), ("xtask/src/references.rs", "missing")]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert!(missing(root, "a/b.rs", "one").unwrap().contains("no a/b.rs"));
    // A function, but no test.
    let own = "xtask/src/references.rs";
    assert!(missing(root, own, "missing").unwrap().contains("no test missing"));
    assert_eq!(missing(root, own, "a_reference_to_nothing_is_told"), None);
    let python = "xtask/tests/bootstrap/test_git.py";
    assert_eq!(missing(root, python, "test_unsigned"), None);
    assert!(missing(root, python, "test_un").unwrap().contains("no test test_un"));
}
