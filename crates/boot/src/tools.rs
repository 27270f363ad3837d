//! Running a program of a tools tree through that tree's own dynamic loader.
//!
//! A tools tree is a folder of unpacked Debian packages of this machine's architecture. Its
//! programs name an interpreter and libraries by absolute paths that lead to the host; starting
//! the tree's loader explicitly, with the tree's library folders, makes them run with their own C
//! library, whatever the host has (`ld.so(8)`: `--library-path`, `--inhibit-cache`, `--argv0`).

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why a program of a tools tree cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// There is no dynamic loader in the tree.
    #[error(
        "the tools tree {root} has no dynamic loader {loader}; remove the folder and try again"
    )]
    NoLoader {
        /// The tree.
        root: PathBuf,
        /// Where the loader should be, inside the tree.
        loader: &'static str,
    },
    /// A file is not in the tree.
    #[error(
        "the tools tree {root} lacks {name}; is the package that holds it in the lock's tool set?"
    )]
    Missing {
        /// The tree.
        root: PathBuf,
        /// The program or file, or several names of which one is needed.
        name: String,
    },
}

/// The GNU triplet of the machine that osb was compiled for, which is also the tools'.
const TRIPLET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-linux-gnu" } else { "x86_64-linux-gnu" };

/// The dynamic loader's place in a tree.
const LOADER: &str = if cfg!(target_arch = "aarch64") {
    "usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"
} else {
    "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
};

/// Sub-folders of the library folder with libraries that programs find by a run path.
const LIBRARY_SUBFOLDERS: [&str; 2] = ["pulseaudio", "systemd"];

/// Folders with programs, in the order in which they are searched.
const PROGRAM_FOLDERS: [&str; 2] = ["usr/bin", "usr/sbin"];

/// A folder of unpacked packages whose programs can be run.
#[derive(Debug, Clone)]
pub struct Tools {
    root: PathBuf,
}

impl Tools {
    /// Takes the tree at `root`.
    ///
    /// # Errors
    /// If it has no dynamic loader for this machine.
    pub fn open(root: &Path) -> Result<Self, ToolsError> {
        if !root.join(LOADER).is_file() {
            return Err(ToolsError::NoLoader { root: root.to_owned(), loader: LOADER });
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The tree's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The first of `names` (paths relative to the tree) that exists, as a full path.
    ///
    /// # Errors
    /// If none exists.
    pub fn file(&self, names: &[&str]) -> Result<PathBuf, ToolsError> {
        names.iter().map(|name| self.root.join(name)).find(|path| path.is_file()).ok_or_else(|| {
            ToolsError::Missing { root: self.root.clone(), name: names.join(" or ") }
        })
    }

    /// The folder of run-time modules of `package`, such as `usr/lib/<triplet>/qemu`.
    #[must_use]
    pub fn module_folder(&self, package: &str) -> PathBuf {
        self.root.join("usr/lib").join(TRIPLET).join(package)
    }

    /// The argument vector that starts `program` (a bare name) through the tree's loader.
    ///
    /// # Errors
    /// If the tree has no such program.
    pub fn argv(&self, program: &str) -> Result<Vec<OsString>, ToolsError> {
        let path = PROGRAM_FOLDERS
            .iter()
            .map(|folder| self.root.join(folder).join(program))
            .find(|path| fs::metadata(path).is_ok_and(|meta| meta.is_file()))
            .ok_or_else(|| ToolsError::Missing {
                root: self.root.clone(),
                name: program.to_owned(),
            })?;
        Ok(vec![
            self.root.join(LOADER).into(),
            "--inhibit-cache".into(),
            "--library-path".into(),
            self.library_path(),
            "--argv0".into(),
            program.into(),
            path.into(),
        ])
    }

    /// A command for `program`, with the variables removed that would pull in host libraries.
    ///
    /// # Errors
    /// If the tree has no such program.
    pub fn command(&self, program: &str) -> Result<Command, ToolsError> {
        let argv = self.argv(program)?;
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env_remove("LD_LIBRARY_PATH").env_remove("LD_PRELOAD");
        Ok(command)
    }

    /// The library folders, colon-separated as the loader wants them.
    fn library_path(&self) -> OsString {
        let main = self.root.join("usr/lib").join(TRIPLET);
        let mut joined = main.clone().into_os_string();
        for folder in LIBRARY_SUBFOLDERS.map(|name| main.join(name)).iter().filter(|f| f.is_dir()) {
            joined.push(":");
            joined.push(folder);
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, name: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }

    #[test]
    fn a_tree_without_loader_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = Tools::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("ld-linux"), "{error}");
    }

    #[test]
    fn programs_start_through_the_trees_loader_and_libraries() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), LOADER);
        touch(dir.path(), "usr/sbin/e2fsck");
        fs::create_dir(dir.path().join("usr/lib").join(TRIPLET).join("pulseaudio")).unwrap();
        let tools = Tools::open(dir.path()).unwrap();
        let argv = tools.argv("e2fsck").unwrap();
        let text: Vec<_> = argv.iter().map(|a| a.to_str().unwrap()).collect();
        let root = dir.path().to_str().unwrap();
        assert_eq!(text[0], format!("{root}/{LOADER}"));
        assert_eq!(
            text[3],
            format!("{root}/usr/lib/{TRIPLET}:{root}/usr/lib/{TRIPLET}/pulseaudio")
        );
        assert_eq!(text[5..], ["e2fsck".to_owned(), format!("{root}/usr/sbin/e2fsck")]);
    }

    #[test]
    fn a_missing_program_is_named() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), LOADER);
        let error = Tools::open(dir.path()).unwrap().argv("sgdisk").unwrap_err();
        assert!(error.to_string().contains("sgdisk"), "{error}");
    }
}
