//! What a layer leaves in dpkg's database.

use std::collections::BTreeMap;

use crate::database::{self, Conffile, INFO, STATUS};
use crate::error::UnpackError;
use crate::owners::Owners;
use crate::store::{Entry, Package};
use crate::tree::{Tree, copy_member, remove, write_new};
use crate::triggers::{self, InterestFile, TRIGGERS, Watched};

/// Members of a package's control archive.
pub(crate) fn note_info(
    tree: &mut Tree,
    package: &Package,
    written: &[&Entry],
) -> Result<(), UnpackError> {
    let info = tree.directory(INFO)?;
    let name = package.database_name();
    let mut has_md5sums = false;
    for member in package.kept_members()? {
        has_md5sums |= member == "md5sums";
        let target = info.join(format!("{name}.{member}"));
        let Some(source) = package.member(&member) else { continue };
        copy_member(&source, &target).map_err(UnpackError::io("laying", target))?;
    }
    if !has_md5sums {
        let text = database::md5sums(package, written.iter().copied())?;
        let target = info.join(format!("{name}.md5sums"));
        write_new(&target, &text).map_err(UnpackError::io("writing", target))?;
    }
    Ok(())
}

/// The lists that changed: of this layer's packages beside their other files, of others into
/// `upper`, over those.
pub(crate) fn note_lists(tree: &mut Tree, owners: &mut Owners) -> Result<(), UnpackError> {
    let info = tree.directory(INFO)?;
    for owner in owners.take_changed() {
        let file = format!("{}.list", owner.database_name);
        let text = database::list(owner.list.iter().map(String::as_str));
        if owner.is_lower {
            tree.write_upper(&format!("{INFO}/{file}"), &text)?;
            continue;
        }
        let target = info.join(file);
        remove(&target)
            .and_then(|()| write_new(&target, &text))
            .map_err(UnpackError::io("writing", target))?;
    }
    Ok(())
}

/// Paragraphs of new packages, and whose conffiles became another's.
pub(crate) fn note_status(
    tree: &mut Tree,
    packages: &[Package],
    owners: &mut Owners,
) -> Result<(), UnpackError> {
    let mut status = tree.view.read(STATUS)?.unwrap_or_default();
    let known = |(package, path, other): (&str, String, &str)| {
        let hash = database::conffile_hash(&status, other, &path)?.to_owned();
        Some((package.to_owned(), path, hash))
    };
    let inherited: Vec<(String, String, String)> =
        owners.take_inherited().filter_map(known).collect();
    for package in packages {
        let mut conffiles = database::conffiles(package)?;
        for (name, path, hash) in &inherited {
            let of_this =
                |conffile: &&mut Conffile| name == package.name() && conffile.path == *path;
            if let Some(conffile) = conffiles.iter_mut().find(of_this) {
                conffile.hash.clone_from(hash);
            }
        }
        status += &database::paragraph(package, &conffiles)?;
    }
    for (package, path) in owners.take_obsolete() {
        status = database::mark_obsolete(&status, package, &path);
    }
    tree.write_upper(STATUS, &status)
}

/// Interests of new packages, and what they activated.
pub(crate) fn note_triggers(
    tree: &mut Tree,
    packages: &[Package],
    watched: &mut Watched,
) -> Result<(), UnpackError> {
    let mut interests: BTreeMap<String, InterestFile> = BTreeMap::new();
    for package in packages {
        for interest in triggers::interests(package)? {
            let path = format!("{TRIGGERS}/{}", interest.file());
            if !interests.contains_key(&path) {
                let text = tree.view.read(&path)?.unwrap_or_default();
                interests.insert(path.clone(), InterestFile::parse(&text));
            }
            interests.entry(path).or_default().add(&interest, &package.database_name());
        }
    }
    for (path, file) in interests {
        tree.write_upper(&path, &file.text())?;
    }
    let unincorp = format!("{TRIGGERS}/Unincorp");
    let known = tree.view.read(&unincorp)?.unwrap_or_default();
    match watched.take_activated(&known) {
        Some(text) => tree.write_upper(&unincorp, &text),
        None => Ok(()),
    }
}
