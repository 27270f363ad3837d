//! What `metadata.json` and `disk.img.bmap` say of the disk, against its bytes.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::{World, image};
use osb_blockmap::{BlockMap, Range, State};

/// The block map in the `metadata.json` of an output folder.
fn map(out: &Path) -> Option<BlockMap> {
    let text = fs::read_to_string(out.join("metadata.json")).unwrap();
    let info = osb_metadata::from_json(&text).unwrap().block_map;
    info.map(|info| info.to_map().unwrap())
}

fn bytes<'a>(disk: &'a [u8], range: &Range) -> &'a [u8] {
    &disk[range.offset as usize..range.end() as usize]
}

/// Builds into the folder `out` of the project.
fn build(world: &World, only: &[&str], out: &str) -> PathBuf {
    world.succeed(&[&["build", "--output", out][..], only].concat());
    world.project().join(out)
}

#[test]
fn the_map_is_that_of_the_disk() {
    let Some(world) = image::project() else { return };
    let out = build(&world, &[], "out");
    let (disk, map) = (fs::read(out.join("disk.img")).unwrap(), map(&out).unwrap());
    assert_eq!(map.size(), disk.len() as u64);
    for range in map.ranges() {
        let bytes = bytes(&disk, range);
        match range.state {
            State::Data(digest) => assert_eq!(osb_checksum::sha256(bytes), digest, "{range:?}"),
            // What is unused is zero in an image, too.
            _ => assert!(bytes.iter().all(|byte| *byte == 0), "{range:?}"),
        }
    }
    assert_eq!(fs::read_to_string(out.join("disk.img.bmap")).unwrap(), map.to_bmap());
    let sums = fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    assert!(sums.contains("  disk.img.bmap\n"), "{sums}");

    // The file has no more than the data, but for what its file system keeps of it.
    let (data, ..) = map.totals();
    let allocated = fs::metadata(out.join("disk.img")).unwrap().blocks() * 512;
    assert!(allocated <= data + (1 << 20), "{allocated} bytes for {data} of data");
}

#[test]
fn every_form_of_the_disk_has_the_map_and_others_have_none() {
    let Some(world) = image::project() else { return };
    let out = build(&world, &[], "out");
    let whole = map(&out).unwrap();
    assert_eq!(map(&build(&world, &["--only", "sd"], "sd")), Some(whole.clone()));
    assert!(!world.project().join("sd/disk.img.bmap").exists(), "it belongs to disk.img");
    assert_eq!(map(&build(&world, &["--only", "disk"], "disk")), Some(whole));
    assert_eq!(map(&build(&world, &["--only", "rootfs"], "rootfs")), None);
    // A later build takes away what it does not write.
    build(&world, &["--only", "rootfs"], "out");
    for name in ["disk.img.bmap", "disk.img.bmap.sha256", "disk.img"] {
        assert!(!out.join(name).exists(), "{name}");
    }
}
