//! Differences of small trees, and properties of those of random ones.

use super::*;
use crate::inode::{Content, Device, Time};
use crate::{Extent, Extents};
use proptest::prelude::*;
use std::sync::Arc;

fn file(text: &str) -> Inode {
    Inode::file(0o644, text.as_bytes().to_vec())
}

fn tree(entries: &[(&str, Inode)]) -> Tree {
    let mut tree = Tree::new();
    for (path, inode) in entries {
        tree.lay(path, inode.clone()).unwrap();
    }
    tree
}

fn compare(a: &[(&str, Inode)], b: &[(&str, Inode)]) -> Vec<Difference> {
    diff(&tree(a), &tree(b), &Scope::ALL).unwrap()
}

fn paths(found: &[Difference]) -> Vec<&str> {
    found.iter().map(|each| std::str::from_utf8(&each.path).unwrap()).collect()
}

/// What the one difference that is expected consists of.
fn aspects(a: Inode, b: Inode) -> Vec<Aspect> {
    match compare(&[("x", a)], &[("x", b)]).pop() {
        Some(Difference { change: Change::Changed(aspects), .. }) => aspects,
        None => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn directories_on_one_side_are_one_line() {
    let a = [
        ("d/keep", file("")),
        ("d/sub/x", file("")),
        ("d/sub/y/z", file("")),
        ("d/sub-", file("")),
    ];
    let b = [("d/keep", file("")), ("new/a/b/c", file(""))];
    let found = compare(&a, &b);
    assert_eq!(paths(&found), ["d/sub", "d/sub-", "new"]);
    assert_eq!((found[0].below, found[1].below, found[2].below), (3, 0, 3));
    assert_eq!((&found[0].change, &found[2].change), (&Change::Removed, &Change::Added));
}

#[test]
fn what_was_below_a_directory_that_became_a_file_is_counted_there() {
    let found = compare(&[("d/x", file("1"))], &[("d", file("1"))]);
    assert_eq!(paths(&found), ["d"]);
    assert_eq!(found[0].below, 1);
    let Change::Changed(aspects) = &found[0].change else { panic!("{found:?}") };
    assert_eq!(aspects[0], Aspect::Type { a: Type::Directory, b: Type::File });
}

#[test]
fn every_aspect_is_told() {
    let mut other = file("text");
    other.meta.mode = 0o600;
    other.meta.gid = 7;
    other.meta.mtime = Time { secs: 0, nanos: 1 };
    other.meta.xattrs.insert(b"user.x".to_vec(), b"1".to_vec());
    let found = aspects(file("text"), other.clone());
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(matches!(&found[3], Aspect::Xattr { a: None, b: Some(_), .. }));
    let coarse = Scope { owners: false, times: Resolution::Seconds, ..Scope::ALL };
    let (a, b) = (tree(&[("x", file("text"))]), tree(&[("x", other)]));
    assert_eq!(diff(&a, &b, &coarse).unwrap(), []);
    let device = |minor| Inode::new(0o600, Kind::CharDevice(Device { major: 1, minor }));
    assert!(matches!(aspects(device(1), device(2))[..], [Aspect::Device { .. }]));
    assert!(matches!(
        aspects(Inode::symlink("a"), Inode::symlink("b"))[..],
        [Aspect::Target { .. }]
    ));
}

#[test]
fn the_first_different_byte_and_line_are_found() {
    let found = aspects(file("one\ntwo\nthree\n"), file("one\ntwo\nfour\n"));
    let Aspect::Content(content) = &found[1] else { panic!("{found:?}") };
    assert_eq!((content.offset, content.line), (8, Some(3)));
    assert_eq!((&content.a[..], &content.b[..]), (&b"three\n"[..], &b"four\n"[..]));
    let found = aspects(file("a\0b"), file("a\0bc"));
    let Aspect::Content(content) = &found[1] else { panic!("{found:?}") };
    assert_eq!((content.offset, content.line, content.a.len()), (3, None, 0));
}

#[test]
fn contents_beyond_a_chunk_are_compared_wherever_they_lie() {
    let mut bytes = vec![7_u8; 600_000];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, &bytes).unwrap();
    bytes[550_000] = 8;
    let on_disk = Content::File { path, size: 600_000, fingerprint: None };
    let piece = Extent { at: 0, len: 600_000, offset: 0 };
    let pieces = Content::Extents(Extents::new(Arc::new(bytes.clone()), vec![piece], 600_000));
    for b in [Content::from(bytes), pieces] {
        assert_eq!(first_difference(&on_disk, &b).unwrap().unwrap().offset, 550_000);
    }
}

#[test]
fn holes_are_not_read() {
    let hole = |len, value: u8| {
        let pieces = vec![Extent { at: len - 1, len: 1, offset: 0 }];
        Content::Extents(Extents::new(Arc::new(vec![value]), pieces, len))
    };
    let (a, b) = (hole(1 << 60, 1), hole(1 << 60, 2));
    let found = first_difference(&a, &b).unwrap().unwrap();
    assert_eq!((found.offset, found.line), ((1 << 60) - 1, None));
    assert_eq!(first_difference(&a, &hole(1 << 60, 1)).unwrap(), None);
}

#[test]
fn hard_links_are_told_once() {
    let mut a = tree(&[("a", file("x")), ("b", file("x")), ("c", file("x"))]);
    let mut b = tree(&[("a", file("y"))]);
    let id = a.id("a").unwrap();
    a.link("b", id).unwrap();
    a.link("c", id).unwrap();
    let id = b.id("a").unwrap();
    b.link("b", id).unwrap();
    b.link("c", id).unwrap();
    let found = diff(&a, &b, &Scope::ALL).unwrap();
    assert_eq!(paths(&found), ["a"]);
    b.insert("c", file("y")).unwrap();
    let found = diff(&a, &b, &Scope::ALL).unwrap();
    assert_eq!(paths(&found), ["a", "c"]);
    let Change::Changed(aspects) = &found[0].change else { panic!("{found:?}") };
    assert!(
        matches!(&aspects[1], Aspect::Links { a, b } if a.count == 3 && b.first == [b"a", b"b"])
    );
}

#[test]
fn many_links_cost_what_they_are() {
    // Of two names each, against one with all of them.
    let (mut a, mut b) = (Tree::new(), Tree::new());
    let all = b.insert("0000", file("x")).unwrap();
    for number in (0..2000).step_by(2) {
        let [one, other] = [number, number + 1].map(|number| format!("{number:04}"));
        let id = a.insert(&one, file("x")).unwrap();
        a.link(&other, id).unwrap();
        b.link(&one, all).unwrap();
        b.link(&other, all).unwrap();
    }
    let found = diff(&a, &b, &Scope::ALL).unwrap();
    assert_eq!(found.len(), 1000);
    for each in &found {
        let Change::Changed(aspects) = &each.change else { panic!("{each:?}") };
        let [Aspect::Links { a, b }] = &aspects[..] else { panic!("{each:?}") };
        assert_eq!((a.count, b.count, b.first.len()), (2, 2000, Links::FIRST));
    }
}

#[test]
fn differences_have_a_limit() {
    let mut target = Inode::symlink("t".repeat(4000));
    target.meta.xattrs.insert(b"user.x".to_vec(), vec![1; 4000]);
    let (mut a, mut b) = (Tree::new(), Tree::new());
    let shared = b.insert("0", target).unwrap();
    for number in 0..20 {
        a.insert(format!("{number}"), Inode::symlink("other")).unwrap();
        b.link(format!("{number}"), shared).unwrap();
    }
    assert_eq!(within(&a, &b, &Scope::ALL, 1 << 20).unwrap().len(), 20);
    let little = within(&a, &b, &Scope::ALL, 100 << 10);
    assert!(matches!(little, Err(DiffError::TooMuch(_))), "{little:?}");
}

#[test]
fn sockets_can_be_left_out() {
    let socket = [("s", Inode::new(0o600, Kind::Socket))];
    assert_eq!(compare(&socket, &[]).len(), 1);
    let scope = Scope { sockets: false, ..Scope::ALL };
    assert_eq!(diff(&tree(&socket), &tree(&[]), &scope).unwrap(), []);
}

fn random() -> impl Strategy<Value = Tree> {
    proptest::collection::vec(("[ab](/[ab-]){0,3}", 0_u8..4), 0..12).prop_map(|entries| {
        let mut tree = Tree::new();
        for (path, kind) in entries {
            // What does not fit, because a file is where a directory would have to be, is left out.
            let _ = match kind {
                0 => tree.lay(&path, Inode::directory(0o755)),
                1 => tree.lay(&path, Inode::symlink("t")),
                _ => tree.lay(&path, Inode::file(0o644, vec![kind])),
            };
        }
        tree
    })
}

proptest! {
    #[test]
    fn a_tree_equals_itself_and_differences_are_symmetric(a in random(), b in random()) {
        prop_assert_eq!(diff(&a, &a.clone(), &Scope::ALL).unwrap(), vec![]);
        let (there, back) = (diff(&a, &b, &Scope::ALL).unwrap(), diff(&b, &a, &Scope::ALL).unwrap());
        prop_assert_eq!(paths(&there), paths(&back));
        // Every path that only one side has is told or counted.
        let one_sided = |x: &Tree, y: &Tree| x.iter().filter(|(path, ..)| y.get(path).is_none()).count();
        let told = there.iter().filter(|each| !matches!(each.change, Change::Changed(_))).count();
        let counted: usize = there.iter().map(|each| each.below).sum();
        prop_assert_eq!(told + counted, one_sided(&a, &b) + one_sided(&b, &a));
    }
}
