//! The kernel, its initramfs and its device trees, found in the root tree.

use std::collections::BTreeSet;
use std::io::Read as _;

use osb_tree::{Content, Tree};

use crate::error::BoardError;

/// The one kernel of a tree.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// Its version, the name of its modules' folder.
    pub(crate) version: String,
    /// Path in the tree, for messages.
    pub(crate) path: String,
    /// The image as the package brings it.
    pub(crate) image: Content,
    /// The initramfs.
    pub(crate) initramfs: Content,
}

impl Kernel {
    /// The kernel of `tree`.
    ///
    /// Debian's packages since 7.1 have it as `/usr/lib/modules/VERSION/vmlinuz`, older ones as
    /// `/boot/vmlinuz-VERSION`.
    pub(crate) fn find(tree: &Tree, arch: &str) -> Result<Kernel, BoardError> {
        let mut versions = BTreeSet::new();
        for (name, _) in tree.children(b"usr/lib/modules") {
            let name = String::from_utf8_lossy(name).into_owned();
            if file(tree, &format!("usr/lib/modules/{name}/vmlinuz")).is_some() {
                versions.insert(name);
            }
        }
        for (name, _) in tree.children(b"boot") {
            let name = String::from_utf8_lossy(name);
            if let Some(version) = name.strip_prefix("vmlinuz-")
                && file(tree, &format!("boot/{name}")).is_some()
            {
                versions.insert(version.to_owned());
            }
        }
        let mut versions: Vec<String> = versions.into_iter().collect();
        let version = match (versions.pop(), versions.is_empty()) {
            (None, _) => {
                return Err(BoardError::NoKernel { package: format!("linux-image-{arch}") });
            }
            (Some(version), true) => version,
            (Some(last), false) => {
                versions.push(last);
                return Err(BoardError::SeveralKernels { versions });
            }
        };
        let places =
            [format!("usr/lib/modules/{version}/vmlinuz"), format!("boot/vmlinuz-{version}")];
        let found =
            places.into_iter().find_map(|path| file(tree, &path).map(|image| (path, image)));
        let Some((path, image)) = found else {
            return Err(BoardError::NoKernel { package: format!("linux-image-{arch}") });
        };
        let initramfs_path = format!("boot/initrd.img-{version}");
        let initramfs = file(tree, &initramfs_path).ok_or_else(|| BoardError::Missing {
            path: initramfs_path,
            remedy: "`initramfs-tools` makes it: add the package to a layer".to_owned(),
        })?;
        Ok(Kernel { version, path, image, initramfs })
    }

    /// Checks that UEFI can start the image: a PE file (UEFI specification 2.10, section 2.1.1;
    /// Microsoft PE/COFF, "MS-DOS stub": the offset of `PE\0\0` is at 0x3c).
    pub(crate) fn check_pe(&self) -> Result<(), BoardError> {
        let head = self.head()?;
        let offset = head.get(0x3c..0x40).and_then(|bytes| bytes.try_into().ok());
        let offset = offset.map_or(usize::MAX, |bytes| u32::from_le_bytes(bytes) as usize);
        let signature = head.get(offset..).is_some_and(|rest| rest.starts_with(b"PE\0\0"));
        match head.starts_with(b"MZ") && signature {
            true => Ok(()),
            false => Err(self.wrong("a PE file that UEFI can start (CONFIG_EFI_STUB)", head)),
        }
    }

    /// Checks that the image is a plain arm64 `Image`, which the Pi's firmware and its gzip form
    /// need (Linux, Documentation/arch/arm64/booting.rst: magic `ARM\x64` at 56).
    pub(crate) fn check_arm64_image(&self) -> Result<(), BoardError> {
        let head = self.head()?;
        match head.get(56..60) == Some(b"ARM\x64") {
            true => Ok(()),
            false => Err(self.wrong("an uncompressed arm64 kernel image", head)),
        }
    }

    /// The first 4 KiB, where every header is.
    fn head(&self) -> Result<Vec<u8>, BoardError> {
        let mut head = Vec::new();
        let read = self.image.open().and_then(|file| file.take(4096).read_to_end(&mut head));
        match read {
            Ok(_) => Ok(head),
            Err(source) => Err(BoardError::Read { path: self.path.clone(), source }),
        }
    }

    fn wrong(&self, wanted: &'static str, mut head: Vec<u8>) -> BoardError {
        head.truncate(8);
        BoardError::WrongKernel { path: self.path.clone(), wanted, start: head }
    }
}

/// The device trees of the kernel whose names begin with `prefix`: (name, content), sorted.
///
/// They are in `/usr/lib/modules/VERSION/dtb` since Debian's 7.1, before in
/// `/usr/lib/linux-image-VERSION`.
pub(crate) fn device_trees(
    tree: &Tree,
    version: &str,
    vendor: &str,
    prefix: &str,
) -> Vec<(String, Content)> {
    for folder in [
        format!("usr/lib/modules/{version}/dtb/{vendor}"),
        format!("usr/lib/linux-image-{version}/{vendor}"),
    ] {
        let found: Vec<(String, Content)> = tree
            .children(folder.as_bytes())
            .filter_map(|(name, id)| {
                let name = String::from_utf8(name.to_vec()).ok()?;
                let content = tree.inode(id).content()?.clone();
                (name.starts_with(prefix) && name.ends_with(".dtb")).then_some((name, content))
            })
            .collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// The content of the regular file at `path`.
pub(crate) fn file(tree: &Tree, path: &str) -> Option<Content> {
    tree.get(path)?.content().cloned()
}
