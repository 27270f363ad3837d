//! Versions: a total order that a transcription of dpkg's C agrees with.

use std::cmp::Ordering;

use osb_apt::Version;

use crate::Target;
use crate::seeds::{long, texts};

pub(crate) const TARGET: Target = Target {
    name: "version",
    about: "versions, three a line; a total order, the one of dpkg's own code",
    run,
    seeds,
    words: &["~", "+", "-", ".", ":", "0", "00", "2147483647:", "\n"],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let versions: Vec<Version> =
        text.split('\n').take(3).filter_map(|text| Version::parse(text).ok()).collect();
    for version in &versions {
        let again = Version::parse(&version.to_string()).unwrap();
        assert_eq!(again.as_str(), version.as_str());
        assert_eq!(version.cmp(version), Ordering::Equal);
    }
    let [a, b, rest @ ..] = versions.as_slice() else { return };
    assert_eq!(a.cmp(b), b.cmp(a).reverse());
    assert_eq!(a.cmp(b), reference(a.as_str(), b.as_str()), "{a} {b}");
    let [c] = rest else { return };
    if a <= b && b <= c {
        assert!(a <= c, "{a} <= {b} <= {c}");
    }
    if a == b {
        assert_eq!(a.cmp(c), b.cmp(c));
    }
}

/// dpkg's `dpkg_version_compare` (lib/dpkg/version.c), letter by letter.
fn reference(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> (u64, Vec<u8>, Vec<u8>) {
        let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
        let (version, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch.parse().unwrap(), version.into(), revision.into())
    };
    let ((epoch_a, version_a, revision_a), (epoch_b, version_b, revision_b)) = (parts(a), parts(b));
    epoch_a
        .cmp(&epoch_b)
        .then_with(|| verrevcmp(&version_a, &version_b))
        .then_with(|| verrevcmp(&revision_a, &revision_b))
}

fn verrevcmp(a: &[u8], b: &[u8]) -> Ordering {
    fn at(text: &[u8], index: usize) -> u8 {
        text.get(index).copied().unwrap_or(0)
    }
    let order = |c: u8| match c {
        b'0'..=b'9' | 0 => 0,
        b'a'..=b'z' | b'A'..=b'Z' => i32::from(c),
        b'~' => -1,
        _ => i32::from(c) + 256,
    };
    let (mut i, mut j) = (0, 0);
    while at(a, i) != 0 || at(b, j) != 0 {
        let mut first_difference = 0;
        while (at(a, i) != 0 && !at(a, i).is_ascii_digit())
            || (at(b, j) != 0 && !at(b, j).is_ascii_digit())
        {
            let (x, y) = (order(at(a, i)), order(at(b, j)));
            if x != y {
                return x.cmp(&y);
            }
            (i, j) = (i + 1, j + 1);
        }
        while at(a, i) == b'0' {
            i += 1;
        }
        while at(b, j) == b'0' {
            j += 1;
        }
        while at(a, i).is_ascii_digit() && at(b, j).is_ascii_digit() {
            if first_difference == 0 {
                first_difference = i32::from(at(a, i)) - i32::from(at(b, j));
            }
            (i, j) = (i + 1, j + 1);
        }
        if at(a, i).is_ascii_digit() {
            return Ordering::Greater;
        }
        if at(b, j).is_ascii_digit() {
            return Ordering::Less;
        }
        if first_difference != 0 {
            return first_difference.cmp(&0);
        }
    }
    Ordering::Equal
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts([
        "1~~\n1~~a\n1~",
        "1.0~beta1~svc1245\n1.0~beta1\n1.0",
        "9.99\n1:0.1\n10:0",
        "1-1~bpo13+1\n1-1+deb13u1\n1-1.1",
        "1.0\n1.00\n0:1.0-0",
        "2147483647:1\n1:2:3-4\ngit2024",
    ]);
    let twice = long("", "0", "").split_off(40_000);
    seeds.push([&twice, &b"\n"[..], &twice, b"1"].concat());
    seeds.push(long("1\n", "1a~", ""));
    seeds
}
