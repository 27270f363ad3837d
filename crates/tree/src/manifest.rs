//! What a layer's folder held when it was finished, so that damage is noticed.
//!
//! A line a path, sorted: the path, everything that a layer knows of it, and for files the
//! fingerprint of the content. Metadata is compared whenever the layer is read back; content when
//! it is read anyway, by [`Content::open`], which the fingerprints are handed to.
//!
//!
//! ```text
//! osb manifest 1
//! etc d 755 0:0 1700000000.0
//! etc/motd f 644 0:0 1700000000.0 28 #5f3a…
//! etc/motd.link = etc/motd
//! usr/bin/old -
//! ```
//! Bytes of paths, link targets and attributes that are not printable ASCII, spaces, `#` and `%` are
//! written as `%` and two hexadecimal digits.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read};

use osb_checksum::{Digest, Fingerprint, parse_hex, to_hex};

use crate::inode::{Content, Device, Inode, Kind};
use crate::overlay::{Layer, Node};

/// Which of an inode's fields is its time.
const TIME: usize = 3;

const HEADER: &str = "osb manifest 1";

/// Bytes read from a file at a time.
const BUFFER: usize = 256 << 10;

/// The record of a layer's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// By path, escaped.
    lines: BTreeMap<String, Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// What a scan can tell.
    seen: String,
    /// Of a file's content, unless it is empty.
    fingerprint: Option<Digest>,
}

/// Where a folder differs from its manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Mismatch {
    /// The path, relative to the folder, escaped as in the manifest; empty for the folder itself.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

impl Mismatch {
    /// The same, of the folder `name` in another one.
    #[must_use]
    pub fn below(self, name: &str) -> Self {
        Mismatch { path: format!("{name}/{}", self.path), ..self }
    }
}

impl Manifest {
    /// Records a layer that has just been made; reads all contents.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn of(layer: &Layer) -> io::Result<Manifest> {
        let mut lines = BTreeMap::new();
        let mut buffer = vec![0; BUFFER];
        for Listed { path, seen, node } in listing(layer) {
            let mut line = Line { seen, fingerprint: None };
            let inode = node.map(|index| &layer.nodes[index].inode);
            if let Some(content @ Content::File { .. }) = inode.and_then(|inode| inode.content()) {
                line.fingerprint = Some(take_fingerprint(content, &mut buffer)?);
            }
            lines.insert(path, line);
        }
        Ok(Manifest { lines })
    }

    /// Compares the layer, as it was read back, with the record. If they agree, the layer's contents
    /// get the recorded fingerprints.
    ///
    /// # Errors
    /// The first path, in order, of which they do not agree.
    pub fn check(&self, layer: &mut Layer) -> Result<(), Mismatch> {
        let mismatch = |path: &str, what: String| Mismatch { path: path.to_owned(), what };
        let mut recorded = self.lines.iter();
        let mut agreed = Vec::new();
        for Listed { path, seen, node } in listing(layer) {
            let Some((known, line)) = recorded.next() else {
                return Err(mismatch(&path, "nothing is recorded of it".to_owned()));
            };
            if *known < path {
                return Err(mismatch(known, "it is gone".to_owned()));
            }
            if *known > path {
                return Err(mismatch(&path, "nothing is recorded of it".to_owned()));
            }
            if line.seen != seen {
                return Err(mismatch(&path, format!("it was {:?}, and is {seen:?}", line.seen)));
            }
            agreed.extend(node.map(|index| (index, line)));
        }
        if let Some((known, _)) = recorded.next() {
            return Err(mismatch(known, "it is gone".to_owned()));
        }
        for (index, line) in agreed {
            let node = &mut layer.nodes[index];
            if let Kind::File(Content::File { fingerprint, .. }) = &mut node.inode.kind {
                *fingerprint = line.fingerprint;
            }
        }
        Ok(())
    }

    /// What is recorded of the paths for which `wanted` holds, as lines of path, metadata and content:
    /// a key for what reads them. Times are told up to `epoch`, seconds since 1970: later ones are
    /// those of the build. Of another name of a file, the file is told.
    pub fn extract(&self, epoch: i64, wanted: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        for (path, line) in self.lines.iter().filter(|(path, _)| wanted(path)) {
            let line = match line.seen.strip_prefix("= ") {
                Some(first) => self.lines.get(first).unwrap_or(line),
                None => line,
            };
            let fields = line.seen.split(' ').enumerate().map(|(index, field)| match index {
                TIME => clamped(field, epoch),
                _ => field.to_owned(),
            });
            let seen = fields.collect::<Vec<_>>().join(" ");
            let fingerprint = line.fingerprint.map(|digest| to_hex(&digest)).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{path} {seen} {fingerprint}");
        }
        text
    }

    /// The targets of the symbolic links among the paths for which `wanted` holds.
    pub fn targets(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        let links = self
            .lines
            .iter()
            .filter(move |(path, line)| line.seen.starts_with("l ") && wanted(path));
        links.filter_map(|(_, line)| line.seen.split(' ').nth(TIME + 1))
    }

    /// The record as text, to be kept in a file.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for (path, line) in &self.lines {
            // Writing to a String cannot fail.
            let _ = write!(text, "{path} {}", line.seen);
            if let Some(fingerprint) = &line.fingerprint {
                let _ = write!(text, " #{}", to_hex(fingerprint));
            }
            text.push('\n');
        }
        text
    }

    /// Reads what [`Manifest::to_text`] wrote.
    ///
    /// # Errors
    /// The text is something else, or incomplete.
    pub fn parse(text: &str) -> Result<Manifest, Mismatch> {
        let wrong = |line: usize| Mismatch {
            path: String::new(),
            what: format!("line {line} of its manifest cannot be read"),
        };
        let body = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n'));
        // The last line counts only if it is whole.
        let body = body.ok_or_else(|| wrong(1))?;
        if !body.is_empty() && !body.ends_with('\n') {
            return Err(wrong(text.lines().count()));
        }
        let mut lines = BTreeMap::new();
        for (index, line) in body.lines().enumerate() {
            let (path, rest) = line.split_once(' ').ok_or_else(|| wrong(index + 2))?;
            lines.insert(path.to_owned(), Line::parse(rest).ok_or_else(|| wrong(index + 2))?);
        }
        Ok(Manifest { lines })
    }
}

impl Line {
    /// What stands behind the path.
    fn parse(text: &str) -> Option<Line> {
        let Some((seen, fingerprint)) = text.split_once(" #") else {
            return Some(Line { seen: text.to_owned(), fingerprint: None });
        };
        let fingerprint = Some(parse_hex(fingerprint).ok()?);
        Some(Line { seen: seen.to_owned(), fingerprint })
    }
}

/// The seconds of a time, which a build does not make later than `epoch`.
fn clamped(time: &str, epoch: i64) -> String {
    let seconds = time.split('.').next().and_then(|seconds| seconds.parse::<i64>().ok());
    seconds.map_or_else(|| time.to_owned(), |seconds| seconds.min(epoch).to_string())
}

fn take_fingerprint(content: &Content, buffer: &mut [u8]) -> io::Result<Digest> {
    let mut reader = content.open()?;
    let mut fingerprint = Fingerprint::new();
    let mut left = content.size();
    while left > 0 {
        match reader.read(buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                fingerprint.update(&buffer[..length]);
                left = left.saturating_sub(length as u64);
            }
        }
    }
    Ok(fingerprint.finish())
}

/// One name in a layer.
struct Listed {
    /// Escaped.
    path: String,
    /// What a scan can tell.
    seen: String,
    /// Index of the node; with the first of its names only.
    node: Option<usize>,
}

/// Every name in the layer, sorted by its escaped path.
fn listing(layer: &Layer) -> Vec<Listed> {
    let mut first: Vec<Option<&[u8]>> = vec![None; layer.nodes.len()];
    let mut listed = Vec::with_capacity(layer.names.len());
    for (path, node) in &layer.names {
        let (seen, node) = match *node {
            None => ("-".to_owned(), None),
            Some(index) => match first[index] {
                Some(first) => (format!("= {}", escape(first)), None),
                None => {
                    first[index] = Some(path);
                    let Node { inode, opaque } = &layer.nodes[index];
                    let opaque = if *opaque { " opaque" } else { "" };
                    (describe(inode) + opaque, Some(index))
                }
            },
        };
        listed.push(Listed { path: escape(path), seen, node });
    }
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    listed
}

fn describe(inode: &Inode) -> String {
    let device = |Device { major, minor }: &Device| format!("{major}:{minor}");
    let (letter, rest) = match &inode.kind {
        Kind::Directory => ('d', String::new()),
        Kind::File(content) => ('f', content.size().to_string()),
        Kind::Symlink(target) => ('l', escape(target)),
        Kind::CharDevice(number) => ('c', device(number)),
        Kind::BlockDevice(number) => ('b', device(number)),
        Kind::Fifo => ('p', String::new()),
        Kind::Socket => ('s', String::new()),
    };
    let meta = &inode.meta;
    let mut text = format!("{letter} {:o} {}:{}", meta.mode, meta.uid, meta.gid);
    let _ = write!(text, " {}.{}", meta.mtime.secs, meta.mtime.nanos);
    if !rest.is_empty() {
        let _ = write!(text, " {rest}");
    }
    for (name, value) in &meta.xattrs {
        let _ = write!(text, " {}={}", escape(name), hex(value));
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Without spaces, `%`, `#`, and bytes that are no printable ASCII.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'!'..=b'~' if byte != b'%' && byte != b'#' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "%{byte:02x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;
    use crate::{Damaged, Stack, scan_layer};

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join("etc")).unwrap();
        fs::write(root.join("etc/a #b %"), "some text").unwrap();
        fs::write(root.join("etc/empty"), "").unwrap();
        fs::hard_link(root.join("etc/a #b %"), root.join("also")).unwrap();
        symlink("target.with dots", root.join("link")).unwrap();
        dir
    }

    fn record(root: &Path) -> Manifest {
        Manifest::of(&scan_layer(root).unwrap()).unwrap()
    }

    fn check(root: &Path, manifest: &Manifest) -> Result<(), Mismatch> {
        manifest.check(&mut scan_layer(root).unwrap())
    }

    #[test]
    fn what_is_as_it_was_agrees_with_its_record() {
        let dir = folder();
        let manifest = record(dir.path());
        let text = manifest.to_text();
        assert_eq!(Manifest::parse(&text).unwrap(), manifest, "{text}");
        assert!(text.contains("\netc/a%20%23b%20%25 = also\n"), "{text}");
        check(dir.path(), &manifest).unwrap();
    }

    #[test]
    fn every_change_is_named() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 6] = [
            ("also", |root| fs::write(root.join("also"), "longer than before").unwrap()),
            ("etc/new", |root| fs::write(root.join("etc/new"), "").unwrap()),
            ("etc/empty", |root| fs::remove_file(root.join("etc/empty")).unwrap()),
            ("link", |root| {
                fs::remove_file(root.join("link")).unwrap();
                symlink("elsewhere", root.join("link")).unwrap();
            }),
            ("zzz", |root| fs::write(root.join("zzz"), "").unwrap()),
            ("etc", |root| {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(root.join("etc"), fs::Permissions::from_mode(0o700)).unwrap();
            }),
        ];
        for (path, change) in changes {
            let dir = folder();
            let folders = [dir.path().to_owned(), dir.path().join("etc")];
            let manifest = record(dir.path());
            let times = folders.clone().map(|path| fs::metadata(path).unwrap().modified().unwrap());
            change(dir.path());
            // Else the folder is named, whose time has changed.
            for (path, time) in folders.iter().zip(times) {
                fs::File::open(path).unwrap().set_modified(time).unwrap();
            }
            let mismatch = check(dir.path(), &manifest).unwrap_err();
            assert_eq!(mismatch.path, path, "{mismatch}");
        }
    }

    #[test]
    fn changed_content_of_the_same_size_and_time_is_found_by_whoever_reads_it() {
        let dir = folder();
        let path = dir.path().join("also");
        let manifest = record(dir.path());
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "SOME TEXT").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let mut layer = scan_layer(dir.path()).unwrap();
        manifest.check(&mut layer).unwrap();
        let mut stack = Stack::new();
        stack.push(&layer).unwrap();
        let tree = stack.into_tree();
        let error = tree.get("also").unwrap().content().unwrap().read().unwrap_err();
        assert_eq!(Damaged::path_in(&error), Some(path.as_path()));
    }

    #[test]
    fn an_extract_is_a_function_of_what_is_there() {
        let (one, two) = (folder(), folder());
        let extract = |dir: &tempfile::TempDir, wanted: fn(&str) -> bool| {
            record(dir.path()).extract(1_000_000_000, wanted)
        };
        assert_eq!(extract(&one, |_| true), extract(&two, |_| true));
        fs::write(two.path().join("also"), "other text").unwrap();
        assert_ne!(extract(&one, |_| true), extract(&two, |_| true));
        let other_name = |path: &str| path.starts_with("etc/a");
        assert_ne!(extract(&one, other_name), extract(&two, other_name), "another name of it");
        let without = |path: &str| path != "also" && !path.starts_with("etc/a");
        assert_eq!(extract(&one, without), extract(&two, without));
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(5);
        fs::File::open(one.path().join("etc/empty")).unwrap().set_modified(long_ago).unwrap();
        assert_ne!(extract(&one, without), extract(&two, without), "before the clock");
        assert_eq!(
            record(one.path()).targets(|_| true).collect::<Vec<_>>(),
            ["target.with%20dots"]
        );
    }

    #[test]
    fn broken_manifests_are_refused() {
        for text in [
            "",
            "osb manifest 2\n",
            "osb manifest 1\na",
            "osb manifest 1\na\n",
            "osb manifest 1\na f 644 #x\n",
            "osb manifest 1\na f 644 #copy",
        ] {
            assert!(Manifest::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Manifest::parse("osb manifest 1\n").unwrap().to_text(), "osb manifest 1\n");
    }
}
