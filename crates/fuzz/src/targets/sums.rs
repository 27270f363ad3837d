//! `SHA256SUMS`: what is written is read back, and no name leads out.

use osb_checksum::Sums;

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "sums",
    about: "SHA256SUMS; what is written is read back, no name leads out",
    run,
    seeds,
    words: &["  ", " *", "\\\\", "\\n", "../", "/"],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(sums) = Sums::parse(text) else { return };
    assert_eq!(Sums::parse(&sums.to_string()).unwrap(), sums);
    for (name, _) in sums.iter() {
        assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")), "{name:?}");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let digest = "0123456789abcdef".repeat(4);
    let mut seeds = texts([
        format!("{digest}  disk.img\n{digest} *a b\n\\{digest}  a\\nb\\\\\n\n").as_str(),
        format!("{digest}  ../x\n").as_str(),
    ]);
    seeds.push(long("", &format!("{digest}  f#\n"), ""));
    seeds.push(long(&format!("\\{digest}  "), "\\n", "\n"));
    seeds
}
