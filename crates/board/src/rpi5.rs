//! What the Raspberry Pi 5's EEPROM bootloader reads: `config.txt`, `cmdline.txt`, a gzip kernel,
//! the initramfs and the device trees. No firmware files: they live in the EEPROM.

use std::io::Read;

use osb_tree::{Content, Inode, Tree};

use crate::Inputs;
use crate::command_line::command_line;
use crate::error::BoardError;
use crate::kernel::{Kernel, device_trees};
use crate::layout::put;
use crate::uefi::INITRAMFS;

/// The device tree without which the bootloader refuses the partition (`os_check`).
const DEVICE_TREE: &str = "bcm2712-rpi-5-b.dtb";

/// EEPROMs before 2025-06-09 fail to read files of 32 MB from NVMe (rpi-eeprom release notes).
const FILE_LIMIT: u64 = 32_000_000;

/// The bootloader reads at most so many bytes of `cmdline.txt`.
const COMMAND_LINE_LIMIT: usize = 1024;

/// Adds the files for the Pi's firmware to the boot partition, which has the initramfs already.
pub(crate) fn add(boot: &mut Tree, inputs: &Inputs<'_>, kernel: &Kernel) -> Result<(), BoardError> {
    if inputs.arch != "arm64" {
        let arch = inputs.arch.to_owned();
        return Err(BoardError::WrongArchitecture { board: "rpi5", arch });
    }
    kernel.check_arm64_image()?;
    let trees = device_trees(inputs.tree, &kernel.version, "broadcom", "bcm2712");
    if !trees.iter().any(|(name, _)| name == DEVICE_TREE) {
        return Err(BoardError::Missing {
            path: format!("usr/lib/modules/{}/dtb/broadcom/{DEVICE_TREE}", kernel.version),
            remedy: "the kernel's packages bring it: take `linux-image-arm64` from backports (7.1 \
                     or later)"
                .to_owned(),
        });
    }
    for (name, content) in trees {
        put(boot, &name, Inode::file(0o644, content))?;
    }
    // ttyAMA10 is the debug connector between the HDMI ports, by its name and not as `serial0`,
    // which the firmware translates depending on settings.
    let consoles = ["tty1", "ttyAMA10,115200"];
    let mut line = command_line(inputs.root_partuuid, &consoles, inputs.command_line)?;
    line.push('\n');
    if line.len() > COMMAND_LINE_LIMIT {
        let reason = format!(
            "{} bytes; the Raspberry Pi's bootloader reads {COMMAND_LINE_LIMIT}",
            line.len()
        );
        return Err(BoardError::CommandLine { reason });
    }
    let initramfs = boot.get(INITRAMFS).and_then(Inode::content).map_or(0, Content::size);
    fits(INITRAMFS, initramfs)?;
    put(boot, "cmdline.txt", Inode::file(0o644, line.into_bytes()))?;
    put(boot, "config.txt", Inode::file(0o644, CONFIG.as_bytes().to_vec()))?;
    put(boot, "kernel8.img", Inode::file(0o644, compress(inputs, kernel)?))
}

/// The kernel as gzip.
fn compress(inputs: &Inputs<'_>, kernel: &Kernel) -> Result<Vec<u8>, BoardError> {
    let failed = |source| BoardError::Read { path: kernel.path.clone(), source };
    let mut image = Vec::with_capacity(kernel.image.size() as usize);
    kernel.image.open().and_then(|mut reader| reader.read_to_end(&mut image)).map_err(failed)?;
    let bytes = (inputs.gzip)(image).map_err(failed)?;
    let size = bytes.len() as u64;
    fits("kernel8.img", size)?;
    Ok(bytes)
}

/// Whether the firmware can read a file of `size` bytes.
fn fits(file: &'static str, size: u64) -> Result<(), BoardError> {
    match size < FILE_LIMIT {
        true => Ok(()),
        false => Err(BoardError::TooLarge { file, size, limit: FILE_LIMIT }),
    }
}

/// Settings of the bootloader (Raspberry Pi documentation, "config.txt").
const CONFIG: &str = "\
# Read by the Raspberry Pi 5's bootloader. UEFI firmware reads loader/ instead.

arm_64bit=1

# Debian's kernel with 4 KiB pages. Compressed, because old bootloaders cannot read large files
# from NVMe; named, because the bootloader looks for kernel_2712.img first.
kernel=kernel8.img
initramfs initrd.img followkernel

# Messages on the debug connector between the HDMI ports, 115200 baud.
enable_uart=1

# The PCIe connector, for NVMe adapters that do not announce themselves. Debian's device tree has
# it switched on already and ignores this line; the vendor's needs it.
dtparam=pciex1
";
