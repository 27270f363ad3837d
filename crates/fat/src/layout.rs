//! From a tree to numbers: what is stored, under which short name, in which clusters.

use std::collections::BTreeMap;

use osb_tree::{Content, Inode, Kind, Tree};

use crate::directory::{ENTRY, Facts, MOST_ENTRIES, entries_for};
use crate::geometry::{FIRST_CLUSTER, Geometry};
use crate::short::{self, ShortName};
use crate::time::DosTime;
use crate::{FatError, Options, name};

/// A volume laid out to the last byte, ready to be written.
///
/// Made from a tree of directories and regular files; owners, modes and attributes are not stored,
/// for FAT has none, and every name of a hard-linked file becomes a file of its own.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) options: Options,
    pub(crate) geometry: Geometry,
    /// In the order of their clusters; the root is first.
    pub(crate) nodes: Vec<Node>,
    /// Clusters taken, without a gap from the first one on.
    pub(crate) used: u32,
}

/// One directory or file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Path in the tree, for messages; the name is its last part.
    pub(crate) path: String,
    pub(crate) parent: usize,
    pub(crate) short: ShortName,
    /// Whether a long name stands before the short one.
    pub(crate) long: bool,
    pub(crate) facts: Facts,
    /// Clusters taken, from `facts.cluster` on.
    pub(crate) clusters: u32,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// The nodes in it, in order of their names.
    Directory(Vec<usize>),
    File(Content),
}

impl Node {
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

impl Plan {
    /// Lays out `tree` on a volume.
    ///
    /// # Errors
    /// If the options or a name break a rule of FAT, two names of a directory differ by case only,
    /// the tree holds something else than directories and regular files, or it does not fit with
    /// a hundredth of the clusters (and at least 16) left free.
    pub fn new(tree: &Tree, options: &Options) -> Result<Plan, FatError> {
        check_label(&options.label)?;
        let geometry = Geometry::new(options.size, options.sector_size)?;
        let mut nodes = collect(tree, DosTime::from_unix(options.timestamp))?;
        assign_short_names(&mut nodes)?;
        let sizes = sizes(&nodes, !options.label.is_empty())?;
        let used = fit(&geometry, &sizes, options.size)?;

        let mut next = FIRST_CLUSTER;
        for (node, size) in nodes.iter_mut().zip(sizes) {
            // All of them together fit the volume, so each does.
            node.clusters = u32::try_from(geometry.clusters_for(size)).unwrap_or(u32::MAX);
            node.facts.cluster = if node.clusters == 0 { 0 } else { next };
            next += node.clusters;
        }
        Ok(Plan { options: options.clone(), geometry, nodes, used })
    }

    /// Bytes of the clusters that directories and files take.
    pub fn used_bytes(&self) -> u64 {
        u64::from(self.used) * self.geometry.cluster_size()
    }

    /// Clusters left free.
    pub fn free_clusters(&self) -> u32 {
        self.geometry.clusters - self.used
    }

    /// Bytes in a cluster, chosen by the length of the volume.
    pub fn cluster_size(&self) -> u64 {
        self.geometry.cluster_size()
    }
}

/// The nodes of a tree in its order, so a directory comes before what is in it.
fn collect(tree: &Tree, created: DosTime) -> Result<Vec<Node>, FatError> {
    let mut nodes: Vec<Node> = Vec::with_capacity(tree.len());
    let mut directories: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (path, _, inode) in tree.iter() {
        let index = nodes.len();
        let (above, own) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b""[..], path),
        };
        let shown = || String::from_utf8_lossy(path).into_owned();
        let (body, size) = body(inode).map_err(|error| match error {
            Refused::Kind(kind) => FatError::Unsupported { path: shown(), kind },
            Refused::Size(size) => FatError::FileTooLarge { path: shown(), size },
        })?;
        if inode.is_directory() {
            directories.insert(path, index);
        }
        // A tree has the parent of every path, and names it before; only the root has none.
        let parent = directories.get(above).copied().unwrap_or(0);
        if !path.is_empty() {
            name::check(own).map_err(|reason| FatError::Name { path: shown(), reason })?;
            if let Some(Body::Directory(children)) = nodes.get_mut(parent).map(|n| &mut n.body) {
                children.push(index);
            }
        }
        nodes.push(Node {
            path: shown(),
            parent,
            short: [b' '; 11],
            long: false,
            facts: Facts {
                directory: inode.is_directory(),
                cluster: 0,
                size,
                created,
                modified: DosTime::from_unix(inode.meta.mtime.secs),
            },
            clusters: 0,
            body,
        });
    }
    Ok(nodes)
}

enum Refused {
    Kind(&'static str),
    Size(u64),
}

fn body(inode: &Inode) -> Result<(Body, u32), Refused> {
    let kind = match &inode.kind {
        Kind::Directory => return Ok((Body::Directory(Vec::new()), 0)),
        Kind::File(content) => {
            let size = content.size();
            return match u32::try_from(size) {
                Ok(size) => Ok((Body::File(content.clone()), size)),
                Err(_) => Err(Refused::Size(size)),
            };
        }
        Kind::Symlink(_) => "symbolic link",
        Kind::CharDevice(_) => "character device",
        Kind::BlockDevice(_) => "block device",
        Kind::Fifo => "named pipe",
        Kind::Socket => "socket",
    };
    Err(Refused::Kind(kind))
}

/// Gives every node its short name, and refuses names that differ by case only.
fn assign_short_names(nodes: &mut [Node]) -> Result<(), FatError> {
    for index in 0..nodes.len() {
        let Body::Directory(children) = &nodes[index].body else { continue };
        let children = children.clone();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for child in &children {
            if let Some(other) = seen.insert(name::key(nodes[*child].name()), *child) {
                return Err(FatError::SameName {
                    first: nodes[other].path.clone(),
                    second: nodes[*child].path.clone(),
                });
            }
        }
        let names: Vec<&str> = children.iter().map(|child| nodes[*child].name()).collect();
        for (child, (short, long)) in children.iter().zip(short::assign(&names)) {
            nodes[*child].short = short;
            nodes[*child].long = long;
        }
    }
    Ok(())
}

/// Bytes that each node takes in clusters.
fn sizes(nodes: &[Node], label: bool) -> Result<Vec<u64>, FatError> {
    let size = |(index, node): (usize, &Node)| match &node.body {
        Body::File(_) => Ok(u64::from(node.facts.size)),
        Body::Directory(children) => {
            // The root has no dot entries, but the label; an empty directory takes a cluster too.
            let own = if index == 0 { usize::from(label) } else { 2 };
            let names = children.iter().map(|child| &nodes[*child]);
            let entries: usize =
                own + names.map(|child| entries_for(child.name(), child.long)).sum::<usize>();
            if entries > MOST_ENTRIES {
                return Err(FatError::DirectoryTooLarge {
                    path: format!("/{}", node.path),
                    entries,
                });
            }
            Ok((entries.max(1) * ENTRY) as u64)
        }
    };
    nodes.iter().enumerate().map(size).collect()
}

/// Number of clusters taken, if enough stay free.
fn fit(geometry: &Geometry, sizes: &[u64], size: u64) -> Result<u32, FatError> {
    let taken = |geometry: &Geometry| sizes.iter().map(|size| geometry.clusters_for(*size)).sum();
    let used: u64 = taken(geometry);
    let needed = used + geometry.spare();
    match u32::try_from(used) {
        Ok(used) if needed <= u64::from(geometry.clusters) => Ok(used),
        _ => Err(FatError::Full {
            needed: needed * geometry.cluster_size(),
            available: u64::from(geometry.clusters) * geometry.cluster_size(),
            size,
            suggested: enough(size.max(sizes.iter().sum()), geometry.sector as u32, taken)?,
        }),
    }
}

/// The least volume of whole MiB, of at least `size` bytes, that holds what takes `taken` clusters.
///
/// Step by step, because more is not always more: past 260 MiB the clusters grow, the tables
/// shrink, and small files take more. With the files' own bytes to start from, what is left to
/// find is about a hundredth.
fn enough(size: u64, sector_size: u32, taken: impl Fn(&Geometry) -> u64) -> Result<u64, FatError> {
    const MIB: u64 = 1 << 20;
    let mut size = size.next_multiple_of(MIB);
    loop {
        let geometry = Geometry::new(size, sector_size)?;
        if taken(&geometry) + geometry.spare() <= u64::from(geometry.clusters) {
            return Ok(size);
        }
        size += MIB;
    }
}

fn check_label(label: &str) -> Result<(), FatError> {
    let refuse = |reason| Err(FatError::Label { label: label.to_owned(), reason });
    if label.len() > 11 {
        return refuse("at most 11 characters");
    }
    let legal = |char: char| (' '..='~').contains(&char) && !"\"*+,./:;<=>?[\\]|".contains(char);
    if !label.chars().all(legal) {
        return refuse("only printable ASCII without \" * + , . / : ; < = > ? [ \\ ] |");
    }
    if label.starts_with(' ') || label.ends_with(' ') {
        return refuse("it cannot start or end with a space");
    }
    Ok(())
}
