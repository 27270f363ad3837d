//! What is written is what the tree says: read back by another implementation, and looked at
//! byte by byte where the specification fixes a byte.

mod support;

use std::collections::BTreeMap;
use std::io::Cursor;

use osb_fat::Plan;
use osb_sink::{Counting, HashSink, Sink};
use osb_tree::{Content, Inode, Kind, Tree};
use proptest::prelude::*;
use support::{
    MIB, add, all_options, content, expected, full, hostile, image, long_sectors, options,
    read_back, sample, trees,
};

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
fn odd_names_full_volumes_and_long_sectors_are_read_back() {
    for options in all_options() {
        assert!(read_back(image(&hostile(), &options)) == expected(&hostile()), "{options:?}");
    }
    for options in [options(33 * MIB), long_sectors(257 * MIB)] {
        let tree = full(&options);
        assert!(read_back(image(&tree, &options)) == expected(&tree), "{options:?}");
    }
}

#[test]
fn with_long_sectors_the_fixed_bytes_are_in_long_sectors() {
    let bytes = image(&sample(), &long_sectors(300 * MIB));
    let sector = |number: usize| &bytes[number * 4096..][..4096];
    assert_eq!((u16_at(sector(0), 11), sector(0)[13], u16_at(sector(0), 14)), (4096, 1, 32));
    assert_eq!((u32_at(sector(0), 28), u32_at(sector(0), 32)), (256, 76_800));
    assert_eq!((u16_at(sector(0), 48), u16_at(sector(0), 50)), (1, 6));
    // Both marks are where they are in a short sector, and nothing lies behind them.
    for number in [0, 1, 6, 7] {
        assert_eq!(sector(number)[510..512], [0x55, 0xAA]);
        assert!(sector(number)[512..].iter().all(|byte| *byte == 0));
    }
    assert_eq!(&sector(1)[..4], b"RRaA");
    assert_eq!((sector(0), sector(1)), (sector(6), sector(7)));
    assert_eq!(u32_at(sector(32), 0), 0x0FFF_FFF8, "the first table");
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

/// Keeps in which state each region came; neighbours of one state as one.
#[derive(Default)]
struct Regions(Vec<(&'static str, u64)>);

impl Regions {
    fn add(&mut self, state: &'static str, len: u64) -> std::io::Result<()> {
        match self.0.last_mut() {
            Some((last, sum)) if *last == state => *sum += len,
            _ if len > 0 => self.0.push((state, len)),
            _ => {}
        }
        Ok(())
    }
}

impl Sink for Regions {
    fn data(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.add("data", bytes.len() as u64)
    }
    fn zeros(&mut self, len: u64) -> std::io::Result<()> {
        self.add("zeros", len)
    }
    fn unused(&mut self, len: u64) -> std::io::Result<()> {
        self.add("unused", len)
    }
}

#[test]
fn free_clusters_are_unused_but_for_both_ends() {
    for options in all_options() {
        let mut regions = Regions::default();
        let plan = Plan::new(&sample(), &options).unwrap();
        plan.write(&mut regions).unwrap();
        let Regions(regions) = regions;
        assert_eq!(regions.iter().map(|(_, len)| len).sum::<u64>(), options.size);
        let [.., (unused, free), (zeros, MIB)] = regions[..] else { panic!("{regions:?}") };
        assert_eq!((unused, zeros), ("unused", "zeros"));
        assert_eq!(regions.iter().filter(|(state, _)| *state == "unused").count(), 1);
        let clusters = u64::from(plan.free_clusters()) * plan.cluster_size();
        // Free are the clusters, and at most one cluster's sectors that are left over at the end.
        // They begin within the first 8 MiB, up to where they are zero.
        let ends = [clusters, clusters + plan.cluster_size() - 1].map(|free| options.size - free);
        assert!(ends[0] < 8 * MIB, "{ends:?}");
        assert_eq!(options.size - MIB - free, 8 * MIB, "{options:?}");
    }
    // Where data reaches further, what follows it is unused.
    let mut tree = Tree::new();
    add(&mut tree, "big", vec![1; 9 << 20]);
    let mut regions = Regions::default();
    let plan = Plan::new(&tree, &options(64 * MIB)).unwrap();
    plan.write(&mut regions).unwrap();
    let [.., ("unused", free), ("zeros", MIB)] = regions.0[..] else { panic!("{:?}", regions.0) };
    let clusters = u64::from(plan.free_clusters()) * plan.cluster_size();
    assert!((clusters..clusters + plan.cluster_size()).contains(&(free + MIB)));
}

#[test]
fn free_space_is_said_not_written() {
    let mut sink = Counting::new(Regions::default());
    Plan::new(&Tree::new(), &options(1024 * MIB)).unwrap().write(&mut sink).unwrap();
    assert_eq!(sink.position(), 1024 * MIB);
    assert!(sink.data_bytes() < 20_000, "{}", sink.data_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_tree_is_read_back(files in trees::files()) {
        let tree = trees::tree(files);
        let bytes = image(&tree, &options(33 * MIB));
        prop_assert_eq!(bytes.len() as u64, 33 * MIB);
        prop_assert!(read_back(bytes) == expected(&tree));
    }
}
