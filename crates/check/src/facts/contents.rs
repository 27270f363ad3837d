//! What is in files: whether packages' files are what they were, and what looks like a secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use osb_tree::{Content, Inode};

use super::{Facts, mounted};
use crate::contents::{Mark, pieces, side_by_side};
use crate::parse::secret::Patterns;
use crate::rule::Skip;

/// Most bytes that are read of all files together: an image may say that it has any number of
/// zeroes.
const MOST: u64 = 16 << 30;
/// Bytes within which a secret is recognised.
const OVERLAP: usize = 4 << 10;

impl Facts<'_> {
    /// The packages' files, by index, whose contents are not the packages', and why.
    pub(crate) fn changed(&self) -> Result<&BTreeMap<usize, String>, Skip> {
        let (root, dpkg) = (self.root()?, self.dpkg()?);
        Ok(self.changed.get_or_init(|| {
            let mut found = BTreeMap::new();
            let mut left = MOST;
            let mut wanted: Vec<(usize, &Content, [u8; 16])> = Vec::new();
            let files = dpkg.files.iter().enumerate().filter(|(_, file)| !file.conffile);
            for (index, file) in files {
                let (Some(sum), Some(inode)) = (file.md5, root.get(&file.path)) else { continue };
                let Some(content) = inode.content() else {
                    found.insert(index, "it is a file no more".to_owned());
                    continue;
                };
                match left.checked_sub(content.size()) {
                    Some(rest) => left = rest,
                    None => {
                        let text = "it was not looked at: there are too many bytes before it";
                        found.insert(index, text.to_owned());
                        continue;
                    }
                }
                wanted.push((index, content, sum));
            }
            // In the order in which they lie: what is read ahead is wanted next.
            wanted.sort_by_key(|(_, content, _)| place(content));
            let results = side_by_side(&wanted, self.context.jobs, |(_, content, sum)| match self
                .memo
                .md5(content)
            {
                Ok(seen) if seen == *sum => None,
                Ok(_) => Some("its content is another".to_owned()),
                Err(error) => Some(format!("it cannot be read: {error}")),
            });
            let wrong = wanted.iter().zip(results);
            found.extend(wrong.filter_map(|((index, ..), text)| Some((*index, text?))));
            found
        }))
    }

    /// What looks like a secret, with paths on the node: in all files but those that packages
    /// brought and nobody changed. Those are public.
    pub(crate) fn marks(&self) -> Result<&[(Vec<u8>, Mark)], Skip> {
        if self.root().is_err() && self.boot().is_err() {
            return Skip::because("there are no files");
        }
        Ok(self.marks.get_or_init(|| {
            let patterns = Patterns::new(&self.context.build_paths);
            let mut left = MOST;
            let mut wanted: Vec<(Vec<u8>, &Content)> = Vec::new();
            let changed = self.changed().ok();
            let is_public = |path: &[u8]| {
                let (Some(changed), Ok(dpkg)) = (changed, self.dpkg()) else { return false };
                let index = dpkg.index(path);
                index.is_some_and(|index| {
                    let file = &dpkg.files[index];
                    file.md5.is_some() && !file.conffile && !changed.contains_key(&index)
                })
            };
            let files = |tree: &'_ osb_tree::Tree| -> Vec<Vec<u8>> {
                let files = tree.iter().filter(|(_, _, inode)| inode.content().is_some());
                files.map(|(path, ..)| path.to_vec()).collect()
            };
            if let Ok(root) = self.root() {
                let paths = files(root).into_iter().filter(|path| !is_public(path));
                wanted.extend(paths.filter_map(|path| {
                    let content = root.get(&path).and_then(Inode::content)?;
                    Some((path, content))
                }));
            }
            if let Ok(boot) = self.boot() {
                let paths = files(boot).into_iter();
                wanted.extend(paths.filter_map(|path| {
                    let content = boot.get(&path).and_then(Inode::content)?;
                    Some((mounted(path), content))
                }));
            }
            wanted.retain(|(_, content)| match left.checked_sub(content.size()) {
                Some(rest) => {
                    left = rest;
                    content.size() > 0
                }
                None => false,
            });
            let results = side_by_side(&wanted, self.context.jobs, |(_, content)| {
                self.memo.marks.or_make(content, || scan(content, &patterns))
            });
            let all = wanted.into_iter().zip(results);
            all.flat_map(|((path, _), marks)| {
                marks.iter().map(|mark| (path.clone(), mark.clone())).collect::<Vec<_>>()
            })
            .collect()
        }))
    }
}

/// Where a content begins in its image.
fn place(content: &Content) -> Option<u64> {
    match content {
        Content::Extents(extents) => extents.pieces().first().map(|piece| piece.offset),
        Content::Bytes(_) | Content::File { .. } => None,
    }
}

/// The first thing of each kind in a content. What cannot be read has none: another rule tells.
fn scan(content: &Content, patterns: &Patterns) -> Arc<[Mark]> {
    let mut found: Vec<Mark> = Vec::new();
    let read = content.open().and_then(|mut reader| {
        pieces(&mut *reader, OVERLAP, &mut |piece, at| {
            for (pattern, into) in patterns.find(piece) {
                if !found.iter().any(|mark| mark.pattern == pattern) {
                    found.push(Mark { pattern, at: at + into as u64 });
                }
            }
        })
    });
    drop(read);
    found.into()
}
