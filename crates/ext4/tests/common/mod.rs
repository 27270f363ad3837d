//! Trees to write, a sink that keeps the bytes, and the referees from e2fsprogs.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use osb_ext4::{Image, Options, estimate_size};
use osb_sink::Sink;
use osb_tree::diff::{Scope, diff};
use osb_tree::{Device, Inode, Kind, Meta, Time, Tree};

pub(crate) const TIMESTAMP: i64 = 1_750_000_000;

/// Keeps what comes; since it only appends, bytes out of order would end up in wrong places.
#[derive(Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Sink for Bytes {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.0.resize(self.0.len() + len as usize, 0);
        Ok(())
    }
}

pub(crate) fn options(size: u64) -> Options {
    Options {
        size,
        uuid: *b"\x12\x34\x56\x78\x9a\xbc\x4d\xef\x80\x01\x02\x03\x04\x05\x06\x07",
        hash_seed: *b"0123456789abcdef",
        label: "osb-root".into(),
        timestamp: TIMESTAMP,
    }
}

/// The bytes of a file system; for small ones.
pub(crate) fn write(tree: &Tree, options: &Options) -> Vec<u8> {
    let mut sink = Bytes::default();
    Image::plan(tree, options).unwrap().write(&mut sink).unwrap();
    assert_eq!(sink.0.len() as u64, options.size);
    sink.0
}

/// Writes into a file at a position, and leaves holes. Free blocks get rubbish, which they may have
/// on a disk: nobody may read them.
struct Holes {
    file: File,
    at: u64,
}

impl Sink for Holes {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.at)?;
        self.zeros(bytes.len() as u64)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.at += len;
        Ok(())
    }

    fn unused(&mut self, len: u64) -> io::Result<()> {
        self.file.write_all_at(&vec![0xA5; len.min(1 << 20) as usize], self.at)?;
        self.zeros(len)
    }
}

/// A file system in a file, in a folder of its own.
pub(crate) struct Written {
    folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Written {
    /// Writes `tree` with these options.
    pub(crate) fn with(tree: &Tree, options: &Options) -> Written {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.ext4");
        let file = File::create(&path).unwrap();
        file.set_len(options.size).unwrap();
        let mut sink = Holes { file, at: 0 };
        Image::plan(tree, options).unwrap().write(&mut sink).unwrap();
        assert_eq!(sink.at, options.size);
        Written { folder, path }
    }

    /// Writes `tree` into the smallest file system that holds it.
    pub(crate) fn smallest(tree: &Tree) -> Written {
        Written::with(tree, &options(estimate_size(tree, 0)))
    }

    /// What `debugfs` answers.
    pub(crate) fn debugfs(&self, request: &str) -> String {
        run("debugfs", &["-R", request, self.path.to_str().unwrap()])
    }

    /// A folder that goes with the file.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `e2fsck -fn` must find nothing to complain about, not even what it would fix by itself.
    pub(crate) fn check(&self) {
        let text = run("e2fsck", &["-f", "-n", self.path.to_str().unwrap()]);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("Pass ")).collect();
        assert_eq!(lines.len(), 1, "only the summary: {text}");
    }

    /// Everything that `tree` says must be there, and nothing else.
    pub(crate) fn compare(&self, tree: &Tree) {
        let limits = osb_image::Limits::default();
        let options = osb_image::Options { scratch: self.folder.path(), limits };
        let mut image = osb_image::open(&self.path, &options).unwrap();
        let volume = image.volumes.pop().unwrap();
        assert!(volume.problems.is_empty(), "{:?}", volume.problems);
        let mut wanted = tree.clone();
        let mut own = Inode::directory(0o700);
        own.meta.mtime = Time::from_secs(TIMESTAMP);
        wanted.insert("lost+found", own).unwrap();
        let found = diff(&wanted, &volume.tree, &Scope::ALL).unwrap();
        let shown = format!("{:?}", found.iter().take(5).collect::<Vec<_>>());
        assert!(found.is_empty(), "{} differences, the first: {shown:.1000}", found.len());
    }

    /// Both.
    pub(crate) fn prove(&self, tree: &Tree) {
        self.check();
        self.compare(tree);
    }
}

/// Runs a referee, which must exit with 0, and gives its output.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed (apt install e2fsprogs): {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}{errors}", output.status);
    text
}

pub(crate) fn with(mode: u32, kind: Kind, change: impl FnOnce(&mut Meta)) -> Inode {
    let mut inode = Inode::new(mode, kind);
    inode.meta.mtime = Time { secs: 1_700_000_000, nanos: 123_456_789 };
    change(&mut inode.meta);
    inode
}

/// An ACL in the system calls' form: owner rw-, user 1000 r--, group r--, mask r--, other ---.
pub(crate) const ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 255, 255,
    255, 255, 0x10, 0, 4, 0, 255, 255, 255, 255, 0x20, 0, 0, 0, 255, 255, 255, 255,
];

/// A tree with one of everything.
pub(crate) fn everything() -> Tree {
    let mut tree = Tree::new();
    tree.insert("", with(0o755, Kind::Directory, |meta| meta.gid = 7)).unwrap();
    for directory in ["dev", "etc", "lost+found", "tmp", "usr", "usr/many", "usr-local"] {
        tree.insert(directory, with(0o755, Kind::Directory, |_| ())).unwrap();
    }
    tree.get_mut("tmp").unwrap().meta.mode = 0o1777;
    let file = |bytes: &[u8]| Kind::File(bytes.to_vec().into());
    tree.insert("etc/empty", with(0o600, file(b""), |_| ())).unwrap();
    tree.insert("etc/block", with(0o644, file(&[0xA5; 4096]), |_| ())).unwrap();
    tree.insert("etc/more", with(0o644, file(&[0x5A; 4097]), |_| ())).unwrap();
    let big: Vec<u8> = (0..3_000_001_u32).map(|at| (at / 7 % 251) as u8).collect();
    tree.insert("usr/big", with(0o644, file(&big), |_| ())).unwrap();
    let suid = with(0o4755, file(b"#!suid"), |meta| {
        meta.uid = 100_000;
        meta.gid = 4_294_967_294;
    });
    let id = tree.insert("usr/suid", suid).unwrap();
    tree.link("etc/same", id).unwrap();
    tree.link("usr-local/same", id).unwrap();
    let capable = with(0o755, file(b"ping"), |meta| {
        let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        meta.xattrs.insert(b"security.capability".to_vec(), capability);
    });
    tree.insert("usr/ping", capable).unwrap();
    let acl = with(0o640, file(b"acl"), |meta| {
        meta.xattrs.insert(b"system.posix_acl_access".to_vec(), ACL.to_vec());
        meta.xattrs.insert(b"user.long".to_vec(), vec![b'v'; 900]);
    });
    tree.insert("etc/acl", acl).unwrap();
    tree.insert("old", with(0o644, file(b"x"), |meta| meta.mtime = Time::from_secs(-5))).unwrap();
    let future = |meta: &mut Meta| meta.mtime = Time { secs: 5_000_000_000, nanos: 1 };
    tree.insert("future", with(0o644, file(b"x"), future)).unwrap();
    let link = |length: usize| with(0o777, Kind::Symlink(vec![b't'; length]), |_| ());
    tree.insert("inline-link", link(59)).unwrap();
    tree.insert("block-link", link(60)).unwrap();
    tree.insert("longest-link", link(4095)).unwrap();
    let null = Kind::CharDevice(Device { major: 1, minor: 3 });
    tree.insert("dev/null", with(0o666, null, |_| ())).unwrap();
    let disk = Kind::BlockDevice(Device { major: 259, minor: 300 });
    tree.insert("dev/disk", with(0o660, disk, |meta| meta.gid = 6)).unwrap();
    tree.insert("dev/pipe", with(0o600, Kind::Fifo, |_| ())).unwrap();
    tree.insert("dev/socket", with(0o700, Kind::Socket, |_| ())).unwrap();
    tree.insert("n".repeat(255), with(0o644, file(b"longest name"), |_| ())).unwrap();
    tree.insert(b"\xff\x80 not UTF-8", with(0o644, file(b"bytes"), |_| ())).unwrap();
    let target = Kind::Symlink(b"\xfe/\x80".to_vec());
    tree.insert("byte-link", with(0o777, target, |_| ())).unwrap();
    tree.insert("naïve ☂", with(0o644, file(b"not ASCII"), |_| ())).unwrap();
    for number in 0..2500 {
        let path = format!("usr/many/file-with-a-longer-name-{number:05}");
        tree.insert(path, with(0o644, file(&[number as u8]), |_| ())).unwrap();
    }
    tree
}

/// xorshift64*: trees that are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % bound
    }
}

/// A tree of a random shape: deep or flat, few or many files, short or long names.
pub(crate) fn random_tree(seed: u64) -> Tree {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut tree = Tree::new();
    let mut directories = vec![String::new()];
    let mut files = Vec::new();
    let entries = [3, 40, 700, 4000][random.below(4) as usize];
    let name_length = [1, 12, 60, 230][random.below(4) as usize];
    let sizes = [1, 5000, 300_000][random.below(3) as usize];
    let kinds = 4 + random.below(17);
    for number in 0..entries {
        let parent = &directories[random.below(directories.len() as u64) as usize];
        let padding = "p".repeat(random.below(name_length + 1) as usize);
        let slash = if parent.is_empty() { "" } else { "/" };
        let path = format!("{parent}{slash}{padding}{number}");
        match random.below(kinds) {
            0 if parent.len() < 1500 => {
                tree.insert(&path, with(0o755, Kind::Directory, |_| ())).unwrap();
                directories.push(path);
            }
            1 => {
                let target = vec![b'l'; 1 + random.below(200) as usize];
                tree.insert(&path, with(0o777, Kind::Symlink(target), |_| ())).unwrap();
            }
            2 if !files.is_empty() => {
                tree.link(&path, files[random.below(files.len() as u64) as usize]).unwrap();
            }
            3 => {
                let value = vec![1; random.below(3000) as usize];
                let inode = with(0o644, Kind::Fifo, |meta| {
                    meta.xattrs.insert(b"user.x".to_vec(), value);
                });
                tree.insert(&path, inode).unwrap();
            }
            _ => {
                let content = vec![number as u8; random.below(sizes) as usize];
                let inode = with(0o644, Kind::File(content.into()), |_| ());
                files.push(tree.insert(&path, inode).unwrap());
            }
        }
    }
    tree
}
