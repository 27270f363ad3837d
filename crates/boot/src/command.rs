//! The QEMU command line, as a pure function of what was asked for and what was found.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::credential::smbios_option;
use crate::machine::Machine;
use crate::{BootError, Options, Tools, Writes};

/// What was found in the tools tree and on the host: everything that [`command`] needs beside the
/// options.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The emulator, started through the tree's loader.
    pub emulator: Vec<OsString>,
    /// QEMU's data folder.
    pub data: PathBuf,
    /// QEMU's run-time modules.
    pub modules: PathBuf,
    /// The UEFI firmware's code.
    pub firmware: PathBuf,
    /// The UEFI firmware's variables, as delivered.
    pub variables: PathBuf,
    /// Whether the host's processor can run the guest itself.
    pub kvm: bool,
}

impl Plan {
    /// Looks the pieces up, and looks at the image.
    ///
    /// # Errors
    /// If the image is not a raw disk, the architecture is unknown or the tools tree incomplete.
    pub fn locate(options: &Options) -> Result<Self, BootError> {
        let machine = Machine::of(&options.architecture)?;
        check_image(&options.image, options.sector_size)?;
        let tools = Tools::open(&options.tools)?;
        Ok(Self {
            emulator: tools.argv(machine.emulator)?,
            data: tools.root().join("usr/share/qemu"),
            modules: tools.module_folder("qemu"),
            firmware: tools.file(machine.firmware)?,
            variables: tools.file(machine.variables)?,
            kvm: machine.native == std::env::consts::ARCH && kvm_is_usable(),
        })
    }
}

/// Whether this process may use the host's virtualisation.
fn kvm_is_usable() -> bool {
    OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok()
}

/// Refuses what firmware could only answer with its shell: compressed images, odd sizes, nothing.
fn check_image(path: &Path, sector_size: u32) -> Result<(), BootError> {
    let image = |source| BootError::Image { path: path.to_owned(), source };
    let not = |reason: &str| {
        Err(BootError::NotADisk { path: path.to_owned(), reason: reason.to_owned() })
    };
    let mut file = File::open(path).map_err(image)?;
    let metadata = file.metadata().map_err(image)?;
    if metadata.file_type().is_block_device() {
        return Ok(());
    }
    if !metadata.is_file() {
        return not("it is neither a file nor a block device");
    }
    let mut head = [0; 4];
    if metadata.len() < 1024 * 1024 || !metadata.len().is_multiple_of(sector_size.into()) {
        return not(&format!(
            "its size is not that of a disk (at least 1 MiB, a multiple of {sector_size} bytes)"
        ));
    }
    file.read_exact(&mut head).map_err(image)?;
    match head {
        [0x28, 0xb5, 0x2f, 0xfd] => not("it is compressed; unpack it first: zstd -d FILE"),
        [0x1f, 0x8b, ..] => not("it is compressed with gzip; is it a root file system archive?"),
        _ => Ok(()),
    }
}

/// The complete argument vector that boots `options.image`.
///
/// # Errors
/// If a credential or a path cannot be expressed in QEMU's syntax.
pub fn command(options: &Options, plan: &Plan) -> Result<Vec<OsString>, BootError> {
    let machine = Machine::of(&options.architecture)?;
    let mut argv = plan.emulator.clone();
    argv.extend(["-nodefaults", "-no-user-config", "-no-reboot"].map(OsString::from));
    let mut add = |option: &str, value: &str| argv.extend([option.into(), value.into()]);
    add("-L", text(&plan.data)?);
    let (board, accelerator, cpu) = if plan.kvm {
        (machine.board_kvm, "kvm", "host")
    } else {
        (machine.board, "tcg,thread=multi", machine.cpu)
    };
    add("-machine", board);
    add("-accel", accelerator);
    add("-cpu", cpu);
    add("-smp", &options.cpus.to_string());
    add("-m", &options.memory_mib.to_string());

    // `snapshot=on` opens the file read-only and sends writes to an unnamed temporary file, so that
    // neither the image, unless asked, nor the firmware's variables in the tools tree change.
    let pflash = |unit, path, rest| {
        Ok::<_, BootError>(format!(
            "if=pflash,unit={unit},format=raw,{rest},file={}",
            escaped(text(path)?)
        ))
    };
    add("-drive", &pflash(0, &plan.firmware, "readonly=on")?);
    add("-drive", &pflash(1, &plan.variables, "snapshot=on")?);
    let disk = escaped(text(&options.image)?);
    let writes = match options.writes {
        Writes::Discarded => "snapshot=on,cache=unsafe",
        Writes::Kept => "cache=writeback,discard=unmap",
    };
    add("-drive", &format!("if=none,id=disk,format=raw,{writes},file={disk}"));
    // The boot index keeps the firmware from trying the network before the disk.
    let mut device = "virtio-blk-pci,drive=disk,bootindex=0".to_owned();
    if let size @ 513.. = options.sector_size {
        device += &format!(",logical_block_size={size},physical_block_size={size}");
    }
    add("-device", &device);

    let mut network = String::from("user,id=net");
    for (host, guest) in &options.forwards {
        network += &format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}");
    }
    add("-netdev", &network);
    // Without an option ROM: it would be one more file, for network boot only.
    add("-device", "virtio-net-pci,netdev=net,romfile=");
    add("-device", "virtio-rng-pci");

    add("-display", "none");
    if options.interactive {
        // Ctrl-C belongs to the guest; Ctrl-A x quits.
        add("-chardev", "stdio,id=console,mux=on,signal=off");
        add("-mon", "chardev=console");
    } else {
        add("-chardev", "stdio,id=console,signal=on");
    }
    add("-serial", "chardev:console");

    for (name, value) in &options.credentials {
        add("-smbios", &smbios_option(name, value)?);
    }
    Ok(argv)
}

/// QEMU's options are text.
fn text(path: &Path) -> Result<&str, BootError> {
    path.to_str().ok_or_else(|| BootError::Path(path.to_owned()))
}

/// A comma in a value is written twice (QEMU's `QemuOpts` syntax).
fn escaped(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            emulator: vec!["ld.so".into(), "qemu".into()],
            data: "/t/usr/share/qemu".into(),
            modules: "/t/modules".into(),
            firmware: "/t/code.fd".into(),
            variables: "/t/vars.fd".into(),
            kvm: false,
        }
    }

    fn lines(options: &Options, plan: &Plan) -> String {
        let argv = command(options, plan).unwrap();
        argv.iter().map(|a| a.to_str().unwrap()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_image_and_the_tools_are_never_writable() {
        let text = lines(&Options::new("/i/disk.img".into(), "arm64", "/t".into()), &plan());
        for drive in text.lines().filter(|line| line.contains("file=/")) {
            assert!(
                drive.contains("snapshot=on") || drive.contains("readonly=on"),
                "writable: {drive}"
            );
        }
        assert_eq!(text.matches("file=/").count(), 3);
    }

    #[test]
    fn the_disk_has_the_sectors_that_its_table_is_for() {
        let mut options = Options::new("/i".into(), "arm64", "/t".into());
        assert!(!lines(&options, &plan()).contains("block_size"));
        options.sector_size = 4096;
        let text = lines(&options, &plan());
        assert!(text.contains("bootindex=0,logical_block_size=4096,physical_block_size=4096"));
    }

    #[test]
    fn the_guest_writes_to_the_image_only_if_asked() {
        let mut options = Options::new("/i/disk.img".into(), "arm64", "/t".into());
        options.writes = Writes::Kept;
        let text = lines(&options, &plan());
        let writable = |line: &&str| {
            line.contains("file=/")
                && !line.contains("snapshot=on")
                && !line.contains("readonly=on")
        };
        let writable: Vec<_> = text.lines().filter(writable).collect();
        assert_eq!(
            writable,
            ["if=none,id=disk,format=raw,cache=writeback,discard=unmap,file=/i/disk.img"]
        );
    }

    #[test]
    fn forwards_listen_on_the_loopback_address_only() {
        let mut options = Options::new("/i".into(), "arm64", "/t".into());
        options.forwards = vec![(2222, 22), (8080, 80)];
        let text = lines(&options, &plan());
        assert!(
            text.contains(
                "user,id=net,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:8080-:80"
            )
        );
    }

    #[test]
    fn commas_in_paths_are_doubled() {
        let options = Options::new("/a,readonly=off/disk.img".into(), "arm64", "/t".into());
        assert!(lines(&options, &plan()).contains("file=/a,,readonly=off/disk.img"));
    }

    #[test]
    fn kvm_is_used_when_the_host_can() {
        let options = Options::new("/i".into(), "arm64", "/t".into());
        assert!(lines(&options, &plan()).contains("tcg,thread=multi"));
        let text = lines(&options, &Plan { kvm: true, ..plan() });
        assert!(text.contains("-accel\nkvm\n-cpu\nhost"), "{text}");
    }

    #[test]
    fn only_an_interactive_console_has_a_monitor() {
        let mut options = Options::new("/i".into(), "amd64", "/t".into());
        assert!(!lines(&options, &plan()).contains("-mon"));
        options.interactive = true;
        assert!(lines(&options, &plan()).contains("stdio,id=console,mux=on,signal=off"));
    }

    #[test]
    fn images_that_are_no_disks_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let reason = |path: &Path| check_image(path, 512).unwrap_err().to_string();
        assert!(reason(&path).contains("opening"), "missing file");
        assert!(reason(dir.path()).contains("neither"), "folder");
        let mut bytes = vec![0; 1024 * 1024];
        std::fs::write(&path, &bytes).unwrap();
        check_image(&path, 512).unwrap();
        std::fs::write(&path, [&bytes[..], &[0; 512]].concat()).unwrap();
        check_image(&path, 512).unwrap();
        assert!(check_image(&path, 4096).unwrap_err().to_string().contains("4096"));
        bytes[..4].copy_from_slice(&[0x28, 0xb5, 0x2f, 0xfd]);
        std::fs::write(&path, &bytes).unwrap();
        assert!(reason(&path).contains("zstd -d"));
        std::fs::write(&path, &bytes[..1000]).unwrap();
        assert!(reason(&path).contains("size"));
    }
}
