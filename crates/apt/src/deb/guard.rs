//! Rules over a whole archive: no entry may redirect another one.

use std::collections::HashMap;

use super::fault::DebFault;
use super::tar::{Entry, EntryKind};

/// Remembers what an archive has made so far and refuses entries that would build on a link of the
/// same archive, so that no order of unpacking can lead outside.
#[derive(Default)]
pub(crate) struct Guard {
    seen: HashMap<Vec<u8>, Seen>,
    /// The parent of the last entry, already judged: archives go through one directory at a time.
    parent: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Directory,
    /// A regular file or another name of one.
    File,
    Symlink,
}

impl Guard {
    /// Judges the next entry.
    ///
    /// # Errors
    /// An entry below a path that is not a directory in this archive, a second entry for a path
    /// (unless both are directories), a hard link to what is not an earlier regular file.
    pub(crate) fn admit(&mut self, entry: &Entry) -> Result<(), DebFault> {
        let refuse = |reason: String| Err(DebFault::entry(&entry.path, reason));
        let parent = parent_of(&entry.path);
        if self.parent.as_deref() != Some(parent) {
            self.check_ancestors(entry)?;
            self.parent = Some(parent.to_vec());
        }
        let kind = match &entry.kind {
            EntryKind::Directory => Seen::Directory,
            EntryKind::File => Seen::File,
            EntryKind::Symlink(_) => Seen::Symlink,
            EntryKind::HardLink(target) => match self.seen.get(target) {
                Some(Seen::File) => Seen::File,
                _ => {
                    return refuse(format!(
                        "a hard link to {:?}, which is not an earlier file of the same package",
                        String::from_utf8_lossy(target)
                    ));
                }
            },
        };
        match self.seen.insert(entry.path.clone(), kind) {
            None => Ok(()),
            Some(Seen::Directory) if kind == Seen::Directory => Ok(()),
            Some(_) => refuse("the package contains this path twice".into()),
        }
    }

    fn check_ancestors(&self, entry: &Entry) -> Result<(), DebFault> {
        let mut ancestor = parent_of(&entry.path);
        while !ancestor.is_empty() {
            let what = match self.seen.get(ancestor) {
                None | Some(Seen::Directory) => {
                    ancestor = parent_of(ancestor);
                    continue;
                }
                Some(Seen::File) => "file",
                Some(Seen::Symlink) => "symbolic link",
            };
            return Err(DebFault::entry(
                &entry.path,
                format!("it lies below a {what} of the same package"),
            ));
        }
        Ok(())
    }
}

/// The path without its last component; empty at the top.
pub(crate) fn parent_of(path: &[u8]) -> &[u8] {
    path.iter().rposition(|b| *b == b'/').map_or(&[], |slash| &path[..slash])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(entries: &[(&str, EntryKind)]) -> Result<(), String> {
        let mut guard = Guard::default();
        for (path, kind) in entries {
            let path = path.as_bytes().to_vec();
            let kind = kind.clone();
            let entry = Entry { path, kind, mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0 };
            guard.admit(&entry).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn link(target: &str) -> EntryKind {
        EntryKind::Symlink(target.into())
    }

    fn hard(target: &str) -> EntryKind {
        EntryKind::HardLink(target.into())
    }

    #[test]
    fn ordinary_packages_pass() {
        use EntryKind::{Directory, File};
        judge(&[
            ("", Directory),
            ("usr", Directory),
            ("usr/bin", Directory),
            ("usr/bin/a", File),
            ("usr/bin/b", hard("usr/bin/a")),
            ("usr/bin/c", hard("usr/bin/b")),
            ("usr/bin/d", link("../../etc/shadow")),
            ("usr", Directory),
            ("lib", link("usr/lib")),
            ("no/parent/entry", File),
        ])
        .unwrap();
    }

    #[test]
    fn redirections_are_refused() {
        use EntryKind::{Directory, File};
        for (entries, expected) in [
            (vec![("a", link("/etc")), ("a/passwd", File)], "below a symbolic link"),
            (vec![("a", link("/etc")), ("a/b/c/d", File)], "below a symbolic link"),
            (vec![("a", File), ("a/b", File)], "below a file"),
            (vec![("a", link("/etc")), ("a", Directory)], "twice"),
            (vec![("a", Directory), ("a", link("/etc"))], "twice"),
            (vec![("a", File), ("a", File)], "twice"),
            (vec![("a", hard("b"))], "not an earlier file"),
            (vec![("b", link("/etc/shadow")), ("a", hard("b"))], "not an earlier file"),
            (vec![("b", Directory), ("a", hard("b"))], "not an earlier file"),
            // The cached parent must not hide a link made in it meanwhile.
            (
                vec![("d/x", File), ("d/s", link("/")), ("d/s/y", File), ("d/s/z", File)],
                "below a symbolic link",
            ),
            (vec![("s/x", File), ("s", link("/")), ("s/y", File)], "below a symbolic link"),
        ] {
            let error = judge(&entries).unwrap_err();
            assert!(error.contains(expected), "{error} / {expected}");
        }
    }
}
