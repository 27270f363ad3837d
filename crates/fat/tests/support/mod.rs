//! What the tests of this crate share: making trees and images, and reading a volume back.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

pub(crate) mod referee;
pub(crate) mod trees;

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, Write};

use osb_fat::{Options, Plan};
use osb_sink::WriteSink;
use osb_tree::{Inode, Time, Tree};

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn options(size: u64) -> Options {
    Options {
        size,
        sector_size: 512,
        label: "OSBBOOT".into(),
        volume_id: 0xCAFE_F00D,
        timestamp: 1_735_689_599,
        hidden_sectors: 2048,
    }
}

/// The same with sectors of 4096 bytes.
pub(crate) fn long_sectors(size: u64) -> Options {
    Options { sector_size: 4096, hidden_sectors: 256, ..options(size) }
}

/// Options for a volume with either sector size that is small and one that is not.
pub(crate) fn all_options() -> [Options; 4] {
    [options(33 * MIB), options(300 * MIB), long_sectors(257 * MIB), long_sectors(600 * MIB)]
}

/// Bytes that differ from file to file and from cluster to cluster.
pub(crate) fn content(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (seed.wrapping_mul(31) + at + at / 251) as u8).collect()
}

/// Puts a file into the tree, with all directories above it. Leaves out what would clash.
pub(crate) fn add(tree: &mut Tree, path: &str, bytes: Vec<u8>) {
    for (slash, _) in path.match_indices('/') {
        let above = &path[..slash];
        match tree.get(above) {
            Some(inode) if inode.is_directory() => {}
            Some(_) => return,
            None => drop(tree.insert(above, at(Inode::directory(0o755))).unwrap()),
        }
    }
    if tree.get(path).is_none() {
        tree.insert(path, at(Inode::file(0o644, bytes))).unwrap();
    }
}

/// 2023-11-14 22:13:20.
fn at(mut inode: Inode) -> Inode {
    inode.meta.mtime = Time::from_secs(1_700_000_000);
    inode
}

/// The tree of a boot partition, more or less: long and short names, depth, sizes around a
/// cluster's, an empty file, an empty directory, and 400 files in a folder.
pub(crate) fn sample() -> Tree {
    let mut tree = Tree::new();
    for (seed, (path, len)) in [
        ("config.txt", 300),
        ("CMDLINE.TXT", 512),
        ("bcm2712-rpi-5-b.dtb", 70_000),
        ("bcm2712-d-rpi-5-b.dtb", 70_001),
        ("EFI/BOOT/BOOTAA64.EFI", 123_456),
        ("loader/entries/osb.conf", 200),
        ("empty", 0),
        ("exactly one cluster", 512),
        ("exactly eight", 4096),
        ("OSBBOOT", 1),
        ("überlänge und 日本語.txt", 1025),
        ("beyond sixteen bits 𝄞", 77),
        (".hidden", 3),
        ("a", 1),
        ("a+b", 2),
    ]
    .into_iter()
    .enumerate()
    {
        add(&mut tree, path, content(seed, len));
    }
    for index in 0..400 {
        let path = format!("overlays/some-hat-with-a-name-{index}.dtbo");
        add(&mut tree, &path, content(index, index * 7));
    }
    add(&mut tree, &format!("long/{}", "n".repeat(255)), content(9, 9));
    tree.insert("nothing", at(Inode::directory(0o755))).unwrap();
    tree
}

/// Names that readers stumble over: more than 99 that collide in 8.3, made-up short names as real
/// ones, every length around an entry's 13 units, characters beyond ASCII and beyond 16 bits, case,
/// dots and spaces, and folders 40 deep.
pub(crate) fn hostile() -> Tree {
    let mut tree = Tree::new();
    for index in 0..120 {
        add(&mut tree, &format!("collisions/collision number {index}.data"), content(index, index));
    }
    for name in ["COLLIS~1.DAT", "COLLIS~2.DAT", "COLLI~10.DAT", "CO~100.DAT"] {
        add(&mut tree, &format!("collisions/{name}"), content(name.len(), 9));
    }
    for length in (1..=40).chain(250..=255) {
        add(&mut tree, &format!("lengths/{}", "n".repeat(length)), content(length, length));
        if length <= 85 {
            add(&mut tree, &format!("lengths/{}", "日".repeat(length)), content(length, 3));
        }
    }
    for (seed, name) in [
        "UPPER.TXT",
        "lower.txt",
        "Mixed.Txt",
        "no extension",
        "many.dots.in.a.name",
        "..two",
        ".hidden",
        " leading space",
        "under_score~1",
        "tilde~",
        "plus+comma,semi;eq=[brackets]",
        "ünïcödé",
        "ελληνικά.txt",
        "кириллица",
        "日本語の名前.dtb",
        "שלום",
        "é",
        "e\u{301}",
        "ſ",
        "K",
        "i",
        "İ",
        "ß.txt",
        "ＦＵＬＬ",
        "percent%",
        "{brace}",
        "a'b",
        "#!$&()-@^`",
        "CON",
        "nul.txt",
        "x.longext",
        "12345678.123",
        "123456789.12",
        "1234567.1234",
    ]
    .into_iter()
    .enumerate()
    {
        add(&mut tree, &format!("names/{name}"), content(seed, 511 + seed));
    }
    let deep: Vec<String> = (0..40).map(|level| format!("level {level}")).collect();
    add(&mut tree, &format!("{}/bottom", deep.join("/")), content(1, 5000));
    for index in 0..400 {
        add(&mut tree, &format!("many/{index:03}.cfg"), content(index, index % 5));
    }
    tree
}

/// A tree whose volume is as full as a plan lets it be, to the cluster.
pub(crate) fn full(options: &Options) -> Tree {
    let spare = |tree: &Tree| {
        let plan = Plan::new(tree, options).unwrap();
        let all = u64::from(plan.free_clusters()) + plan.used_bytes() / plan.cluster_size();
        (u64::from(plan.free_clusters()) - all.div_ceil(100).max(16)) * plan.cluster_size()
    };
    let mut tree = Tree::new();
    add(&mut tree, "small", content(1, 1));
    let left = spare(&tree);
    add(&mut tree, "LARGE", content(2, left as usize));
    assert_eq!(spare(&tree), 0);
    tree
}

pub(crate) fn image(tree: &Tree, options: &Options) -> Vec<u8> {
    let mut sink = WriteSink::new(Vec::with_capacity(options.size as usize));
    Plan::new(tree, options).unwrap().write(&mut sink).unwrap();
    sink.into_inner()
}

/// Everything below the root of a tree: `None` for a directory, else the content.
pub(crate) fn expected(tree: &Tree) -> BTreeMap<String, Option<Vec<u8>>> {
    tree.iter()
        .filter(|(path, ..)| !path.is_empty())
        .map(|(path, _, inode)| {
            let bytes = inode.content().map(|content| content.read().unwrap());
            (String::from_utf8(path.to_vec()).unwrap(), bytes)
        })
        .collect()
}

/// The same of a volume, as the `fatfs` crate reads it.
pub(crate) fn read_back(image: Vec<u8>) -> BTreeMap<String, Option<Vec<u8>>> {
    let volume = fatfs::FileSystem::new(Cursor::new(image), fatfs::FsOptions::new()).unwrap();
    let mut found = BTreeMap::new();
    walk(&volume.root_dir(), "", &mut found);
    found
}

fn walk<T: Read + Write + Seek>(
    directory: &fatfs::Dir<'_, T>,
    above: &str,
    found: &mut BTreeMap<String, Option<Vec<u8>>>,
) {
    for entry in directory.iter().map(Result::unwrap) {
        let name = entry.file_name();
        if name == "." || name == ".." {
            continue;
        }
        let path = if above.is_empty() { name } else { format!("{above}/{name}") };
        let bytes = entry.is_file().then(|| {
            let mut bytes = Vec::new();
            entry.to_file().read_to_end(&mut bytes).unwrap();
            assert_eq!(entry.len(), bytes.len() as u64, "{path}");
            bytes
        });
        if entry.is_dir() {
            walk(&entry.to_dir(), &path, found);
        }
        assert!(found.insert(path.clone(), bytes).is_none(), "{path} twice");
    }
}
