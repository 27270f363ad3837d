//! The outer archive of packages: members lie where a second reader sees them.

use osb_apt::fuzz::members;

use crate::Target;
use crate::seeds::deb;
use crate::wrap;

pub(crate) const TARGET: Target = Target {
    name: "ar",
    about: "the ar container; members lie where a second reader finds them",
    run,
    seeds,
    words: &["!<arch>\n", "debian-binary   ", "control.tar.xz  ", "data.tar.zst    ", "`\n", "_x"],
};

fn run(bytes: &[u8]) {
    let Ok(found) = members(bytes) else { return };
    let second = second_reader(bytes);
    for (name, start, size) in found {
        let start = usize::try_from(start).unwrap();
        let content = &bytes[start..][..usize::try_from(size).unwrap()];
        assert!(second.contains(&(name.as_str(), content)), "{name} at {start}");
    }
}

/// Members one after the other, believing everything.
fn second_reader(bytes: &[u8]) -> Vec<(&str, &[u8])> {
    let mut found = Vec::new();
    let mut rest = &bytes[8..];
    while rest.len() >= 60 {
        let text = |range| std::str::from_utf8(&rest[range]).unwrap().trim_end();
        let name = text(0..16);
        let size: usize = text(48..58).parse().unwrap();
        found.push((name.strip_suffix('/').unwrap_or(name), &rest[60..60 + size]));
        rest = rest.get(60 + size.next_multiple_of(2)..).unwrap_or_default();
    }
    found
}

fn seeds() -> Vec<Vec<u8>> {
    let many = ["_a"; 20].map(|name| (name, &b"x"[..]));
    vec![
        deb().bytes(),
        wrap::deb(b"c", b"d"),
        wrap::ar(&[("debian-binary/", b"2.0\n"), ("control.tar.gz/", b""), ("data.tar/", b"1")]),
        wrap::ar(&[("debian-binary", b"2.1\nx"), ("_gpg", b"y"), ("control.tar.zst", b"z")]),
        wrap::ar(&many),
    ]
}
