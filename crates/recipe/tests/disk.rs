//! `[disk]`: what comes out, and what each impossible layout says.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;

use osb_partition::{Format, SectorSize, Table};
use osb_recipe::{
    Data, Disk, FileSystem, LoadOptions, Partition, PartitionContent, RecipeError, RootSize, load,
};

const MIB: u64 = 1 << 20;

/// 11 lines; `[disk]` begins in the twelfth.
const RECIPE: &str = r#"[image]
name = "test"
arch = "arm64"
board = "uefi"
layers = []

[[source]]
name = "main"
mirror = "debian"
suite = "stable"
keys = [{ fingerprint = "04B5 4C3C DCA7 9751 B16B  C6B5 2256 29DF 75B1 88BD" }]
"#;

/// The first two partitions of most layouts: nine lines.
const USUAL: &str = r#"[[disk.partition]]
name = "boot"
content = "boot"

[[disk.partition]]
name = "root"
content = "root"

"#;

fn disk_set(disk: &str, set: &[&str]) -> Result<Disk, RecipeError> {
    let folder = tempfile::tempdir().unwrap();
    let recipe = RECIPE.replace("layers = []", "layers = [\"one\"]");
    fs::write(folder.path().join("osb.toml"), recipe + disk).unwrap();
    fs::create_dir_all(folder.path().join("layers/one")).unwrap();
    fs::write(folder.path().join("layers/one/layer.toml"), "description = \"\"\n").unwrap();
    let set = set.iter().map(|text| (*text).to_owned()).collect();
    let directory = folder.path().to_owned();
    Ok(load(&LoadOptions { directory, set, ..LoadOptions::default() })?.recipe.disk)
}

fn disk(text: &str) -> Disk {
    disk_set(text, &[]).unwrap()
}

/// The error without the folder before the file's name, and its hint.
fn mistake(text: &str, set: &[&str]) -> (String, String) {
    let error = disk_set(text, set).unwrap_err();
    let message = error.to_string();
    let at = message.find("osb.toml:").unwrap_or(0);
    (message[at..].to_owned(), error.hint().unwrap_or_default().to_owned())
}

fn usual(boot: u64, free: u64) -> Vec<Partition> {
    let named = |name: &str, content| Partition { name: name.to_owned(), content };
    vec![
        named("boot", PartitionContent::Boot(boot)),
        named("root", PartitionContent::Root(RootSize::Free(free))),
    ]
}

#[test]
fn without_a_list_there_are_boot_and_root() {
    let usual_disk = disk("");
    assert_eq!(usual_disk.format, Format::default());
    assert_eq!(usual_disk.partitions, usual(512 * MIB, 1024 * MIB));
    assert_eq!(disk(USUAL), usual_disk);
    assert_eq!(disk("[disk]\nboot-size = \"64MiB\"\n").partitions, usual(64 * MIB, 1024 * MIB));
    let both = format!("[disk]\nboot-size = \"64MiB\"\nroot-free = \"1MiB\"\n{USUAL}");
    assert_eq!(disk(&both).partitions, usual(64 * MIB, MIB));
}

#[test]
fn the_text_of_the_usual_disk_is_what_identifiers_were_always_made_from() {
    let text = "Disk { boot_size: 536870912, root_free: 1073741824 }";
    assert_eq!(disk("").to_string(), text);
    let others = [
        "[disk]\ntable = \"mbr\"\n".to_owned(),
        "[disk]\nsector-size = 4096\n".to_owned(),
        "[disk]\nalignment = \"2MiB\"\n".to_owned(),
        USUAL.replace("\"root\"\ncon", "\"system\"\ncon"),
        USUAL.replace("content = \"root\"", "content = \"root\"\nsize = \"3GiB\""),
    ];
    let texts: std::collections::BTreeSet<String> =
        others.iter().map(|other| disk(other).to_string()).chain([text.to_owned()]).collect();
    assert_eq!(texts.len(), others.len() + 1);
}

#[test]
fn everything_that_can_be_said() {
    let text = r#"[disk]
table = "mbr"
sector-size = 4096
alignment = "4MiB"

[[disk.partition]]
name = "firmware"
content = "boot"
size = "260MiB"

[[disk.partition]]
name = "volumes"
content = "data"
size = "1GiB"
mount = "/var/lib/volumes"

[[disk.partition]]
name = "exchange"
content = "data"
filesystem = "vfat"
label = "EXCHANGE"
size = "300MiB"
mount = "/srv"

[[disk.partition]]
name = "system"
content = "root"
free = "2GiB"
"#;
    let disk = disk(text);
    let Format { table, sector, alignment } = disk.format;
    assert_eq!((table, sector, alignment), (Table::Mbr, SectorSize::B4096, 4 * MIB));
    let names: Vec<&str> = disk.partitions.iter().map(|each| each.name.as_str()).collect();
    assert_eq!(names, ["firmware", "volumes", "exchange", "system"]);
    assert_eq!(disk.partitions[0].content, PartitionContent::Boot(260 * MIB));
    let data = |size, file_system, label: &str, mount: &str| {
        let (label, mount) = (label.to_owned(), Some(mount.to_owned()));
        PartitionContent::Data(Data { size, file_system, label, mount })
    };
    let volumes = data(1024 * MIB, FileSystem::Ext4, "volumes", "/var/lib/volumes");
    assert_eq!(disk.partitions[1].content, volumes);
    assert_eq!(disk.partitions[2].content, data(300 * MIB, FileSystem::Vfat, "EXCHANGE", "/srv"));
    assert_eq!(disk.partitions[3].content, PartitionContent::Root(RootSize::Free(2048 * MIB)));
    assert_eq!(disk.root(), 3);
    let mounts: Vec<&str> = disk.mounts().into_iter().map(|(path, _)| path).collect();
    assert_eq!(mounts, ["/srv", "/var/lib/volumes"]);
}

#[test]
fn one_run_can_have_another_disk() {
    let disk = disk_set("", &["disk.table=mbr", "disk.sector-size=4096"]).unwrap();
    assert_eq!((disk.format.table, disk.format.sector), (Table::Mbr, SectorSize::B4096));
    let list = r#"disk.partition=[{name="boot",content="boot"},{name="r",content="root"}]"#;
    assert_eq!(disk_set("", &[list]).unwrap().partitions[1].name, "r");
}

#[test]
fn impossible_disks_are_refused_with_numbers_and_a_place() {
    let data = |more: &str| {
        format!("{USUAL}[[disk.partition]]\nname = \"data\"\ncontent = \"data\"\n{more}")
    };
    for (text, message, hint) in [
        ("[disk]\ntable = \"dos\"\n".to_owned(), "13:9: unknown partition table `dos`", "`mbr`"),
        ("[disk]\nsector-size = 1024\n".into(), "13:15: no disk has sectors of 1024", "4096"),
        ("[disk]\nsector-size = \"long\"\n".into(), "13:15: invalid type", "a number"),
        ("[disk]\nalignment = \"512KiB\"\n".into(), "13:13: an alignment of 512KiB", "1MiB"),
        ("[disk]\nalignment = \"2GiB\"\n".into(), "13:13: an alignment of 2GiB", "1GiB"),
        (
            "[disk]\nalignment = \"3MiB\"\n".into(),
            "13:13: 512MiB is not a multiple of the alignment, 3MiB",
            "510MiB or 513MiB",
        ),
        (
            "[disk]\nboot-size = \"20MiB\"\n".into(),
            "13:13: partition `boot`: 20971520 bytes (20 MiB) cannot be FAT32 with 512-byte \
             sectors: at least 33 MiB",
            "",
        ),
        (
            "[disk]\nboot-size = \"200MiB\"\nsector-size = 4096\n".into(),
            "13:13: partition `boot`: 209715200 bytes (200 MiB) cannot be FAT32 with 4096-byte \
             sectors: at least 257 MiB",
            "",
        ),
        (
            "[disk]\nboot-size = \"40MiB\"\n".into(),
            "13:13: a boot partition of 40MiB has no room for kernel and initramfs: at least 64MiB",
            "",
        ),
        (USUAL.replace("\"root\"\n\n", "\"boot\"\n\n"), "18:11: a second `boot`", "exactly one"),
        (
            USUAL.replace("content = \"root\"", "content = \"swap\""),
            "18:11: unknown content",
            "data",
        ),
        (USUAL[..USUAL.len() / 2].into(), "13:8: no partition has the content `root`", "\"root\""),
        (
            USUAL
                .replace("content = \"boot\"", "content = \"root\"")
                .replacen("boot", "a", 1)
                .replace("\"root\"\ncontent = \"root\"", "\"b\"\ncontent = \"boot\""),
            "14:11: the boot partition must be the first one",
            "any order",
        ),
        (data(""), "21:8: the size of `data` is missing", "4GiB"),
        (
            data("size = \"8MiB\"\n"),
            "23:8: partition `data` of 8MiB cannot be ext4: at least 16",
            "",
        ),
        (data("size = \"1025KiB\"\n"), "23:8: 1025KiB is not a multiple", "1MiB or 2MiB"),
        (
            data("size = \"32MiB\"\nfilesystem = \"vfat\"\n"),
            "23:8: partition `data`: 33554432 bytes (32 MiB) cannot be FAT32",
            "",
        ),
        (data("size = \"1GiB\"\nfilesystem = \"vat\"\n"), "24:14: unknown file system", "`vfat`"),
        (data("size = \"1GiB\"\nfree = \"1GiB\"\n"), "24:8: a `data` partition has no `free`", ""),
        (data("size = \"1GiB\"\nlabel = \"Root\"\n"), "24:9: another file system of the disk", ""),
        (
            data("size = \"1GiB\"\nlabel = \"a b\"\n"),
            "24:9: \"a b\" cannot be the label",
            "1 to 16",
        ),
        (data("size = \"1GiB\"\nmount = \"data\"\n"), "24:9: not a folder", "absolute"),
        (data("size = \"1GiB\"\nmount = \"/\"\n"), "24:9: not a folder", "absolute"),
        (data("size = \"1GiB\"\nmount = \"/a/../b\"\n"), "24:9: not a folder", "absolute"),
        (data("size = \"1GiB\"\nmount = \"/a b\"\n"), "24:9: not a folder", "absolute"),
        (data("size = \"1GiB\"\nmount = \"/proc/x\"\n"), "24:9: nothing can be mounted at", ""),
        (
            USUAL.replace("content = \"root\"", "content = \"root\"\nmount = \"/x\""),
            "19:9: a `root` partition has no `mount`",
            "",
        ),
        (
            USUAL.replace(
                "content = \"root\"",
                "content = \"root\"\nsize = \"1GiB\"\nfree = \"1GiB\"",
            ),
            "20:8: the root has either `size` or `free`",
            "",
        ),
        (
            format!("[disk]\nboot-size = \"1GiB\"\n{USUAL}")
                .replace("content = \"boot\"", "content = \"boot\"\nsize = \"1GiB\""),
            "17:8: the partition says this itself, and disk.boot-size does, too",
            "take one",
        ),
        (
            data("size = \"1GiB\"\nmount = \"/a\"\n")
                + "[[disk.partition]]\nname = \"b\"\ncontent = \"data\"\nsize = \"1GiB\"\nmount = \"/a\"\n",
            "29:9: a second partition for /a",
            "",
        ),
        (
            data("size = \"1GiB\"\n")
                + "[[disk.partition]]\nname = \"data\"\ncontent = \"data\"\nsize = \"1GiB\"\n",
            "25:8: a second partition called `data`",
            "",
        ),
    ] {
        let (got, got_hint) = mistake(&text, &[]);
        let expected = format!("osb.toml:{message}");
        assert!(got.starts_with(&expected), "{got}\n  not {expected}\n{text}");
        assert!(got_hint.contains(hint), "{got}: {got_hint}");
    }
}

#[test]
fn what_the_table_cannot_say_is_refused() {
    let data = |name: &str, size: &str| {
        format!("[[disk.partition]]\nname = \"{name}\"\ncontent = \"data\"\nsize = \"{size}\"\n")
    };
    let five = ["a", "b", "c"].map(|name| data(name, "1GiB")).concat();
    let five = format!("{USUAL}{five}");
    let (message, _) = mistake(&five, &["disk.table=mbr"]);
    assert_eq!(message, "osb.toml:29:8: 5 partitions in an MBR table, which has 4");
    assert!(disk_set(&five, &[]).is_ok());

    let large = format!("{USUAL}{}", data("large", "2TiB"));
    let (message, _) = mistake(&large, &["disk.table=mbr"]);
    let expected = "osb.toml:23:8: partition `large` ends beyond 2TiB, which an MBR table with \
                    512-byte sectors cannot say";
    assert_eq!(message, expected);
    assert!(disk_set(&large, &["disk.table=mbr", "disk.sector-size=4096"]).is_ok());
    assert!(disk_set(&large, &[]).is_ok());
    let (message, _) = mistake("", &["disk.root-free=3TiB", "disk.table=mbr"]);
    assert!(message.starts_with("--set:1:"), "{message}");
}
