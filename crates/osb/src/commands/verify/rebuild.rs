//! `osb verify --rebuild`: does the lock build exactly these files?

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use osb_builder::Only;
use osb_checksum::to_hex;
use osb_release::{METADATA, Shelf, Verified};

use crate::cli::{Global, Project};
use crate::environment;
use crate::exit::{BAD_INPUT, FAILED, Failure, VERIFICATION};
use crate::output::Output;

/// What a build downloads. Every file of it is held against the lock when it is used.
const DOWNLOADS: [&str; 4] = ["debs-v1", "artifacts-v1", "indices-v1", "releases-v1"];

/// Builds once more and compares; returns how many files are the same.
pub(super) fn compare(
    global: &Global,
    project: &Project,
    shelf: &Shelf,
    verified: &Verified,
    stop: Arc<AtomicBool>,
    output: &Output,
) -> Result<usize, Failure> {
    let metadata = verified.metadata.as_ref().ok_or_else(|| {
        Failure::new(BAD_INPUT, format!("{shelf} has no {METADATA}: nothing says how it was built"))
    })?;
    let own = env!("CARGO_PKG_VERSION");
    if metadata.osb_version != own {
        output.remark(&format!(
            "osb {} built these files, and this is {own}: others may come out",
            metadata.osb_version
        ));
    }
    let scratch = tempfile::Builder::new()
        .prefix("osb-rebuild-")
        .tempdir_in(environment::scratch_folder())
        .map_err(|error| Failure::from_error(FAILED, &error))?;
    let base = crate::commands::options_with(global, project, stop)?;
    // Layers that the cache has would be compared with themselves.
    let cache = tempfile::Builder::new()
        .prefix("osb-rebuild-cache-")
        .tempdir_in(environment::scratch_folder())
        .map_err(|error| Failure::from_error(FAILED, &error))?;
    for bucket in DOWNLOADS {
        link(&base.cache.join(bucket), &cache.path().join(bucket))
            .map_err(|error| Failure::new(FAILED, format!("linking {bucket}: {error}")))?;
    }
    let options = osb_builder::Options {
        output: scratch.path().to_owned(),
        cache: cache.path().to_owned(),
        only: only(verified),
        locked: true,
        // Only bytes are compared here; what is wrong with an image is `osb check`'s.
        check: false,
        source_date_epoch: Some(metadata.source_date_epoch),
        ..base
    };
    let report = osb_builder::build(&options, &|event| output.event(&event))?;
    let built: BTreeSet<(String, String)> = report
        .artifacts
        .into_iter()
        .filter_map(|artifact| {
            let name = artifact.path.file_name()?.to_str()?.to_owned();
            Some((name, artifact.sha256?))
        })
        .collect();
    let given: BTreeSet<(String, String)> =
        verified.files.iter().map(|file| (file.name.clone(), to_hex(&file.sha256))).collect();
    if built == given {
        return Ok(given.len());
    }
    let names: BTreeSet<&str> =
        built.symmetric_difference(&given).map(|(name, _)| name.as_str()).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    // Kept: what differs is still to be found.
    let kept = scratch.keep();
    let place = super::local(shelf).map_or("DIR".to_owned(), |path| path.display().to_string());
    Err(Failure::new(
        VERIFICATION,
        format!("{shelf}: a rebuild from the lock gives another {names}"),
    )
    .with_hint(format!("see what differs: osb diff {place} {}", kept.display())))
}

/// Makes the files of a folder, if it is there, those of another; copies where links cannot be.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    fs::create_dir(to)?;
    for entry in entries {
        let entry = entry?;
        let (kind, from, to) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            link(&from, &to)?;
        } else if kind.is_file() && fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// The one form that the files are of, if it is one.
fn only(verified: &Verified) -> Option<Only> {
    let has = |name: &str| verified.files.iter().any(|file| file.name == name);
    match (has("disk.img"), has("rootfs.tar.gz"), has("sd.img.zst")) {
        (true, false, false) => Some(Only::Disk),
        (false, true, false) => Some(Only::Rootfs),
        (false, false, true) => Some(Only::Sd),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_linked_with_all_that_they_hold() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        link(&from, &to).unwrap();
        assert!(!to.exists(), "there was nothing");
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/c"), "x").unwrap();
        link(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/b/c")).unwrap(), "x");
    }
}
