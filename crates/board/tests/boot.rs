//! Boot partitions of small made-up trees.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{Read as _, Write as _};

use osb_board::{BoardError, Boot, Inputs, boot};
use osb_tree::{Inode, Tree};

const VERSION: &str = "7.2.0+test";

/// A kernel image that is a PE file and an arm64 `Image` at once, as Debian's is.
fn kernel(size: usize) -> Vec<u8> {
    let mut image = vec![0; size.max(128)];
    image[..2].copy_from_slice(b"MZ");
    image[56..60].copy_from_slice(b"ARM\x64");
    image[60] = 64;
    image[64..68].copy_from_slice(b"PE\0\0");
    image
}

fn insert(tree: &mut Tree, path: &str, bytes: impl Into<Vec<u8>>) {
    for (at, _) in path.match_indices('/') {
        if tree.get(&path[..at]).is_none() {
            tree.insert(&path[..at], Inode::directory(0o755)).unwrap();
        }
    }
    tree.insert(path, Inode::file(0o644, bytes.into())).unwrap();
}

/// A root as trixie-backports' packages make it.
fn root() -> Tree {
    let mut tree = Tree::new();
    let modules = format!("usr/lib/modules/{VERSION}");
    insert(&mut tree, &format!("{modules}/vmlinuz"), kernel(4096));
    for name in ["bcm2712-rpi-5-b", "bcm2712-d-rpi-5-b", "bcm2711-rpi-4-b"] {
        insert(&mut tree, &format!("{modules}/dtb/broadcom/{name}.dtb"), name);
    }
    insert(&mut tree, &format!("boot/initrd.img-{VERSION}"), "initramfs");
    insert(&mut tree, "usr/lib/systemd/boot/efi/systemd-bootaa64.efi", "loader");
    tree
}

fn make_with(board: &str, arch: &str, tree: &Tree, more: &[String]) -> Result<Boot, BoardError> {
    boot(
        board,
        &Inputs {
            tree,
            arch,
            root_partuuid: "5a4b7c1e-0000-4000-8000-000000000001",
            command_line: more,
            version: "1.2",
            name: "node",
            gzip: &gzip,
        },
    )
}

fn gzip(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes)?;
    encoder.finish()
}

fn make(board: &str, tree: &Tree) -> Result<Boot, BoardError> {
    make_with(board, "arm64", tree, &["systemd.gpt_auto=0".to_owned()])
}

fn text(boot: &Boot, path: &str) -> String {
    String::from_utf8(bytes(boot, path)).unwrap()
}

fn bytes(boot: &Boot, path: &str) -> Vec<u8> {
    boot.files.get(path).unwrap_or_else(|| panic!("{path}")).content().unwrap().read().unwrap()
}

fn names(boot: &Boot) -> Vec<String> {
    boot.files
        .iter()
        .filter(|(_, _, inode)| !inode.is_directory())
        .map(|(path, _, _)| String::from_utf8_lossy(path).into_owned())
        .collect()
}

#[test]
fn a_pi_image_starts_by_uefi_too() {
    let boot = make("rpi5", &root()).unwrap();
    assert_eq!(boot.kernel_version, VERSION);
    assert_eq!(
        names(&boot),
        [
            "EFI/BOOT/BOOTAA64.EFI",
            "bcm2712-d-rpi-5-b.dtb",
            "bcm2712-rpi-5-b.dtb",
            "cmdline.txt",
            "config.txt",
            "initrd.img",
            "kernel8.img",
            "loader/entries/osb.conf",
            "loader/loader.conf",
            "vmlinuz",
        ]
    );
    let mut unpacked = Vec::new();
    let packed = bytes(&boot, "kernel8.img");
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, bytes(&boot, "vmlinuz"));
    assert_eq!(&packed[4..8], [0; 4], "no time in the gzip header");
}

#[test]
fn command_lines_name_the_root_and_end_on_the_serial_console() {
    let boot = make("rpi5", &root()).unwrap();
    let pi = text(&boot, "cmdline.txt");
    let root = "root=PARTUUID=5a4b7c1e-0000-4000-8000-000000000001 rootfstype=ext4 rw rootwait";
    assert_eq!(pi, format!("{root} console=tty1 console=ttyAMA10,115200 systemd.gpt_auto=0\n"));
    let entry = text(&boot, "loader/entries/osb.conf");
    assert!(entry.starts_with("title node 1.2\nversion 7.2.0+test\n"));
    let options =
        format!("options {root} console=tty0 console=ttyAMA0,115200 systemd.gpt_auto=0\n");
    assert!(entry.ends_with(&options), "{entry}");
}

#[test]
fn config_txt_names_only_files_that_are_there() {
    let boot = make("rpi5", &root()).unwrap();
    let config = text(&boot, "config.txt");
    for line in ["kernel=kernel8.img", "initramfs initrd.img followkernel", "dtparam=pciex1"] {
        assert!(config.lines().any(|other| other == line), "{line}");
    }
    // The bootloader reads lines of up to 98 characters (documentation, "config.txt").
    assert!(config.lines().all(|line| line.len() <= 98 && line.is_ascii()));
}

#[test]
fn a_uefi_board_has_no_files_for_the_pi() {
    let boot = make("uefi", &root()).unwrap();
    assert!(names(&boot).iter().all(|name| !name.ends_with(".dtb") && !name.ends_with(".txt")));

    let mut tree = root();
    insert(&mut tree, "usr/lib/systemd/boot/efi/systemd-bootx64.efi", "loader");
    let boot = make_with("uefi", "amd64", &tree, &[]).unwrap();
    assert!(names(&boot).contains(&"EFI/BOOT/BOOTX64.EFI".to_owned()));
    assert!(text(&boot, "loader/entries/osb.conf").contains("console=ttyS0,115200"));
}

#[test]
fn older_places_of_kernel_and_device_trees_work() {
    let mut tree = Tree::new();
    insert(&mut tree, "boot/vmlinuz-6.12", kernel(128));
    insert(&mut tree, "boot/initrd.img-6.12", "initramfs");
    insert(&mut tree, "usr/lib/linux-image-6.12/broadcom/bcm2712-rpi-5-b.dtb", "tree");
    insert(&mut tree, "usr/lib/systemd/boot/efi/systemd-bootaa64.efi", "loader");
    assert_eq!(make("rpi5", &tree).unwrap().kernel_version, "6.12");
}

#[test]
fn exactly_one_kernel() {
    let mut tree = root();
    insert(&mut tree, "boot/vmlinuz-6.12", kernel(128));
    match make("rpi5", &tree).unwrap_err() {
        BoardError::SeveralKernels { versions } => assert_eq!(versions, ["6.12", VERSION]),
        other => panic!("{other}"),
    }
    let mut tree = root();
    tree.remove(format!("usr/lib/modules/{VERSION}/vmlinuz"));
    assert!(matches!(make("rpi5", &tree), Err(BoardError::NoKernel { .. })));
    // A link in /boot to the kernel in its other place is the same kernel.
    let mut tree = root();
    let link = Inode::symlink(format!("../usr/lib/modules/{VERSION}/vmlinuz"));
    tree.insert(format!("boot/vmlinuz-{VERSION}"), link).unwrap();
    make("rpi5", &tree).unwrap();
}

#[test]
fn what_is_missing_is_named_with_its_package() {
    let cases = [
        (format!("boot/initrd.img-{VERSION}"), "initramfs-tools"),
        ("usr/lib/systemd/boot/efi".to_owned(), "systemd-boot-efi"),
        (format!("usr/lib/modules/{VERSION}/dtb"), "backports"),
    ];
    for (path, package) in cases {
        let mut tree = root();
        assert!(tree.remove(&path));
        let error = make("rpi5", &tree).unwrap_err();
        assert!(matches!(error, BoardError::Missing { .. }), "{error}");
        assert!(error.to_string().contains(package), "{error}");
    }
}

#[test]
fn kernels_that_the_firmware_cannot_start_are_refused() {
    let path = format!("usr/lib/modules/{VERSION}/vmlinuz");
    let mut tree = root();
    insert(&mut tree, &path, vec![0x1f, 0x8b, 8, 0]);
    assert!(matches!(make("uefi", &tree), Err(BoardError::WrongKernel { .. })));
    // A PE file that unpacks itself (CONFIG_EFI_ZBOOT) is no `Image`.
    let mut zboot = kernel(128);
    zboot[56..60].fill(0);
    insert(&mut tree, &path, zboot);
    make("uefi", &tree).unwrap();
    assert!(matches!(make("rpi5", &tree), Err(BoardError::WrongKernel { .. })));
    // An offset that points behind the file.
    let mut broken = kernel(128);
    broken[60..64].fill(0xff);
    insert(&mut tree, &path, broken);
    assert!(matches!(make("uefi", &tree), Err(BoardError::WrongKernel { .. })));
}

#[test]
fn limits_of_the_pi_s_bootloader() {
    let long = vec!["a".repeat(1000)];
    let error = make_with("rpi5", "arm64", &root(), &long).unwrap_err();
    assert!(error.to_string().contains("1024"), "{error}");
    make_with("uefi", "arm64", &root(), &long).unwrap();

    // Bytes that do not compress.
    let mut image = kernel(33_000_000);
    let mut state = 1u64;
    for byte in &mut image[128..] {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    let mut tree = root();
    insert(&mut tree, &format!("usr/lib/modules/{VERSION}/vmlinuz"), image);
    let error = make("rpi5", &tree).unwrap_err();
    assert!(matches!(error, BoardError::TooLarge { file: "kernel8.img", .. }), "{error}");

    let mut tree = root();
    insert(&mut tree, &format!("boot/initrd.img-{VERSION}"), vec![1; 32_000_000]);
    let error = make("rpi5", &tree).unwrap_err();
    assert!(matches!(error, BoardError::TooLarge { file: "initrd.img", .. }), "{error}");
}

#[test]
fn boards_and_architectures_that_do_not_exist() {
    let error = make("rpi6", &root()).unwrap_err();
    assert!(error.to_string().contains("rpi5, uefi"), "{error}");
    let mut tree = root();
    insert(&mut tree, "usr/lib/systemd/boot/efi/systemd-bootx64.efi", "loader");
    let error = make_with("rpi5", "amd64", &tree, &[]).unwrap_err();
    assert!(matches!(error, BoardError::WrongArchitecture { .. }), "{error}");
}
