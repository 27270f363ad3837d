//! What is written is what the tree says: read back by another implementation, and looked at
//! byte by byte where the specification fixes a byte.

mod support;

use std::collections::BTreeMap;
use std::io::Cursor;

use osb_fat::Plan;
use osb_sink::{Counting, HashSink, Sink};
use osb_tree::{Content, Inode, Kind, Tree};
use proptest::prelude::*;
use support::{MIB, add, content, expected, image, options, read_back, sample};

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

#[test]
fn fatfs_reads_back_the_tree() {
    let tree = sample();
    assert!(read_back(image(&tree, &options(64 * MIB))) == expected(&tree));
}

#[test]
fn clusters_of_four_kibibytes_work_too() {
    let tree = sample();
    assert_eq!(Plan::new(&tree, &options(300 * MIB)).unwrap().cluster_size(), 4096);
    assert!(read_back(image(&tree, &options(300 * MIB))) == expected(&tree));
}

#[test]
fn the_empty_tree_is_a_volume() {
    let bytes = image(&Tree::new(), &options(33 * MIB));
    assert_eq!(bytes.len() as u64, 33 * MIB);
    assert!(read_back(bytes).is_empty());
}

#[test]
fn label_id_and_times_are_those_of_the_options_and_the_tree() {
    let bytes = image(&sample(), &options(64 * MIB));
    let volume = fatfs::FileSystem::new(Cursor::new(bytes), fatfs::FsOptions::new()).unwrap();
    assert_eq!(volume.fat_type(), fatfs::FatType::Fat32);
    assert_eq!(volume.volume_id(), 0xCAFE_F00D);
    assert_eq!(volume.volume_label(), "OSBBOOT");
    assert_eq!(volume.read_volume_label_from_root_dir().unwrap().as_deref(), Some("OSBBOOT"));
    let entry =
        volume.root_dir().iter().map(Result::unwrap).find(|e| e.file_name() == "a").unwrap();
    let (modified, created) = (entry.modified(), entry.created());
    let date = |date: fatfs::Date| (date.year, date.month, date.day);
    let time = |time: fatfs::Time| (time.hour, time.min, time.sec);
    assert_eq!((date(modified.date), time(modified.time)), ((2023, 11, 14), (22, 13, 20)));
    assert_eq!((date(created.date), time(created.time)), ((2024, 12, 31), (23, 59, 58)));
}

#[test]
fn the_fixed_bytes_are_where_the_specification_wants_them() {
    let tree = sample();
    let plan = Plan::new(&tree, &options(64 * MIB)).unwrap();
    let bytes = image(&tree, &options(64 * MIB));
    let sector = |number: usize| &bytes[number * 512..][..512];

    assert_eq!(&sector(0)[3..11], b"OSB     ");
    assert_eq!((u16_at(sector(0), 11), sector(0)[13], u16_at(sector(0), 14)), (512, 1, 32));
    assert_eq!(u32_at(sector(0), 28), 2048, "hidden sectors");
    assert_eq!(u32_at(sector(0), 32), 131_072, "total sectors");
    assert_eq!(sector(0), sector(6), "backup boot sector");
    assert_eq!(sector(1), sector(7), "backup FSInfo");

    let table = u32_at(sector(0), 36) as usize * 512;
    let (first, second) = (&bytes[32 * 512..][..table], &bytes[32 * 512 + table..][..table]);
    assert!(first == second, "the two tables differ");

    // FSInfo tells the truth: counted in the table, for as many clusters as there are.
    let clusters = (131_072 - 32 - 2 * table / 512) as u32;
    let free = (2..clusters + 2).filter(|cluster| u32_at(first, *cluster as usize * 4) == 0);
    let free: Vec<u32> = free.collect();
    assert_eq!(u32_at(sector(1), 488), free.len() as u32);
    assert_eq!(u32_at(sector(1), 492), free[0]);
    assert_eq!(plan.free_clusters(), free.len() as u32);
    assert_eq!(plan.used_bytes(), u64::from(clusters - plan.free_clusters()) * 512);
}

#[test]
fn dot_dot_of_a_top_directory_is_zero() {
    let mut tree = Tree::new();
    add(&mut tree, "TOP/SUB/FILE", vec![1]);
    let bytes = image(&tree, &options(33 * MIB));
    let data = (32 + 2 * u32_at(&bytes, 36) as usize) * 512;
    let entry = |cluster: usize, number: usize| &bytes[data + (cluster - 2) * 512 + number * 32..];
    let cluster = |entry: &[u8]| (u16_at(entry, 20), u16_at(entry, 26));
    assert_eq!((&entry(3, 0)[..11], cluster(entry(3, 0))), (&b".          "[..], (0, 3)));
    assert_eq!((&entry(3, 1)[..11], cluster(entry(3, 1))), (&b"..         "[..], (0, 0)));
    assert_eq!(cluster(entry(4, 1)), (0, 3));
}

#[test]
fn the_bytes_depend_on_nothing_else() {
    let digest = |tree: &Tree| {
        let mut hash = HashSink::new();
        Plan::new(tree, &options(64 * MIB)).unwrap().write(&mut hash).unwrap();
        hash.finish()
    };
    assert_eq!(digest(&sample()), digest(&sample()));
    let mut other = sample();
    other.get_mut("a").unwrap().meta.mtime.secs += 2;
    assert_ne!(digest(&sample()), digest(&other));
}

#[test]
fn files_of_the_machine_are_streamed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kernel");
    let bytes = content(5, 1_000_003);
    std::fs::write(&path, &bytes).unwrap();
    let mut tree = Tree::new();
    let content = Content::File { path: path.clone(), size: bytes.len() as u64, fingerprint: None };
    tree.insert("kernel_2712.img", Inode::new(0o644, Kind::File(content))).unwrap();
    let plan = Plan::new(&tree, &options(33 * MIB)).unwrap();
    let mut sink = osb_sink::WriteSink::new(Vec::new());
    plan.write(&mut sink).unwrap();
    let expected = BTreeMap::from([("kernel_2712.img".to_owned(), Some(bytes))]);
    assert!(read_back(sink.into_inner()) == expected);

    std::fs::write(&path, b"short").unwrap();
    let mut sink = HashSink::new();
    let error = plan.write(&mut sink).unwrap_err().to_string();
    assert!(error.contains("kernel_2712.img") && error.contains("5 of 1000003"), "{error}");
    std::fs::remove_file(&path).unwrap();
    let error = plan.write(&mut HashSink::new()).unwrap_err().to_string();
    assert!(error.starts_with("kernel_2712.img: cannot read"), "{error}");
}

#[test]
fn free_space_is_said_not_written() {
    struct Nowhere;
    impl Sink for Nowhere {
        fn data(&mut self, _: &[u8]) -> std::io::Result<()> {
            Ok(())
        }
        fn zeros(&mut self, _: u64) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut sink = Counting::new(Nowhere);
    Plan::new(&Tree::new(), &options(1024 * MIB)).unwrap().write(&mut sink).unwrap();
    assert_eq!(sink.position(), 1024 * MIB);
    assert!(sink.data_bytes() < 20_000, "{}", sink.data_bytes());
}

/// A name: short, long, colliding in 8.3, or with characters beyond ASCII.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z0-9_]{1,8}",
        "[A-Z]{1,8}\\.[A-Z]{1,3}",
        "[a-z0-9]{1,8}(\\.[a-z]{1,4})?",
        "collision[0-9]{1,3}\\.dtb[a-z]?",
        "COLLIS~[0-9]\\.DTB",
        "[a-zäöß日+;. ]{0,20}[a-z日𝄞]",
        "[a-z]{12,14}",
        "[a-z]{25,27}",
        "[a-z]{1,250}",
    ]
}

/// A length in bytes, near multiples of the cluster size more often than not.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(0),
        1usize..2000,
        (0usize..20, 0usize..3).prop_map(|(n, d)| (n * 512 + d).saturating_sub(1)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_tree_is_read_back(
        files in prop::collection::vec(
            (prop::collection::vec(name(), 1..4), size()), 0..80,
        )
    ) {
        let mut tree = Tree::new();
        // Lower-case spelling to first spelling, so that no two names differ by case only.
        let mut spelling: BTreeMap<String, String> = BTreeMap::new();
        for (seed, (parts, len)) in files.into_iter().enumerate() {
            let parts: Vec<String> = parts
                .into_iter()
                .map(|part| spelling.entry(part.to_lowercase()).or_insert(part).clone())
                .collect();
            let path = parts.join("/");
            add(&mut tree, &path, content(seed, len));
        }
        let bytes = image(&tree, &options(33 * MIB));
        prop_assert_eq!(bytes.len() as u64, 33 * MIB);
        prop_assert!(read_back(bytes) == expected(&tree));
    }
}
