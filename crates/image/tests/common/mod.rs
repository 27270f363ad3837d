//! What the tests of this crate share: trees with one of everything, and images of them.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::path::Path;
use std::process::Command;

use osb_image::{Image, Limits, Options};
use osb_partition::{Guid, Layout, PartitionSpec, PartitionType};
use osb_sink::WriteSink;
use osb_tree::{Device, Inode, Kind, Time, Tree};

pub(crate) const MIB: u64 = 1 << 20;

/// An ACL in the system calls' form: owner rw-, user 1000 r--, group r--, mask r--, other ---.
pub(crate) const ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 255, 255,
    255, 255, 0x10, 0, 4, 0, 255, 255, 255, 255, 0x20, 0, 0, 0, 255, 255, 255, 255,
];

fn with(mode: u32, kind: Kind) -> Inode {
    let mut inode = Inode::new(mode, kind);
    inode.meta.mtime = Time::from_secs(1_700_000_000);
    inode
}

pub(crate) fn file(bytes: impl Into<Vec<u8>>) -> Inode {
    with(0o644, Kind::File(bytes.into().into()))
}

/// A root with one of everything that tar and ext4 can both express.
pub(crate) fn root() -> Tree {
    let mut tree = Tree::new();
    tree.insert("", with(0o755, Kind::Directory)).unwrap();
    for directory in ["dev", "etc", "lost+found", "tmp", "usr", "usr/many"] {
        tree.insert(directory, with(0o755, Kind::Directory)).unwrap();
    }
    // As mkfs makes it.
    tree.get_mut("lost+found").unwrap().meta.mode = 0o700;
    tree.get_mut("tmp").unwrap().meta.mode = 0o1777;
    tree.insert("etc/empty", file(b"")).unwrap();
    tree.insert("etc/text", file("one\ntwo\nthree\n")).unwrap();
    let big: Vec<u8> = (0..3_000_001_u32).map(|at| (at / 7 % 251) as u8).collect();
    tree.insert("usr/big", file(big)).unwrap();
    let mut suid = file(b"#!suid");
    suid.meta.mode = 0o4755;
    (suid.meta.uid, suid.meta.gid) = (100_000, 4_294_967_294);
    let id = tree.insert("usr/suid", suid).unwrap();
    tree.link("etc/same", id).unwrap();
    let mut capable = file(b"ping");
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    capable.meta.xattrs.insert(b"security.capability".to_vec(), capability);
    tree.insert("usr/ping", capable).unwrap();
    let mut acl = file(b"acl");
    acl.meta.xattrs.insert(b"system.posix_acl_access".to_vec(), ACL.to_vec());
    acl.meta.xattrs.insert(b"user.long".to_vec(), vec![b'v'; 900]);
    acl.meta.xattrs.insert(b"user.a=b%".to_vec(), b"\0\n".to_vec());
    tree.insert("etc/acl", acl).unwrap();
    for (name, length) in [("inline", 59), ("block", 60), ("longest", 4000)] {
        tree.insert(name, with(0o777, Kind::Symlink(vec![b't'; length]))).unwrap();
    }
    let null = Kind::CharDevice(Device { major: 1, minor: 3 });
    tree.insert("dev/null", with(0o666, null)).unwrap();
    let disk = Kind::BlockDevice(Device { major: 259, minor: 300 });
    tree.insert("dev/disk", with(0o660, disk)).unwrap();
    tree.insert("dev/pipe", with(0o600, Kind::Fifo)).unwrap();
    tree.insert("n".repeat(255), file(b"longest name")).unwrap();
    tree.insert("naïve ☂", file(b"not ASCII")).unwrap();
    for number in 0..2500 {
        let path = format!("usr/many/file-with-a-longer-name-{number:05}");
        tree.insert(path, file(vec![number as u8])).unwrap();
    }
    tree
}

/// What a boot partition may hold.
pub(crate) fn boot() -> Tree {
    let mut tree = Tree::new();
    tree.insert("", with(0o755, Kind::Directory)).unwrap();
    for directory in ["EFI", "EFI/BOOT", "overlays"] {
        tree.insert(directory, with(0o755, Kind::Directory)).unwrap();
    }
    tree.insert("config.txt", file("arm_64bit=1\n")).unwrap();
    tree.insert("CMDLINE.TXT", file("quiet\n")).unwrap();
    tree.insert("empty", file("")).unwrap();
    tree.insert("EFI/BOOT/BOOTAA64.EFI", file(vec![0x4D; 123_457])).unwrap();
    tree.insert("überlänge und 日本語 𝄞.txt", file("long")).unwrap();
    for number in 0..300 {
        let path = format!("overlays/some-hat-with-a-name-{number}.dtbo");
        tree.insert(path, file(vec![number as u8; number * 7])).unwrap();
    }
    tree
}

pub(crate) fn ext4(tree: &Tree) -> Vec<u8> {
    let options = osb_ext4::Options {
        size: osb_ext4::estimate_size(tree, 1 << 20),
        uuid: *b"\x12\x34\x56\x78\x9a\xbc\x4d\xef\x80\x01\x02\x03\x04\x05\x06\x07",
        hash_seed: *b"0123456789abcdef",
        label: "osb-root".to_owned(),
        timestamp: 1_700_000_000,
    };
    let mut sink = WriteSink::new(Vec::new());
    osb_ext4::Image::plan(tree, &options).unwrap().write(&mut sink).unwrap();
    sink.into_inner()
}

pub(crate) fn fat(tree: &Tree) -> Vec<u8> {
    let options = osb_fat::Options {
        size: 34 * MIB,
        sector_size: 512,
        label: "BOOT".into(),
        volume_id: 0xCAFE_F00D,
        timestamp: 1_700_000_000,
        hidden_sectors: 2048,
    };
    let mut sink = WriteSink::new(Vec::new());
    osb_fat::Plan::new(tree, &options).unwrap().write(&mut sink).unwrap();
    sink.into_inner()
}

/// A disk with a FAT and an ext4 partition, as a build writes it.
pub(crate) fn disk(boot: &Tree, root: &Tree) -> Vec<u8> {
    let parts = [fat(boot), ext4(root)];
    let spec = |name: &str, kind, size| PartitionSpec {
        name: name.to_owned(),
        kind,
        guid: Guid::from_digest(format!("{name:<16}").as_bytes()),
        size,
    };
    let specs = vec![
        spec("boot", PartitionType::EfiSystem, parts[0].len() as u64),
        spec("root", PartitionType::LinuxRootArm64, parts[1].len() as u64),
    ];
    let layout = Layout::new(Guid::from_digest(b"the disk"), specs).unwrap();
    let mut sink = WriteSink::new(Vec::new());
    layout.write(&mut sink, &mut |index, sink| sink.data(&parts[index])).unwrap();
    sink.into_inner()
}

/// Opens bytes as a file, in a folder that stays until the contents were read.
pub(crate) fn open(folder: &Path, name: &str, bytes: &[u8]) -> Image {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    open_path(&path)
}

pub(crate) fn open_path(path: &Path) -> Image {
    let scratch = path.parent().unwrap();
    osb_image::open(path, &Options { scratch, limits: Limits::default() }).unwrap()
}

/// Whether a program is there; says so if it is not.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("-V").output().is_ok();
    if !found {
        eprintln!("SKIPPED: {program} is not installed here");
    }
    found
}

/// Runs a program, which must succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C.UTF-8").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}{errors}", output.status);
    text
}
