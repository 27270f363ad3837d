//! A layer's folder, on disk or embedded: the same map from names to bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Place, Problem, RecipeError};

/// The repository's `layers/`: (path, bytes), sorted by path.
const BUILTIN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// Everything in one layer's folder.
#[derive(Debug)]
pub(crate) struct Folder {
    /// How the folder is called in messages: `layers/base`, `built-in layers/base`.
    pub(crate) title: String,
    /// Contents by path below the folder.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    /// The layer `name` of the first of `projects` (folders that hold `layers/`) that has it,
    /// else the built-in one.
    pub(crate) fn find(projects: &[PathBuf], name: &str) -> Result<Option<Folder>, RecipeError> {
        for project in projects {
            let path = project.join("layers").join(name);
            if path.join("layer.toml").is_file() {
                let mut files = BTreeMap::new();
                read(&path, "", &mut files)?;
                return Ok(Some(Folder { title: show(&path), files }));
            }
        }
        Ok(Folder::builtin(name))
    }

    /// The built-in layer `name`.
    pub(crate) fn builtin(name: &str) -> Option<Folder> {
        let files: BTreeMap<String, Vec<u8>> = BUILTIN
            .iter()
            .filter_map(|(path, bytes)| {
                let path = path.strip_prefix(name)?.strip_prefix('/')?;
                Some((path.to_owned(), bytes.to_vec()))
            })
            .collect();
        (!files.is_empty()).then(|| Folder { title: format!("built-in layers/{name}"), files })
    }
}

/// Names of all layers that could be used, sorted.
pub(crate) fn known_layers(projects: &[PathBuf]) -> Vec<String> {
    let mut names: Vec<String> = BUILTIN
        .iter()
        .filter_map(|(path, _)| path.strip_suffix("/layer.toml"))
        .map(str::to_owned)
        .collect();
    for project in projects {
        let Ok(entries) = fs::read_dir(project.join("layers")) else { continue };
        let found = entries.flatten().filter(|entry| entry.path().join("layer.toml").is_file());
        names.extend(found.filter_map(|entry| entry.file_name().into_string().ok()));
    }
    names.sort();
    names.dedup();
    names
}

/// A path as messages show it: relative ones without a leading `./`.
pub(crate) fn show(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// Reads the regular files below `directory`.
fn read(
    directory: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), RecipeError> {
    let failed =
        |doing, path: &Path, source| RecipeError::Io { doing, path: path.to_owned(), source };
    let entries =
        fs::read_dir(directory).map_err(|error| failed("listing the folder", directory, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed("listing the folder", directory, error))?;
        let path = entry.path();
        let wrong = |message: &str| {
            Problem::new(Place { file: show(&path), line: 0, column: 0 }, message.to_owned())
        };
        let name = entry.file_name().into_string().map_err(|_| wrong("the name is not UTF-8"))?;
        let name = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(|error| failed("reading", &path, error))?;
        if kind.is_dir() {
            read(&path, &format!("{name}/"), files)?;
        } else if kind.is_file() {
            files.insert(name, fs::read(&path).map_err(|error| failed("reading", &path, error))?);
        } else {
            return Err(wrong("a layer's folder holds only files and folders")
                .hint("declare a symbolic link in layer.toml: [[links]] with path and target")
                .into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtin_layers_are_embedded() {
        assert_eq!(known_layers(&[]), ["base", "bootstrap", "k8s-prereq"]);
        assert!(Folder::builtin("base").unwrap().files.contains_key("layer.toml"));
        assert!(Folder::builtin("bas").is_none(), "a prefix is not a name");
    }
}
