//! Where a path of the image comes from: every half that has something to say of it, lowest first.

use osb_tree::{Inode, Kind, Tree};

use crate::error::BuildError;
use crate::job::Job;
use crate::plan::{Half, Plan};
use crate::{clean, emit, stack};

/// Where dpkg keeps the lists of packages' files.
const LISTS: &str = "var/lib/dpkg/info";

/// Where a path comes from.
#[derive(Debug, Clone)]
pub struct PathWhy {
    /// The path with its links followed, relative to the root.
    pub path: String,
    /// What is there in the image, as `ls -l` would tell it; `None` if nothing is.
    pub is: Option<String>,
    /// The package that it belongs to, and its version.
    pub package: Option<(String, String)>,
    /// Who made or changed it, lowest first.
    pub origins: Vec<Origin>,
}

/// What one half did to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The stage: `install`, `dress`, `initramfs`, `seal` or `clean`.
    pub stage: &'static str,
    /// The layer, or `image`.
    pub layer: String,
    /// What it did, for people.
    pub what: String,
}

pub(super) fn why(job: &Job, plan: &Plan, path: &str) -> Result<PathWhy, BuildError> {
    let standing = stack::standing(job, plan)?.filter(stack::Standing::is_complete);
    let standing = standing.ok_or_else(|| {
        let text = "the cache does not have all layers of this recipe as it is now";
        BuildError::NotBuilt(text.to_owned())
    })?;
    let tree = standing.tree();
    let path = real(tree, path);
    let package = owner(tree, plan, &path)?;
    let mut origins = Vec::new();
    for (half, name, layer) in &standing.parts {
        let Some(there) = layer.at(path.as_bytes()) else { continue };
        let (stage, of) = plan.stage(*half);
        let what = match there {
            None => "deleted".to_owned(),
            Some(inode) => what(plan, *half, name, &path, inode, package.as_ref(), &origins),
        };
        origins.push(Origin { stage, layer: of.to_owned(), what });
    }
    for (stage, layer) in &standing.crown {
        if layer.at(path.as_bytes()).is_some() {
            let what = match *stage {
                "initramfs" => "made or changed by update-initramfs",
                _ => "written from the recipe's settings, or its folder",
            };
            origins.push(Origin { stage, layer: "image".to_owned(), what: what.to_owned() });
        }
    }
    let mut cleaned = tree.clone();
    clean::clean(&mut cleaned, plan.epoch)?;
    let mut is = cleaned.get(&path).map(tell);
    if let Some(name) = path.strip_prefix("boot/firmware/") {
        // The boot partition is mounted there.
        let boot = emit::boot_files(job, plan, &cleaned)?;
        is = boot.files.get(name).map(tell);
        if is.is_some() {
            let what = format!("made for the board {}", job.options.project.recipe.image.board);
            origins.push(Origin { stage: "boot files", layer: "image".to_owned(), what });
        }
    }
    if is.is_none() && tree.get(&path).is_some() {
        let what = "left out: no image has it".to_owned();
        origins.push(Origin { stage: "clean", layer: "image".to_owned(), what });
    }
    if is.is_none() && origins.is_empty() {
        return Err(BuildError::Recipe(format!("the image has no /{path}, and never had")));
    }
    Ok(PathWhy { path, is, package, origins })
}

/// What a half did to a path that it has.
fn what(
    plan: &Plan,
    half: Half,
    part: &str,
    path: &str,
    inode: &Inode,
    package: Option<&(String, String)>,
    before: &[Origin],
) -> String {
    let verb = if before.is_empty() { "made" } else { "changed" };
    match half {
        Half::Packages(_) if part == "packages" => match package {
            Some((name, version)) => format!("file of the package {name} {version}"),
            None => "brought by a package".to_owned(),
        },
        Half::Packages(_) => match package {
            Some((name, version)) if before.is_empty() => {
                format!("configuration file of the package {name} {version}")
            }
            _ => format!("{verb} while the packages were configured"),
        },
        Half::Dressing(index) => {
            let layer = plan.layers[index].layer;
            let laid = layer.files.iter().any(|file| file.path == path);
            let generated = layer.generated_files().iter().any(|file| file.path == path);
            if laid {
                format!("layers/{}/files/{path}, or the layer's rules for it", layer.name)
            } else if generated {
                format!("from modules, sysctls or users in layers/{}/layer.toml", layer.name)
            } else if matches!(inode.kind, Kind::Symlink(_)) && path.contains("systemd/system") {
                format!("{verb} by enabling, disabling or masking units in layers/{}", layer.name)
            } else {
                format!("{verb} by users, artifacts or scripts of layers/{}", layer.name)
            }
        }
        Half::Seal => format!("{verb} by the seal"),
    }
}

/// The package whose list has the path.
fn owner(tree: &Tree, plan: &Plan, path: &str) -> Result<Option<(String, String)>, BuildError> {
    for (name, id) in tree.children(LISTS.as_bytes()) {
        let Some(package) = name.strip_suffix(b".list") else { continue };
        let Some(content) = tree.inode(id).content() else { continue };
        let list = content.read().map_err(BuildError::io("reading", LISTS))?;
        let listed = |line: &[u8]| {
            let line = line.strip_prefix(b"/").unwrap_or_default();
            line == path.as_bytes()
                // Lists have names as packages have them, before /usr was merged too.
                || path.strip_prefix("usr/").is_some_and(|rest| line == rest.as_bytes())
        };
        if list.split(|byte| *byte == b'\n').any(listed) && tree.get(path).is_none_or(is_no_folder)
        {
            let package = String::from_utf8_lossy(package);
            let package = package.split(':').next().unwrap_or(&package).to_owned();
            let locked = plan.packages.iter().find(|locked| locked.name == package);
            let version = locked.map(|locked| locked.version.clone()).unwrap_or_default();
            return Ok(Some((package, version)));
        }
    }
    Ok(None)
}

/// Folders belong to many packages.
fn is_no_folder(inode: &Inode) -> bool {
    !inode.is_directory()
}

/// The path with the links on the way followed; a link at its end is what is asked for.
fn real(tree: &Tree, path: &str) -> String {
    let path = plain(path);
    let Some((folder, name)) = path.rsplit_once('/') else { return path };
    match tree.resolve(folder) {
        Ok(folder) => format!("{}/{name}", String::from_utf8_lossy(&folder)),
        Err(_) => path,
    }
}

/// `/etc/../etc//passwd` as `etc/passwd`.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Type, mode, owner and size or target.
fn tell(inode: &Inode) -> String {
    let meta = &inode.meta;
    let (kind, rest) = match &inode.kind {
        Kind::Directory => ("directory", String::new()),
        Kind::File(content) => ("file", format!(", {} bytes", content.size())),
        Kind::Symlink(target) => ("link", format!(" to {}", String::from_utf8_lossy(target))),
        Kind::CharDevice(_) | Kind::BlockDevice(_) => ("device", String::new()),
        Kind::Fifo => ("named pipe", String::new()),
        Kind::Socket => ("socket", String::new()),
    };
    format!("{kind}{rest}, mode {:04o}, owner {}:{}", meta.mode, meta.uid, meta.gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_on_the_way_are_followed_and_the_last_is_not() {
        let mut tree = Tree::new();
        tree.lay("usr/bin/sh", Inode::symlink("dash")).unwrap();
        tree.lay("bin", Inode::symlink("usr/bin")).unwrap();
        assert_eq!(real(&tree, "/bin/sh"), "usr/bin/sh");
        assert_eq!(real(&tree, "/bin"), "bin");
        assert_eq!(real(&tree, "/none/x"), "none/x");
    }

    #[test]
    fn paths_are_made_plain() {
        assert_eq!(plain("/etc//x/../passwd/"), "etc/passwd");
        assert_eq!(plain("../../a/./b"), "a/b");
    }
}
