//! A whole small image: a system made of programs of this machine, a kernel that is none, and what
//! makes an initramfs of it. A build of it takes a second or two and goes through everything that
//! a real one goes through.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use osb_testrepo::Deb;

pub use super::system::{missing, system};
use super::{World, arch, layer, tiny};

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
        .file("etc/initramfs-tools/initramfs.conf", 0o644, "MODULES=most\n")
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
