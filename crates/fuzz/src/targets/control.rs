//! The `control` file of a package: the reader of indices sees the same fields.

use osb_apt::{Stanzas, fuzz};

use crate::Target;
use crate::seeds::{deb, long, texts};

pub(crate) const TARGET: Target = Target {
    name: "control",
    about: "control files of packages; the reader of indices sees the same fields",
    run,
    seeds,
    words: &["Package: a\n", "Version: 1\n", "Architecture: all\n", "\n ", "\n\n", "#", "\r"],
};

fn run(bytes: &[u8]) {
    let Ok(control) = fuzz::control(bytes) else { return };
    let text = std::str::from_utf8(bytes).unwrap();
    for (name, value) in control.fields() {
        assert_eq!(control.get(&name.to_ascii_uppercase()), Some(value));
    }
    // The other reader is stricter; where both accept, a package must not be two packages.
    let Ok(stanzas) = Stanzas::new(text).collect::<Result<Vec<_>, _>>() else { return };
    assert_eq!(stanzas.len(), 1, "one stanza");
    for name in ["Package", "Version", "Architecture"] {
        assert_eq!(stanzas[0].get(name), control.get(name), "{name}");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let needed = "Package: a\nVersion: 1\nArchitecture: all\n";
    let mut seeds = texts([needed, "Package: a\n\nVersion: 1\n", "Package: a\npackage: b\n"]);
    seeds.push(deb().control().into_bytes());
    seeds.extend([long(needed, "F#: v\n", ""), long(needed, " x\n", ""), long(needed, "\n", "")]);
    seeds
}
