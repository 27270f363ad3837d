//! docs/check.md has all rules, as they are.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use osb_check::RULES;

const DOC: &str = include_str!("../../../docs/check.md");

#[test]
fn the_table_has_every_rule() {
    let rows: Vec<String> = RULES
        .iter()
        .map(|rule| {
            let (id, severity) = (rule.id, rule.severity.name());
            format!("| `{id}` | {severity} | {} | {} | {} |", rule.claim, rule.reason, rule.source)
        })
        .collect();
    let table: Vec<&str> = DOC.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(table == rows, "write these lines into docs/check.md:\n{}", rows.join("\n"));
}

#[test]
fn names_and_texts_are_in_order() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(names.len(), RULES.len(), "two rules have one name");
    for rule in RULES {
        let plain = rule.id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        assert!(plain, "{}", rule.id);
        for text in [rule.claim, rule.reason, rule.source, rule.remedy] {
            assert!(!text.is_empty() && !text.contains(['\n', '|']), "{}: {text}", rule.id);
        }
        assert!(rule.claim.ends_with('.') && rule.reason.ends_with('.'), "{}", rule.id);
    }
}
