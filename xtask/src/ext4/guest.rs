//! The kernel's part: mount, compare, look up, write, grow.
//!
//! What the kernel shows is written by GNU tar onto a disk of its own, which osb's reader of
//! archives turns back into a tree: names, types, owners, times to the nanosecond, links, devices,
//! attributes, ACLs and content in one comparison.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use osb_boot::Tools;
use osb_tree::diff::Scope;
use osb_tree::{Kind, Tree};
use sha2::{Digest, Sha256};

use super::tree::{HUGE, HUGE_SIZE, MANY, huge_end};
use super::{Written, same};
use crate::guest::Guest;
use crate::project::{Image, Project};
use crate::steps::Steps;

/// What is made on the file system that grows.
pub(super) const MADE: &str = "made-by-the-guest";
/// The sizes that it grows to: the second needs blocks of descriptors that the first did not.
const SIZES: [(&str, u64); 2] = [("64G", 64 << 30), ("1T", 1 << 40)];

pub(super) fn check(
    steps: &mut Steps,
    project: &Project,
    tools: &Tools,
    image: &Image,
    [conformance, growth]: [&Written; 2],
) {
    let archive = project.work.join("ext4/archive");
    let guest = steps.run("ext4: boot a guest with three more disks", || {
        File::options().write(true).open(&growth.path)?.set_len(SIZES[1].1)?;
        File::create(&archive)?.set_len(4 << 30)?;
        let disks: [(&str, &Path); 3] =
            [("conformance", &conformance.path), ("growth", &growth.path), ("archive", &archive)];
        let mut guest = Guest::with_disks(project, tools, image, &disks)?;
        let login = guest.wait_for_login()?;
        let kernel = guest.ssh("uname -sr")?;
        Ok((guest, format!("{}, ssh after {:.1} s", kernel.trim(), login.as_secs_f64())))
    });
    let Some(mut guest) = guest else { return };
    steps.run("ext4: mount, every name looked up", || {
        guest.ssh(&mount("conformance"))?;
        Ok(((), lookups(&guest, &conformance.tree)?))
    });
    steps.run("ext4: all metadata and content as the kernel shows them", || {
        Ok(((), compare(&guest, &conformance.tree, &archive)?))
    });
    steps.run("ext4: write, rename, remove, unmount", || Ok(((), change(&guest)?)));
    for (size, bytes) in SIZES {
        steps.run(&format!("ext4: resize2fs to {size} while mounted"), || {
            Ok(((), grow(&guest, size, bytes)?))
        });
    }
    steps.run("ext4: the kernel's log", || {
        guest.ssh("sudo umount /run/growth")?;
        let log = guest.ssh("sudo dmesg --notime | grep EXT4-fs | grep vd")?;
        let bad: Vec<&str> =
            log.lines().filter(|line| line.contains("error") || line.contains("warning")).collect();
        ensure!(bad.is_empty(), "the kernel complains:\n{}", bad.join("\n"));
        Ok(((), format!("{} lines, no error and no warning", log.lines().count())))
    });
    steps.run("ext4: switch off", || {
        // The connection ends before the command does.
        let _ = guest.ssh("sudo systemctl poweroff");
        Ok(((), format!("{:.1} s", guest.wait_for_end()?.as_secs_f64())))
    });
}

/// The command that mounts a disk, by its serial number.
fn mount(name: &str) -> String {
    format!(
        "sudo mkdir -p /run/{name} && \
         sudo mount -t ext4 /dev/disk/by-id/virtio-{name} /run/{name}"
    )
}

/// Every name through the hash index, with nothing cached; and some that are not there.
fn lookups(guest: &Guest, tree: &Tree) -> Result<String> {
    let found = guest.ssh(
        "sudo sh -c 'cd /run/conformance && find . -print0 >/run/names && \
         echo 3 >/proc/sys/vm/drop_caches && xargs -0 stat -c %i </run/names | wc -l && \
         find many -mindepth 1 | wc -l; \
         for i in $(seq 200); do test ! -e many/none-$i || exit 1; done; \
         stat -c %s huge; tail -c 5000 huge | sha256sum'",
    )?;
    let lines: Vec<&str> = found.lines().collect();
    let [all, many, size, sum] = lines[..] else { bail!("the guest says {found}") };
    // And `lost+found`.
    ensure!(all.parse::<usize>()? == tree.len() + 1, "{all} names, not {}", tree.len() + 1);
    ensure!(many.parse::<u32>()? > MANY, "{many} names in many");
    ensure!(size == HUGE_SIZE.to_string(), "{HUGE} has {size} bytes");
    let end = hex::encode(Sha256::digest(huge_end()));
    ensure!(sum.starts_with(&end), "{HUGE} ends otherwise");
    Ok(format!("{all} names, {many} of them in one folder"))
}

/// tar's view of the tree against the tree.
fn compare(guest: &Guest, tree: &Tree, archive: &Path) -> Result<String> {
    guest.ssh(&format!(
        "sudo env LC_ALL=C tar --create --format=posix --xattrs --xattrs-include='*' \
         --numeric-owner --sort=name --exclude=./{HUGE} --exclude=./lost+found \
         --pax-option=delete=atime,delete=ctime --warning=no-file-ignored \
         --file=/dev/disk/by-id/virtio-archive -C /run/conformance . && sync"
    ))?;
    let folder = archive.parent().context("a folder")?;
    let options = osb_image::Options { scratch: folder, limits: osb_image::Limits::default() };
    let mut image = osb_image::open(archive, &options)?;
    let found = image.volumes.pop().context("no archive")?.tree;
    let mut expected = tree.clone();
    expected.remove(HUGE);
    // tar leaves out sockets: they are asked for by themselves.
    let scope = Scope { sockets: false, ..Scope::ALL };
    let text = same(&expected, &found, &scope)?;
    let sockets = guest.ssh("sudo find /run/conformance -type s -printf '%P %m %U %G %T@\\n'")?;
    let mut wanted = String::new();
    for (path, _, inode) in tree.iter().filter(|entry| matches!(entry.2.kind, Kind::Socket)) {
        let meta = &inode.meta;
        let (secs, nanos) = (meta.mtime.secs, meta.mtime.nanos);
        let path = String::from_utf8_lossy(path);
        wanted += &format!("{path} {:o} {} {} {secs}.{nanos:09}0\n", meta.mode, meta.uid, meta.gid);
    }
    ensure!(sockets == wanted, "sockets are {sockets:?}, not {wanted:?}");
    Ok(text)
}

/// What a system does to a file system, in the folder with the large index and elsewhere.
fn change(guest: &Guest) -> Result<String> {
    let text = guest.ssh(
        "sudo sh -ec 'cd /run/conformance; \
         for i in $(seq 3000); do echo $i >many/new-$i; done; \
         for i in $(seq 1 2 3000); do rm many/new-$i; done; \
         for i in $(seq 2 4 3000); do mv many/new-$i names/moved-$i; done; \
         mkdir -p new/a/b; cp -a acl links new/; ln names/moved-2 new/link; \
         echo more >>sparse/plain-4096; dd if=/dev/zero of=sparse/hole bs=4096 seek=100 count=50 \
         conv=notrunc status=none; truncate -s 1M sparse/dense; rm -r deep; \
         cat names/moved-* many/new-* | cksum; cd /; \
         umount /run/conformance; mount /dev/disk/by-id/virtio-conformance /run/conformance; \
         cd /run/conformance; cat names/moved-* many/new-* | cksum; ls many | wc -l; \
         cd /; umount /run/conformance'",
    )?;
    let lines: Vec<&str> = text.lines().collect();
    ensure!(lines.len() >= 3 && lines[0] == lines[1], "written and read differ: {text}");
    Ok("1500 files stay of 3000, the same after another mount".to_owned())
}

/// Grows the mounted file system, and uses blocks behind its old end.
fn grow(guest: &Guest, size: &str, bytes: u64) -> Result<String> {
    guest.ssh(&format!("mountpoint -q /run/growth || {{ {}; }}", mount("growth")))?;
    guest.ssh(&format!(
        "sudo sh -ec 'resize2fs /dev/disk/by-id/virtio-growth {size} 2>&1; cd /run/growth; \
         mkdir -p {MADE}; fallocate -l $(( {bytes} / 2 )) {MADE}/large; \
         dd if=/dev/urandom of={MADE}/large bs=1M seek=$(( {bytes} / 2 / 1048576 - 8 )) count=8 \
         conv=notrunc status=none; rm {MADE}/large; date >{MADE}/{size}'"
    ))?;
    let blocks = guest.ssh("stat -f -c '%b %S' /run/growth")?;
    let (count, unit) = blocks.trim().split_once(' ').context("stat says nothing")?;
    let seen = count.parse::<u64>()? * unit.parse::<u64>()?;
    ensure!(seen > bytes / 20 * 19, "{seen} bytes, which should be about {bytes}");
    let text = guest.ssh("sudo dumpe2fs -h /dev/disk/by-id/virtio-growth 2>/dev/null")?;
    ensure!(!text.contains("meta_bg"), "it grew by meta_bg:\n{text}");
    let kept = text.lines().find(|line| line.starts_with("Reserved GDT blocks"));
    let kept = kept.map_or("0", |line| line.rsplit(' ').next().unwrap_or("0"));
    Ok(format!("{} GiB, {kept} blocks kept for more", seen >> 30))
}
