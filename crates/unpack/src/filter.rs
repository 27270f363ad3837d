//! dpkg's `path-exclude` and `path-include` (dpkg(1); filters.c).

use md5::{Digest, Md5};

use crate::store::{Entry, Kind};

/// Patterns in their order; the last that matches decides.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    rules: Vec<(bool, String)>,
}

impl Filter {
    /// Reads lines as they stand in dpkg's configuration; others are passed over.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let rule = |line: &str| {
            let include = line.strip_prefix("path-include=").map(|p| (true, p.to_owned()));
            include.or_else(|| line.strip_prefix("path-exclude=").map(|p| (false, p.to_owned())))
        };
        Filter { rules: lines.into_iter().filter_map(rule).collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// A name for these rules, short enough for a folder's.
    pub(crate) fn tag(&self) -> String {
        let rules: String =
            self.rules.iter().map(|(include, pattern)| format!("{include} {pattern}\n")).collect();
        hex::encode(&Md5::digest(rules)[..6])
    }

    /// Whether the entry is not to be unpacked.
    pub fn skips(&self, entry: &Entry) -> bool {
        self.skips_path(&entry.path, matches!(entry.kind, Kind::File))
    }

    /// As [`Filter::skips`], for a path below the root.
    pub fn skips_path(&self, path: &str, is_file: bool) -> bool {
        let path = format!("/{path}");
        let last = self.rules.iter().rev().find(|(_, pattern)| matches(pattern, &path));
        if last.is_none_or(|(include, _)| *include) {
            return false;
        }
        // "We need to keep directories (or symlinks to directories) if a glob excludes them, but a
        // more specific include glob brings back files" (filters.c).
        is_file
            || !self.rules.iter().any(|(include, pattern)| {
                let fixed = pattern.split(['*', '?', '[', '\\']).next().unwrap_or_default();
                *include && path.starts_with(fixed.trim_end_matches('/'))
            })
    }
}

/// `fnmatch(3)` without flags: `*` and `?` match a slash, too.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // The position behind the last `*` and what it has swallowed so far: enough to backtrack to.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match (pattern.get(p), one(&pattern[p.min(pattern.len())..], text[t])) {
            (Some('*'), _) => {
                star = Some((p + 1, t));
                p += 1;
            }
            (Some(_), Some(length)) => {
                p += length;
                t += 1;
            }
            _ => match star {
                Some((behind, swallowed)) => {
                    star = Some((behind, swallowed + 1));
                    (p, t) = (behind, swallowed + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Length of the pattern's first element if that one matches `c`.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['\\', escaped, ..] => (*escaped == c).then_some(2),
        ['[', class @ ..] => {
            let (negated, start) = (matches!(class.first(), Some('!' | '^')), 1);
            let class = if negated { &class[start..] } else { class };
            // A bracket right at the beginning is a member.
            let Some(end) = class.iter().skip(1).position(|c| *c == ']').map(|end| end + 1) else {
                return (c == '[').then_some(1);
            };
            let members = &class[..end];
            let mut found = false;
            let mut i = 0;
            while i < members.len() {
                if let [from, '-', to, ..] = members[i..] {
                    found |= (from..=to).contains(&c);
                    i += 3;
                } else {
                    found |= members[i] == c;
                    i += 1;
                }
            }
            (found != negated).then_some(1 + usize::from(negated) + end + 1)
        }
        [literal, ..] => (*literal == c).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: Kind) -> Entry {
        Entry { path: path.to_owned(), kind, mode: 0o644, uid: 0, gid: 0, mtime: 0 }
    }

    #[test]
    fn patterns_match_as_in_fnmatch() {
        for (pattern, text, expected) in [
            ("/usr/share/doc/*", "/usr/share/doc/a/b", true),
            ("/usr/share/doc/*", "/usr/share/doc", false),
            ("/usr/share/doc/*/copyright", "/usr/share/doc/a/b/copyright", true),
            ("/usr/share/man/*/man[1-9]/*", "/usr/share/man/de/man1/x.1", true),
            ("/usr/share/man/*/man[1-9]/*", "/usr/share/man/man1/x.1", false),
            ("/l/en[_@]*/*", "/l/en_GB/x", true),
            ("/l/en[_@]*/*", "/l/eno/x", false),
            ("/l/[!a-c]x", "/l/dx", true),
            ("/l/[!a-c]x", "/l/bx", false),
            ("/a\\*b", "/a*b", true),
            ("/a\\*b", "/axb", false),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxxcd", false),
            ("/?", "/x", true),
            ("/[", "/[", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_last_match_decides_and_directories_come_back() {
        let filter = Filter::parse([
            "path-exclude=/usr/share/doc/*",
            "path-exclude=/usr/share/man/*",
            "path-include=/usr/share/doc/*/copyright",
            "no-debsig",
        ]);
        let skips = |path: &str, kind| filter.skips(&entry(path, kind));
        assert!(skips("usr/share/doc/a/README", Kind::File));
        assert!(!skips("usr/share/doc/a/copyright", Kind::File));
        assert!(!skips("usr/share/doc/a", Kind::Directory));
        assert!(!skips("usr/share/doc/b", Kind::Symlink("a".into())));
        assert!(skips("usr/share/man/man1", Kind::Directory));
        assert!(!skips("usr/share", Kind::Directory));
        assert!(!Filter::default().skips(&entry("usr/share/doc/a/README", Kind::File)));
    }
}
