//! Files of the boot partition that name partitions of the disk by their identifiers.
//!
//! The root is named there and nowhere else, by `root=PARTUUID=…`: in `cmdline.txt` for a Raspberry
//! Pi, in `loader/entries/*.conf` for systemd-boot, in `extlinux.conf` or `grub.cfg` in other
//! people's images. [`rename`] gives them the identifiers that the disk has now; [`pinned_in_boot`]
//! and [`pinned_in_root`] tell why the identifiers must stay, if something names them that cannot
//! be changed.

mod ids;
mod pinned;

use osb_fat::edit::{EditError, Editor};
use serde::Serialize;

use crate::Renamed;
pub use pinned::{Pinned, pinned_in_boot, pinned_in_root};

/// The largest file that may be text, in bytes: a grub.cfg of a machine with many kernels has less.
const MOST_TEXT: u32 = 256 << 10;

/// The deepest folder that is looked into, and the most files that are looked at: a volume whose
/// folders hold each other has no end.
const MOST_DEPTH: usize = 12;
const MOST_FILES: usize = 20_000;

/// Endings of files that are no text, whatever is in them. A boot partition has hundreds.
const NO_TEXT: [&str; 7] = [".bin", ".dat", ".dtb", ".dtbo", ".efi", ".elf", ".img"];

/// A file that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedFile {
    /// Its path on the boot partition.
    pub path: String,
    /// How many identifiers in it are others now.
    pub identifiers: usize,
}

/// Puts new identifiers in place of old ones, in all text files of the boot partition, in place.
/// Returns what was changed, in the order of the folders.
///
/// # Errors
/// If the volume is damaged or cannot be read or written.
pub fn rename(editor: &mut Editor<'_>, renamed: &[Renamed]) -> Result<Vec<ChangedFile>, EditError> {
    let mut changed = Vec::new();
    for (path, _) in files(editor, may_be_text)? {
        let Some(mut bytes) = editor.read(&path)? else { continue };
        if bytes.contains(&0) {
            continue;
        }
        let identifiers = ids::replace(&mut bytes, renamed);
        if identifiers > 0 {
            editor.write(&path, &bytes)?;
            changed.push(ChangedFile { path, identifiers });
        }
    }
    Ok(changed)
}

fn may_be_text(name: &str, size: u32) -> bool {
    let name = name.to_ascii_lowercase();
    size <= MOST_TEXT && !NO_TEXT.iter().any(|ending| name.ends_with(ending))
}

/// Paths and lengths of the files that `wanted` says yes to, by name and length.
fn files(
    editor: &mut Editor<'_>,
    wanted: impl Fn(&str, u32) -> bool,
) -> Result<Vec<(String, u32)>, EditError> {
    let mut found = Vec::new();
    let mut seen = 0;
    let mut open = vec![(String::new(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for item in editor.names(&folder)?.unwrap_or_default() {
            seen += 1;
            if seen > MOST_FILES || depth > MOST_DEPTH {
                let problem = format!("more than {MOST_FILES} files, or folders without an end");
                return Err(EditError::Damaged(problem));
            }
            let path = match folder.as_str() {
                "" => item.name.clone(),
                _ => format!("{folder}/{}", item.name),
            };
            if item.folder {
                open.push((path, depth + 1));
            } else if wanted(&item.name, item.size) {
                found.push((path, item.size));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
