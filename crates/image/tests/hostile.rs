//! Images that lie: an error that says what is wrong, in little time and memory.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;

use common::{boot, disk, ext4, fat, file};
use osb_image::{Image, Limits, Options};
use osb_tree::{Inode, Tree};

fn try_open(folder: &Path, bytes: &[u8], limits: Limits) -> Result<Image, String> {
    let path = folder.join("image");
    fs::write(&path, bytes).unwrap();
    let options = Options { scratch: folder, limits };
    osb_image::open(&path, &options).map_err(|error| error.to_string())
}

/// The error of an image, which must have `part` in it.
fn refused(bytes: &[u8], part: &str) {
    let folder = tempfile::tempdir().unwrap();
    let error = try_open(folder.path(), bytes, Limits::default()).unwrap_err();
    assert!(error.contains(part), "{part:?} in {error}");
}

fn small() -> Tree {
    let mut tree = Tree::new();
    tree.lay("dir/sub/file", file("text")).unwrap();
    tree
}

/// Where a name's directory entry of ext4 begins: 8 bytes before the name.
fn entry_of(image: &[u8], name: &[u8]) -> usize {
    let needle = [&[name.len() as u8, 2][..], name].concat();
    image.windows(needle.len()).position(|window| window == needle).unwrap() - 6
}

#[test]
fn directories_of_ext4_that_are_their_own_parents() {
    let mut image = ext4(&small());
    let at = entry_of(&image, b"sub");
    image[at..at + 4].copy_from_slice(&2_u32.to_le_bytes());
    refused(&image, "directory \"dir/sub\" has a second name");
}

#[test]
fn files_that_share_their_bytes() {
    let mut tree = Tree::new();
    for (name, len) in [("A", 12 << 20), ("B", 1), ("C", 1)] {
        tree.insert(name, file(vec![7; len])).unwrap();
    }
    let mut image = fat(&tree);
    let entry = |image: &[u8], name: u8| {
        let short = [&[name][..], &[b' '; 10]].concat();
        image.windows(11).position(|window| window == short).unwrap()
    };
    let first = entry(&image, b'A');
    for name in [b'B', b'C'] {
        let other = entry(&image, name);
        // First cluster and size: three times 12 MiB in 34.
        for field in [20..22, 26..32] {
            image.copy_within(first + field.start..first + field.end, other + field.start);
        }
    }
    refused(&image, "more bytes than there are");
}

#[test]
fn superblocks_with_impossible_numbers() {
    for (at, bytes, part) in [
        (0x18, &[9, 0, 0, 0][..], "blocks of 2^19 bytes"),
        (0x20, &[0; 4], "groups without"),
        (0x28, &[0; 4], "groups without"),
        (0x04, &[0xFF; 4], "blocks of 4096 bytes"),
        (0x58, &[3, 1], "inodes of 259 bytes"),
        (0x60, &[1, 0, 0, 0], "features 0x1"),
    ] {
        let mut image = ext4(&small());
        image[1024 + at..][..bytes.len()].copy_from_slice(bytes);
        refused(&image, part);
    }
}

#[test]
fn chains_of_fat_in_circles() {
    let mut image = fat(&boot());
    // The root directory's cluster is 2; its entry in the first table leads back to it.
    let table = 32 * 512;
    image[table + 8..table + 12].copy_from_slice(&2_u32.to_le_bytes());
    refused(&image, "in a circle");
}

#[test]
fn archives_that_lead_outside_or_have_no_end() {
    let mut tree = Tree::new();
    tree.insert("aa", file("x")).unwrap();
    let archive = osb_archive::tar(&tree, Vec::new()).unwrap();
    let renamed = |name: &[u8; 4]| {
        let mut archive = archive.clone();
        let at = archive.windows(4).position(|window| window == b"./aa").unwrap();
        archive[at..at + 4].copy_from_slice(name);
        let header = &mut archive[at..at + 512];
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive
    };
    refused(&renamed(b"../a"), "not a plain relative path");
    refused(&renamed(b"//aa")[..1024], "an entry at byte");
    // Some programs leave the mark at the end out; whoever reads it is told.
    let folder = tempfile::tempdir().unwrap();
    let unmarked = &archive[..archive.len() - 1024];
    let read = try_open(folder.path(), unmarked, Limits::default()).unwrap();
    assert!(read.volumes[0].problems[0].contains("no mark at its end"));
    refused(&archive[..archive.len() - 1000], "without an end");
}

/// An entry of a tar archive: its header, and its bytes.
fn entry(name: &str, flag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; 512];
    entry[..name.len()].copy_from_slice(name.as_bytes());
    entry[100..107].copy_from_slice(b"0000644");
    entry[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
    entry[148..156].fill(b' ');
    entry[156] = flag;
    entry[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = entry.iter().map(|byte| u32::from(*byte)).sum();
    entry[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    entry.extend_from_slice(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// A record of an extended header: its length, which counts itself, comes first.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}").into_bytes()
}

#[test]
fn small_archives_that_make_much() {
    let folder = tempfile::tempdir().unwrap();
    let little = Limits { memory: 1 << 20, ..Limits::default() };
    let refused = |archive: Vec<u8>, limits, part: &str| {
        let error = try_open(folder.path(), &archive, limits).unwrap_err();
        assert!(error.contains(part), "{part:?} in {error}");
    };
    // One target, or path, for all entries.
    for key in ["linkpath", "path"] {
        let long = entry("g", b'g', &record(key, &"x/".repeat(2500)));
        refused([long, entry("a", b'2', b"")].concat(), Limits::default(), "5000 bytes");
    }
    let target = entry("g", b'g', &record("linkpath", &"t".repeat(4000)));
    let links = (0..400).map(|number| entry(&number.to_string(), b'2', b""));
    refused([vec![target], links.collect()].concat().concat(), little, "of memory");
    // Directories that no entry names.
    let deep = (0..100).map(|number| entry(&format!("{number}{}", "/d".repeat(48)), b'0', b""));
    refused(deep.collect::<Vec<_>>().concat(), little, "of memory");
    // Headers that nothing comes behind, and that are for all that comes.
    let header =
        |number: usize| entry("x", b'x', &record(&number.to_string(), &"v".repeat(60_000)));
    refused((0..20).flat_map(header).collect(), Limits::default(), "extended headers of");
    let header = |number: usize| {
        [entry("g", b'g', &record(&number.to_string(), &"v".repeat(9000))), entry("a", b'0', b"")]
    };
    refused((0..10).flat_map(header).flatten().collect(), little, "of memory");
}

#[test]
fn archives_of_odd_but_honest_programs() {
    let folder = tempfile::tempdir().unwrap();
    let archive = [
        entry("a//b/./file", b'0', b"text"),
        entry("old/", 0, b""),
        [entry("g", b'x', &record("linkpath", "a/b/file")), entry("new/link", b'1', b"")].concat(),
        vec![0; 1024],
    ];
    let read = try_open(folder.path(), &archive.concat(), Limits::default()).unwrap();
    let tree = &read.volumes[0].tree;
    assert!(tree.get("old").unwrap().is_directory());
    assert_eq!(tree.id("new/link"), tree.id("a/b/file"));
    assert!(tree.get("a/b").unwrap().is_directory());
}

#[test]
fn tables_that_claim_millions_of_entries() {
    let mut image = disk(&boot(), &small());
    for at in [512, image.len() - 512] {
        image[at + 80..at + 84].copy_from_slice(&[0xFF; 4]);
    }
    refused(&image, "entries of 128 bytes");
}

#[test]
fn the_copy_of_a_table_that_holds_is_the_one_that_counts() {
    let folder = tempfile::tempdir().unwrap();
    let image = disk(&boot(), &small());
    let wanted = try_open(folder.path(), &image, Limits::default()).unwrap().table.unwrap();
    // The disk's identifier in the header; the first entry's first sector.
    for at in [512 + 56, 1024 + 32] {
        let mut image = image.clone();
        image[at] ^= 1;
        let table = try_open(folder.path(), &image, Limits::default()).unwrap().table.unwrap();
        assert_eq!((&table.id, &table.partitions), (&wanted.id, &wanted.partitions));
        assert!(table.problems[0].contains("the last one is used"), "{table:?}");
        // Both are wrong: the first is better than none.
        let end = image.len() - 512;
        image[end + 56] ^= 2;
        let table = try_open(folder.path(), &image, Limits::default()).unwrap().table.unwrap();
        assert!(table.problems[0].contains("the checksum is wrong"), "{table:?}");
    }
}

#[test]
fn two_bytes_are_no_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let name = [b'a'; 56].iter().chain(&[0x53, 0xEF]).copied().collect::<Vec<u8>>();
    let mut archive = entry("one", b'0', &[7; 512]);
    archive.extend(entry("two", b'0', b""));
    archive[1024..1024 + name.len()].copy_from_slice(&name);
    let header = &mut archive[1024..1536];
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let read = try_open(folder.path(), &archive, Limits::default()).unwrap();
    assert!(read.volumes[0].tree.get(&name).is_some());
    let mut image = disk(&boot(), &small());
    image[1024 + 56..1024 + 58].copy_from_slice(&[0x53, 0xEF]);
    assert!(try_open(folder.path(), &image, Limits::default()).unwrap().table.is_some());
}

#[test]
fn names_of_fat_that_lead_elsewhere() {
    let mut tree = Tree::new();
    tree.insert("AXB", file("x")).unwrap();
    let mut image = fat(&tree);
    let at = image.windows(11).position(|window| window == b"AXB        ").unwrap();
    image[at + 1] = b'/';
    refused(&image, "a name with a slash");
}

#[test]
fn sector_numbers_beyond_all_disks() {
    let folder = tempfile::tempdir().unwrap();
    let mut image = disk(&boot(), &small());
    image[512 + 32..512 + 40].fill(0xFF);
    // A wrong checksum would make it read the last copy.
    let mut crc = flate2::Crc::new();
    image[512 + 16..512 + 20].fill(0);
    crc.update(&image[512..512 + 92]);
    image[512 + 16..512 + 20].copy_from_slice(&crc.sum().to_le_bytes());
    let read = try_open(folder.path(), &image, Limits::default()).unwrap();
    assert!(read.table.unwrap().problems.iter().any(|each| each.contains("no last header")));
    // A group of META_BG (0x10) as far away as numbers go, with one inode in each group.
    let mut image = ext4(&small());
    image[1024 + 0x60] |= 0x10;
    image[1024 + 0x104..1024 + 0x108].fill(0);
    image[1024 + 0x20..1024 + 0x24].fill(0xFF);
    image[1024 + 0x28..1024 + 0x2C].copy_from_slice(&1_u32.to_le_bytes());
    refused(&image, "damaged");
}

#[test]
fn limits_hold() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::new();
    for number in 0..5000 {
        tree.insert(format!("{number}"), Inode::file(0o644, Vec::new())).unwrap();
    }
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let image = ext4(&tree);
    let little = limits(|limits| limits.memory = 1 << 20);
    let error = try_open(folder.path(), &image, little).unwrap_err();
    assert!(error.contains("more than 1 MiB of memory"), "{error}");
    let little = limits(|limits| limits.work = 1 << 20);
    let error = try_open(folder.path(), &image, little).unwrap_err();
    assert!(error.contains("more than 1 MiB to read"), "{error}");
    let bomb = zstd::encode_all(&vec![0; 64 << 20][..], 1).unwrap();
    let little = limits(|limits| limits.decompressed = 32 << 20);
    let error = try_open(folder.path(), &bomb, little).unwrap_err();
    assert!(error.contains("decompresses to more than 32 MiB"), "{error}");
}

#[test]
fn damaged_at_random_places_nothing_panics() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { memory: 16 << 20, work: 64 << 20, decompressed: 64 << 20 };
    let images = [ext4(&small()), fat(&boot()), osb_archive::tar(&small(), Vec::new()).unwrap()];
    // xorshift64*: the same in every run.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |bound: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        ((state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % bound as u64) as usize
    };
    let mut opened = 0;
    for image in &images {
        let used: Vec<usize> = (0..image.len()).filter(|at| image[*at] != 0).collect();
        for _ in 0..40 {
            let mut damaged = image.clone();
            for _ in 0..=random(3) {
                damaged[used[random(used.len())]] = random(256) as u8;
            }
            let Ok(image) = try_open(folder.path(), &damaged, limits) else { continue };
            opened += 1;
            image.locate(random(damaged.len()) as u64);
            for volume in &image.volumes {
                for (_, _, inode) in volume.tree.iter() {
                    // A file may claim any length: only a part is read.
                    let mut part = [0; 512];
                    if let Some(mut content) = inode.content().and_then(|c| c.open().ok()) {
                        let _ = std::io::Read::read(&mut content, &mut part);
                    }
                }
            }
        }
    }
    assert!(opened > 0, "some damage is not noticed");
}
