//! Ways to start that osb's own images do not have: unified kernel images, vendors' kernels, several
//! initramfs, prefixes.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{
    MODULES, ROOT_ID, VERSION, broken, edited, good, in_root, initramfs, initramfs_with, kernel,
    put,
};
use osb_check::{Context, Memo, Outcome, Subject, check};
use osb_tree::Inode;

/// A PE file with these sections.
fn uki(sections: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut head = vec![0; 4096];
    head[..2].copy_from_slice(b"MZ");
    head[0x3C] = 0x40;
    head[0x40..0x44].copy_from_slice(b"PE\0\0");
    head[0x44..0x48].copy_from_slice(&[0x64, 0xAA, sections.len() as u8, 0]);
    let mut body = Vec::new();
    for (index, (name, bytes)) in sections.iter().enumerate() {
        let at = 0x58 + 40 * index;
        head[at..at + name.len()].copy_from_slice(name.as_bytes());
        let start = 4096 + body.len() as u32;
        head[at + 8..at + 12].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        body.extend_from_slice(bytes);
        body.resize(body.len().next_multiple_of(512), 0);
        let raw = 4096 + body.len() as u32 - start;
        head[at + 16..at + 20].copy_from_slice(&raw.to_le_bytes());
        head[at + 20..at + 24].copy_from_slice(&start.to_le_bytes());
    }
    [head, body].concat()
}

fn whole_uki(root: &str, modules: &[&str]) -> Vec<u8> {
    let root = root.to_lowercase();
    let line = format!("root=PARTUUID={root} rw console=tty1 console=ttyAMA0");
    uki(&[
        (".linux", kernel(VERSION)),
        (".initrd", initramfs(VERSION, modules)),
        (".cmdline", line.into_bytes()),
    ])
}

/// The image with a unified kernel image, by an entry or found by itself.
fn with_uki(bytes: Vec<u8>, entry: Option<&str>) -> Subject {
    let mut subject = good();
    let root = subject.root.as_mut().unwrap();
    // The initramfs of such a file is made for it.
    root.remove(format!("boot/initrd.img-{VERSION}"));
    let boot = subject.boot.as_mut().unwrap();
    boot.remove("loader/entries/osb.conf");
    put(boot, "EFI/Linux/osb.efi", 0o755, bytes);
    put(boot, "loader/loader.conf", 0o755, "default osb*\neditor no\n");
    if let Some(entry) = entry {
        put(boot, "loader/entries/osb.conf", 0o755, entry);
    }
    subject
}

#[test]
fn a_unified_kernel_image_is_a_kernel_an_initramfs_and_a_command_line() {
    let entry = format!("title x\nversion {VERSION}\nefi /EFI/Linux/osb.efi\n");
    let other = ROOT_ID.replace('5', "6");
    for entry in [None, Some(&entry[..])] {
        let image = |bytes| broken(&with_uki(bytes, entry));
        assert_eq!(image(whole_uki(ROOT_ID, &MODULES)), BTreeSet::new());
        assert!(image(whole_uki(&other, &MODULES)).contains("root-named"));
        let lacking = image(whole_uki(ROOT_ID, &MODULES[..5]));
        assert!(lacking.contains("boot-initramfs-finds-disks"), "{lacking:?}");
        let cut = whole_uki(ROOT_ID, &MODULES)[..9000].to_vec();
        assert!(!image(cut).is_empty());
        // In the middle of its kernel, with another way to start that is whole.
        let cut = image(whole_uki(ROOT_ID, &MODULES)[..6000].to_vec());
        assert!(cut.contains("boot-kernel-whole"), "{cut:?}");
    }
    // An entry for a program that is none, and a file that is not there.
    let shell =
        with_uki(whole_uki(ROOT_ID, &MODULES), Some("title x\nefi /EFI/BOOT/BOOTAA64.EFI\n"));
    assert_eq!(broken(&shell), BTreeSet::new());
    let gone = with_uki(whole_uki(ROOT_ID, &MODULES), Some("title x\nuki /EFI/Linux/no.efi\n"));
    assert!(broken(&gone).contains("uefi-entry-present"));
}

#[test]
fn a_pc_without_an_entry_does_not_start() {
    let mut subject = good();
    let boot = subject.boot.as_mut().unwrap();
    for path in ["loader/entries/osb.conf", "config.txt", "cmdline.txt", "kernel8.img"] {
        boot.remove(path);
    }
    assert!(broken(&subject).contains("uefi-entry-present"), "{:?}", broken(&subject));
}

#[test]
fn several_initramfs_are_one() {
    let mut subject = good();
    let boot = subject.boot.as_mut().unwrap();
    put(boot, "microcode.img", 0o755, initramfs_with(&[("kernel/x86/microcode/x.bin", b"x")]));
    edited("loader/entries/osb.conf", "initrd /", "initrd /microcode.img\ninitrd /")(&mut subject);
    edited("config.txt", "initramfs initrd.img", "initramfs microcode.img,initrd.img")(
        &mut subject,
    );
    assert_eq!(broken(&subject), BTreeSet::new());
    assert!(subject.boot.as_mut().unwrap().remove("microcode.img"));
    assert!(broken(&subject).contains("boot-initramfs-present"));
}

/// The image with another kernel's version everywhere, and these modules.
fn with_kernel(version: &str, modules: &[&str]) -> Subject {
    let mut subject = good();
    let root = subject.root.as_mut().unwrap();
    root.remove_below(format!("usr/lib/modules/{VERSION}"));
    root.remove(format!("usr/lib/modules/{VERSION}"));
    let folder = format!("usr/lib/modules/{version}");
    let mut index = String::new();
    for module in modules.iter().chain(&["overlay", "br_netfilter", "nf_conntrack", "veth"]) {
        put(root, &format!("{folder}/kernel/{module}.ko.xz"), 0o644, *module);
        index += &format!("kernel/{module}.ko.xz:\n");
    }
    put(root, &format!("{folder}/modules.dep"), 0o644, index);
    for name in ["dep", "alias", "symbols", "builtin"] {
        put(root, &format!("{folder}/modules.{name}.bin"), 0o644, "x");
    }
    put(root, &format!("{folder}/vmlinuz"), 0o644, kernel(version));
    let boot = subject.boot.as_mut().unwrap();
    for name in ["kernel8.img", "vmlinuz"] {
        put(boot, name, 0o755, kernel(version));
    }
    put(boot, "initrd.img", 0o755, initramfs(version, modules));
    subject
}

#[test]
fn a_vendors_kernel_needs_its_own_modules_only() {
    let vendors = "6.12.25+rpt-rpi-v8";
    let mut subject = with_kernel(vendors, &["ext4", "nfs", "nfsv3"]);
    edited("loader/entries/osb.conf", VERSION, vendors)(&mut subject);
    edited("cmdline.txt", "rw", "rw cgroup_enable=memory")(&mut subject);
    edited("loader/entries/osb.conf", "rw", "rw cgroup_enable=memory")(&mut subject);
    assert_eq!(broken(&subject), BTreeSet::new());
    // What it has as a module must be there all the same.
    put(subject.boot.as_mut().unwrap(), "initrd.img", 0o755, initramfs(vendors, &["nfs"]));
    assert!(broken(&subject).contains("boot-initramfs-finds-disks"));

    // Another kernel of the vendor's in the root excuses nothing of the one that starts.
    let mut both = with_kernel(VERSION, &["ext4", "nfs", "nfsv3", "macb"]);
    in_root(move |root| {
        let folder = format!("usr/lib/modules/{vendors}");
        put(root, &format!("{folder}/modules.dep"), 0o644, "kernel/overlay.ko:\n");
    })(&mut both);
    let broken = broken(&both);
    assert!(broken.contains("kernel-has-pi-modules"), "{broken:?}");
    assert!(broken.contains("boot-initramfs-finds-disks"), "{broken:?}");
}

#[test]
fn a_prefix_counts_if_a_kernel_and_a_tree_are_under_it() {
    let mut subject = good();
    edited("config.txt", "kernel=", "os_prefix=new/\nkernel=")(&mut subject);
    assert!(broken(&subject).contains("pi-config-present"), "it is passed over");
    let boot = subject.boot.as_mut().unwrap();
    for name in ["kernel8.img", "bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb", "initrd.img"] {
        let inode: Inode = boot.get(name).unwrap().clone();
        boot.lay(format!("new/{name}"), inode).unwrap();
    }
    // Now the command line is looked for there, too.
    assert!(broken(&subject).contains("pi-command-line-present"));
    let boot = subject.boot.as_mut().unwrap();
    let line: Inode = boot.get("cmdline.txt").unwrap().clone();
    boot.lay("new/cmdline.txt", line).unwrap();
    assert_eq!(broken(&subject), BTreeSet::new());
}

#[test]
fn overlays_may_be_shared_or_have_other_names_on_a_pi_5() {
    let with = |files: &[(&str, &str)]| {
        let mut subject = good();
        edited("config.txt", "[all]", "[all]\ndtoverlay=vc4-kms-v3d,cma-512\ndtoverlay=")(
            &mut subject,
        );
        for (path, text) in files {
            put(subject.boot.as_mut().unwrap(), path, 0o755, *text);
        }
        broken(&subject)
    };
    assert!(with(&[]).contains("pi-overlays-present"));
    for path in ["overlays/vc4-kms-v3d.dtbo", "overlays/vc4-kms-v3d-pi5.dtbo"] {
        assert_eq!(with(&[(path, "x")]), BTreeSet::new());
    }
    let map = |text| with(&[("overlays/overlay_map.dtb", text)]);
    assert_eq!(map("..\u{1}vc4-kms-v3d\0.."), BTreeSet::new());
    // A longer name of which it is a part.
    assert_ne!(map("..\u{1}vc4-kms-v3d-old\0.."), BTreeSet::new());
}

#[test]
fn secrets_in_the_initramfs_are_told_with_their_file() {
    let token = b"kubeadm join --token abcdef.0123456789abcdef\n";
    let mut files: Vec<(String, &[u8])> = vec![("init".into(), b""), ("etc/join".into(), token)];
    files.extend(
        MODULES.map(|name| (format!("usr/lib/modules/{VERSION}/kernel/{name}.ko.xz"), &b""[..])),
    );
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (&path[..], *bytes)).collect();
    let mut subject = good();
    for (tree, path) in [
        (subject.root.as_mut().unwrap(), format!("boot/initrd.img-{VERSION}")),
        (subject.boot.as_mut().unwrap(), "initrd.img".to_owned()),
    ] {
        put(tree, &path, 0o644, initramfs_with(&files));
    }
    let context = Context { only: vec!["no-tokens".into()], ..Context::default() };
    let report = check(&subject, &context, &Memo::default());
    let Outcome::Found { findings, .. } = &report.results[0].outcome else { panic!("{report:?}") };
    let told: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
    // Not packed, it is a file with a token, too.
    assert!(told.contains(&"a bootstrap token, at byte 15 of /etc/join in it"), "{told:?}");
}
