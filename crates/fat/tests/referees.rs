//! Other people's programs look at our volumes: dosfstools' `fsck.vfat` and the mtools.
//!
//! Where they are not installed these tests say so and pass; the whole test run has them in a
//! locked tools tree and checks the real image.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use osb_fat::{Options, Plan};
use osb_sink::SparseFile;
use osb_tree::Tree;
use proptest::prelude::*;
use support::referee::{assert_clean, referee};
use support::{
    MIB, add, all_options, content, expected, full, hostile, long_sectors, options, sample, trees,
};

fn write(tree: &Tree, options: &Options, path: &Path) {
    let mut file = SparseFile::create(path, options.size).unwrap();
    Plan::new(tree, options).unwrap().write(&mut file).unwrap();
    file.finish().unwrap();
}

#[test]
fn fsck_finds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume");
    for size in [33, 64, 260, 261, 512, 2048].map(|mib| mib * MIB) {
        write(&sample(), &options(size), &path);
        assert_clean(&path);
    }
    for label in ["", "BOOTFS", "OSB BOOT 1"] {
        write(&sample(), &Options { label: label.into(), ..options(64 * MIB) }, &path);
        assert_clean(&path);
    }
}

#[test]
fn fsck_finds_nothing_in_volumes_that_are_full_or_full_of_odd_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume");
    for options in all_options() {
        write(&hostile(), &options, &path);
        assert_clean(&path);
    }
    for options in [options(33 * MIB), long_sectors(257 * MIB)] {
        write(&full(&options), &options, &path);
        assert_clean(&path);
    }
}

#[test]
fn fsck_finds_nothing_in_directories_of_any_length() {
    // Directories of 14 to 20 entries, around a cluster's 16, with their dot entries.
    let mut tree = Tree::new();
    for count in 12..20 {
        for index in 0..count {
            add(&mut tree, &format!("D{count}/F{index}"), content(index, index * 100));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume");
    write(&tree, &options(33 * MIB), &path);
    assert_clean(&path);
}

#[test]
fn mcopy_copies_everything_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume");
    for (number, (tree, options)) in [
        (sample(), options(64 * MIB)),
        (hostile(), options(33 * MIB)),
        (hostile(), long_sectors(257 * MIB)),
    ]
    .iter()
    .enumerate()
    {
        write(tree, options, &path);
        let out = dir.path().join(format!("out-{number}"));
        fs::create_dir(&out).unwrap();
        // A UTF-8 locale, or mtools replaces characters beyond ASCII.
        let mut command = Command::new("mcopy");
        command.args(["-s", "-n", "-m", "-Q", "-i"]).arg(&path).arg("::/").arg(&out);
        let Some(output) = referee(command.env("LC_ALL", "C.UTF-8")) else { return };
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        // mtools do not put surrogate pairs together, and do not copy names that DOS could not.
        let odd = |name: &str| {
            let last = name.rsplit('/').next().unwrap_or_default().to_lowercase();
            name.contains('𝄞') || ["con", "nul.txt"].contains(&last.as_str())
        };
        for (name, bytes) in expected(tree).into_iter().filter(|(name, _)| !odd(name)) {
            let copy = out.join(&name);
            match bytes {
                None => assert!(copy.is_dir(), "{name}: {text}"),
                Some(bytes) => {
                    assert!(fs::read(&copy).is_ok_and(|copy| copy == bytes), "{name}: {text}")
                }
            }
        }
    }
}

#[test]
fn mtype_shows_a_file_by_its_long_and_its_short_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume");
    write(&sample(), &options(64 * MIB), &path);
    for name in ["bcm2712-rpi-5-b.dtb", "BCM271~2.DTB"] {
        let mut command = Command::new("mtype");
        command.arg("-i").arg(&path).arg(format!("::/{name}"));
        let Some(output) = referee(&mut command) else { return };
        assert!(output.stdout == content(2, 70_000), "{name}");
    }
}

#[test]
fn mdir_shows_label_serial_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume");
    write(&sample(), &options(64 * MIB), &path);
    let mut command = Command::new("mdir");
    command.arg("-i").arg(&path).arg("::/").env("LC_ALL", "C.UTF-8");
    let Some(output) = referee(&mut command) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for wanted in ["OSBBOOT", "CAFE-F00D", "2023-11-14  22:13", "bcm2712-d-rpi-5-b.dtb"] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn fsck_finds_nothing_in_any_tree(files in trees::files(), long in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("volume");
        let options = if long { long_sectors(257 * MIB) } else { options(33 * MIB) };
        write(&trees::tree(files), &options, &path);
        assert_clean(&path);
    }
}
