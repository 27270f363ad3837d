//! `osb inspect` and `osb check` on small real images: what they say, and how they end.
#![allow(clippy::unwrap_used)] // in helpers, too: a failed one is a failed test

mod common;

use std::fs;
use std::path::Path;

use common::Run;
use common::disk::{archive, boot, disk, file, root, zstd};
use osb_tree::Inode;
use serde_json::Value;

fn osb(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("osb"));
    command.args(arguments).current_dir(folder);
    // What is decompressed goes there.
    let scratch = folder.join("scratch");
    fs::create_dir_all(&scratch).unwrap();
    command.env("TMPDIR", scratch);
    Run::of(command)
}

fn said(folder: &Path, arguments: &[&str]) -> String {
    let run = osb(folder, arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
    run.out
}

/// A folder with the image in every form; its root has a link to a folder, and one that leads out.
fn images() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut root = root();
    root.insert("bin", Inode::symlink("usr/bin")).unwrap();
    root.insert("out", Inode::symlink("../../../etc/hosts")).unwrap();
    let bytes = disk(&boot(), &root);
    fs::write(dir.path().join("disk.img"), &bytes).unwrap();
    fs::write(dir.path().join("sd.img.zst"), zstd(&bytes)).unwrap();
    fs::write(dir.path().join("rootfs.tar.gz"), archive(&boot(), &root)).unwrap();
    dir
}

#[test]
fn every_form_shows_the_same_files() {
    let dir = images();
    for image in ["disk.img", "sd.img.zst", "rootfs.tar.gz", "."] {
        let look = |what: &[&str]| said(dir.path(), &[&["inspect", image], what].concat());
        assert_eq!(look(&["cat", "/bin/tool"]), "#!/bin/sh\necho one\necho two\n");
        assert_eq!(
            look(&["cat", "out", "/boot/firmware/overlays/x.dtbo"]),
            "127.0.0.1 localhost\noverlay"
        );
        assert!(look(&["ls", "/bin"]).ends_with("28 /usr/bin/tool\n"));
        assert!(look(&["ls", "/bin/.."]).contains("/usr/share/\n"));
        let tree = look(&["tree", "/usr/share", "--depth", "2"]);
        assert!(tree.contains("/usr/share/doc/tool/\n") && !tree.contains("tool/a"), "{tree}");
        assert_eq!(look(&["packages"]), "tool 1.0-1 arm64\n");
        assert!(look(&[]).contains("packages   1\n"));
    }
    assert_eq!(fs::read_dir(dir.path().join("scratch")).unwrap().count(), 0);
}

#[test]
fn partitions_are_told_and_looked_into() {
    let dir = images();
    let text = said(dir.path(), &["inspect", "disk.img", "partitions"]);
    for part in ["GPT", "part 0", "vfat, label BOOT, UUID 0000-0001", "ext4, label root", "free"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = said(dir.path(), &["inspect", "disk.img", "--partition", "1", "cat", "config.txt"]);
    assert_eq!(text, "arm_64bit=1\n");
    let text = said(dir.path(), &["--json", "inspect", "disk.img", "partitions"]);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["volume"]["system"]), (2, &Value::from("ext4")));
    let free = lines[0]["volume"]["free"].as_u64().unwrap();
    let size = lines[0]["volume"]["size"].as_u64().unwrap();
    // config.txt, overlays and what is in it, and the root directory: a cluster each.
    let used = size - free;
    assert!(used > 0 && used < 64 << 10, "{used} bytes are used");
}

#[test]
fn what_is_not_there_is_bad_input() {
    let dir = images();
    fs::write(dir.path().join("noise"), vec![0x5A; 70_000]).unwrap();
    for (arguments, texts) in [
        (&["inspect", "nothing"][..], &["nothing", "opening"][..]),
        (&["inspect", "noise"], &["neither a disk"]),
        (&["inspect", "disk.img", "cat", "/usr/nothing/x"], &["there is no /usr/nothing"]),
        (&["inspect", "disk.img", "cat", "/etc"], &["/etc is no regular file"]),
        (&["inspect", "disk.img", "ls", "/etc/hosts/x"], &["/etc/hosts is no directory"]),
        (&["inspect", "disk.img", "--partition", "3", "ls"], &["partition 3", "partitions"]),
        (&["inspect", "rootfs.tar.gz", "partitions"], &["no disk"]),
        (&["check", "noise"], &["neither a disk"]),
        (&["check", "disk.img", "--rule", "no-such-rule"], &["no-such-rule", "no-tokens"]),
    ] {
        let run = osb(dir.path(), arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {run:?}");
        for text in texts {
            assert!(run.err.contains(text), "{text} in {run:?}");
        }
    }
}

#[test]
fn check_tells_what_is_broken_and_ends_with_4() {
    let dir = images();
    let mut root = root();
    root.lay("etc/ssh/ssh_host_rsa_key\u{1b}[2J", file("key")).unwrap();
    fs::write(dir.path().join("keys.tar.gz"), archive(&boot(), &root)).unwrap();
    let run = osb(dir.path(), &["check", "keys.tar.gz", "--rule", "no-host-keys"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(
        run.out.contains("error: no-host-keys\n  /etc/ssh/ssh_host_rsa_key\\x1b[2J: a host key\n")
    );
    assert!(run.out.contains("0 of 1 rule hold; 1 error,"), "{run:?}");
    let text = said(dir.path(), &["check", "disk.img", "--rule", "no-host-keys", "--json"]);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["outcome"], "holds");
    assert_eq!((&lines[1]["event"], &lines[1]["errors"]), (&Value::from("check"), &Value::from(0)));
    let text = said(dir.path(), &["check", "--list"]);
    assert!(text.contains("boot-kernel-whole (error)\n"), "{text}");
}
