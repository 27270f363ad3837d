//! Putting files into the boot partition's tree.

use osb_tree::{Inode, Tree, TreeError};

use crate::error::BoardError;

/// Puts a file at `path`, with the directories it needs. A name is used once.
pub(crate) fn put(boot: &mut Tree, path: &str, inode: Inode) -> Result<(), BoardError> {
    if boot.get(path).is_some() {
        return Err(TreeError::BadPath(path.to_owned()).into());
    }
    boot.lay(path, inode)?;
    Ok(())
}
