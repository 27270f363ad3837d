//! apt's sources of the building machine, where a mirror is looked for.

use std::fs;

use osb_apt::Mirrors;

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "sources",
    about: "the host's sources.list in both forms; a mirror is http or https",
    run,
    seeds,
    words: &[
        "deb ",
        "deb-src ",
        "[arch=amd64]",
        "Types: deb\n",
        "URIs: ",
        "Enabled: no\n",
        "http://",
        "/debian",
        "/debian-security",
        "https://",
    ],
};

fn run(bytes: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("sources.list.d");
    fs::create_dir(&folder).unwrap();
    fs::write(place.path().join("sources.list"), bytes).unwrap();
    fs::write(folder.join("a.sources"), bytes).unwrap();
    let found = Mirrors::discover_in(None, place.path());
    for url in [&found.debian, &found.security] {
        assert!(url.starts_with("http://") || url.starts_with("https://"), "{url}");
        assert!(!url.ends_with('/') && !url.contains(char::is_whitespace), "{url}");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts([
        "deb [arch=amd64 signed-by=/k] http://m.example/debian/ trixie main\ndeb-src x y\n",
        "Types: deb deb-src\nURIs: http://m.example/debian http://s.example/debian-security\n",
    ]);
    seeds.push(long("", "deb http://m#.example/debian trixie main\n", ""));
    seeds
}
