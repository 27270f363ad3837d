//! `SHA256SUMS`: names and digests, in the very text that coreutils' `sha256sum` writes.

use std::collections::BTreeMap;
use std::fmt;

use crate::digest::{Digest, parse_hex, to_hex};

/// Why a text is not a list of checksums that may be trusted with paths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SumsError {
    /// A line is not `DIGEST  NAME`.
    #[error("line {line}: expected 64 hexadecimal digits, two spaces and a name, found {found:?}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// The line, cut after 120 characters.
        found: String,
    },
    /// A name could lead out of the folder that the list describes.
    #[error("refused name {name:?}: names must be relative, without `.`, `..` or empty parts")]
    Name {
        /// The name as given.
        name: String,
    },
    /// A name stands there twice.
    #[error("line {line}: second digest for {name:?}")]
    Twice {
        /// Number of the second line, from 1.
        line: usize,
        /// The name.
        name: String,
    },
}

/// Digests by file name, sorted by name; prints as `SHA256SUMS`.
///
/// Names are relative paths with `/` between their parts; absolute names, `..` and the like never
/// get in, neither from a text nor by [`Sums::insert`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<String, Digest>);

impl Sums {
    /// An empty list.
    pub fn new() -> Self {
        Sums::default()
    }

    /// Reads the text of a `SHA256SUMS` file: text (`  `) and binary (` *`) lines, and lines with
    /// escaped names (`\`), as coreutils writes them. Empty lines are skipped.
    pub fn parse(text: &str) -> Result<Sums, SumsError> {
        let mut sums = Sums::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let number = index + 1;
            let (name, digest) = parse_line(line).ok_or_else(|| SumsError::Line {
                line: number,
                found: line.chars().take(120).collect(),
            })?;
            if sums.0.contains_key(&name) {
                return Err(SumsError::Twice { line: number, name });
            }
            sums.insert(name, digest)?;
        }
        Ok(sums)
    }

    /// Adds a name, replacing its old digest.
    pub fn insert(&mut self, name: impl Into<String>, digest: Digest) -> Result<(), SumsError> {
        let name = name.into();
        let harmless =
            !name.contains('\0') && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !harmless {
            return Err(SumsError::Name { name });
        }
        self.0.insert(name, digest);
        Ok(())
    }

    /// The digest of a name.
    pub fn get(&self, name: &str) -> Option<&Digest> {
        self.0.get(name)
    }

    /// Names and digests in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Digest)> {
        self.0.iter().map(|(name, digest)| (name.as_str(), digest))
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Sums {
    /// The text of `SHA256SUMS`: one line for each name, with its newline.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, digest) in &self.0 {
            let hex = to_hex(digest);
            match escape(name) {
                Some(escaped) => writeln!(out, "\\{hex}  {escaped}")?,
                None => writeln!(out, "{hex}  {name}")?,
            }
        }
        Ok(())
    }
}

fn parse_line(line: &str) -> Option<(String, Digest)> {
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (hex, rest) = line.split_at_checked(64)?;
    let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
    if name.is_empty() {
        return None;
    }
    let name = if escaped { unescape(name)? } else { name.to_owned() };
    Some((name, parse_hex(hex).ok()?))
}

/// The name with backslash, newline and carriage return escaped, if it has any of them
/// (coreutils manual, "cksum output modes").
fn escape(name: &str) -> Option<String> {
    name.contains(['\\', '\n', '\r'])
        .then(|| name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r"))
}

fn unescape(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(char) = chars.next() {
        plain.push(match char {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sha256;

    #[test]
    fn the_text_is_that_of_sha256sum() {
        let mut sums = Sums::new();
        sums.insert("rootfs.tar.gz", sha256(b"abc")).unwrap();
        sums.insert("a\\b\n", sha256(b"")).unwrap();
        assert_eq!(
            sums.to_string(),
            "\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\\\\b\\n\n\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  rootfs.tar.gz\n"
        );
    }

    #[test]
    fn binary_lines_and_a_missing_last_newline_are_read() {
        let hex = to_hex(&sha256(b"abc"));
        let sums = Sums::parse(&format!("{hex} *a b\n\n{hex}  c")).unwrap();
        assert_eq!(sums.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a b", "c"]);
    }

    #[test]
    fn bad_lines_are_named() {
        let hex = to_hex(&sha256(b"abc"));
        for line in ["x", &hex, &format!("{hex}  "), &format!("{hex} a"), &format!("\\{hex}  a\\x")]
        {
            let error = Sums::parse(&format!("{hex}  good\n{line}\n")).unwrap_err();
            assert!(matches!(error, SumsError::Line { line: 2, .. }), "{line:?}: {error}");
        }
        let twice = Sums::parse(&format!("{hex}  a\n{hex}  a\n")).unwrap_err();
        assert_eq!(twice, SumsError::Twice { line: 2, name: "a".into() });
    }

    #[test]
    fn hostile_names_are_refused() {
        let hex = to_hex(&sha256(b"abc"));
        for name in ["/etc/passwd", "..", "../a", "a/../../b", "a//b", "./a", "a/", "a\0b"] {
            let error = Sums::parse(&format!("{hex}  {name}\n")).unwrap_err();
            assert!(matches!(error, SumsError::Name { .. }), "{name:?}: {error}");
        }
        // An escape must not smuggle a bad name in either.
        assert!(Sums::parse(&format!("\\{hex}  a/\\n/../..\n")).is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(names in prop::collection::btree_map(
            "[a-z \\\\\n\ré*]{1,12}(/[a-z\\\\\n]{1,5})?", any::<[u8; 32]>(), 0..8,
        )) {
            let mut sums = Sums::new();
            for (name, digest) in &names {
                sums.insert(name.clone(), *digest).unwrap();
            }
            prop_assert_eq!(Sums::parse(&sums.to_string()).unwrap(), sums);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Sums::parse(&text);
        }
    }
}
