//! Tiny .deb files (`deb(5)`): an ar archive of a version, a control tar and a data tar.

use std::collections::BTreeSet;

use crate::Compression;

/// A package and its file.
#[derive(Clone, Debug)]
pub struct Deb {
    fields: Vec<(String, String)>,
    control_files: Vec<(String, u32, Vec<u8>)>,
    entries: Vec<Entry>,
    control_compression: Compression,
    data_compression: Compression,
    cached: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Entry {
    path: Vec<u8>,
    kind: tar::EntryType,
    mode: u32,
    target: Vec<u8>,
    content: Vec<u8>,
}

impl Deb {
    /// A package with the fields that every one needs, and no files.
    pub fn new(name: &str, version: &str, architecture: &str) -> Deb {
        let fields = [
            ("Package", name),
            ("Version", version),
            ("Architecture", architecture),
            ("Maintainer", "Nobody <nobody@example.org>"),
            ("Description", "a test package"),
        ];
        Deb {
            fields: fields.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            control_files: Vec::new(),
            entries: Vec::new(),
            control_compression: Compression::Xz,
            data_compression: Compression::Xz,
            cached: None,
        }
    }

    /// Sets a control field, such as `Depends`.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Deb {
        self.fields.retain(|(n, _)| n != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a regular file of root's; its folders come by themselves.
    #[must_use]
    pub fn file(self, path: &str, mode: u32, content: impl AsRef<[u8]>) -> Deb {
        self.entry(path.as_bytes(), tar::EntryType::Regular, mode, b"", content.as_ref())
    }

    /// Adds a folder.
    #[must_use]
    pub fn directory(self, path: &str, mode: u32) -> Deb {
        self.entry(path.as_bytes(), tar::EntryType::Directory, mode, b"", b"")
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Deb {
        self.entry(path.as_bytes(), tar::EntryType::Symlink, 0o777, target.as_bytes(), b"")
    }

    /// Adds a hard link to another path of the package.
    #[must_use]
    pub fn hard_link(self, path: &str, target: &str) -> Deb {
        let target = format!("./{target}");
        self.entry(path.as_bytes(), tar::EntryType::Link, 0o644, target.as_bytes(), b"")
    }

    /// Adds a file with exactly these bytes as its path in the tar (100 at most): for `../x`,
    /// `/etc/x`, or a path through a link that came before.
    #[must_use]
    pub fn hostile(mut self, path: &[u8], content: &[u8]) -> Deb {
        self.cached = None;
        self.entries.push(Entry {
            path: path.to_vec(),
            kind: tar::EntryType::Regular,
            mode: 0o644,
            target: Vec::new(),
            content: content.to_vec(),
        });
        self
    }

    /// Adds a maintainer script (`postinst`, ...).
    #[must_use]
    pub fn script(self, name: &str, body: &str) -> Deb {
        self.control_file(name, 0o755, body)
    }

    /// Adds another file to the control archive (`conffiles`, `triggers`, ...).
    #[must_use]
    pub fn control_file(mut self, name: &str, mode: u32, body: &str) -> Deb {
        self.cached = None;
        self.control_files.push((name.to_owned(), mode, body.into()));
        self
    }

    /// Compresses both archives like this instead of with xz.
    #[must_use]
    pub fn compressed(mut self, compression: Compression) -> Deb {
        self.cached = None;
        (self.control_compression, self.data_compression) = (compression, compression);
        self
    }

    /// Takes these bytes for the file instead of building one.
    #[must_use]
    pub fn with_bytes(mut self, bytes: Vec<u8>) -> Deb {
        self.cached = Some(bytes);
        self
    }

    /// The value of a control field.
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// `name_version_architecture.deb`; the version without its epoch, as archives name files.
    pub fn file_name(&self) -> String {
        let version = self.get("Version");
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        format!("{}_{version}_{}.deb", self.get("Package"), self.get("Architecture"))
    }

    /// The control file's text, without an empty line at its end.
    pub fn control(&self) -> String {
        self.fields.iter().map(|(n, v)| format!("{n}: {v}\n")).collect()
    }

    /// The .deb.
    pub fn bytes(&self) -> Vec<u8> {
        if let Some(bytes) = &self.cached {
            return bytes.clone();
        }
        let control = self.control_compression.pack(&self.control_tar());
        let data = self.data_compression.pack(&self.data_tar());
        let mut out = b"!<arch>\n".to_vec();
        push_member(&mut out, "debian-binary", b"2.0\n");
        let name = |stem: &str, c: Compression| format!("{stem}.tar{}", c.extension());
        push_member(&mut out, &name("control", self.control_compression), &control);
        push_member(&mut out, &name("data", self.data_compression), &data);
        out
    }

    fn entry(
        mut self,
        path: &[u8],
        kind: tar::EntryType,
        mode: u32,
        target: &[u8],
        content: &[u8],
    ) -> Deb {
        self.cached = None;
        let mut path = [b"./", path].concat();
        if kind == tar::EntryType::Directory {
            path.push(b'/');
        }
        let (target, content) = (target.to_vec(), content.to_vec());
        self.entries.push(Entry { path, kind, mode, target, content });
        self
    }

    fn control_tar(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let file = |path: String, mode, content: &[u8]| Entry {
            path: path.into_bytes(),
            kind: tar::EntryType::Regular,
            mode,
            target: Vec::new(),
            content: content.to_vec(),
        };
        append(&mut tar, &folder(b"./".to_vec()));
        append(&mut tar, &file("./control".to_owned(), 0o644, self.control().as_bytes()));
        for (name, mode, body) in &self.control_files {
            append(&mut tar, &file(format!("./{name}"), *mode, body));
        }
        tar.into_inner().unwrap()
    }

    fn data_tar(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut folders = BTreeSet::from([b"./".to_vec()]);
        append(&mut tar, &folder(b"./".to_vec()));
        for entry in &self.entries {
            // Parents of the package's own paths; a hostile path stays alone.
            if entry.path.starts_with(b"./") && !entry.path.windows(2).any(|w| w == b"..") {
                for (i, _) in entry.path.iter().enumerate().filter(|(_, b)| **b == b'/') {
                    let parent = entry.path[..=i].to_vec();
                    let is_itself = parent.len() == entry.path.len();
                    if !is_itself && folders.insert(parent.clone()) {
                        append(&mut tar, &folder(parent));
                    }
                }
                if entry.kind == tar::EntryType::Directory {
                    folders.insert(entry.path.clone());
                }
            }
            append(&mut tar, entry);
        }
        tar.into_inner().unwrap()
    }
}

fn folder(path: Vec<u8>) -> Entry {
    Entry {
        path,
        kind: tar::EntryType::Directory,
        mode: 0o755,
        target: Vec::new(),
        content: Vec::new(),
    }
}

/// Appends an entry with its path as it is: the tar crate would refuse the hostile ones.
fn append(tar: &mut tar::Builder<Vec<u8>>, entry: &Entry) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(entry.kind);
    header.set_mode(entry.mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_size(entry.content.len() as u64);
    let old = header.as_old_mut();
    old.name[..entry.path.len()].copy_from_slice(&entry.path);
    old.linkname[..entry.target.len()].copy_from_slice(&entry.target);
    header.set_cksum();
    tar.append(&header, entry.content.as_slice()).unwrap();
}

fn push_member(out: &mut Vec<u8>, name: &str, content: &[u8]) {
    let size = content.len();
    let header =
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 1_700_000_000, 0, 0, 100_644);
    out.extend(header.as_bytes());
    out.extend(content);
    if size % 2 == 1 {
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dpkg_reads_every_compression() {
        for compression in Compression::ALL {
            let deb = Deb::new("a", "1:2-3", "all")
                .field("Depends", "b")
                .file("usr/bin/a", 0o755, "#!/bin/sh\n")
                .hard_link("usr/bin/b", "usr/bin/a")
                .symlink("usr/bin/c", "a")
                .script("postinst", "#!/bin/sh\n")
                .compressed(compression);
            assert_eq!(deb.file_name(), "a_2-3_all.deb");
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(deb.file_name());
            std::fs::write(&path, deb.bytes()).unwrap();
            let run = |arguments: &[&str]| {
                std::process::Command::new("dpkg-deb").args(arguments).arg(&path).output()
            };
            let Ok(output) = run(&["--contents"]) else {
                eprintln!("SKIPPED: there is no dpkg-deb on this machine to check .debs with");
                return;
            };
            let listing = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{compression:?}: {output:?}");
            for part in ["./usr/bin/\n", "./usr/bin/a\n", "b link to ./usr/bin/a", "c -> a"] {
                assert!(listing.contains(part), "{part:?} in {listing}");
            }
            let fields = run(&["--field"]).unwrap();
            assert!(String::from_utf8_lossy(&fields.stdout).contains("Depends: b"));
        }
    }
}
