//! Images that others make: mke2fs, debugfs, mkfs.vfat, mtools, sfdisk, GNU tar. Where a program
//! is not installed, its test says SKIPPED.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{MIB, has, open_path, run};
use osb_image::{System, TableKind};
use osb_tree::diff::{Resolution, Scope, diff};
use osb_tree::{Tree, scan};

/// A folder with what an ordinary user can make, and what root can.
fn folder(place: &Path) -> Tree {
    fs::create_dir_all(place.join("dir/deep")).unwrap();
    fs::write(place.join("dir/file"), "text\n").unwrap();
    fs::hard_link(place.join("dir/file"), place.join("dir/deep/again")).unwrap();
    fs::write(place.join("tiny"), "x").unwrap();
    fs::write(place.join("medium"), vec![9; 150]).unwrap();
    let big: Vec<u8> = (0..2_000_000_u32).map(|at| (at / 5 % 253) as u8).collect();
    fs::write(place.join("big"), big).unwrap();
    let holes = File::create(place.join("holes")).unwrap();
    holes.set_len(3 * MIB).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&holes, b"middle", MIB + 12345).unwrap();
    // mke2fs 1.47 drops a hole at the end if inline_data is on.
    std::os::unix::fs::FileExt::write_all_at(&holes, b"end", 3 * MIB - 3).unwrap();
    symlink("dir/file", place.join("short")).unwrap();
    symlink("t".repeat(200), place.join("long")).unwrap();
    fs::create_dir(place.join("many")).unwrap();
    for number in 0..1500 {
        fs::write(place.join(format!("many/a-name-of-some-length-{number}")), "").unwrap();
    }
    if rustix::process::geteuid().is_root() {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let device = rustix::fs::makedev(259, 300);
        let kind = rustix::fs::FileType::BlockDevice;
        let _ = rustix::fs::mknodat(rustix::fs::CWD, place.join("device"), kind, mode, device);
        let value = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let flags = rustix::fs::XattrFlags::empty();
        let _ = rustix::fs::setxattr(place.join("tiny"), "security.capability", value, flags);
        rustix::fs::chown(place.join("big"), rustix::fs::Uid::from_raw(70_000).into(), None)
            .unwrap();
    }
    scan(place).unwrap()
}

#[test]
fn mke2fs_with_common_and_odd_features() {
    if !has("mke2fs") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    let mut wanted = folder(&source);
    let image = place.path().join("image");
    for (block, options) in [
        ("4096", "-t ext4 -O 64bit,metadata_csum"),
        ("1024", "-t ext4 -O ^64bit,^metadata_csum"),
        ("1024", "-t ext4 -O meta_bg,^resize_inode,64bit"),
        ("2048", "-t ext4 -O ^extent,^64bit,^metadata_csum,^flex_bg"),
        ("1024", "-t ext4 -O ^has_journal,^dir_index -I 128"),
        ("4096", "-t ext4 -O inline_data"),
        ("1024", "-t ext4 -O sparse_super2 -E num_backup_sb=2"),
        ("1024", "-t ext4 -O bigalloc -C 16384"),
        ("1024", "-t ext2"),
        ("1024", "-r 0 -O none"),
    ] {
        let _ = fs::remove_file(&image);
        let mut arguments = vec!["-q", "-F", "-b", block, "-L", "a-label", "-d"];
        arguments.push(source.to_str().unwrap());
        arguments.extend(options.split(' '));
        arguments.extend([image.to_str().unwrap(), "24M"]);
        run("mke2fs", &arguments);
        let read = open_path(&image);
        let volume = &read.volumes[0];
        let lost = volume.tree.get("lost+found").unwrap().clone();
        wanted.insert("lost+found", lost).unwrap();
        wanted.insert("", volume.tree.get("").unwrap().clone()).unwrap();
        // mke2fs -d keeps whole seconds; inodes of 128 bytes could not do better.
        let scope = Scope { times: Resolution::Seconds, ..Scope::ALL };
        // Revision 0 has neither attributes nor owners above 65535.
        let scope =
            if options.starts_with("-r 0") { Scope { owners: false, ..scope } } else { scope };
        let found = diff(&wanted, &volume.tree, &scope).unwrap();
        assert!(found.is_empty(), "{options}: {:#?}", &found[..found.len().min(3)]);
    }
}

#[test]
fn mkfs_vfat_in_all_widths() {
    if !has("mkfs.vfat") || !has("mcopy") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    fs::create_dir_all(source.join("Sub Folder/deeper")).unwrap();
    fs::write(source.join("lower.txt"), "text\n").unwrap();
    fs::write(source.join("UPPER.TXT"), "TEXT\n").unwrap();
    fs::write(source.join("Sub Folder/deeper/a long name with ünicode.bin"), vec![5; 70_000])
        .unwrap();
    fs::write(source.join("empty"), "").unwrap();
    let image = place.path().join("image");
    for (width, kib) in [("12", "2048"), ("16", "20480"), ("32", "40960")] {
        let _ = fs::remove_file(&image);
        let path = image.to_str().unwrap();
        run("mkfs.vfat", &["-F", width, "-n", "LABEL", "-i", "1234abcd", "-C", path, kib]);
        let mut arguments =
            vec!["-s".to_owned(), "-m".to_owned(), "-i".to_owned(), path.to_owned()];
        for entry in fs::read_dir(&source).unwrap() {
            arguments.push(entry.unwrap().path().to_str().unwrap().to_owned());
        }
        arguments.push("::".to_owned());
        run("mcopy", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let read = open_path(&image);
        let volume = &read.volumes[0];
        assert_eq!((volume.system, volume.uuid.as_str()), (System::Fat, "1234-ABCD"));
        assert_eq!(volume.label, "LABEL");
        let mut wanted = scan(&source).unwrap();
        // mtools writes local time; the contents and names are what counts here.
        for id in wanted.iter().map(|(_, id, _)| id).collect::<Vec<_>>() {
            wanted.inode_mut(id).meta.mtime = Default::default();
        }
        let mut tree = volume.tree.clone();
        for id in tree.iter().map(|(_, id, _)| id).collect::<Vec<_>>() {
            tree.inode_mut(id).meta.mtime = Default::default();
        }
        let scope = Scope { owners: false, ..Scope::ALL };
        assert_eq!(diff(&wanted, &tree, &scope).unwrap(), [], "FAT{width}");
    }
}

#[test]
fn sfdisk_with_logical_partitions_and_gpt() {
    if !has("sfdisk") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("image");
    let scripts = [
        "label: dos\nlabel-id: 0x12345678\n,2M,c,*\n,8M,5\n,2M,83\n,1M,83\n,1M,82\n,1M,83\n",
        "label: gpt\nlabel-id: 00112233-4455-6677-8899-AABBCCDDEEFF\nsize=2M,name=first\nsize=1M\n",
    ];
    for (script, kind) in scripts.into_iter().zip([TableKind::Mbr, TableKind::Gpt]) {
        File::create(&image).unwrap().set_len(16 * MIB).unwrap();
        let input = place.path().join("script");
        fs::write(&input, script).unwrap();
        let command = format!("sfdisk -q {} < {}", image.display(), input.display());
        run("sh", &["-c", &command]);
        let table = open_path(&image).table.unwrap();
        assert_eq!((table.kind, table.problems.len()), (kind, 0));
        let dump = run("sfdisk", &["--dump", image.to_str().unwrap()]);
        let lines = dump.lines().filter(|line| line.contains("start="));
        assert_eq!(lines.clone().count(), table.partitions.len(), "{dump}");
        for (line, partition) in lines.zip(&table.partitions) {
            let number = |name: &str| -> u64 {
                let rest = &line[line.find(name).unwrap() + name.len()..];
                rest.split(',').next().unwrap().trim().parse().unwrap()
            };
            assert_eq!(number("start="), partition.first_lba, "{line}");
            assert_eq!(number("size="), partition.last_lba - partition.first_lba + 1, "{line}");
        }
        let id = if kind == TableKind::Mbr {
            "12345678"
        } else {
            "00112233-4455-6677-8899-AABBCCDDEEFF"
        };
        assert_eq!(table.id, id);
    }
}

#[test]
fn a_partition_that_osb_does_not_read_hides_no_other() {
    if !has("sfdisk") || !has("mke2fs") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (image, part) = (place.path().join("image"), place.path().join("part"));
    File::create(&image).unwrap().set_len(40 * MIB).unwrap();
    let script = r"label: gpt\nstart=2048,size=16M\nstart=34816,size=16M\n";
    let command = format!("printf '{script}' | sfdisk -q {}", image.display());
    run("sh", &["-c", &command]);
    // A journal for another file system is an ext4 without files.
    for (at, options) in [(1, ["-O", "journal_dev"]), (17, ["-t", "ext4"])] {
        let mut arguments = vec!["-q", "-F", "-b", "1024"];
        arguments.extend(options);
        arguments.extend([part.to_str().unwrap(), "16M"]);
        let _ = fs::remove_file(&part);
        run("mke2fs", &arguments);
        let disk = File::options().write(true).open(&image).unwrap();
        let bytes = fs::read(&part).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&disk, &bytes, at * MIB).unwrap();
    }
    let read = open_path(&image);
    let numbers: Vec<_> = read.volumes.iter().map(|volume| volume.partition).collect();
    assert_eq!(numbers, [Some(2)]);
    let (number, why) = &read.unread[0];
    assert_eq!(*number, 1);
    assert!(why.contains("which osb does not read"), "{why}");
    assert!(read.problems()[0].starts_with("partition 1: "), "{:?}", read.problems());
}

#[test]
fn gnu_tar_in_its_formats() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    let mut wanted = folder(&source);
    let image = place.path().join("image.tar");
    for format in ["gnu", "pax", "ustar"] {
        let path = [image.to_str().unwrap(), source.to_str().unwrap()];
        let xattrs = if format == "pax" { "--xattrs-include=security.*" } else { "--no-xattrs" };
        if format == "ustar" {
            fs::remove_file(source.join("long")).unwrap();
            wanted = scan(&source).unwrap();
        }
        let format = format!("--format={format}");
        run("tar", &[&format, xattrs, "-cf", path[0], "-C", path[1], "."]);
        let read = open_path(&image);
        let times =
            if format.ends_with("pax") { Resolution::Nanoseconds } else { Resolution::Seconds };
        let mut wanted = wanted.clone();
        if !format.ends_with("pax") {
            let id = wanted.id("tiny").unwrap();
            wanted.inode_mut(id).meta.xattrs.clear();
        }
        let found = diff(&wanted, &read.volumes[0].tree, &Scope { times, ..Scope::ALL }).unwrap();
        assert!(found.is_empty(), "{format}: {:#?}", &found[..found.len().min(3)]);
    }
}
