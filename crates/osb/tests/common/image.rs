//! A whole small image: a system made of programs of this machine, a kernel that is none, and what
//! makes an initramfs of it. A build of it takes a second or two and goes through everything that
//! a real one goes through.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use osb_testrepo::{Compression, Deb};

use super::{World, arch, layer, tiny};

/// What the image's system has, and what dpkg only wants to see.
const PROGRAMS: [&str; 11] =
    ["sh", "cat", "cp", "sleep", "rm", "mkdir", "dpkg", "tar", "ls", "install", "ln"];
const STUBS: [&str; 5] = ["diff", "dpkg-deb", "dpkg-split", "ldconfig", "start-stop-daemon"];

/// Puts together what the initramfs is made from.
const UPDATE_INITRAMFS: &str = "#!/bin/sh\nset -e\n\
    cat /etc/initramfs-tools/* >/boot/initrd.img-$3\n\
    echo made >>/boot/initrd.img-$3\n";

/// Why these tests cannot run here.
pub fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("the sandbox is started as root here");
    }
    let found = |name: &&str| place(name).is_some();
    if PROGRAMS.iter().all(found) { None } else { Some("this machine has no dpkg, or no shell") }
}

fn place(name: &str) -> Option<String> {
    ["/usr/bin", "/bin"].map(|d| format!("{d}/{name}")).into_iter().find(|p| Path::new(p).exists())
}

/// A package called dpkg with all that a layer needs to run scripts: programs of this machine with
/// their libraries.
pub fn system() -> Deb {
    let mut deb = Deb::new("dpkg", "1.0", "all").field("Essential", "yes");
    let mut libraries = BTreeSet::new();
    for name in PROGRAMS {
        let path = place(name).unwrap();
        deb = deb.file(&format!("usr/bin/{name}"), 0o755, fs::read(&path).unwrap());
        let list = Command::new("ldd").arg(&path).output().unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        libraries.extend(list.split_whitespace().filter(|w| w.starts_with('/')).map(str::to_owned));
    }
    for name in STUBS {
        deb = deb.file(&format!("usr/bin/{name}"), 0o755, "#!/bin/sh\n");
    }
    for library in libraries {
        // Where the loader looks, behind the links of merged-/usr.
        let inside = library.trim_start_matches('/');
        let inside = match inside.strip_prefix("lib/") {
            Some(rest) => format!("usr/lib/{rest}"),
            None => inside.to_owned(),
        };
        deb = deb.file(&inside, 0o755, fs::read(&library).unwrap());
    }
    deb.compressed(Compression::None)
}

/// The package of a kernel that UEFI would take for one, with what starts it.
pub fn kernel() -> Deb {
    let mut image = vec![0; 4096];
    image[..2].copy_from_slice(b"MZ");
    image[0x3c] = 0x40;
    image[0x40..0x44].copy_from_slice(b"PE\0\0");
    let stem = if arch().as_str() == "arm64" { "aa64" } else { "x64" };
    Deb::new("linux-image", "6.0", "all")
        .file("usr/lib/modules/6.0-test/vmlinuz", 0o644, image)
        .file(&format!("usr/lib/systemd/boot/efi/systemd-boot{stem}.efi"), 0o644, "MZ loader")
        .file("usr/bin/update-initramfs", 0o755, UPDATE_INITRAMFS)
        .file("etc/initramfs-tools/initramfs.conf", 0o644, "MODULES=most\n")
        .file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n")
        .file("etc/group", 0o644, "root:x:0:\n")
        .directory("boot", 0o755)
}

/// A project of that image, in two layers: `base`, and `top` with one file of its own. `None`,
/// after saying why, if it cannot be built here.
pub fn project() -> Option<World> {
    if let Some(reason) = missing() {
        eprintln!("SKIPPED: {reason}");
        return None;
    }
    let world = World::empty();
    world.publish(world.suite([system(), kernel(), tiny("1.0")]));
    let recipe = world.recipe().replace("[\"base\"]", "[\"base\", \"top\"]");
    world.put(
        "osb.toml",
        &format!("{recipe}\n[disk]\nboot-size = \"64MiB\"\nroot-free = \"16MiB\"\n"),
    );
    world.put("layers/base/layer.toml", &layer("install = [\"dpkg\", \"linux-image\"]"));
    world.put("layers/top/layer.toml", &layer("install = [\"tiny\"]"));
    world.put("layers/top/files/etc/containerd/config.toml", "version = 2\n");
    Some(world)
}
