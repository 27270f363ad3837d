//! What is known of one entry of a root, and how two of them differ.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::Result;
use sha2::{Digest, Sha256};

/// A root: every path with what lies there.
pub(crate) type Root = BTreeMap<String, Facts>;

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    /// The owner's and the group's name, as far as the root has names for them.
    pub(crate) names_of_owner: (String, String),
    pub(crate) size: u64,
    pub(crate) time: Time,
    /// Where a symbolic link leads.
    pub(crate) target: Option<String>,
    /// All names of the file, sorted, if it has several.
    pub(crate) names: Vec<String>,
    /// Extended attributes; among them are capabilities and access control lists.
    pub(crate) xattrs: BTreeMap<String, Vec<u8>>,
    /// Major and minor number of a device.
    pub(crate) device: Option<(u32, u32)>,
    /// SHA-256 of a file's bytes.
    pub(crate) sha256: Option<[u8; 32]>,
    /// Digest of a short file's lines in sorted order; see [`super::lines`].
    pub(crate) lines: Option<[u8; 32]>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
}

/// When an entry was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// Before the image's clock: a package brought the time along.
    Own(i64),
    /// During the build; both sides set it to the image's clock.
    Clock,
}

impl Time {
    /// `seconds` as seen by an image whose clock is `epoch`.
    pub(crate) fn class(seconds: i64, epoch: i64) -> Time {
        if seconds < epoch { Time::Own(seconds) } else { Time::Clock }
    }
}

/// In what way two roots can differ at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Aspect {
    /// osb has it, mmdebstrap does not.
    OnlyOsb,
    /// mmdebstrap has it, osb does not.
    OnlyPeer,
    Type,
    Mode,
    Owner,
    /// Another number for the same name.
    OwnerId,
    Size,
    /// The time of anything but a directory.
    Mtime,
    /// The time of a directory is that of its last change, so it tells of the order of work.
    DirectoryMtime,
    Target,
    HardLinks,
    Xattrs,
    Device,
    Content,
    /// The same lines in another order; in the user database, with other numbers for names.
    Lines,
}

impl std::fmt::Display for Aspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Aspect::OnlyOsb => "only-osb",
            Aspect::OnlyPeer => "only-peer",
            Aspect::Type => "type",
            Aspect::Mode => "mode",
            Aspect::Owner => "owner",
            Aspect::OwnerId => "owner-id",
            Aspect::Size => "size",
            Aspect::Mtime => "mtime",
            Aspect::DirectoryMtime => "directory-mtime",
            Aspect::Target => "target",
            Aspect::HardLinks => "hard-links",
            Aspect::Xattrs => "xattrs",
            Aspect::Device => "device",
            Aspect::Content => "content",
            Aspect::Lines => "lines",
        })
    }
}

/// One difference, with both values in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: String,
    pub(crate) aspect: Aspect,
    pub(crate) osb: String,
    pub(crate) peer: String,
}

/// Every difference between two roots, by path.
pub(crate) fn differences(osb: &Root, peer: &Root) -> Vec<Difference> {
    let paths: std::collections::BTreeSet<&String> = osb.keys().chain(peer.keys()).collect();
    let mut found = Vec::new();
    for path in paths {
        let mut add = |aspect, osb: String, peer: String| {
            found.push(Difference { path: path.clone(), aspect, osb, peer });
        };
        match (osb.get(path), peer.get(path)) {
            (Some(ours), Some(theirs)) => differ(ours, theirs, &mut add),
            (Some(ours), None) => add(Aspect::OnlyOsb, ours.summary(), "-".to_owned()),
            (None, Some(theirs)) => add(Aspect::OnlyPeer, "-".to_owned(), theirs.summary()),
            (None, None) => {}
        }
    }
    found
}

fn differ(osb: &Facts, peer: &Facts, add: &mut impl FnMut(Aspect, String, String)) {
    if osb.kind != peer.kind {
        // All else follows from it.
        return add(Aspect::Type, osb.summary(), peer.summary());
    }
    let mut field = |aspect, equal: bool, show: &dyn Fn(&Facts) -> String| {
        if !equal {
            add(aspect, show(osb), show(peer));
        }
    };
    field(Aspect::Mode, osb.mode == peer.mode, &|facts| format!("{:04o}", facts.mode));
    let named = !osb.names_of_owner.0.is_empty();
    let owner = match named && osb.names_of_owner == peer.names_of_owner {
        true => Aspect::OwnerId,
        false => Aspect::Owner,
    };
    field(owner, osb.owner == peer.owner, &|facts| {
        format!("{:?} {:?}", facts.owner, facts.names_of_owner)
    });
    field(Aspect::Size, osb.size == peer.size, &|facts| facts.size.to_string());
    let mtime = match osb.kind {
        Kind::Directory => Aspect::DirectoryMtime,
        _ => Aspect::Mtime,
    };
    field(mtime, osb.time == peer.time, &|facts| format!("{:?}", facts.time));
    field(Aspect::Target, osb.target == peer.target, &|facts| format!("{:?}", facts.target));
    field(Aspect::HardLinks, osb.names == peer.names, &|facts| format!("{:?}", facts.names));
    field(Aspect::Xattrs, osb.xattrs == peer.xattrs, &|facts| facts.attributes());
    field(Aspect::Device, osb.device == peer.device, &|facts| format!("{:?}", facts.device));
    let content = match osb.lines.is_some() && osb.lines == peer.lines {
        true => Aspect::Lines,
        false => Aspect::Content,
    };
    field(content, osb.sha256 == peer.sha256, &|facts| {
        facts.sha256.map(hex::encode).unwrap_or_default()
    });
}

impl Facts {
    /// An entry with the given type and nothing special about it.
    pub(crate) fn new(kind: Kind) -> Self {
        Facts {
            kind,
            mode: 0,
            owner: (0, 0),
            names_of_owner: (String::new(), String::new()),
            size: 0,
            time: Time::Clock,
            target: None,
            names: Vec::new(),
            xattrs: BTreeMap::new(),
            device: None,
            sha256: None,
            lines: None,
        }
    }

    fn summary(&self) -> String {
        let target = self.target.as_ref().map(|to| format!(" -> {to}")).unwrap_or_default();
        format!("{:?} {:04o} {:?} {} bytes{target}", self.kind, self.mode, self.owner, self.size)
    }

    fn attributes(&self) -> String {
        let pairs =
            self.xattrs.iter().map(|(name, value)| format!("{name}={}", hex::encode(value)));
        pairs.collect::<Vec<_>>().join(" ")
    }
}

/// Reads all bytes; their number and digest.
pub(crate) fn digest(reader: &mut impl Read) -> Result<(u64, [u8; 32])> {
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok((size, hash.finalize().into())),
            length => {
                hash.update(&buffer[..length]);
                size += length as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(entries: &[(&str, Facts)]) -> Root {
        entries.iter().map(|(path, facts)| ((*path).to_owned(), facts.clone())).collect()
    }

    fn aspects(osb: &Facts, peer: &Facts) -> Vec<Aspect> {
        let found = differences(&root(&[("a", osb.clone())]), &root(&[("a", peer.clone())]));
        found.into_iter().map(|difference| difference.aspect).collect()
    }

    #[test]
    fn every_aspect_is_seen() {
        let file = Facts::new(Kind::File);
        assert_eq!(aspects(&file, &file), []);
        type Change = (Aspect, fn(&mut Facts));
        let changes: [Change; 9] = [
            (Aspect::Mode, |facts| facts.mode = 0o4755),
            (Aspect::Owner, |facts| facts.owner = (0, 5)),
            (Aspect::Size, |facts| facts.size = 1),
            (Aspect::Mtime, |facts| facts.time = Time::Own(1)),
            (Aspect::Target, |facts| facts.target = Some("b".to_owned())),
            (Aspect::HardLinks, |facts| facts.names = vec!["a".to_owned(), "b".to_owned()]),
            (Aspect::Xattrs, |facts| drop(facts.xattrs.insert("user.a".to_owned(), vec![1]))),
            (Aspect::Device, |facts| facts.device = Some((1, 3))),
            (Aspect::Content, |facts| facts.sha256 = Some([1; 32])),
        ];
        for (aspect, change) in changes {
            let mut other = file.clone();
            change(&mut other);
            assert_eq!(aspects(&file, &other), [aspect]);
        }
        assert_eq!(aspects(&file, &Facts::new(Kind::Fifo)), [Aspect::Type]);
    }

    #[test]
    fn numbers_and_orders_are_told_from_the_rest() {
        let mut one = Facts::new(Kind::File);
        (one.owner, one.sha256, one.lines) = ((0, 991), Some([1; 32]), Some([3; 32]));
        one.names_of_owner = ("root".to_owned(), "messagebus".to_owned());
        let mut other = one.clone();
        (other.owner, other.sha256) = ((0, 996), Some([2; 32]));
        assert_eq!(aspects(&one, &other), [Aspect::OwnerId, Aspect::Lines]);
        other.names_of_owner.1 = "input".to_owned();
        other.lines = Some([4; 32]);
        assert_eq!(aspects(&one, &other), [Aspect::Owner, Aspect::Content]);
        (one.lines, other.lines) = (None, None);
        assert_eq!(aspects(&one, &other), [Aspect::Owner, Aspect::Content]);
    }

    #[test]
    fn what_only_one_side_has_is_a_difference() {
        let file = Facts::new(Kind::File);
        let found = differences(&root(&[("a", file.clone())]), &root(&[("b", file)]));
        let found: Vec<_> = found.iter().map(|d| (d.path.as_str(), d.aspect)).collect();
        assert_eq!(found, [("a", Aspect::OnlyOsb), ("b", Aspect::OnlyPeer)]);
    }

    #[test]
    fn times_of_packages_are_compared_and_those_of_the_build_are_not() {
        assert_eq!(Time::class(5, 10), Time::Own(5));
        assert_eq!(Time::class(10, 10), Time::class(99, 10));
    }
}
