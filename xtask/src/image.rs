//! The artifacts under the referees: Debian's own tools, which did not write them.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use osb_boot::Tools;
use serde_json::Value;

use crate::project::Project;
use crate::steps::{Steps, capture};

/// Some of the names that `rootfs.tar.gz` must have, by the image's architecture and board.
fn expected(arch: &str, board: &str) -> Vec<&'static str> {
    let mut names = vec!["./", "./etc/passwd", "./usr/bin/sudo"];
    if board == "rpi5" {
        names.extend(["./boot/firmware/config.txt", "./boot/firmware/cmdline.txt"]);
    }
    names.push(match arch {
        "arm64" => "./boot/firmware/EFI/BOOT/BOOTAA64.EFI",
        _ => "./boot/firmware/EFI/BOOT/BOOTX64.EFI",
    });
    names
}

/// Runs every check of files that were written to `out`.
pub(crate) fn check(steps: &mut Steps, project: &Project, tools: &Tools, out: &Path) {
    let disk = out.join("disk.img");
    check_disk(steps, project, tools, out, &disk);
    steps.run("sd.img.zst = disk.img", || {
        let bytes = compare(tools, &out.join("sd.img.zst"), &disk)?;
        Ok(((), format!("{} MiB are equal", bytes >> 20)))
    });
    steps.run("zstd -lv sd.img.zst", || {
        let size = fs::metadata(&disk)?.len();
        let text = capture(tools.command("zstd")?.arg("-lv").arg(out.join("sd.img.zst")))?;
        // The size is known before anything is decompressed, every frame has a checksum, and the
        // seek table is what decoders pass over.
        for part in [&format!("({size} B)"), "Check: XXH64", "Skippable Frames: 1"] {
            ensure!(text.contains(part), "zstd does not say {part:?}:\n{text}");
        }
        let frames = text.lines().find(|line| line.contains("Zstandard Frames"));
        Ok(((), frames.unwrap_or_default().trim_start_matches(['#', ' ']).to_owned()))
    });
    for name in ["disk.img", "sd.img.zst", "rootfs.tar.gz"] {
        steps.run(&format!("osb check {name}"), || {
            let text = capture(project.osb(&["check"]).arg(out.join(name)))?;
            let last = text.lines().last().unwrap_or_default().to_owned();
            // A warning in an image of our own is one too many.
            ensure!(last.contains(" 0 errors, 0 warnings,"), "osb check says:\n{text}");
            Ok(((), last))
        });
    }
    steps.run("tar -t rootfs.tar.gz", || {
        let names = tar_names(tools, &out.join("rootfs.tar.gz"))?;
        let told = metadata(out)?;
        let text = |key: &str| told[key].as_str().unwrap_or_default();
        for name in expected(text("arch"), text("board")) {
            ensure!(names.iter().any(|have| have == name), "rootfs.tar.gz has no {name}");
        }
        Ok(((), format!("{} entries", names.len())))
    });
}

/// Looks at the partition table of `disk`, which is to be as `out` tells, and at what is in the
/// partitions.
pub(crate) fn check_disk(
    steps: &mut Steps,
    project: &Project,
    tools: &Tools,
    out: &Path,
    disk: &Path,
) {
    let Some(table) = steps.run("metadata.json", || {
        let table = metadata(out)?["partition_table"].clone();
        Ok((table.clone(), format!("{}, sectors of {}", table["kind"], table["sector_size"])))
    }) else {
        return;
    };
    if for_sgdisk(&table) {
        steps.run("sgdisk -v", || Ok((sgdisk(tools, disk)?, "no problems found".to_owned())));
    } else {
        steps.skip("sgdisk -v", "it takes a file for a GPT disk with sectors of 512 bytes");
    }
    steps.run("sfdisk --verify", || {
        Ok((verify(tools, disk, &table)?, "no errors detected".to_owned()))
    });
    let partitions = steps.run("partition table", || {
        let partitions = partitions(tools, disk, out)?;
        let text = format!("{} partitions, as metadata.json says", partitions.len());
        Ok((partitions, text))
    });
    for (index, (start, size)) in partitions.unwrap_or_default().into_iter().enumerate() {
        let part = project.work.join(format!("partition-{}.img", index + 1));
        let (program, arguments): (_, &[&str]) =
            match table["partitions"][index]["filesystem"].as_str() {
                Some("vfat") => ("fsck.vfat", &["-n", "-v"]),
                _ => ("e2fsck", &["-f", "-n"]),
            };
        steps.run(&format!("{program} of partition {}", index + 1), || {
            extract(disk, &part, start, size)?;
            // Both exit with 0 only if there was nothing to complain about.
            let text = capture(tools.command(program)?.args(arguments).arg(&part))?;
            fs::remove_file(&part)?;
            Ok(((), text.lines().last().unwrap_or_default().trim().to_owned()))
        });
    }
}

/// Fails if the table of `disk`, of the kind that `out` tells, has a fault.
pub(crate) fn sound_table(tools: &Tools, disk: &Path, out: &Path) -> Result<()> {
    let table = metadata(out)?["partition_table"].clone();
    if for_sgdisk(&table) {
        sgdisk(tools, disk)?;
    }
    verify(tools, disk, &table)
}

/// Whether sgdisk can read such a disk out of a file.
fn for_sgdisk(table: &Value) -> bool {
    table["kind"] == "gpt" && table["sector_size"] == 512
}

fn sgdisk(tools: &Tools, disk: &Path) -> Result<()> {
    let text = capture(tools.command("sgdisk")?.arg("-v").arg(disk))?;
    ensure!(text.contains("No problems found"), "sgdisk says:\n{text}");
    Ok(())
}

fn verify(tools: &Tools, disk: &Path, table: &Value) -> Result<()> {
    let text = capture(sfdisk(tools, table)?.arg("--verify").arg(disk))?;
    ensure!(text.contains("No errors detected"), "sfdisk says:\n{text}");
    Ok(())
}

/// sfdisk, told what it cannot know of a file: how long a sector is.
fn sfdisk(tools: &Tools, table: &Value) -> Result<Command> {
    let mut command = tools.command("sfdisk")?;
    command.arg("--sector-size").arg(table["sector_size"].to_string());
    Ok(command)
}

fn metadata(out: &Path) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(out.join("metadata.json"))?)?)
}

/// Start and size in bytes of every partition, as sfdisk reads them, after a comparison with
/// `metadata.json`.
pub(crate) fn partitions(tools: &Tools, disk: &Path, out: &Path) -> Result<Vec<(u64, u64)>> {
    let told = metadata(out)?["partition_table"].clone();
    let text = capture(sfdisk(tools, &told)?.arg("--json").arg(disk))?;
    let seen: Value = serde_json::from_str(&text)?;
    let seen = &seen["partitiontable"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_uppercase();
    // Hexadecimal numbers of an MBR are written in as many ways as there are programs.
    let number =
        |value: &Value| text(value).trim_start_matches("0X").trim_start_matches('0').to_owned();
    let kind = if told["kind"] == "mbr" { "dos" } else { "gpt" };
    ensure!(
        seen["label"] == kind && number(&seen["id"]) == number(&told["guid"]),
        "metadata.json and the disk differ:\n{told}\n{seen}"
    );
    let sector = told["sector_size"].as_u64().context("no sector size told")?;
    ensure!(seen["sectorsize"].as_u64() == Some(sector), "sfdisk: {}", seen["sectorsize"]);
    let seen = seen["partitions"].as_array().context("sfdisk: no partitions")?;
    let told = told["partitions"].as_array().context("no partitions told")?;
    ensure!(seen.len() == told.len(), "{} partitions, {} told", seen.len(), told.len());
    let mut places = Vec::new();
    for (seen, told) in seen.iter().zip(told) {
        let start = seen["start"].as_u64().context("sfdisk: no start")?;
        let size = seen["size"].as_u64().context("sfdisk: no size")?;
        ensure!(
            told["first_lba"].as_u64() == Some(start)
                && told["last_lba"].as_u64() == Some(start + size - 1)
                // An MBR has no identifiers of partitions.
                && (kind == "dos" || text(&told["guid"]) == text(&seen["uuid"]))
                && number(&told["type_guid"]) == number(&seen["type"]),
            "metadata.json and the disk differ:\n{told}\n{seen}"
        );
        places.push((start * sector, size * sector));
    }
    Ok(places)
}

/// Copies a part of the disk to a file of its own, zeros as holes.
fn extract(disk: &Path, part: &Path, start: u64, size: u64) -> Result<()> {
    let mut from = File::open(disk)?;
    let mut to = File::create(part)?;
    let mut block = vec![0; 1 << 20];
    let mut done = 0;
    from.seek(SeekFrom::Start(start))?;
    while done < size {
        let length = block.len().min(usize::try_from(size - done)?);
        from.read_exact(&mut block[..length])?;
        if block[..length].iter().any(|&byte| byte != 0) {
            to.seek(SeekFrom::Start(done))?;
            to.write_all(&block[..length])?;
        }
        done += length as u64;
    }
    to.set_len(size)?;
    Ok(())
}

/// `zstd -dc compressed | cmp - plain`; the number of equal bytes.
fn compare(tools: &Tools, compressed: &Path, plain: &Path) -> Result<u64> {
    let mut zstd = tools.command("zstd")?;
    let mut child = zstd.arg("-dcq").arg(compressed).stdout(Stdio::piped()).spawn()?;
    let mut left = child.stdout.take().context("zstd without output")?;
    let mut right = File::open(plain)?;
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut done = 0;
    let difference = loop {
        let length = fill(&mut left, &mut a)?;
        let other = fill(&mut right, &mut b)?;
        if a[..length] != b[..other] {
            break Some(done);
        }
        if length == 0 {
            break None;
        }
        done += length as u64;
    };
    drop(left);
    let status = child.wait()?;
    if let Some(position) = difference {
        bail!("they differ within the MiB that begins at byte {position}");
    }
    ensure!(status.success(), "zstd ended with {status}");
    Ok(done)
}

/// Reads until the buffer is full or the end is reached.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

/// The names in a gzip-compressed archive. Debian's zstd reads gzip, so no gzip is needed.
fn tar_names(tools: &Tools, archive: &Path) -> Result<Vec<String>> {
    let mut zstd = tools.command("zstd")?;
    let mut child = zstd.arg("-dcq").arg(archive).stdout(Stdio::piped()).spawn()?;
    let plain = child.stdout.take().context("zstd without output")?;
    let text = capture(tools.command("tar")?.args(["-t", "-f", "-"]).stdin(plain))?;
    let status = child.wait()?;
    ensure!(status.success(), "zstd ended with {status}");
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_extracted_with_its_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = vec![0u8; 5 << 20];
        bytes[1 << 20] = 1;
        bytes[(4 << 20) - 1] = 2;
        bytes[4 << 20] = 3;
        fs::write(dir.path().join("disk"), &bytes).unwrap();
        let part = dir.path().join("part");
        extract(&dir.path().join("disk"), &part, 1 << 20, 3 << 20).unwrap();
        assert!(fs::read(part).unwrap() == bytes[1 << 20..4 << 20]);
    }
}
