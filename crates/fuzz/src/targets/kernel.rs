//! The header of a kernel image, for both boards.

use osb_board::{Inputs, boards, boot};
use osb_tree::{Inode, Tree};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "kernel",
    about: "kernel images: PE and arm64 headers, for each board",
    run,
    seeds,
    words: &["MZ", "PE\0\0", "ARM\u{64}"],
};

fn run(bytes: &[u8]) {
    let mut tree = Tree::new();
    let folder = "usr/lib/modules/6.12.48";
    let _ = tree.lay(format!("{folder}/vmlinuz"), Inode::file(0o644, bytes.to_vec()));
    let _ = tree.lay("boot/initrd.img-6.12.48", Inode::file(0o644, b"x".to_vec()));
    for file in ["systemd-bootaa64.efi", "systemd-bootx64.efi"] {
        let _ = tree
            .lay(format!("usr/lib/systemd/boot/efi/{file}"), Inode::file(0o644, b"MZ".to_vec()));
    }
    let name = format!("{folder}/dtb/broadcom/bcm2712-rpi-5-b.dtb");
    let _ = tree.lay(name, Inode::file(0o644, b"\xd0\x0d\xfe\xed".to_vec()));
    for (board, arch) in boards().iter().flat_map(|board| [(board, "arm64"), (board, "amd64")]) {
        let inputs = Inputs {
            tree: &tree,
            arch,
            root_partuuid: "00000000-0000-0000-0000-000000000000",
            command_line: &[],
            version: "1",
            name: "a",
            gzip: &Ok,
        };
        if boot(board, &inputs).is_ok() {
            assert!(bytes.starts_with(b"MZ"), "{board} takes what UEFI cannot start");
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut image = vec![0; 512];
    image[..2].copy_from_slice(b"MZ");
    image[0x3c] = 0x40;
    image[56..60].copy_from_slice(b"ARM\x64");
    image[0x40..0x44].copy_from_slice(b"PE\0\0");
    let mut far = image.clone();
    far[0x3c..0x40].fill(0xff);
    vec![image, far, b"\x1f\x8b".to_vec(), Vec::new()]
}
