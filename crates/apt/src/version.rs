//! Debian version numbers and their order.
//!
//! Debian Policy, section 5.6.12: `[epoch:]upstream[-revision]`. Epochs compare as numbers; then
//! the upstream parts, then the revisions, compare by alternating runs of non-digits and digits. In
//! a run of non-digits, `~` sorts before the end of the part, letters before everything else; runs
//! of digits compare as numbers of any length. No published crate agrees with dpkg on all of this,
//! so the forty lines are ours.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A Debian version, compared as dpkg compares it.
///
/// Equality is equality of that order (`1.0` equals `0:1.00-0`); the text as written is kept and
/// available with [`Version::as_str`]. There is no `Hash`, because texts that differ can be equal.
#[derive(Clone, Debug)]
pub struct Version {
    text: Box<str>,
}

/// Why a text is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a Debian version: {reason}")]
pub struct VersionError {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Version {
    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// An empty upstream part or revision, an epoch that is not a 31-bit number (dpkg's limit), or
    /// a character that Policy does not allow.
    pub fn parse(text: &str) -> Result<Version, VersionError> {
        let refuse = |reason| Err(VersionError { text: text.to_owned(), reason });
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (Some(epoch), rest),
            None => (None, text),
        };
        if let Some(epoch) = epoch {
            let digits = !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit());
            if !digits || epoch.parse::<u32>().map_or(true, |n| n > i32::MAX as u32) {
                return refuse("the epoch before the colon is not a number below 2^31");
            }
        }
        let (upstream, revision) = split_revision(rest);
        if upstream.is_empty() {
            return refuse("there is no upstream version");
        }
        if revision.is_some_and(str::is_empty) {
            return refuse("there is nothing after the last hyphen");
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'~');
        // A colon inside the upstream part is allowed only where an epoch makes it unambiguous.
        if !upstream.bytes().all(|b| allowed(b) || (b == b':' && epoch.is_some()))
            || !revision.is_none_or(|r| r.bytes().all(allowed))
        {
            return refuse("only letters, digits and . + - ~ are allowed");
        }
        Ok(Version { text: text.into() })
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The epoch's digits without leading zeros, the upstream part and the revision.
    fn parts(&self) -> (&str, &str, &str) {
        let (epoch, rest) = self.text.split_once(':').unwrap_or(("", &self.text));
        let (upstream, revision) = split_revision(rest);
        (epoch.trim_start_matches('0'), upstream, revision.unwrap_or(""))
    }
}

/// Splits at the last hyphen.
fn split_revision(rest: &str) -> (&str, Option<&str>) {
    match rest.rsplit_once('-') {
        Some((upstream, revision)) => (upstream, Some(revision)),
        None => (rest, None),
    }
}

/// Compares two runs of digits without leading zeros as numbers.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The weight of a character in a run of non-digits; `None` is the end of the run.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b) if b.is_ascii_alphabetic() => i32::from(*b),
        Some(b) => i32::from(*b) + 256,
    }
}

/// Takes the leading run of bytes that satisfy `test` off `text`.
fn take_run<'a>(text: &mut &'a [u8], test: impl Fn(&u8) -> bool) -> &'a [u8] {
    let end = text.iter().position(|b| !test(b)).unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    *text = rest;
    run
}

/// Compares two upstream parts or two revisions (dpkg's `verrevcmp`).
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (x, y) =
            (take_run(&mut a, |c| !c.is_ascii_digit()), take_run(&mut b, |c| !c.is_ascii_digit()));
        for i in 0..x.len().max(y.len()) {
            match weight(x.get(i)).cmp(&weight(y.get(i))) {
                Ordering::Equal => {}
                other => return other,
            }
        }
        take_run(&mut a, |c| *c == b'0');
        take_run(&mut b, |c| *c == b'0');
        let (x, y) = (take_run(&mut a, u8::is_ascii_digit), take_run(&mut b, u8::is_ascii_digit));
        match compare_numbers(x, y) {
            Ordering::Equal => {}
            other => return other,
        }
    }
    Ordering::Equal
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.text == other.text {
            return Ordering::Equal;
        }
        let ((epoch_a, upstream_a, revision_a), (epoch_b, upstream_b, revision_b)) =
            (self.parts(), other.parts());
        compare_numbers(epoch_a.as_bytes(), epoch_b.as_bytes())
            .then_with(|| compare_part(upstream_a, upstream_b))
            .then_with(|| compare_part(revision_a, revision_b))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Version::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    /// Each row sorts strictly upwards.
    const CHAINS: &[&[&str]] = &[
        // Policy 5.6.12's own example, as a suffix of a version.
        &["1~~", "1~~a", "1~", "1", "1a"],
        &["1.0~beta1~svc1245", "1.0~beta1", "1.0", "1.0+b1", "1.0.1"],
        &["9.99", "10", "1:0.1", "2:0~", "2:0", "10:0"],
        &["1.2", "1.2a", "1.2z", "1.2za", "1.2+", "1.2.", "1.2.3"],
        &["1-0.1", "1-1~bpo13+1", "1-1", "1-1+b1", "1-1+deb13u1", "1-1.1", "1-2", "1-10"],
        &["1.0-1", "1.0+x-1", "1.0-a-1"],
        &["6.12.9", "6.12.48", "6.12.57", "6.17.13", "7.0~rc1", "7.0"],
        &["99999999999999999999998", "99999999999999999999999"],
    ];

    #[test]
    fn chains_sort_upwards() {
        for chain in CHAINS {
            for (i, low) in chain.iter().enumerate() {
                for high in &chain[i + 1..] {
                    assert!(v(low) < v(high), "{low} < {high}");
                    assert!(v(high) > v(low), "{high} > {low}");
                }
            }
        }
    }

    #[test]
    fn different_texts_can_be_equal() {
        for (a, b) in [("1.0", "1.00"), ("1", "0:1"), ("1", "1-0"), ("1a", "1a0"), ("00:7", "7")] {
            assert_eq!(v(a), v(b));
        }
    }

    #[test]
    fn bad_versions_are_refused() {
        for bad in
            ["", ":1", "a:1", "-1:1", "1:", "1-", "-1", "1 2", "1_2", "1:2:é", "2147483648:1"]
        {
            assert!(Version::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["2147483647:1", "1:2:3-4", "1.2-3-4", "0", "git2024"] {
            assert!(Version::parse(good).is_ok(), "{good:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in "([0-2]:)?[0-9a-c.+~-]{1,6}", b in "([0-2]:)?[0-9a-c.+~-]{1,6}", c in "[0-9a-c.+~-]{1,6}") {
            if let (Ok(a), Ok(b), Ok(c)) = (Version::parse(&a), Version::parse(&b), Version::parse(&c)) {
                prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
                prop_assert_eq!(a.cmp(&a), Ordering::Equal);
                if a <= b && b <= c { prop_assert!(a <= c); }
                if a == b { prop_assert_eq!(a.cmp(&c), b.cmp(&c)); }
            }
        }

        #[test]
        fn a_tilde_sorts_before_and_a_letter_after(base in "[0-9]{1,3}(\\.[0-9]{1,3}){0,2}", letter in "[a-zA-Z]") {
            let (with_tilde, with_letter) = (format!("{base}~"), format!("{base}{letter}"));
            prop_assert!(v(&with_tilde) < v(&base));
            prop_assert!(v(&base) < v(&with_letter));
        }

        #[test]
        fn arbitrary_text_does_not_panic(text in ".{0,20}") {
            let _ = Version::parse(&text);
        }
    }
}
