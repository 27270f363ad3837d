//! What UEFI firmware starts: systemd-boot, one loader entry, a PE kernel and the initramfs.

use osb_tree::{Inode, Tree};

use crate::Inputs;
use crate::command_line::command_line;
use crate::error::BoardError;
use crate::kernel::{Kernel, file};
use crate::layout::put;

/// The initramfs' name on the boot partition; the Pi's firmware loads the same file.
pub(crate) const INITRAMFS: &str = "initrd.img";

/// Adds the files for UEFI to the boot partition.
pub(crate) fn add(boot: &mut Tree, inputs: &Inputs<'_>, kernel: &Kernel) -> Result<(), BoardError> {
    // The names of removable media, which firmware finds without any setting (UEFI specification
    // 2.10, section 3.5.1.1), and the serial ports that QEMU's and most boards' firmware use.
    let (stem, fallback, serial) = match inputs.arch {
        "arm64" => ("aa64", "BOOTAA64.EFI", "ttyAMA0,115200"),
        "amd64" => ("x64", "BOOTX64.EFI", "ttyS0,115200"),
        other => {
            return Err(BoardError::WrongArchitecture { board: "uefi", arch: other.to_owned() });
        }
    };
    kernel.check_pe()?;
    let loader = format!("usr/lib/systemd/boot/efi/systemd-boot{stem}.efi");
    let loader = file(inputs.tree, &loader).ok_or_else(|| BoardError::Missing {
        path: loader,
        remedy: "`systemd-boot-efi` brings it: add the package to a layer".to_owned(),
    })?;
    let options = command_line(inputs.root_partuuid, &["tty0", serial], inputs.command_line)?;

    put(boot, &format!("EFI/BOOT/{fallback}"), Inode::file(0o644, loader))?;
    put(boot, "loader/loader.conf", Inode::file(0o644, LOADER.as_bytes().to_vec()))?;
    let entry = entry(inputs, &kernel.version, &options)?;
    put(boot, "loader/entries/osb.conf", Inode::file(0o644, entry.into_bytes()))?;
    put(boot, "vmlinuz", Inode::file(0o644, kernel.image.clone()))?;
    put(boot, INITRAMFS, Inode::file(0o644, kernel.initramfs.clone()))
}

/// systemd-boot's settings (loader.conf(5)).
const LOADER: &str = "\
# Start at once; hold the space bar for the menu.
timeout 0
default osb.conf
# Whoever is at the console gets no shell by editing the command line.
editor no
";

/// The loader entry (UAPI group, Boot Loader Specification, type 1).
fn entry(inputs: &Inputs<'_>, kernel: &str, options: &str) -> Result<String, BoardError> {
    let title = format!("{} {}", inputs.name, inputs.version);
    if title.chars().any(char::is_control) {
        let reason = format!("name and version are more than one line: {title:?}");
        return Err(BoardError::CommandLine { reason });
    }
    Ok(format!(
        "title {title}\nversion {kernel}\nsort-key osb\nlinux /vmlinuz\ninitrd /{INITRAMFS}\n\
         options {options}\n"
    ))
}
