//! What else reads the archives: bsdtar, gzip and zstd; and what GNU tar makes of them as root.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and tells what it skips"
)]

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use osb_archive::tar;
use osb_frames::{Codec, Cuts, Frames, NoStore};
use osb_tree::{Content, Device, Inode, Kind, Time, Tree};

/// Runs a program that must succeed; `None`, after saying so, if it is not there.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).envs([("LC_ALL", "C.UTF-8"), ("TZ", "UTC")]);
    let output = match command.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("SKIPPED: there is no {program}; ci/prepare installs what Debian lacks");
            return None;
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {}", said.chars().take(300).collect::<String>());
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn inode(mode: u32, kind: Kind) -> Inode {
    let mut inode = Inode::new(mode, kind);
    inode.meta.mtime = Time::from_secs(1_700_000_000);
    inode
}

fn file(bytes: &[u8]) -> Inode {
    inode(0o640, Kind::File(bytes.to_vec().into()))
}

/// Long names, names that are no text, owners, capabilities, lists, links and devices.
fn hard() -> Tree {
    let mut tree = Tree::new();
    tree.insert("", inode(0o755, Kind::Directory)).unwrap();
    let (name, deep) = ("n".repeat(255), ["d".repeat(150), "e".repeat(150)].join("/"));
    for path in ["dev", "links", &"d".repeat(150), &deep] {
        tree.insert(path, inode(0o755, Kind::Directory)).unwrap();
    }
    tree.insert(&name, file(b"a name of 255 bytes")).unwrap();
    tree.insert(format!("{deep}/{name}"), file(b"a path of 557 bytes")).unwrap();
    tree.insert(b"not \xff\xfe text\n", file(b"bytes")).unwrap();
    let mut special = file(&[7; 1000]);
    special.meta.uid = 100_000;
    special.meta.gid = 3_000_000;
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    special.meta.xattrs.insert(b"security.capability".to_vec(), capability);
    // Version 2; owner rw, user 1000 r, group r, mask r, others none (acl(5), linux/posix_acl_xattr.h).
    let mut list = vec![2, 0, 0, 0];
    for (tag, rights, id) in [
        (1u16, 6u16, u32::MAX),
        (2, 4, 1000),
        (4, 4, u32::MAX),
        (16, 4, u32::MAX),
        (32, 0, u32::MAX),
    ] {
        list.extend(tag.to_le_bytes());
        list.extend(rights.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    special.meta.xattrs.insert(b"system.posix_acl_access".to_vec(), list);
    let id = tree.insert("special", special).unwrap();
    for number in 0..300 {
        tree.link(format!("links/{number:03}"), id).unwrap();
    }
    tree.insert("dev/null", inode(0o666, Kind::CharDevice(Device { major: 1, minor: 3 }))).unwrap();
    tree.insert("dev/loop", inode(0o660, Kind::BlockDevice(Device { major: 7, minor: 300 })))
        .unwrap();
    tree.insert("dev/pipe", inode(0o600, Kind::Fifo)).unwrap();
    tree.insert("symlink", inode(0o777, Kind::Symlink("t".repeat(300).into()))).unwrap();
    tree
}

fn tar_gz(tree: &Tree, path: &Path) {
    let (codec, cuts) = (Codec::Gzip { level: 6 }, Cuts::new(512, 1 << 20, 64 << 20));
    let frames = Frames::new(Vec::new(), codec, cuts, 2, Arc::new(NoStore)).unwrap();
    fs::write(path, tar(tree, frames).unwrap().finish().unwrap().0).unwrap();
}

#[test]
fn gzip_zstd_and_bsdtar_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let (path, tree) = (dir.path().join("root.tar.gz"), hard());
    tar_gz(&tree, &path);
    let path = path.to_str().unwrap();
    run("gzip", &["-t", path]);
    run("zstd", &["-tq", path]);
    // bsdtar shows bytes that are no text, and newlines, as escapes: a line an entry.
    let Some(list) = run("bsdtar", &["-tvf", path]) else { return };
    assert_eq!(list.lines().count(), tree.len(), "{}", list.lines().count());
    assert!(list.contains(&format!("/{}", "n".repeat(255))));
    assert!(list.contains(&format!("symlink -> {}", "t".repeat(300))));
    assert_eq!(list.matches(" link to ./links/000").count(), 300, "{}", &list[..500]);
}

#[test]
fn gnu_tar_as_root_makes_the_same_tree() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root makes devices and other people's files");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (path, out, tree) = (dir.path().join("root.tar.gz"), dir.path().join("out"), hard());
    tar_gz(&tree, &path);
    fs::create_dir(&out).unwrap();
    let (path, folder) = (path.to_str().unwrap(), out.to_str().unwrap());
    let keep = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-p"];
    run("tar", &[&keep[..], &["-C", folder, "-xzf", path]].concat());
    let read = osb_tree::scan(&out).unwrap();
    let names = |tree: &Tree| tree.iter().map(|(path, ..)| path.to_vec()).collect::<Vec<_>>();
    assert!(names(&read) == names(&tree), "{} of {} paths", read.len(), tree.len());
    for ((path, id, found), (_, expected_id, expected)) in read.iter().zip(tree.iter()) {
        let name = String::from_utf8_lossy(path).chars().take(80).collect::<String>();
        assert_eq!(found.meta, expected.meta, "{name}");
        assert_eq!(read.links(id), tree.links(expected_id), "{name}");
        match (&found.kind, &expected.kind) {
            (Kind::File(found), Kind::File(expected)) => {
                assert!(found.read().unwrap() == expected.read().unwrap(), "{name}");
            }
            (found, expected) => {
                assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{name}")
            }
        }
    }
}

/// A file in which zeroes are holes, so that an archive of 8 GiB costs no disk.
struct Holes(File);

impl Write for Holes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        static ZEROS: [u8; 256 << 10] = [0; 256 << 10];
        if ZEROS.get(..bytes.len()).is_some_and(|zeros| zeros == bytes) {
            self.0.seek(SeekFrom::Current(bytes.len() as i64))?;
            return Ok(bytes.len());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn files_of_8_gib_and_more_are_listed_with_their_size() {
    let dir = tempfile::tempdir().unwrap();
    let (path, archive) = (dir.path().join("huge"), dir.path().join("archive"));
    // One byte more than eleven octal digits can say.
    let size = 8 << 30;
    File::create(&path).unwrap().set_len(size).unwrap();
    let mut tree = Tree::new();
    let content = Content::File { path, size, fingerprint: None };
    tree.insert("huge", inode(0o644, Kind::File(content))).unwrap();
    tree.insert("small", file(b"behind it")).unwrap();
    let mut file = tar(&tree, Holes(File::create(&archive).unwrap())).unwrap().0;
    let len = file.stream_position().unwrap();
    file.set_len(len).unwrap();
    for program in ["tar", "bsdtar"] {
        let Some(list) = run(program, &["-tvf", archive.to_str().unwrap()]) else { continue };
        assert!(list.contains(&size.to_string()) && list.contains("./small"), "{program}: {list}");
    }
}
