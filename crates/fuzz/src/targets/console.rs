//! The serial console of a guest: however its bytes are cut, the same line matches.

use osb_boot::Watch;
use regex::bytes::Regex;

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "console",
    about: "a guest's console, cut into pieces; whole lines are found however it is cut",
    run,
    seeds,
    words: &["\u{1b}[", "\u{1b}]", "\u{1b}\\", "\u{7}", "\r\n", "login: ", "\u{1b}P"],
};

fn run(bytes: &[u8]) {
    // Ends at a line end: what an unfinished line is, depends on the cut.
    let watch = || Watch::new(Regex::new("^[^\n]*login:$").unwrap());
    let whole = [bytes, b"\n\n"].concat();
    let found = lines_until_match(&mut watch(), &whole, whole.len());
    let piecewise = lines_until_match(&mut watch(), &whole, 1 + bytes.len() / 7);
    assert!(!found || piecewise, "cut into pieces, a line is lost");
}

fn lines_until_match(watch: &mut Watch, bytes: &[u8], size: usize) -> bool {
    bytes.chunks(size.max(1)).any(|piece| watch.feed(piece).is_some())
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts([
        "\u{1b}[0;1;32m  OK  \u{1b}[0m] Rea\u{1b}]8;;http://x\u{7}ched\r\nnode login:\n",
        "\u{1b}]never ended\nafter\nlogin:",
    ]);
    seeds.extend([long("", "x", ""), long("", "\u{1b}[#m", "login:"), long("", "a\n", "")]);
    seeds
}
