//! Which tree of an image is the root, and which has the boot files.

use osb_tree::{Tree, TreeError};

use crate::open::{Image, System, Volume};

/// Where boot partitions are mounted, the first that the root has: Raspberry Pi and osb, Debian's
/// images for UEFI, and what is left.
const MOUNTS: [&str; 3] = ["boot/firmware", "boot/efi", "boot"];
/// What tells that a FAT file system is there to boot from.
const SIGNS: [&str; 4] = ["config.txt", "cmdline.txt", "EFI", "loader"];

impl Image {
    /// The root: of everything but FAT, what looks most like one.
    pub fn root(&self) -> Option<&Volume> {
        self.volumes.get(self.root_index()?)
    }

    /// The boot partition: a FAT with boot files, else any.
    pub fn boot(&self) -> Option<&Volume> {
        self.volumes.get(self.boot_index()?)
    }

    fn root_index(&self) -> Option<usize> {
        let volumes = self.volumes.iter().enumerate();
        let candidates = volumes.filter(|(_, volume)| volume.system != System::Fat);
        let found = candidates.max_by_key(|(_, Volume { tree, .. })| {
            (tree.get("var/lib/dpkg/status").is_some(), tree.get("etc").is_some(), tree.len())
        });
        found.map(|(index, _)| index)
    }

    fn boot_index(&self) -> Option<usize> {
        let signs =
            |volume: &Volume| SIGNS.iter().filter(|sign| volume.tree.get(sign).is_some()).count();
        let volumes = self.volumes.iter().enumerate();
        let fats = volumes.filter(|(_, volume)| volume.system == System::Fat);
        // The last of several that are alike would win: from the back, it is the first.
        fats.rev().max_by_key(|(_, volume)| signs(volume)).map(|(index, _)| index)
    }

    /// The root as it is when the node runs, with the boot partition mounted; a boot partition
    /// alone; `None` if there is neither.
    ///
    /// # Errors
    /// If the root has something else than a directory where the boot partition belongs.
    pub fn into_whole(mut self) -> Result<Option<Tree>, TreeError> {
        let (root, boot) = (self.root_index(), self.boot_index());
        let mut take = |index: usize| std::mem::take(&mut self.volumes[index].tree);
        let boot = boot.map(&mut take);
        let Some(mut whole) = root.map(&mut take) else { return Ok(boot) };
        if let Some(boot) = boot {
            let found = MOUNTS.into_iter().find(|path| whole.get(path).is_some());
            let mount = found.unwrap_or(MOUNTS[0]);
            whole.remove_below(mount);
            for (path, _, inode) in boot.iter() {
                let below = if path.is_empty() { &b""[..] } else { b"/" };
                whole.lay([mount.as_bytes(), below, path].concat(), inode.clone())?;
            }
        }
        Ok(Some(whole))
    }
}
