//! Relations: printed and read again they are the same.

use osb_apt::Version;
use osb_apt::relation::{display_alternatives, parse_relations};

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "relations",
    about: "Depends and the like; what is printed is read back",
    run,
    seeds,
    words: &["(<< ", "(<= ", "(= ", "(>= ", "(>> ", ")", "[", "]", "<!", ">", " | ", ", ", ":any"],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(groups) = parse_relations(text) else { return };
    let printed: Vec<String> = groups.iter().map(|group| display_alternatives(group)).collect();
    assert_eq!(parse_relations(&printed.join(", ")).unwrap(), groups);
    for relation in groups.iter().flatten() {
        let _ = relation.applies_to("arm64");
        let accepted = relation.accepts(&Version::parse("1.0-1").unwrap());
        assert!(accepted || relation.version.is_some());
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts([
        "libc6 (>= 2.38), foo:any | bar (<< 1:2~) [arm64 !i386] <!nocheck> <a b>,\n x",
        "a (= 1) (= 2)",
        "a[], b()",
    ]);
    seeds.extend([long("", "a#,", ""), long("a", "|a", ""), long("a ", "<b>", "")]);
    seeds.extend([long("a [", "b ", "]"), long("a", "(", "")]);
    seeds
}
