//! FAT volumes of ours, mounted by the kernel of a guest: every name and every byte.
//!
//! No kernel of a build host is asked: the volume is copied into a running node, which has loop
//! devices with sectors of any length.

use std::collections::BTreeMap;
use std::io::Seek;

use anyhow::{Result, ensure};
use osb_fat::{Options, Plan};
use osb_sink::WriteSink;
use osb_tree::{Inode, Tree};
use sha2::{Digest, Sha256};

use crate::guest::Guest;
use crate::steps::Steps;

/// Names that readers stumble over, in one folder.
const NAMES: [&str; 16] = [
    "UPPER.TXT",
    "lower.txt",
    "Mixed.Txt",
    "no extension",
    "many.dots.in.a.name",
    ".hidden",
    " leading space",
    "plus+comma,semi;eq=[brackets]",
    "COLLIS~1.DAT",
    "ünïcödé",
    "кириллица",
    "日本語の名前.dtb",
    "beyond sixteen bits 𝄞",
    "e\u{301}",
    "12345678.123",
    "#!$&()-@^`",
];

/// Writes a volume with sectors of `sector` bytes, and compares what the guest's kernel sees in it.
pub(crate) fn check(steps: &mut Steps, guest: &Guest<'_>, sector: u32) {
    steps.run(&format!("kernel reads FAT, sectors of {sector}"), || {
        let tree = tree()?;
        let options = Options {
            size: if sector == 512 { 48 << 20 } else { 260 << 20 },
            sector_size: sector,
            label: "REFEREE".to_owned(),
            volume_id: 0xCAFE_F00D,
            timestamp: 1_735_689_599,
            hidden_sectors: 0,
        };
        let mut out = zstd::Encoder::new(tempfile::tempfile()?, 1)?;
        Plan::new(&tree, &options)?.write(&mut WriteSink::new(&mut out))?;
        let mut file = out.finish()?;
        file.rewind()?;
        guest.send(
            &format!(
                "zstd -dqf -o /var/tmp/volume - && sudo mkdir -p /run/volume && \
                 device=$(sudo losetup --find --show --read-only --sector-size {sector} \
                 /var/tmp/volume) && sudo mount -t vfat -o ro,utf8,umask=0022 $device /run/volume"
            ),
            file,
        )?;
        let seen = guest.ssh(
            "cd /run/volume && find . -mindepth 1 -type d -printf 'directory  %p\\n' && \
             find . -type f -print0 | xargs -0 sha256sum",
        )?;
        guest.ssh(
            "source=$(findmnt -no SOURCE /run/volume) && sudo umount /run/volume && \
             sudo losetup --detach $source && rm /var/tmp/volume",
        )?;
        let seen: BTreeMap<&str, &str> = seen
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(digest, path)| (path.trim_start_matches("./"), digest))
            .collect();
        compare(&tree, &seen)?;
        Ok(((), format!("{} files and folders", seen.len())))
    });
}

/// The names above, 8.3 names that collide more than 99 times, 400 small files, lengths around an
/// entry's 13 units, and a deep path.
fn tree() -> Result<Tree> {
    let mut tree = Tree::new();
    let mut add = |path: String, len: usize| {
        let bytes = path.bytes().cycle().take(len).collect::<Vec<u8>>();
        tree.lay(path, Inode::file(0o644, bytes)).map(drop)
    };
    for (index, name) in NAMES.iter().enumerate() {
        add(format!("names/{name}"), 510 + index)?;
    }
    for index in 0..120 {
        add(format!("names/collision number {index}.data"), index)?;
    }
    for index in 0..400 {
        add(format!("many/{index:03}.cfg"), index % 5)?;
    }
    for length in (11..=28).chain(250..=255) {
        add(format!("lengths/{}", "n".repeat(length)), length * 100)?;
    }
    add(format!("{}bottom", "a level/".repeat(30)), 100_000)?;
    Ok(tree)
}

/// What the kernel shows is what the tree has: `directory`, or a file's SHA-256.
fn compare(tree: &Tree, seen: &BTreeMap<&str, &str>) -> Result<()> {
    let mut count = 0;
    for (path, _, inode) in tree.iter().filter(|(path, ..)| !path.is_empty()) {
        count += 1;
        let path = str::from_utf8(path)?;
        let expected = match inode.content() {
            None => "directory".to_owned(),
            Some(content) => hex::encode(Sha256::digest(content.read()?)),
        };
        let found = seen.get(path).copied().unwrap_or("nothing");
        ensure!(found == expected, "{path:?}: the kernel sees {found}, not {expected}");
    }
    ensure!(seen.len() == count, "the kernel sees {} paths, not {count}", seen.len());
    Ok(())
}
