//! Control files: what is written from the fields is read back.

use osb_apt::{Stanza, Stanzas};

use crate::Target;
use crate::seeds::{long, repository, texts};

pub(crate) const TARGET: Target = Target {
    name: "deb822",
    about: "control files; fields written again are read back",
    run,
    seeds,
    words: &[":", "\n ", "\n\t", "\n\n", "#", "\r\n", "Package: ", "\n .\n"],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read: Result<Vec<Stanza<'_>>, _> = Stanzas::new(text).collect();
    let Ok(stanzas) = read else { return };
    let mut line = 0;
    for field in stanzas.iter().flat_map(|stanza| &stanza.fields) {
        assert!(field.line > line, "lines go on: {field:?}");
        line = field.line;
    }
    let mut written = String::new();
    for stanza in &stanzas {
        assert!(!stanza.fields.is_empty());
        for field in &stanza.fields {
            assert_eq!(stanza.get(field.name), Some(field.value), "a field is given once");
            written += &format!("{}: {}\n", field.name, field.value);
        }
        written.push('\n');
    }
    let again: Vec<Stanza<'_>> = Stanzas::new(&written).collect::<Result<_, _>>().unwrap();
    assert_eq!(again.len(), stanzas.len());
    for (one, other) in stanzas.iter().zip(&again) {
        let facts = |stanza: &Stanza<'_>| -> Vec<(String, String)> {
            let own = |text: &str| text.to_owned();
            stanza.fields.iter().map(|field| (own(field.name), own(field.value))).collect()
        };
        assert_eq!(facts(one), facts(other));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts([
        "A: 1\nB:2\n c\n\td\n .\n\n# x\nA: 3\n",
        "A: 1\r\nb:\r\n c \r\n\r\nC: d",
        "A: 1\n# between\n b\n",
        "no colon\n",
    ]);
    seeds.push(repository("dists/trixie/main/binary-arm64/Packages"));
    let blanks = format!("A:{}x\n", " ".repeat(30_000));
    seeds.extend([long("", "F#: v\n", ""), long("A:\n", " x\n", ""), long("", "A: b\n\n", "")]);
    seeds.extend([long(&blanks, " x\n", ""), long("A: b\n", " \u{2003}\n", "")]);
    seeds
}
