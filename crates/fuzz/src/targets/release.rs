//! Release files and their dates.

use osb_apt::{Release, fuzz};

use crate::Target;
use crate::seeds::{long, repository, texts};

pub(crate) const TARGET: Target = Target {
    name: "release",
    about: "Release files and their dates",
    run,
    seeds,
    words: &[
        "Date: ",
        "Valid-Until: ",
        "Sat, 12 Sep 2026 07:55:41 UTC",
        "SHA256:\n ",
        "Suite: ",
        "Codename: ",
        "Acquire-By-Hash: yes",
        "Architectures: ",
        "Components: ",
        "29 Feb 2000",
    ],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(unix) = fuzz::date(text) {
        assert!((0..=253_402_300_800).contains(&unix), "before 1970 or after 9999: {unix}");
    }
    let Ok(release) = Release::parse(text, "Release") else { return };
    assert_eq!(fuzz::date(&release.date_text), Some(release.date));
    for now in [i64::MIN, 0, release.date, i64::MAX] {
        let _ = release.check("debian", "http://ftp.debian.org/debian", &release.suite, now);
    }
    for path in release.files.keys() {
        // A vertical tab is none of ASCII's.
        assert!(!path.contains(|c: char| c.is_ascii_whitespace()));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let digest = "0".repeat(64);
    let line = format!(" {digest} 1 f#\n");
    let mut seeds = texts(["Sat, 12 Sep 2026 07:55:41 UTC", "31 Dec 9999 23:59:60 GMT"]);
    seeds.push(repository("dists/trixie/Release"));
    seeds.push(long("Date: Thu, 01 Jan 1970 00:00:00 UTC\nSHA256:\n", &line, ""));
    seeds.push(long("Date: Thu, 01 Jan 1970 00:00:00 UTC\nArchitectures:", " a#", ""));
    seeds
}
