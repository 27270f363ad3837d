//! The archives as GNU tar and gzip see them, and as the tar crate reads them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use osb_archive::{ArchiveError, BLOCK, tar};
use osb_frames::{Codec, Cuts, Frames, NoStore};
use osb_tree::{Content, Device, Inode, Kind, Time, Tree};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .envs([("LC_ALL", "C.UTF-8"), ("TZ", "UTC")])
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    assert_eq!(errors, "", "{program} {arguments:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn inode(mode: u32, kind: Kind) -> Inode {
    let mut inode = Inode::new(mode, kind);
    inode.meta.mtime = Time { secs: 1_700_000_000, nanos: 999_999_999 };
    inode
}

fn file(mode: u32, bytes: &[u8]) -> Inode {
    inode(mode, Kind::File(bytes.to_vec().into()))
}

/// A path of 4 components, longer than `name` of ustar and than `name` and `prefix` together.
fn long_path() -> String {
    ["d".repeat(200), "e".repeat(200)].join("/")
}

fn everything() -> Tree {
    let mut tree = Tree::new();
    tree.insert("", inode(0o755, Kind::Directory)).unwrap();
    for path in ["a", "a/tmp", "dev", &"d".repeat(200), &long_path()] {
        tree.insert(path, inode(0o755, Kind::Directory)).unwrap();
    }
    tree.get_mut("a/tmp").unwrap().meta.mode = 0o1777;
    let mut suid = file(0o4755, &[7; 1000]);
    suid.meta.uid = 100_000;
    suid.meta.gid = 4_294_967_294;
    suid.meta.xattrs.insert(b"security.capability".to_vec(), b"\x01\0\0\x02\0\n=\0\0\0".to_vec());
    suid.meta.xattrs.insert(b"user.a=b%".to_vec(), b"value".to_vec());
    let id = tree.insert("a/suid", suid).unwrap();
    tree.link("link", id).unwrap();
    tree.link(format!("{}/{}", long_path(), "l".repeat(255)), id).unwrap();
    tree.insert(format!("{}/{}", long_path(), "f".repeat(255)), file(0o644, b"long")).unwrap();
    let first = format!("a/{}", "h".repeat(255));
    let id = tree.insert(&first, file(0o644, b"linked by a long name")).unwrap();
    tree.link("z", id).unwrap();
    tree.insert("a-b", file(0o644, b"between a and a/")).unwrap();
    tree.insert("empty", file(0o600, b"")).unwrap();
    tree.insert("naïve ☂", file(0o644, b"not ASCII")).unwrap();
    tree.insert("block", file(0o644, &[1; 512])).unwrap();
    let mut old = file(0o644, b"old");
    old.meta.mtime = Time::from_secs(-86400);
    tree.insert("old", old).unwrap();
    tree.insert("symlink", inode(0o777, Kind::Symlink(b"../else where".to_vec()))).unwrap();
    tree.insert("symlong", inode(0o777, Kind::Symlink(vec![b't'; 300]))).unwrap();
    let disk = Kind::BlockDevice(Device { major: 259, minor: 70_000 });
    tree.insert("dev/disk", inode(0o660, disk)).unwrap();
    tree.insert("dev/null", inode(0o666, Kind::CharDevice(Device { major: 1, minor: 3 }))).unwrap();
    tree.insert("dev/pipe", inode(0o600, Kind::Fifo)).unwrap();
    let id = tree.insert("dev/socket", inode(0o600, Kind::Socket)).unwrap();
    tree.link("dev/socket-too", id).unwrap();
    tree
}

/// The archive as osb writes it: gzip members, cut at blocks.
fn tar_gz(tree: &Tree) -> Vec<u8> {
    let cuts = Cuts::new(BLOCK, 1 << 20, 64 << 20);
    let codec = Codec::Gzip { level: 6 };
    let frames = Frames::new(Vec::new(), codec, cuts, 2, Arc::new(NoStore)).unwrap();
    tar(tree, frames).unwrap().finish().unwrap().0
}

#[test]
fn gnu_tar_lists_what_the_tree_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.tar.gz");
    let path = path.to_str().unwrap();
    fs::write(path, tar_gz(&everything())).unwrap();
    run("gzip", &["-t", path]);

    let list = run("tar", &["--numeric-owner", "--full-time", "-tvf", path]);
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in list.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        lines.insert(words[5], words);
    }
    assert!(list.lines().next().unwrap().ends_with(" ./"), "the root comes first");
    assert_eq!(lines["./"][0], "drwxr-xr-x");
    assert_eq!(lines["./a/tmp/"][0], "drwxrwxrwt");
    let suid = &lines["./a/suid"];
    assert_eq!(suid[..3], ["-rwsr-xr-x", "100000/4294967294", "1000"]);
    assert_eq!(suid[3..5], ["2023-11-14", "22:13:20"]);
    assert_eq!(lines["./old"][3], "1969-12-31");
    assert_eq!(lines["./dev/disk"][2], "259,70000");
    assert_eq!(lines["./dev/null"][2], "1,3");
    assert!(lines["./dev/pipe"][0].starts_with('p'));
    assert!(!list.contains("socket"), "sockets are left out");
    assert!(list.contains("./link link to ./a/suid"));
    assert!(list.contains(&format!("./z link to ./a/{}", "h".repeat(255))));
    assert!(list.contains("./symlink -> ../else where"));
    assert!(list.contains(&format!("./symlong -> {}", "t".repeat(300))));
    assert!(list.contains(&format!("./{}/{}\n", long_path(), "f".repeat(255))));
    assert!(list.contains(&format!("./{}/{} link to ./a/suid", long_path(), "l".repeat(255))));
    assert!(list.contains("./naïve ☂") || list.contains("./na\\303\\257ve"), "{list}");
    assert_eq!(list.lines().count(), everything().len() - 2);

    let list = run("tar", &["--xattrs", "--xattrs-include=*", "-tvvf", path]);
    assert!(list.contains("x: 10 security.capability"), "{list}");
    assert!(list.contains("x: 5 user.a=b%"), "{list}");
}

#[test]
fn gnu_tar_unpacks_the_contents() {
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("root.tar");
    let tree = everything();
    fs::write(&archive, tar(&tree, Vec::new()).unwrap()).unwrap();
    let out = directory.path().join("out");
    fs::create_dir(&out).unwrap();
    let arguments = ["--no-same-owner", "--exclude=./dev", "-C", out.to_str().unwrap(), "-xf"];
    // A date before 1970 is worth a warning to GNU tar, which `run` would not accept.
    let skip = ["--exclude=./old", archive.to_str().unwrap()];
    run("tar", &[&skip[..1], &arguments[..], &skip[1..]].concat());
    for (path, id, inode) in tree.iter() {
        let path = std::str::from_utf8(path).unwrap();
        let Some(content) = inode.content().filter(|_| path != "old") else { continue };
        let unpacked = out.join(path);
        assert!(fs::read(&unpacked).unwrap() == content.read().unwrap(), "{path}");
        assert_eq!(fs::metadata(&unpacked).unwrap().nlink(), u64::from(tree.links(id)), "{path}");
    }
    assert_eq!(fs::read_link(out.join("symlong")).unwrap(), Path::new(&"t".repeat(300)));
}

#[test]
fn the_bytes_depend_on_the_tree_only() {
    let mut tree = everything();
    let noise: Vec<u8> = (0..5_000_000_u32).map(|at| (at.wrapping_mul(at) >> 9) as u8).collect();
    tree.insert("noise", file(0o644, &noise)).unwrap();
    let first = tar_gz(&tree);
    assert!(tar_gz(&tree) == first);
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(&first[..]).read_to_end(&mut plain).unwrap();
    assert!(plain == tar(&tree, Vec::new()).unwrap());
}

#[test]
fn numbers_beyond_ustar_are_in_records() {
    // A sparse file stands for 8 GiB and more; only the headers are looked at.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huge");
    let size = (8 << 30) + 1;
    fs::File::create(&path).unwrap().set_len(size).unwrap();
    let mut tree = Tree::new();
    tree.insert("huge", inode(0o644, Kind::File(Content::File { path, size, fingerprint: None })))
        .unwrap();

    /// Keeps the beginning and is then full, so that nobody waits for 8 GiB.
    struct Head(Vec<u8>);
    impl std::io::Write for Head {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let room = 8192 - self.0.len();
            self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
            Ok(bytes.len().min(room))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut head = Head(Vec::new());
    assert!(matches!(tar(&tree, &mut head), Err(ArchiveError::Write(_))));
    let mut archive = ::tar::Archive::new(&head.0[..]);
    let entry = archive.entries().unwrap().nth(1).unwrap().unwrap();
    assert_eq!(entry.size(), size);
    assert_eq!(entry.path().unwrap(), Path::new("./huge"));
}

#[test]
fn a_file_that_shrank_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("source");
    fs::write(&path, b"short").unwrap();
    let mut tree = Tree::new();
    tree.insert(
        "file",
        inode(0o644, Kind::File(Content::File { path, size: 100, fingerprint: None })),
    )
    .unwrap();
    let error = tar(&tree, Vec::new()).unwrap_err();
    assert!(matches!(&error, ArchiveError::Content { path, .. } if path == "/file"), "{error}");
}
