//! The seal: what belongs to the whole image rather than to a layer, once, on top of all.
//!
//! The recipe's settings become files, the authorised keys get their user, the initramfs is
//! made for the one kernel, and dpkg is asked whether it is content.

use std::path::{Path, PathBuf};

use osb_recipe::Recipe;
use osb_tree::Tree;

use crate::chamber::{Chamber, Setup};
use crate::dressing::{lay, lay_files, text_file};
use crate::error::BuildError;
use crate::job::Job;
use crate::plan::Plan;
use crate::settings;

/// Builds the seal onto the layers `below`.
pub(crate) fn seal(
    job: &Job,
    plan: &Plan,
    below: &[PathBuf],
    tools: &Path,
) -> Result<(), BuildError> {
    let recipe = &job.options.project.recipe;
    let setup = Setup { layer: "seal", below, tools, shown: &[], epoch: plan.epoch };
    let mut chamber = Chamber::open(job, &setup, |_| Ok(()))?;
    let mut files = Tree::new();
    for (path, mode, bytes) in settings::files(recipe) {
        lay(&mut files, &path, osb_tree::Inode::file(mode, bytes))?;
    }
    lay_files(&mut chamber, "laying settings", &files, plan.epoch)?;
    authorise(&mut chamber, recipe, plan.epoch)?;
    make_initramfs(&mut chamber)?;
    let audit = chamber.run("asking dpkg for an audit", &["dpkg", "--audit"])?;
    if !audit.is_empty() {
        let audit = String::from_utf8_lossy(&audit).into_owned();
        return Err(BuildError::Unexpected(vec![format!("dpkg --audit says: {audit}")]));
    }
    chamber.publish(&job.cache.layer(&plan.seal_key))?;
    Ok(())
}

/// Gives the recipe's ssh keys to its user.
fn authorise(chamber: &mut Chamber, recipe: &Recipe, epoch: i64) -> Result<(), BuildError> {
    let access = &recipe.access;
    if access.ssh_keys.is_empty() {
        return Ok(());
    }
    let user = &access.user;
    let ids = chamber.run("looking up the user", &["getent", "passwd", user])?;
    let ids = String::from_utf8_lossy(&ids).into_owned();
    let fields: Vec<&str> = ids.trim().split(':').collect();
    let (Some(Ok(uid)), Some(Ok(gid)), Some(home)) =
        (fields.get(2).map(|id| id.parse()), fields.get(3).map(|id| id.parse()), fields.get(5))
    else {
        return Err(BuildError::Recipe(format!("access.user: there is no user {user:?}")));
    };
    let mut files = Tree::new();
    let keys = access.ssh_keys.join("\n") + "\n";
    lay(&mut files, &format!("{home}/.ssh/authorized_keys"), text_file(0o600, &keys))?;
    let folder = format!("{}/.ssh", home.trim_start_matches('/'));
    for path in [folder.clone(), format!("{folder}/authorized_keys")] {
        if let Some(inode) = files.get_mut(&path) {
            (inode.meta.uid, inode.meta.gid) = (uid, gid);
            if inode.is_directory() {
                inode.meta.mode = 0o700;
            }
        }
    }
    lay_files(chamber, "laying ssh keys", &files, epoch)
}

fn make_initramfs(chamber: &mut Chamber) -> Result<(), BuildError> {
    let listing = chamber.run("looking for the kernel", &["ls", "/usr/lib/modules"])?;
    let listing = String::from_utf8_lossy(&listing).into_owned();
    let versions: Vec<&str> = listing.split_whitespace().collect();
    let [version] = versions.as_slice() else {
        return Err(BuildError::Recipe(format!(
            "an image needs exactly one kernel; this one has {}: {}",
            versions.len(),
            versions.join(", ")
        )));
    };
    chamber.run("making the initramfs", &["update-initramfs", "-c", "-k", version]).map(drop)
}
