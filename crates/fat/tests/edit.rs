//! Files in volumes that are there: ours, and those that mkfs.vfat makes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use osb_fat::edit::{EditError, Editor, Medium, Part};
use osb_tree::Tree;
use proptest::prelude::*;
use support::referee::{assert_clean, referee};
use support::{MIB, all_options, content, expected, image, options, read_back, sample};

/// 2024-02-29 12:34:56.
const NOW: i64 = 1_709_210_096;

/// A volume in memory that may fail at a write.
struct Memory {
    bytes: Vec<u8>,
    /// Writes until one fails.
    writes_left: Option<usize>,
    written: usize,
}

impl Memory {
    fn new(bytes: Vec<u8>) -> Memory {
        Memory { bytes, writes_left: None, written: 0 }
    }

    fn editor(&mut self) -> Editor<'_> {
        let len = self.bytes.len() as u64;
        Editor::open(self, len, NOW).unwrap()
    }

    /// The second entry of the first table says that the volume is clean.
    fn is_clean(&self) -> bool {
        let sector = usize::from(u16::from_le_bytes([self.bytes[11], self.bytes[12]]));
        let reserved = usize::from(u16::from_le_bytes([self.bytes[14], self.bytes[15]]));
        let table = &self.bytes[reserved * sector..];
        match u16::from_le_bytes([self.bytes[22], self.bytes[23]]) {
            0 => table[7] & 0x08 != 0,
            _ => table[3] & 0x80 != 0,
        }
    }
}

impl Medium for Memory {
    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.writes_left == Some(0) {
            return Err(io::Error::other("the power failed"));
        }
        self.writes_left = self.writes_left.map(|left| left - 1);
        self.written += 1;
        self.bytes[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

/// Another program's volume, made with these arguments of mkfs.vfat; `None` without one.
fn foreign(arguments: &[&str], mib: u64) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume");
    fs::File::create(&path).unwrap().set_len(mib * MIB).unwrap();
    let output = referee(Command::new("mkfs.vfat").args(arguments).arg(&path))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(fs::read(&path).unwrap())
}

/// Three small volumes, empty, for what is tried many times.
fn small_volumes() -> Vec<(String, Vec<u8>)> {
    let small = [(&["-F", "16", "-s", "1"][..], 8), (&["-F", "32", "-S", "1024"], 80)];
    let foreign = small
        .into_iter()
        .filter_map(|(arguments, mib)| Some((arguments.join(" "), foreign(arguments, mib)?)));
    let ours = ("ours".to_owned(), image(&Tree::new(), &options(33 * MIB)));
    [ours].into_iter().chain(foreign).collect()
}

/// Volumes of all kinds, empty.
fn volumes() -> Vec<(String, Vec<u8>)> {
    // The last one, of 600 MiB, is like the one before.
    let ours = all_options().into_iter().take(3).map(|options| {
        let name = format!("ours, {} MiB, {}", options.size >> 20, options.sector_size);
        (name, image(&Tree::new(), &options))
    });
    let foreign = [
        (&["-F", "16"][..], 16),
        (&["-F", "16", "-S", "4096"], 64),
        (&["-F", "16", "-f", "1", "-r", "64"], 16),
        (&["-F", "32"], 64),
        (&["-F", "32", "-s", "8", "-n", "BOOT"], 300),
        (&["-F", "32", "-S", "1024"], 80),
        (&["-F", "32", "-S", "2048", "-f", "1"], 150),
        (&["-F", "32", "-S", "4096", "-s", "1"], 300),
    ]
    .into_iter()
    .filter_map(|(arguments, mib)| Some((arguments.join(" "), foreign(arguments, mib)?)));
    ours.chain(foreign).collect()
}

/// A file of these bytes, with holes where there are zeroes: volumes are mostly empty.
fn save(path: &Path, bytes: &[u8]) {
    const PIECE: usize = 64 << 10;
    let file = fs::File::create(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (index, piece) in bytes.chunks(PIECE).enumerate() {
        if piece.iter().any(|byte| *byte != 0) {
            file.write_all_at(piece, (index * PIECE) as u64).unwrap();
        }
    }
}

fn check(bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume");
    save(&path, bytes);
    assert_clean(&path);
}

#[test]
fn files_are_written_into_volumes_of_all_kinds() {
    for (name, bytes) in volumes() {
        let mut memory = Memory::new(bytes);
        let free = memory.editor().free().unwrap();
        let mut model = BTreeMap::new();
        let files = [
            ("cmdline.txt", 300),
            ("osb/node.toml", 70_000),
            ("osb/files/a rather long name for a file.conf", 1),
            ("osb/files/EMPTY", 0),
            ("loader/entries/osb.conf", 4096),
            ("überlänge 日本語 𝄞.txt", 513),
            ("cmdline.txt", 299),
            ("osb/node.toml", 200_000),
            ("osb/NODE.TOML", 10),
            ("osb/files/EMPTY", 5000),
            ("loader/entries/osb.conf", 0),
        ];
        for (seed, (path, len)) in files.into_iter().enumerate() {
            let bytes = content(seed, len);
            memory.editor().write(path, &bytes).unwrap();
            let read = memory.editor().read(&path.to_uppercase()).unwrap();
            assert!(read.as_ref() == Some(&bytes), "{name}: {path}");
            // The name that was there stays.
            let path = if path == "osb/NODE.TOML" { "osb/node.toml" } else { path };
            for (slash, _) in path.match_indices('/') {
                model.insert(path[..slash].to_owned(), None);
            }
            model.insert(path.to_owned(), Some(bytes));
        }
        assert!(memory.is_clean(), "{name}");
        let left = memory.editor().free().unwrap();
        assert!(left < free && free - left < 256 << 10, "{name}: {left} of {free}");
        check(&memory.bytes);
        assert!(read_back(memory.bytes) == model, "{name}");
    }
}

#[test]
fn what_was_there_stays() {
    let tree = sample();
    for options in &all_options()[..3] {
        let mut memory = Memory::new(image(&tree, options));
        let mut model = expected(&tree);
        memory.editor().write("osb/node.toml", b"version = 1\n").unwrap();
        memory.editor().write("overlays/one more name, a long one.dtbo", &content(1, 999)).unwrap();
        memory.editor().write("config.txt", &content(2, 70_000)).unwrap();
        memory.editor().write("EFI/BOOT/BOOTAA64.EFI", b"").unwrap();
        model.insert("osb".into(), None);
        model.insert("osb/node.toml".into(), Some(b"version = 1\n".to_vec()));
        model.insert("overlays/one more name, a long one.dtbo".into(), Some(content(1, 999)));
        model.insert("config.txt".into(), Some(content(2, 70_000)));
        model.insert("EFI/BOOT/BOOTAA64.EFI".into(), Some(Vec::new()));
        check(&memory.bytes);
        assert!(read_back(memory.bytes) == model, "{options:?}");
    }
}

#[test]
fn folders_grow_and_short_names_are_unique() {
    for (name, bytes) in volumes() {
        let mut memory = Memory::new(bytes);
        let mut editor = memory.editor();
        for index in 0..150 {
            let path = format!("folder/a name that has to be cut, number {index}.conf");
            editor.write(&path, &content(index, index)).unwrap();
        }
        let names = editor.names("folder").unwrap().unwrap();
        assert_eq!(names.len(), 150, "{name}");
        assert_eq!(
            (names[149].name.as_str(), names[149].size),
            ("a name that has to be cut, number 149.conf", 149)
        );
        check(&memory.bytes);
        assert_eq!(read_back(memory.bytes).len(), 151, "{name}");
    }
}

#[test]
fn a_file_of_the_same_length_keeps_its_place() {
    let options = options(64 * MIB);
    let before = image(&sample(), &options);
    let mut memory = Memory::new(before.clone());
    memory.editor().write("config.txt", &[b'x'; 300]).unwrap();
    let changed: Vec<usize> = (0..before.len())
        .filter(|at| before[*at] != memory.bytes[*at])
        .map(|at| at / 512)
        .collect();
    let mut sectors = changed;
    sectors.dedup();
    assert_eq!(sectors.len(), 2, "its content, and its entry: {sectors:?}");
}

#[test]
fn what_is_refused_changes_nothing() {
    let before = image(&sample(), &options(33 * MIB));
    let mut memory = Memory::new(before.clone());
    let mut editor = memory.editor();
    let large = vec![1; editor.free().unwrap() as usize + 1];
    let full = editor.write("new/folder/large", &large).unwrap_err();
    assert!(matches!(full, EditError::Full { .. }), "{full}");
    let exact = &large[..large.len() - 1];
    // The folder takes one more.
    assert!(matches!(editor.write("new/large", exact), Err(EditError::Full { .. })));
    let shown = |error: EditError| error.to_string();
    for (path, said) in [
        ("config.txt/file", "config.txt/file: config.txt is a file there, not a folder"),
        ("overlays", "overlays: there is a folder of that name"),
        ("/absolute", "/absolute: it has an empty part; write it without a slash in front"),
        ("a:b", "a:b: FAT names cannot have"),
        ("up/../down", "up/../down: FAT names cannot end with a dot"),
    ] {
        let error = shown(editor.write(path, b"bytes").unwrap_err());
        assert!(error.starts_with(said), "{error}");
    }
    assert!(matches!(editor.read("overlays"), Err(EditError::IsFolder { .. })));
    assert!(matches!(editor.names("config.txt"), Err(EditError::NotFolder { .. })));
    assert_eq!(editor.read("no/such/path").unwrap(), None);
    assert_eq!(editor.names("no/such/path").unwrap(), None);
    assert_eq!(memory.written, 0);
    assert!(memory.bytes == before);
    memory.editor().write("LARGE", exact).unwrap();
    assert_eq!(memory.editor().free().unwrap(), 0);
    memory.editor().write("LARGE", b"").unwrap();
    check(&memory.bytes);
}

#[test]
fn the_root_of_fat16_cannot_grow() {
    let Some(bytes) = foreign(&["-F", "16", "-r", "64"], 16) else { return };
    let mut memory = Memory::new(bytes);
    let mut editor = memory.editor();
    for index in 0..64 {
        editor.write(&format!("F{index}"), b"").unwrap();
    }
    assert!(matches!(editor.write("ONE", b""), Err(EditError::FolderFull { .. })));
    check(&memory.bytes);
}

#[test]
fn names_that_mtools_deleted_are_written_over() {
    let Some(bytes) = foreign(&["-F", "32"], 64) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume");
    save(&path, &bytes);
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        referee(command.arg("-i").arg(&path).args(arguments))
            .map(|output| assert!(output.status.success(), "{output:?}"))
    };
    let file = dir.path().join("file");
    fs::write(&file, b"mtools wrote this").unwrap();
    let from = file.to_str().unwrap();
    for name in ["::one long name.txt", "::two long name.txt", "::three"] {
        if run("mcopy", &[from, name]).is_none() {
            return;
        }
    }
    run("mdel", &["::one long name.txt"]);
    let mut disk = fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut editor = Editor::open(&mut disk, 64 * MIB, NOW).unwrap();
    editor.write("ninteen characters!", b"ours").unwrap();
    editor.write("two long name.txt", b"changed").unwrap();
    let names: Vec<String> =
        editor.names("").unwrap().unwrap().into_iter().map(|item| item.name).collect();
    assert_eq!(names, ["ninteen characters!", "two long name.txt", "three"]);
    assert_clean(&path);
    run("mdel", &["::ninteen characters!"]);
    assert_clean(&path);
}

#[test]
fn mtools_read_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in volumes() {
        let mut memory = Memory::new(bytes);
        memory.editor().write("osb/a long name.toml", &content(3, 9000)).unwrap();
        let path = dir.path().join("volume");
        save(&path, &memory.bytes);
        for shown in ["::osb/a long name.toml", "::OSB/ALONGN~1.TOM"] {
            let mut command = Command::new("mtype");
            let Some(output) = referee(command.arg("-i").arg(&path).arg(shown)) else { return };
            assert!(output.stdout == content(3, 9000), "{name}: {shown}");
        }
    }
}

#[test]
fn a_power_failure_leaves_the_rest_whole_and_the_volume_marked() {
    for (name, bytes) in small_volumes() {
        let mut whole = Memory::new(bytes);
        whole.editor().write("before/file", &content(1, 3000)).unwrap();
        let before = whole.bytes.clone();
        whole.written = 0;
        whole.editor().write("osb/files/node.toml", &content(2, 3000)).unwrap();
        for writes in 0..whole.written {
            let mut memory = Memory::new(before.clone());
            memory.writes_left = Some(writes);
            let error = memory.editor().write("osb/files/node.toml", &content(2, 3000));
            assert!(matches!(error, Err(EditError::Io(_))), "{name}, {writes}");
            let marked = !memory.is_clean();
            memory.writes_left = None;
            let mut editor = memory.editor();
            assert!(editor.read("before/file").unwrap().unwrap() == content(1, 3000));
            let done = editor.read("osb/files/node.toml").unwrap() == Some(content(2, 3000));
            assert!(writes == 0 || marked || done, "{name}, {writes}");
            editor.write("osb/files/node.toml", &content(2, 3000)).unwrap();
            assert!(editor.read("osb/files/node.toml").unwrap().unwrap() == content(2, 3000));
            // Only who checks the whole volume may say that it is clean.
            assert_eq!(memory.is_clean(), !marked, "{name}, {writes}");
        }
        assert!(whole.is_clean(), "{name}");
    }
}

#[test]
fn damaged_volumes_are_refused() {
    let options = options(33 * MIB);
    let good = image(&sample(), &options);
    // 512-byte clusters; the root is cluster 2, and takes several.
    let table = 32 * 512;
    let damage = |at: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        Memory::new(bytes)
    };
    for value in [2, 0, 1, 0x0FFF_FFF7, 0x00FF_FFFF] {
        let mut memory = damage(table + 2 * 4, value);
        let mut editor = memory.editor();
        for error in [editor.read("a").err(), editor.write("a", b"").err(), editor.names("").err()]
        {
            assert!(matches!(error, Some(EditError::Damaged(_))), "{value:#x}: {error:?}");
        }
        assert_eq!(memory.written, 0);
    }
    for (at, value) in [(0x0B, 0), (0x0B, 0x0801), (0x24, 1), (0x20, u32::MAX), (0x2C, 1 << 30)] {
        let mut memory = damage(at, value);
        let len = memory.bytes.len() as u64;
        let opened = Editor::open(&mut memory, len, NOW).map(|mut editor| editor.names(""));
        assert!(!matches!(opened, Ok(Ok(_))), "{at:#x}");
    }
    for len in [0, 511, 512, 1 << 20] {
        assert!(Editor::open(&mut Memory::new(good.clone()), len, NOW).is_err(), "{len}");
    }
    assert!(Editor::open(&mut Memory::new(vec![0; 1 << 20]), 1 << 20, NOW).is_err());
}

#[test]
fn a_volume_within_a_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    let volume = image(&sample(), &options(33 * MIB));
    let around = vec![0xA5; MIB as usize];
    fs::write(&path, [&around[..], &volume, &around].concat()).unwrap();
    let mut disk = fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut part = Part::new(&mut disk, MIB);
    Editor::open(&mut part, 33 * MIB, NOW).unwrap().write("osb/node.toml", b"new").unwrap();
    let bytes = fs::read(&path).unwrap();
    let (before, rest) = bytes.split_at(around.len());
    let (volume, after) = rest.split_at(volume.len());
    assert!(before == around && after == around);
    assert_eq!(read_back(volume.to_vec())["osb/node.toml"].as_deref(), Some(&b"new"[..]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_writes_give_what_a_map_would(
        writes in prop::collection::vec(
            (prop::collection::vec("[a-c]{1,2}|[a-b] long name [0-3]|[A-B]", 1..4), 0usize..3000),
            1..40,
        ),
        kind in 0usize..3,
    ) {
        let volumes = small_volumes();
        let mut memory = Memory::new(volumes[kind % volumes.len()].1.clone());
        let mut editor = memory.editor();
        let mut model: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        // The spelling that came first, by the lower-case one.
        let mut spelling: BTreeMap<String, String> = BTreeMap::new();
        for (seed, (parts, len)) in writes.into_iter().enumerate() {
            let path = parts.join("/");
            let ends: Vec<usize> =
                path.match_indices('/').map(|(at, _)| at).chain([path.len()]).collect();
            let mut real = String::new();
            let mut blocked = false;
            let mut made = Vec::new();
            for end in &ends {
                let part = path[..*end].rsplit('/').next().unwrap();
                let next = if real.is_empty() { part.to_owned() } else { format!("{real}/{part}") };
                real = spelling.get(&next.to_lowercase()).cloned().unwrap_or(next);
                let last = *end == path.len();
                blocked |= model.get(&real).is_some_and(|found| found.is_none() == last);
                made.push((real.clone(), last));
            }
            let bytes = content(seed, len);
            let result = editor.write(&path, &bytes);
            prop_assert_eq!(result.is_err(), blocked, "{}: {:?}", path, result);
            if !blocked {
                for (path, last) in made {
                    spelling.entry(path.to_lowercase()).or_insert(path.clone());
                    model.insert(path, last.then(|| bytes.clone()));
                }
            }
        }
        for (path, bytes) in &model {
            match bytes {
                Some(bytes) => prop_assert!(editor.read(path).unwrap().as_ref() == Some(bytes)),
                None => prop_assert!(editor.names(path).unwrap().is_some()),
            }
        }
        check(&memory.bytes);
        prop_assert!(read_back(memory.bytes) == model);
    }
}

#[test]
fn the_referee_can_fail() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume");
    let mut bytes = image(&sample(), &options(33 * MIB));
    bytes[32 * 512 + 8..][..4].fill(0);
    save(&path, &bytes);
    let Some(output) = referee(Command::new("fsck.vfat").arg("-n").arg::<&Path>(&path)) else {
        return;
    };
    assert!(!output.status.success());
}
