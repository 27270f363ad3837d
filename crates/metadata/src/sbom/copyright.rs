//! Licences out of `/usr/share/doc/PACKAGE/copyright`.
//!
//! Debian's machine-readable format (copyright-format 1.0) has a paragraph for each group of files,
//! whose field `License` begins with a short name; most packages have it. What is prose is left to
//! people.

use std::collections::BTreeSet;

/// Most bytes of a copyright file that are looked at. The kernel's has 0.2 MB, Chromium's 3 MB.
const MOST: usize = 4 << 20;
/// Longest short name, in characters: what is longer is no name.
const LONGEST: usize = 200;

/// The short names of all licences, sorted; `None` if the file is not machine-readable.
pub fn licences(copyright: &[u8]) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(copyright.get(..MOST).unwrap_or(copyright));
    let header = text.lines().map(str::trim_end).find(|line| !line.is_empty())?;
    let format = field(header, "Format").or_else(|| field(header, "Format-Specification"))?;
    // Drafts of the format were elsewhere, under `dep5`; their names are the same.
    if !["copyright-format", "dep5", "DEP5", "dep-5"].iter().any(|word| format.contains(word)) {
        return None;
    }
    let names = text.lines().filter_map(|line| field(line, "License"));
    let names: BTreeSet<String> = names
        .map(|name| name.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|name| !name.is_empty() && name.chars().count() <= LONGEST)
        .collect();
    Some(names.into_iter().collect())
}

/// The value on the line of a field; names of fields have no case.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    found.eq_ignore_ascii_case(name).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_collected_once() {
        let text = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: x

Files: *
Copyright: 2020 somebody
License: GPL-2+

Files: debian/*
license:  GPL-2+  or
 MIT

License: GPL-2+
 The text: of the License: as it is.

License: Expat
";
        assert_eq!(licences(text.as_bytes()).unwrap(), ["Expat", "GPL-2+", "GPL-2+ or"]);
    }

    #[test]
    fn prose_has_none() {
        for text in ["", "\n\n", "This package was debianized by\nLicense: GPL\n", "Format: x\n"] {
            assert_eq!(licences(text.as_bytes()), None, "{text:?}");
        }
        let empty = "Format: http://dep.debian.net/deps/dep5/\nLicense:\n text\n";
        assert_eq!(licences(empty.as_bytes()), Some(Vec::new()));
    }
}
