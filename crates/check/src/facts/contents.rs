//! What is in files: whether packages' files are what they were, and what looks like a secret.

use std::collections::{BTreeMap, HashSet};

use osb_tree::{Content, Inode, Tree};

use super::{Facts, mounted};
use crate::contents::{Mark, pieces, side_by_side};
use crate::dpkg::Dpkg;
use crate::memo::Scanned;
use crate::parse::secret::Patterns;
use crate::rule::Skip;
use crate::subject::Other;

/// Most bytes that are read of all files together: an image may say that it has any number of
/// zeroes.
const MOST: u64 = 16 << 30;
/// Bytes within which a secret is recognised.
const OVERLAP: usize = 4 << 10;
/// Why what is behind [`MOST`] is not read.
const TOO_MUCH: &str = "it was not looked at: there are too many bytes before it";

/// Packages' files, by index, that are not what the packages brought, and why; and those that could
/// not be looked at.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    pub(crate) wrong: BTreeMap<usize, String>,
    pub(crate) unseen: BTreeMap<usize, String>,
}

/// What looks like a secret, and which files could not be looked through; with paths on the node.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub(crate) found: Vec<Marked>,
    pub(crate) unseen: Vec<(Vec<u8>, String)>,
}

/// Something that looks like a secret.
#[derive(Debug)]
pub(crate) struct Marked {
    /// The file.
    pub(crate) path: Vec<u8>,
    /// The file in it, if it is an initramfs.
    pub(crate) inside: Option<String>,
    /// What, and where.
    pub(crate) mark: Mark,
}

impl Facts<'_> {
    /// The packages' files whose contents are not the packages'.
    pub(crate) fn changed(&self) -> Result<&Changed, Skip> {
        let (root, dpkg) = (self.root()?, self.dpkg()?);
        Ok(self.changed.get_or_init(|| self.compare(root, dpkg, &mut { MOST })))
    }

    /// Holds the files of packages against their sums. `left` are the bytes that may be read.
    fn compare(&self, root: &Tree, dpkg: &Dpkg, left: &mut u64) -> Changed {
        let mut changed = Changed::default();
        let mut wanted: Vec<(usize, &Content, [u8; 16])> = Vec::new();
        let files = dpkg.files.iter().enumerate().filter(|(_, file)| !file.conffile);
        for (index, file) in files {
            let (Some(sum), Some(inode)) = (file.md5, root.get(&file.path)) else { continue };
            let Some(content) = inode.content() else {
                changed.wrong.insert(index, "it is a file no more".to_owned());
                continue;
            };
            match left.checked_sub(content.size()) {
                Some(rest) => *left = rest,
                None => {
                    changed.unseen.insert(index, TOO_MUCH.to_owned());
                    continue;
                }
            }
            wanted.push((index, content, sum));
        }
        // In the order in which they lie: what is read ahead is wanted next.
        wanted.sort_by_key(|(_, content, _)| place(content));
        let results = side_by_side(&wanted, self.context.jobs, |(_, content, sum)| {
            match self.memo.md5(content) {
                Ok(seen) if seen == *sum => None,
                Ok(_) => Some("its content is another".to_owned()),
                Err(error) => Some(format!("it cannot be read: {error}")),
            }
        });
        let wrong = wanted.iter().zip(results);
        changed.wrong.extend(wrong.filter_map(|((index, ..), text)| Some((*index, text?))));
        changed
    }

    /// What looks like a secret: in all files of all partitions but those that packages brought and
    /// nobody changed. Those are public.
    pub(crate) fn marks(&self) -> Result<&Marks, Skip> {
        let others = &self.subject.others;
        if self.root().is_err() && self.boot().is_err() && others.is_empty() {
            return Skip::because("there are no files");
        }
        Ok(self.marks.get_or_init(|| {
            let mut wanted: Vec<(Vec<u8>, &Content)> = Vec::new();
            if let Ok(root) = self.root() {
                let public = match (self.dpkg(), self.changed()) {
                    (Ok(dpkg), Ok(changed)) => public(dpkg, changed),
                    _ => HashSet::new(),
                };
                let private = contents(root).filter(|(path, _)| !public.contains(*path));
                wanted.extend(private.map(|(path, content)| (path.to_vec(), content)));
            }
            if let Ok(boot) = self.boot() {
                wanted.extend(contents(boot).map(|(path, content)| (mounted(path), content)));
            }
            // One budget for all of them: partitions may lie over each other.
            let mut left = MOST;
            for other in others {
                // A second system has packages, too.
                let dpkg = Dpkg::read(&other.tree, &self.files);
                let changed = self.compare(&other.tree, &dpkg, &mut left);
                let public = public(&dpkg, &changed);
                let private = contents(&other.tree).filter(|(path, _)| !public.contains(*path));
                let place = self.mount_of(other);
                wanted
                    .extend(private.map(|(path, content)| ([&place[..], path].concat(), content)));
            }
            let mut marks = self.scan(wanted);
            marks.found.extend(self.in_initramfs());
            marks
        }))
    }

    /// What looks like a secret in the initramfs that are started, but in files of packages.
    fn in_initramfs(&self) -> Vec<Marked> {
        let (Ok(boot), Ok(starts)) = (self.boot(), self.starts()) else { return Vec::new() };
        let dpkg = self.dpkg().ok();
        let public: HashSet<[u8; 16]> =
            dpkg.iter().flat_map(|dpkg| &dpkg.files).filter_map(|file| file.md5).collect();
        let mut found: BTreeMap<(Vec<u8>, &str, usize), Marked> = BTreeMap::new();
        let initramfs: Vec<_> = starts.iter().flat_map(|start| &start.initramfs).collect();
        let read: Vec<_> = initramfs
            .into_iter()
            .filter_map(|named| Some((named, self.initramfs(named.content(boot)?))))
            .collect();
        for (named, initramfs) in &read {
            for inside in initramfs.marks.iter().filter(|inside| !public.contains(&inside.md5)) {
                let path = mounted(&named.name);
                let mark = Marked {
                    path: path.clone(),
                    inside: Some(inside.path.clone()),
                    mark: inside.mark.clone(),
                };
                found.insert((path, &inside.path, inside.mark.pattern), mark);
            }
        }
        found.into_values().collect()
    }

    /// Looks through contents, as far as there are not too many.
    fn scan(&self, mut wanted: Vec<(Vec<u8>, &Content)>) -> Marks {
        let patterns = self.patterns();
        let mut marks = Marks::default();
        let mut left = MOST;
        wanted.retain(|(path, content)| match left.checked_sub(content.size()) {
            Some(rest) => {
                left = rest;
                content.size() > 0
            }
            None => {
                marks.unseen.push((path.clone(), TOO_MUCH.to_owned()));
                false
            }
        });
        let results = side_by_side(&wanted, self.context.jobs, |(_, content)| {
            self.memo.marks.or_make(content, || looked_through(content, patterns).into())
        });
        for ((path, _), scanned) in wanted.into_iter().zip(results) {
            marks.found.extend(scanned.marks.iter().map(|mark| Marked {
                path: path.clone(),
                inside: None,
                mark: mark.clone(),
            }));
            if let Some(why) = &scanned.unread {
                marks.unseen.push((path, why.clone()));
            }
        }
        marks
    }

    /// What stands in front of the paths of another file system: where the root's fstab mounts it,
    /// else its number.
    fn mount_of(&self, other: &Other) -> Vec<u8> {
        let number = other.place.partition.unwrap_or_default();
        let fstab = self.root().ok().and_then(|root| self.files.text(root, "etc/fstab"));
        let table = self.subject.table.iter().flat_map(|table| &table.partitions);
        let partition = table.into_iter().find(|each| Some(each.number) == other.place.partition);
        let is_it = |device: &str| match device.split_once('=') {
            Some(("UUID", name)) => name.eq_ignore_ascii_case(&other.place.uuid),
            Some(("LABEL", name)) => name == other.place.label,
            Some(("PARTUUID", name)) => {
                partition.is_some_and(|each| name.eq_ignore_ascii_case(&each.id))
            }
            Some(("PARTLABEL", name)) => partition.is_some_and(|each| name == each.name),
            _ => false,
        };
        let fstab = fstab.unwrap_or_default();
        let fstab = fstab.lines().filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (device, path) = (fields.next()?, fields.next()?);
            is_it(device).then_some(path)
        });
        // osb's own: label, type, path.
        let own = self.root().ok();
        let own = own.and_then(|root| self.files.text(root, "etc/osb/data-partitions"));
        let own = own.unwrap_or_default();
        let own = own.lines().filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            (fields.next()? == other.place.label).then(|| fields.nth(1))?
        });
        let path = fstab.chain(own).next().map(|path| path.trim_matches('/'));
        match path {
            Some(path) if !path.is_empty() => format!("{path}/").into_bytes(),
            _ => format!("partition {number}:/").into_bytes(),
        }
    }
}

/// Paths of the files that packages brought and nobody changed.
fn public<'a>(dpkg: &'a Dpkg, changed: &Changed) -> HashSet<&'a [u8]> {
    let files = dpkg.files.iter().enumerate().filter(|(index, file)| {
        let kept = !changed.wrong.contains_key(index) && !changed.unseen.contains_key(index);
        file.md5.is_some() && !file.conffile && kept
    });
    files.map(|(_, file)| &file.path[..]).collect()
}

/// All files of a tree.
fn contents(tree: &Tree) -> impl Iterator<Item = (&[u8], &Content)> {
    tree.iter().filter_map(|(path, _, inode)| Some((path, Inode::content(inode)?)))
}

/// Where a content begins in its image.
fn place(content: &Content) -> Option<u64> {
    match content {
        Content::Extents(extents) => extents.pieces().first().map(|piece| piece.offset),
        Content::Bytes(_) | Content::File { .. } => None,
    }
}

/// The first thing of each kind in a content.
fn looked_through(content: &Content, patterns: &Patterns) -> Scanned {
    let mut marks: Vec<Mark> = Vec::new();
    let read = content.open().and_then(|mut reader| {
        pieces(&mut *reader, OVERLAP, &mut |piece, at| {
            for (pattern, into) in patterns.find(piece) {
                if !marks.iter().any(|mark| mark.pattern == pattern) {
                    marks.push(Mark { pattern, at: at + into as u64 });
                }
            }
        })
    });
    let unread = match read {
        Ok(length) if length == content.size() => None,
        Ok(length) => Some(format!("it ends after {length} of {} bytes", content.size())),
        Err(error) => Some(format!("it cannot be read: {error}")),
    };
    Scanned { marks, unread }
}
