//! `osb init`: the files that a project begins with.
//!
//! They are those of `templates/`, embedded. The folder appears as a whole, or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::Init;
use crate::exit::{FAILED, Failure, REFUSED};
use crate::output::Output;

/// One file of a template.
struct File {
    /// Where it goes, below the folder.
    path: &'static str,
    /// Permission bits; the caller's umask applies.
    mode: u32,
    bytes: &'static [u8],
}

/// A file of the bootstrap repository.
macro_rules! file {
    ($path:literal, $mode:literal) => {
        File {
            path: $path,
            mode: $mode,
            bytes: include_bytes!(concat!("../../templates/bootstrap/", $path)),
        }
    };
}

/// The bootstrap repository: what a node runs at its first boot.
const BOOTSTRAP: &[File] = &[
    file!("README.md", 0o644),
    file!("config/cluster-config.yaml", 0o644),
    file!("config/environments/dev.yaml", 0o644),
    file!("config/environments/prod.yaml", 0o644),
    file!("config/nodes.yaml", 0o644),
    file!("manifests/apps/README.md", 0o644),
    file!("manifests/network/README.md", 0o644),
    file!("scripts/00-system-prep.sh", 0o755),
    file!("scripts/01-container-runtime.sh", 0o755),
    file!("scripts/02-cluster.sh", 0o755),
    file!("scripts/03-network.sh", 0o755),
    file!("scripts/04-apps-deploy.sh", 0o755),
    file!("scripts/kubeadm.jq", 0o644),
    file!("setup.sh", 0o755),
    file!("tests/verify-node.sh", 0o755),
    file!("utils.sh", 0o644),
];

pub(crate) fn run(arguments: &Init, output: &Output) -> Result<(), Failure> {
    let folder = &arguments.bootstrap;
    // Nothing of anybody is written over or mixed with.
    if !is_free(folder).map_err(|error| failed("looking at", folder, &error))? {
        let message = format!("{} is there and is not an empty folder", folder.display());
        return Err(Failure::new(REFUSED, message).with_hint("name a folder that is not there yet"));
    }
    write(folder, BOOTSTRAP)?;
    let files: Vec<&str> = BOOTSTRAP.iter().map(|file| file.path).collect();
    // As text: a path that is not UTF-8 cannot be JSON.
    let name = folder.display().to_string();
    let text =
        format!("wrote {} files into {name}; its README.md says what comes next", files.len());
    output.answer(&json!({"event": "init", "folder": name, "files": files}), &text);
    Ok(())
}

/// Whether nothing is there, or an empty folder.
fn is_free(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the files beside `folder` and gives them its name: rename(2) replaces an empty folder.
fn write(folder: &Path, files: &[File]) -> Result<(), Failure> {
    let partial = partial(folder);
    // Of a run that was killed.
    match fs::remove_dir_all(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("removing", &partial, &error));
        }
        _ => {}
    }
    for file in files {
        let path = partial.join(file.path);
        put(&path, file).map_err(|error| failed("writing", &path, &error))?;
    }
    fs::rename(&partial, folder).map_err(|error| failed("renaming to", folder, &error))
}

/// `NAME.partial` for `NAME`.
fn partial(folder: &Path) -> PathBuf {
    // Without a slash at its end, which a folder's name may have when it is typed.
    let mut name = folder.components().collect::<PathBuf>().into_os_string();
    name.push(".partial");
    PathBuf::from(name)
}

fn put(path: &Path, file: &File) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(file.mode);
    options.open(path)?.write_all(file.bytes)
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(FAILED, format!("{doing} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_appears_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new");
        // What a killed run left is no obstacle, and does not stay.
        fs::create_dir_all(dir.path().join("new.partial/old")).unwrap();
        fs::create_dir(&folder).unwrap();
        assert!(is_free(&folder).unwrap());
        write(&folder, BOOTSTRAP).unwrap();
        let setup = fs::metadata(folder.join("setup.sh")).unwrap();
        assert_ne!(setup.permissions().mode() & 0o100, 0, "it can be run");
        assert!(!folder.join("old").exists() && !dir.path().join("new.partial").exists());
        assert!(!is_free(&folder).unwrap());
    }

    #[test]
    fn a_file_is_not_free() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(!is_free(&dir.path().join("file")).unwrap());
        assert!(is_free(&dir.path().join("nothing")).unwrap());
    }

    #[test]
    fn a_slash_at_the_end_changes_nothing() {
        assert_eq!(partial(Path::new("a/b/")), Path::new("a/b.partial"));
    }
}
