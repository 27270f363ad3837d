//! Doors to private readers of dpkg's files, for `crates/fuzz` alone (feature `fuzz`).

use crate::database;
use crate::overrides::{Diversions, StatOverrides};
use crate::triggers::{self, Watched};

/// Paths in a `conffiles` file, each with whether it is to be removed by an upgrade.
///
/// # Errors
/// The line that is none.
pub fn conffiles(text: &str) -> Result<Vec<(String, bool)>, String> {
    let found = database::parse_conffiles(text)?;
    Ok(found.into_iter().map(|conffile| (conffile.path, conffile.remove_on_upgrade)).collect())
}

/// What a `diversions` file makes of `path` for `package`.
///
/// # Errors
/// The file is damaged, or the path is where another one was diverted to.
pub fn divert(text: &str, path: &str, package: &str) -> Result<String, crate::UnpackError> {
    Diversions::parse(text)?.apply(path, package).map(str::to_owned)
}

/// Owner, group and mode that a `statoverride` file has for `path`.
///
/// # Errors
/// The file is damaged, or names somebody who is not in `users` or `groups`.
pub fn stat_override(
    text: &str,
    users: &str,
    groups: &str,
    path: &str,
) -> Result<Option<(u32, u32, u32)>, crate::UnpackError> {
    let found = StatOverrides::parse(text, users, groups)?.of(path);
    Ok(found.map(|stat| (stat.uid, stat.gid, stat.mode)))
}

/// The names of the files of the database that a `triggers` file of a package changes.
///
/// # Errors
/// The line that is none.
pub fn triggers(text: &str) -> Result<Vec<String>, String> {
    Ok(triggers::parse(text)?.iter().map(|interest| interest.file().to_owned()).collect())
}

/// What `triggers/Unincorp` becomes when a package touches `path`.
pub fn activate(file: &str, unincorp: &str, path: &str) -> Option<String> {
    let mut watched = Watched::parse(file);
    watched.touch(path, "package");
    watched.take_activated(unincorp)
}

/// The hash of a conffile in `status`, and `status` with the conffile marked as obsolete.
pub fn status<'a>(status: &'a str, package: &str, path: &str) -> (Option<&'a str>, String) {
    let hash = database::conffile_hash(status, package, path);
    (hash, database::mark_obsolete(status, package, path))
}
