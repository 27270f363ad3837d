//! Any tree comes back as it was: generated ones, each under e2fsck and the reader.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::Written;
use osb_tree::{Content, Device, Extent, Extents, Inode, InodeId, Kind, Meta, Time, Tree};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One entry, and where it goes.
#[derive(Debug, Clone)]
struct Entry {
    /// Which of the directories so far; most of the time the last one, so that paths get deep.
    parent: Option<Index>,
    name: Vec<u8>,
    what: What,
    meta: Meta,
}

#[derive(Debug, Clone)]
enum What {
    Inode(Kind),
    /// Another name of one of the files so far.
    Link(Index),
}

/// What a tree is made of.
fn entry() -> impl Strategy<Value = Entry> {
    (prop::option::of(any::<Index>()), name(), what(), meta())
        .prop_map(|(parent, name, what, meta)| Entry { parent, name, what, meta })
}

/// Bytes of any kind, often as many as there can be.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("separates", |byte| !matches!(byte, 0 | b'/'));
    let bytes = prop_oneof![vec(byte.clone(), 1..20), vec(byte, 255)];
    bytes.prop_filter("means something else", |name| !matches!(&name[..], b"." | b".."))
}

fn what() -> impl Strategy<Value = What> {
    let device = (0..4096_u32, 0..1_u32 << 20).prop_map(|(major, minor)| Device { major, minor });
    let target = prop_oneof![vec(1..=u8::MAX, 1..80), vec(1..=u8::MAX, 4095)];
    prop_oneof![
        6 => Just(What::Inode(Kind::Directory)),
        6 => vec(any::<u8>(), 0..9000).prop_map(|bytes| What::Inode(Kind::File(bytes.into()))),
        2 => sparse().prop_map(|content| What::Inode(Kind::File(content))),
        3 => target.prop_map(|target| What::Inode(Kind::Symlink(target))),
        2 => any::<Index>().prop_map(What::Link),
        1 => device.clone().prop_map(|device| What::Inode(Kind::CharDevice(device))),
        1 => device.prop_map(|device| What::Inode(Kind::BlockDevice(device))),
        1 => Just(What::Inode(Kind::Fifo)),
        1 => Just(What::Inode(Kind::Socket)),
    ]
}

/// Up to a terabyte with a few pieces.
fn sparse() -> impl Strategy<Value = Content> {
    let piece = (0..1_u64 << 40, 1..20_000_u64);
    (vec(piece, 0..12), any::<u8>(), 0..1_u64 << 40).prop_map(|(mut pieces, byte, size)| {
        pieces.sort_unstable();
        let pieces: Vec<_> =
            pieces.into_iter().map(|(at, len)| Extent { at, len, offset: 0 }).collect();
        Content::Extents(Extents::new(Arc::new(vec![byte; 20_000]), pieces, size))
    })
}

fn meta() -> impl Strategy<Value = Meta> {
    let times = prop_oneof![
        -(1_i64 << 31)..(3 << 32) - (1 << 31),
        select(vec![
            -(1_i64 << 31),
            -1,
            0,
            i64::from(i32::MAX),
            1 << 31,
            (3 << 32) - (1 << 31) - 1
        ]),
    ];
    let id = || prop_oneof![Just(0_u32), 0..70_000_u32, any::<u32>()];
    (0..=0o7777_u32, id(), id(), times, 0..1_000_000_000_u32, xattrs()).prop_map(
        |(mode, uid, gid, secs, nanos, xattrs)| Meta {
            mode,
            uid,
            gid,
            mtime: Time { secs, nanos },
            xattrs,
        },
    )
}

fn xattrs() -> impl Strategy<Value = std::collections::BTreeMap<Vec<u8>, Vec<u8>>> {
    let named = |prefix: &'static str| {
        let suffix = prop_oneof![vec(1..=u8::MAX, 1..12), vec(1..=u8::MAX, 255)];
        (suffix, vec(any::<u8>(), 0..300))
            .prop_map(move |(suffix, value)| ([prefix.as_bytes(), &suffix].concat(), value))
    };
    let capability =
        vec(any::<u8>(), 20).prop_map(|value| (b"security.capability".to_vec(), value));
    let acl = (any::<bool>(), vec((any::<u32>(), 0..8_u16), 0..6)).prop_map(|(default, users)| {
        let name: &[u8] =
            if default { b"system.posix_acl_default" } else { b"system.posix_acl_access" };
        (name.to_vec(), acl(&users))
    });
    let one = prop_oneof![named("user."), named("trusted."), named("security."), capability, acl];
    prop_oneof![
        4 => Just(std::collections::BTreeMap::new()),
        1 => vec(one, 1..5).prop_map(|list| list.into_iter().collect()),
        1 => btree_map(Just(b"user.large".to_vec()), vec(any::<u8>(), 4000), 1),
    ]
}

/// An ACL in the system calls' form, with these users.
fn acl(users: &[(u32, u16)]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0];
    let mut add = |tag: u16, permissions: u16, id: u32| {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    };
    add(0x01, 7, u32::MAX);
    for (id, permissions) in users {
        add(0x02, *permissions, *id);
    }
    add(0x04, 5, u32::MAX);
    add(0x10, 7, u32::MAX);
    add(0x20, 0, u32::MAX);
    bytes
}

fn tree(root: Meta, entries: Vec<Entry>) -> Tree {
    let mut tree = Tree::new();
    tree.insert("", Inode { meta: root, kind: Kind::Directory }).unwrap();
    let mut directories = vec![Vec::new()];
    let mut files: Vec<InodeId> = Vec::new();
    for Entry { parent, name, what, meta } in entries {
        let parent = match parent {
            Some(index) => index.get(&directories),
            None => directories.last().unwrap(),
        };
        let mut path = parent.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(name);
        if tree.get(&path).is_some() {
            continue;
        }
        match what {
            What::Inode(kind) => {
                let is_directory = matches!(kind, Kind::Directory);
                let id = tree.insert(&path, Inode { meta, kind }).unwrap();
                if is_directory { directories.push(path) } else { files.push(id) }
            }
            What::Link(index) if !files.is_empty() => {
                tree.link(&path, *index.get(&files)).unwrap();
            }
            What::Link(_) => {}
        }
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Default::default()
    })]
    #[test]
    fn any_tree_comes_back(root in meta(), entries in vec(entry(), 0..120)) {
        let tree = tree(root, entries);
        Written::smallest(&tree).prove(&tree);
    }
}
