//! Where a path leads, with symbolic links followed inside the tree.

use crate::inode::Kind;
use crate::tree::Tree;

/// Most links on the way (Linux, `MAXSYMLINKS`).
const MOST_LINKS: usize = 40;
/// Most components on the way: links of long targets could make work without end.
const MOST_STEPS: usize = 40 * 256;

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// A component is not there.
    #[error("there is no /{}", .0.escape_ascii())]
    Missing(Vec<u8>),
    /// Something other than a directory has components behind it.
    #[error("/{} is no directory", .0.escape_ascii())]
    NotADirectory(Vec<u8>),
    /// Too many links.
    #[error("too many symbolic links, the last of them /{}", .0.escape_ascii())]
    Loop(Vec<u8>),
}

impl Tree {
    /// The path that `path` leads to, as the kernel would find it if this tree were `/`: slashes
    /// and dots say nothing, `..` stays inside, links are followed.
    ///
    /// # Errors
    /// If there is nothing. What is missing may be the target of a link.
    pub fn resolve(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Lost> {
        self.walk(path.as_ref(), true)
    }

    /// The same, but a link at the end is not followed.
    ///
    /// # Errors
    /// If there is nothing.
    pub fn resolve_parent(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Lost> {
        self.walk(path.as_ref(), false)
    }

    fn walk(&self, path: &[u8], follow_last: bool) -> Result<Vec<u8>, Lost> {
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            let parts = path.rsplit(|byte| *byte == b'/');
            parts.filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec).collect()
        };
        let mut done: Vec<u8> = Vec::new();
        let mut open = parts(path);
        let (mut links, mut steps) = (0, 0);
        while let Some(part) = open.pop() {
            steps += 1;
            if part == b".." {
                done.truncate(done.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
                continue;
            }
            let length = done.len();
            if length > 0 {
                done.push(b'/');
            }
            done.extend_from_slice(&part);
            let Some(inode) = self.get(&done) else { return Err(Lost::Missing(done)) };
            match &inode.kind {
                Kind::Symlink(target) if follow_last || !open.is_empty() => {
                    links += 1;
                    if links > MOST_LINKS || steps > MOST_STEPS {
                        return Err(Lost::Loop(done));
                    }
                    done.truncate(if target.starts_with(b"/") { 0 } else { length });
                    open.extend(parts(target));
                }
                Kind::Directory => {}
                _ if open.is_empty() => {}
                _ => return Err(Lost::NotADirectory(done)),
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Inode;

    fn tree() -> Tree {
        let mut tree = Tree::new();
        tree.lay("usr/bin/mawk", Inode::file(0o755, Vec::new())).unwrap();
        tree.lay("etc/alternatives/awk", Inode::symlink("/usr/bin/mawk")).unwrap();
        tree.lay("usr/bin/awk", Inode::symlink("../../etc/alternatives/awk")).unwrap();
        tree.lay("bin", Inode::symlink("usr/bin")).unwrap();
        tree.lay("loop", Inode::symlink("loop")).unwrap();
        tree.lay("out", Inode::symlink("../../usr")).unwrap();
        tree
    }

    #[test]
    fn links_are_followed_inside_the_tree() {
        let tree = tree();
        let wanted = Ok(b"usr/bin/mawk".to_vec());
        for path in ["/bin/awk", "bin//./awk", "out/bin/mawk", "../etc/../bin/awk"] {
            assert_eq!(tree.resolve(path), wanted, "{path}");
        }
        assert_eq!(tree.resolve("/"), Ok(Vec::new()));
        assert_eq!(tree.resolve_parent("/bin/awk"), Ok(b"usr/bin/awk".to_vec()));
        assert_eq!(tree.resolve_parent("/bin"), Ok(b"bin".to_vec()));
    }

    #[test]
    fn what_leads_nowhere_says_why() {
        let tree = tree();
        assert_eq!(tree.resolve("/loop"), Err(Lost::Loop(b"loop".to_vec())));
        assert_eq!(tree.resolve("/bin/gawk/x"), Err(Lost::Missing(b"usr/bin/gawk".to_vec())));
        let file = Lost::NotADirectory(b"usr/bin/mawk".to_vec());
        assert_eq!(tree.resolve("/bin/awk/x"), Err(file));
    }
}
