//! `osb diff` on small real images: what it says, and how it ends.
#![allow(clippy::unwrap_used)] // in helpers, too: a failed one is a failed test
#![allow(clippy::print_stderr)] // a test that is skipped says so

mod common;

use std::fs;
use std::path::Path;

use common::Run;
use common::disk::{archive, boot, disk, disk_of, ext4, fat, file, root, zstd};
use osb_tree::Tree;
use serde_json::Value;

/// A described build, as another crate's test has it.
const METADATA: &str = include_str!("../../metadata/tests/golden/metadata.json");

fn diff(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("osb"));
    command.arg("diff").args(arguments).current_dir(folder);
    command.env("OSB_CACHE_DIR", folder.join("cache"));
    // What is decompressed goes there.
    let scratch = folder.join("scratch");
    fs::create_dir_all(&scratch).unwrap();
    command.env("TMPDIR", scratch);
    Run::of(command)
}

/// Runs `osb diff` on two sides, which must end with `code`; what it printed.
fn compare(folder: &Path, a: &str, b: &str, code: i32) -> String {
    let run = diff(folder, &[a, b]);
    assert_eq!(run.code, Some(code), "{run:?}");
    run.out
}

/// The root after a new version of its package.
fn upgraded() -> Tree {
    let mut tree = root();
    tree.insert("usr/bin/tool", file("#!/bin/sh\necho one\necho 2\n")).unwrap();
    let status =
        "Package: tool\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1.0-2\n";
    tree.insert("var/lib/dpkg/status", file(status)).unwrap();
    tree.remove("usr/share/doc/tool");
    tree.get_mut("etc/hosts").unwrap().meta.mode = 0o600;
    tree
}

#[test]
fn equal_images_of_any_form_have_no_difference() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = disk(&boot(), &root());
    fs::write(dir.path().join("disk.img"), &bytes).unwrap();
    fs::write(dir.path().join("copy.img"), &bytes).unwrap();
    fs::write(dir.path().join("sd.img.zst"), zstd(&bytes)).unwrap();
    fs::write(dir.path().join("rootfs.tar.gz"), archive(&boot(), &root())).unwrap();
    let scratch = dir.path().join("scratch");
    for other in ["copy.img", "sd.img.zst"] {
        assert_eq!(compare(dir.path(), "disk.img", other, 0), "nothing differs\n");
    }
    let text = compare(dir.path(), "disk.img", "rootfs.tar.gz", 0);
    assert!(text.contains("note: boot: left out are owners"), "{text}");
    assert!(text.ends_with("nothing differs\n"), "{text}");
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn what_only_one_form_has_is_a_difference_unless_the_form_cannot_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = disk(&boot(), &root());
    fs::write(dir.path().join("disk.img"), &bytes).unwrap();
    fs::write(dir.path().join("root.ext4"), &bytes[35 << 20..67 << 20]).unwrap();
    fs::write(dir.path().join("boot.vfat"), &bytes[1 << 20..35 << 20]).unwrap();
    fs::write(dir.path().join("bare.tar.gz"), archive(&Tree::new(), &root())).unwrap();
    let text = compare(dir.path(), "disk.img", "bare.tar.gz", 1);
    assert!(text.contains("- boot files: 3 paths"), "{text}");
    let text = compare(dir.path(), "root.ext4", "disk.img", 0);
    assert!(text.contains("only the second image has boot files: 3 paths"), "{text}");
    compare(dir.path(), "boot.vfat", "root.ext4", 1);
    let text = compare(dir.path(), "boot.vfat", "disk.img", 0);
    assert!(text.contains("only the second image has root files"), "{text}");
    // What a boot partition hides is not compared, and neither is a third file system.
    let mut hidden = root();
    hidden.lay("boot/firmware/old.txt", file("old")).unwrap();
    fs::write(dir.path().join("hidden.img"), disk(&boot(), &hidden)).unwrap();
    fs::write(dir.path().join("whole.tar.gz"), archive(&boot(), &root())).unwrap();
    let text = compare(dir.path(), "hidden.img", "whole.tar.gz", 0);
    assert!(text.contains("note: /boot/firmware of the first image's root"), "{text}");
    let mut data = Tree::new();
    for number in 0..50 {
        data.insert(format!("{number}"), file("")).unwrap();
    }
    let parts = [fat(&boot()), ext4(&data), ext4(&root())];
    fs::write(dir.path().join("three.img"), disk_of(parts)).unwrap();
    let mut damaged = bytes.clone();
    damaged[512 + 60] ^= 1;
    fs::write(dir.path().join("damaged.img"), damaged).unwrap();
    let text = compare(dir.path(), "damaged.img", "whole.tar.gz", 0);
    assert!(text.contains("note: the first image: the first copy is damaged"), "{text}");
    let text = compare(dir.path(), "three.img", "whole.tar.gz", 0);
    assert!(text.contains("note: partition 2 (root) of the first image is not compared"), "{text}");
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::write(dir.path().join("folder/config.txt"), "arm_64bit=1\n").unwrap();
    let text = compare(dir.path(), "folder", "boot.vfat", 1);
    assert!(text.contains("+ /overlays/, with 1 path below it"), "{text}");
}

#[test]
fn packages_paths_and_lines_are_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.img"), disk(&boot(), &root())).unwrap();
    fs::write(dir.path().join("b.img"), disk(&boot(), &upgraded())).unwrap();
    fs::write(dir.path().join("b.tar.gz"), archive(&boot(), &upgraded())).unwrap();
    for other in ["b.img", "b.tar.gz"] {
        let text = compare(dir.path(), "a.img", other, 1);
        for line in [
            "~ tool: 1.0-1 arm64 → 1.0-2 arm64",
            "~ /usr/bin/tool: size 28 → 26; line 3 (byte 24) \"two\" → \"2\"",
            "- /usr/share/doc/tool/, with 2 paths below it",
            "~ /etc/hosts: mode 0644 → 0600",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let place = |part: &str| text.find(part).unwrap();
        assert!(
            place(", tool\n") < place("/usr/bin/tool")
                && place("/usr/bin/tool") < place(", no package")
        );
        assert!(place(", no package") < place("/etc/hosts"), "{text}");
    }
}

#[test]
fn long_sections_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut more = root();
    for number in 0..300 {
        more.insert(format!("etc/{number:03}"), file("")).unwrap();
    }
    fs::write(dir.path().join("a.tar.gz"), archive(&boot(), &root())).unwrap();
    fs::write(dir.path().join("b.tar.gz"), archive(&boot(), &more)).unwrap();
    let text = compare(dir.path(), "a.tar.gz", "b.tar.gz", 1);
    assert!(text.contains("… and 201 more"), "{text}");
    let run = diff(dir.path(), &["a.tar.gz", "b.tar.gz", "--limit", "0"]);
    assert!(run.out.contains("+ /etc/299") && !run.out.contains("more"), "{run:?}");
}

#[test]
fn bytes_are_explained_where_the_trees_are_equal() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = disk(&boot(), &root());
    fs::write(dir.path().join("a.img"), &bytes).unwrap();
    // Partitions at 1 MiB and 35 MiB.
    let (fat, ext4) = (1 << 20, 35 << 20);
    for (at, place) in [
        (440, "the master boot record"),
        (520, "the GPT's first header"),
        (fat + 3, "partition 1 (vfat): the reserved sectors, byte 0x3"),
        (fat + 33 * (1 << 20), "partition 1 (vfat): a free cluster"),
        (ext4 + 100, "partition 2 (ext4): the boot block"),
        (ext4 + 1024 + 0x30, "partition 2 (ext4): the superblock, byte 0x30"),
        (bytes.len() - 100, "the GPT's last header"),
        (bytes.len() - 1000, "the GPT's last entries"),
    ] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        fs::write(dir.path().join("b.img"), &other).unwrap();
        let run = diff(dir.path(), &["a.img", "b.img"]);
        assert_eq!(run.code, Some(1), "{place}: {run:?}");
        assert!(
            run.out.contains(&format!("byte {at} ")) && run.out.contains(place),
            "{place}: {run:?}"
        );
    }
    // Compressed against plain, of any form.
    let mut plain = osb_archive::tar(&root(), Vec::new()).unwrap();
    fs::write(dir.path().join("a.tar.zst"), zstd(&plain)).unwrap();
    fs::write(dir.path().join("b.tar"), &plain).unwrap();
    assert_eq!(compare(dir.path(), "a.tar.zst", "b.tar", 0), "nothing differs\n");
    plain.extend([0; 512]);
    fs::write(dir.path().join("b.tar"), &plain).unwrap();
    let text = compare(dir.path(), "a.tar.zst", "b.tar", 1);
    assert!(text.contains("b.tar: decompressed, byte"), "{text}");
    // A compressed file of the same content.
    let sd = [zstd(&bytes[..1000]), zstd(&bytes[1000..])].concat();
    fs::write(dir.path().join("a.zst"), zstd(&bytes)).unwrap();
    fs::write(dir.path().join("b.zst"), sd).unwrap();
    let text = compare(dir.path(), "a.zst", "b.zst", 1);
    assert!(text.contains("only its compression differs"), "{text}");
}

#[test]
fn output_folders_are_compared_from_their_descriptions_down() {
    let dir = tempfile::tempdir().unwrap();
    let output = |name: &str, metadata: &str, root: &Tree| {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("metadata.json"), metadata).unwrap();
        fs::write(folder.join("disk.img"), disk(&boot(), root)).unwrap();
    };
    output("a", METADATA, &root());
    output("same", METADATA, &root());
    let document: Value = serde_json::from_str(METADATA).unwrap();
    let layer = &document["layers"][0];
    let key = layer["dressing_key"].as_str().unwrap();
    let version = document["packages"][0]["version"].as_str().unwrap();
    let changed = METADATA.replace(key, &"0".repeat(64)).replace(version, "99");
    output("b", &changed, &upgraded());
    assert_eq!(compare(dir.path(), "a", "same", 0), "nothing differs\n");
    let text = compare(dir.path(), "a", "b", 1);
    let name = layer["name"].as_str().unwrap();
    let first = format!("layer {name}: the first key that differs is its dressing key");
    let package = document["packages"][0]["name"].as_str().unwrap();
    for part in [&first, &format!("~ {package}: {version}"), "/usr/bin/tool", "metadata.json: line"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    fs::remove_file(dir.path().join("same/disk.img")).unwrap();
    let text = compare(dir.path(), "a", "same", 1);
    assert!(text.contains("disk.img: only the first folder has it"), "{text}");
    // Both architectures of a package.
    let mut document = document.clone();
    let mut other = document["packages"][0].clone();
    other["architecture"] = "armhf".into();
    document["packages"].as_array_mut().unwrap().insert(1, other);
    for (folder, version) in [("two", "1"), ("three", "2")] {
        document["packages"][0]["version"] = version.into();
        fs::create_dir(dir.path().join(folder)).unwrap();
        let text = serde_json::to_string(&document).unwrap();
        fs::write(dir.path().join(folder).join("metadata.json"), text).unwrap();
    }
    let text = compare(dir.path(), "two", "three", 1);
    assert!(text.contains(&format!("~ {package}: 1 ")), "{text}");
    // A description says nothing about an image that has none.
    fs::rename(dir.path().join("a/disk.img"), dir.path().join("bare.img")).unwrap();
    for (one, other) in [("same", "bare.img"), ("bare.img", "same")] {
        let run = diff(dir.path(), &[one, other]);
        run.assert_error(2, &["same has no image to compare"]);
    }
}

#[test]
fn nothing_in_an_image_reaches_the_terminal_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut hostile = root();
    hostile.insert("var/lib/dpkg/info/\u{1b}[2J.list", file("/etc/hosts\n")).unwrap();
    let status = "Package: \u{1b}]0;x\u{7}\nStatus: install ok installed\nVersion: \u{202e}1\n";
    hostile.insert("var/lib/dpkg/status", file(status)).unwrap();
    hostile.insert("etc/hosts", file("\u{1b}[31m\u{200f}\n")).unwrap();
    fs::write(dir.path().join("a.img"), disk(&boot(), &root())).unwrap();
    let mut bytes = disk(&boot(), &hostile);
    // The label of the FAT file system.
    bytes[(1 << 20) + 71..][..5].copy_from_slice(b"\x1b[2JT");
    fs::write(dir.path().join("b.img"), bytes).unwrap();
    let text = compare(dir.path(), "a.img", "b.img", 1);
    let controls = |text: &str| text.contains(|c: char| c.is_control() && c != '\n');
    assert!(!controls(&text) && !text.contains(['\u{202e}', '\u{200f}']), "{text:?}");
    assert!(text.contains("\\u{1b}[2J") && text.contains("\\u{202e}1"), "{text}");
    // What is said of a description that is wrong.
    for name in ["c", "d"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        let text = "{\"\\u001b[2J\": 1, \"format\": \"\\u001b[2J\"}";
        fs::write(dir.path().join(name).join("metadata.json"), text).unwrap();
    }
    let run = diff(dir.path(), &["c", "d"]);
    run.assert_error(2, &["metadata.json"]);
    assert!(!controls(&run.err), "{run:?}");
}

#[test]
fn layers_are_found_by_their_keys() {
    let dir = tempfile::tempdir().unwrap();
    let layer = |key: &str, text: &str| {
        let root = dir.path().join("cache/layers-v2").join(key).join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/motd"), text).unwrap();
        root
    };
    layer("aaaa1111", "one\n");
    let second = layer("bbbb2222", "two\n");
    layer("bbbb3333", "three\n");
    let text = compare(dir.path(), "aaaa", "bbbb2", 1);
    assert!(text.contains("/etc/motd: size") || text.contains("line 1"), "{text}");
    diff(dir.path(), &["aaaa", "bbbb"]).assert_error(2, &["2 layers", "more of the key"]);
    diff(dir.path(), &["aaaa", "cccc"]).assert_error(2, &["no file, folder or layer cccc"]);
    // What a layer deletes from those below it is a difference, too.
    let (mode, nowhere) = (rustix::fs::Mode::from_raw_mode(0o600), rustix::fs::makedev(0, 0));
    let device = rustix::fs::FileType::CharacterDevice;
    let path = second.join("etc/gone");
    if rustix::fs::mknodat(rustix::fs::CWD, path, device, mode, nowhere).is_err() {
        eprintln!("SKIPPED: deleted names cannot be made here");
        return;
    }
    let text = compare(dir.path(), "aaaa", "bbbb2", 1);
    assert!(text.contains("+ /etc/gone"), "{text}");
}

#[test]
fn programs_read_objects() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.img"), disk(&boot(), &root())).unwrap();
    fs::write(dir.path().join("b.img"), disk(&boot(), &upgraded())).unwrap();
    let run = diff(dir.path(), &["a.img", "b.img", "--json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let objects: Vec<Value> =
        run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, differences) = objects.split_last().unwrap();
    assert_eq!((&last["event"], &last["equal"]), (&"diff".into(), &false.into()));
    assert_eq!(last["counts"]["packages"], 1);
    let tool = differences.iter().find(|each| each["path"] == "/usr/bin/tool").unwrap();
    assert_eq!((&tool["package"], &tool["change"]), (&"tool".into(), &"changed".into()));
    assert_eq!(tool["what"][0]["aspect"], "size");
}

#[test]
fn what_is_no_image_is_bad_input() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.img"), disk(&boot(), &root())).unwrap();
    fs::write(dir.path().join("noise"), common::noise(100_000)).unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    let archive = archive(&boot(), &root());
    fs::write(dir.path().join("cut.tar.gz"), &archive[..archive.len() / 2]).unwrap();
    for (other, part) in [
        ("noise", "neither a disk"),
        ("empty", "neither a disk"),
        ("cut.tar.gz", "decompressing"),
        ("missing", "no file, folder or layer"),
    ] {
        diff(dir.path(), &["a.img", other]).assert_error(2, &[other, part]);
    }
}
