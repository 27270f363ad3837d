//! Small images of every form: a root with one package, and boot files.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use osb_frames::{Codec, Cuts, Frames, NoStore};
use osb_partition::{Guid, Layout, PartitionSpec, PartitionType};
use osb_sink::{Sink, WriteSink};
use osb_tree::{Inode, Time, Tree};

pub fn file(text: &str) -> Inode {
    let mut inode = Inode::file(0o644, text.as_bytes().to_vec());
    inode.meta.mtime = Time::from_secs(1_700_000_000);
    inode
}

/// A small root with one package.
pub fn root() -> Tree {
    let mut tree = Tree::new();
    for (path, text) in [
        ("etc/hosts", "127.0.0.1 localhost\n"),
        ("usr/bin/tool", "#!/bin/sh\necho one\necho two\n"),
        ("usr/share/doc/tool/a", "a"),
        ("usr/share/doc/tool/b", "b"),
        ("var/lib/dpkg/info/tool.list", "/.\n/usr/bin/tool\n/usr/share/doc/tool/a\n"),
        (
            "var/lib/dpkg/status",
            "Package: tool\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1.0-1\n",
        ),
    ] {
        tree.lay(path, file(text)).unwrap();
    }
    tree.lay("boot/firmware", Inode::directory(0o755)).unwrap();
    tree
}

pub fn boot() -> Tree {
    let mut tree = Tree::new();
    tree.insert("config.txt", file("arm_64bit=1\n")).unwrap();
    tree.lay("overlays/x.dtbo", file("overlay")).unwrap();
    // FAT knows no time before 1980.
    tree.get_mut("overlays").unwrap().meta.mtime = Time::from_secs(1_700_000_000);
    tree
}

pub fn fat(tree: &Tree) -> Vec<u8> {
    let mut sink = WriteSink::new(Vec::new());
    let options = osb_fat::Options {
        size: 34 << 20,
        sector_size: 512,
        label: "BOOT".into(),
        volume_id: 1,
        timestamp: 1_700_000_000,
        hidden_sectors: 2048,
    };
    osb_fat::Plan::new(tree, &options).unwrap().write(&mut sink).unwrap();
    sink.into_inner()
}

pub fn ext4(tree: &Tree) -> Vec<u8> {
    let mut sink = WriteSink::new(Vec::new());
    let options = osb_ext4::Options {
        size: 32 << 20,
        uuid: [7; 16],
        hash_seed: [8; 16],
        label: "root".into(),
        timestamp: 1_700_000_000,
    };
    osb_ext4::Image::plan(tree, &options).unwrap().write(&mut sink).unwrap();
    sink.into_inner()
}

pub fn disk(boot: &Tree, root: &Tree) -> Vec<u8> {
    disk_of([fat(boot), ext4(root)])
}

pub fn disk_of<const N: usize>(parts: [Vec<u8>; N]) -> Vec<u8> {
    let spec = |index: usize| PartitionSpec {
        name: format!("part {index}"),
        kind: if index == 0 { PartitionType::EfiSystem } else { PartitionType::LinuxRootArm64 },
        guid: Guid::from_digest(format!("partition {index:06}").as_bytes()),
        size: parts[index].len() as u64,
    };
    let mut sink = WriteSink::new(Vec::new());
    let specs = (0..N).map(spec).collect();
    let layout = Layout::new(Guid::from_digest(b"the disk"), specs).unwrap();
    layout.write(&mut sink, &mut |index, sink| sink.data(&parts[index])).unwrap();
    sink.into_inner()
}

/// The root with the boot files in it, as rootfs.tar.gz has them.
pub fn archive(boot: &Tree, root: &Tree) -> Vec<u8> {
    let mut whole = root.clone();
    for (path, _, inode) in boot.iter().filter(|(path, ..)| !path.is_empty()) {
        whole.lay([b"boot/firmware/", path].concat(), inode.clone()).unwrap();
    }
    let mut archive = frames(Codec::Gzip { level: 6 }, Cuts::new(512, 1 << 20, 4 << 20));
    osb_archive::tar(&whole, &mut archive).unwrap();
    archive.finish().unwrap().0
}

pub fn frames(codec: Codec, cuts: Cuts) -> Frames<Vec<u8>> {
    Frames::new(Vec::new(), codec, cuts, 1, Arc::new(NoStore)).unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut sink = frames(Codec::Zstd { level: 1 }, Cuts::new(4096, 1 << 20, 4 << 20));
    sink.data(bytes).unwrap();
    sink.finish().unwrap().0
}
