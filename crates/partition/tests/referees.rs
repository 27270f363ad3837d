//! Other people's programs look at our tables: sgdisk and sfdisk.
//!
//! Where one is not installed, or is too old for long sectors, the test says so and passes; `cargo
//! xtask image` has them in a locked tools tree and checks real images.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use osb_partition::{Format, Layout, PartitionType, SectorSize, Table};
use osb_sink::SparseFile;
use support::{MIB, fill, formatted, spec};

/// Past the test harness, which would swallow it.
fn skipped(why: &str) {
    io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

/// Runs a program on a file, with `input`; `None`, with a visible note, if there is none.
fn referee(program: &str, arguments: &[&str], path: &Path, input: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).arg(path).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            skipped(&format!("{program} is not on PATH"));
            return None;
        }
        Err(error) => panic!("{program}: {error}"),
    };
    // Who does not read it has ended, which is told below.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Some(child.wait_with_output().unwrap())
}

/// Whether this sfdisk can be told what sectors a file has (util-linux 2.39).
fn knows_sectors() -> bool {
    let help = Command::new("sfdisk").arg("--help").output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--sector-size"))
}

fn write(layout: &Layout, path: &Path) {
    let mut file = SparseFile::create(path, layout.disk_size()).unwrap();
    layout.write(&mut file, &mut fill(layout)).unwrap();
    file.finish().unwrap();
    assert_eq!(fs::metadata(path).unwrap().len(), layout.disk_size());
}

/// Every format that the programs that are installed can look at, with sfdisk's options for it.
fn formats() -> Vec<(Format, Vec<&'static str>)> {
    let mut formats = Vec::new();
    for table in Table::ALL {
        let format = Format { table, ..Format::default() };
        formats.push((format, Vec::new()));
        if knows_sectors() {
            let format = Format { sector: SectorSize::B4096, ..format };
            formats.push((format, vec!["--sector-size", "4096"]));
        } else {
            skipped(&format!("this sfdisk cannot look at {table} of 4096-byte sectors in a file"));
        }
    }
    formats
}

#[test]
fn sgdisk_finds_nothing() {
    // Of a file it believes that its sectors have 512 bytes, and an MBR it would convert.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    write(&formatted(Format::default()), &path);
    let Some(output) = referee("sgdisk", &["-v"], &path, "") else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("No problems found"), "{text}");
    // It cautions about odd ends, which this layout has on purpose, but not about starts.
    assert!(!text.contains("begin on") && !text.contains("Warning"), "{text}");
}

#[test]
fn sfdisk_finds_nothing_and_reads_what_was_laid_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    for (format, options) in formats() {
        let layout = formatted(format);
        write(&layout, &path);
        let run = |option: &'static str| {
            let arguments: Vec<&str> = options.iter().copied().chain([option]).collect();
            referee("sfdisk", &arguments, &path, "")
        };
        let Some(output) = run("--verify") else { return };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("No errors detected"), "{text}");

        let Some(output) = run("--dump") else { return };
        let text = String::from_utf8_lossy(&output.stdout);
        let (table, disk) = (format.table, layout.disk_guid());
        let (label, id) = match table {
            Table::Gpt => ("gpt", table.disk_id(disk)),
            Table::Mbr => ("dos", format!("0x{}", table.disk_id(disk))),
        };
        assert!(text.contains(&format!("label: {label}\nlabel-id: {id}\n")), "{text}");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("start=")).collect();
        assert_eq!(lines.len(), layout.partitions().len(), "{text}");
        for (line, placed) in lines.into_iter().zip(layout.partitions()) {
            let words: String = line.split_whitespace().collect();
            let sectors = placed.last_lba - placed.first_lba + 1;
            let place = format!("start={},size={sectors},", placed.first_lba);
            assert!(words.contains(&place), "{place}: {text}");
            let told = match table {
                Table::Gpt => format!("uuid={}", placed.spec.guid),
                Table::Mbr => format!("type={:x}", placed.spec.kind.mbr()),
            };
            assert!(words.contains(&told), "{told}: {text}");
        }
    }
}

#[test]
fn sfdisk_writes_the_same_mbr() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    for (format, options) in formats() {
        if format.table != Table::Mbr {
            continue;
        }
        // The last one ends beyond what cylinders can say, the first two do not.
        let specs = vec![
            spec("boot", PartitionType::RaspberryPiBoot, 512 * MIB),
            spec("data", PartitionType::BasicData, 3 * MIB + format.sector.bytes()),
            spec("root", PartitionType::LinuxRootAmd64, 100 << 30),
            spec("esp", PartitionType::EfiSystem, MIB),
        ];
        let layout = Layout::with_format(format, formatted(format).disk_guid(), specs).unwrap();
        let mut file = SparseFile::create(&ours, layout.disk_size()).unwrap();
        let sizes: Vec<u64> = layout.partitions().iter().map(|each| each.spec.size).collect();
        layout.write(&mut file, &mut |index, sink| sink.zeros(sizes[index])).unwrap();
        file.finish().unwrap();

        let id = format.table.disk_id(layout.disk_guid());
        let mut script = format!("label: dos\nlabel-id: 0x{id}\n");
        for placed in layout.partitions() {
            let (kind, sectors) = (placed.spec.kind.mbr(), placed.last_lba - placed.first_lba + 1);
            let line = format!("start={}, size={sectors}, type={kind:x}\n", placed.first_lba);
            script.push_str(&line);
        }
        fs::File::create(&theirs).unwrap().set_len(layout.disk_size()).unwrap();
        let arguments: Vec<&str> = options.iter().copied().chain(["--quiet"]).collect();
        let Some(output) = referee("sfdisk", &arguments, &theirs, &script) else { return };
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{script}");
        let head = |path: &Path| {
            let mut bytes = [0; 512];
            io::Read::read_exact(&mut fs::File::open(path).unwrap(), &mut bytes).unwrap();
            bytes
        };
        let (ours, theirs) = (head(&ours), head(&theirs));
        let differing: Vec<usize> = (0..512).filter(|at| ours[*at] != theirs[*at]).collect();
        assert_eq!(differing, [0; 0], "{script}");
    }
}
