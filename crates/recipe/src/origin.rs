//! Which recipe: a file, or one of those that osb brings along.
//!
//! A built-in recipe stands in for a file that is not there: `osb.toml` if none is named,
//! `NAME.toml` for a bare name. So whoever wants to change one writes that file, and the lock keeps
//! its place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Place, Problem, RecipeError, did_you_mean};
use crate::folder::show;

/// A recipe that is part of osb.
struct BuiltIn {
    name: &'static str,
    text: &'static str,
}

/// All of them; the first is the default.
const RECIPES: [BuiltIn; 2] = [
    BuiltIn { name: "rpi5-node", text: include_str!("../../../osb.toml") },
    BuiltIn { name: "amd64-node", text: include_str!("../recipes/amd64-node.toml") },
];

/// Where a recipe comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// osb itself, in place of this file.
    BuiltIn(PathBuf),
}

impl Origin {
    /// Where the recipe's lock lies: beside the file, named like it, with the extension `lock`.
    pub fn lock(&self) -> PathBuf {
        match self {
            Origin::File(path) | Origin::BuiltIn(path) => path.with_extension("lock"),
        }
    }
}

/// A recipe as text.
pub(crate) struct Found {
    pub(crate) origin: Origin,
    /// Its name in messages.
    pub(crate) title: String,
    pub(crate) text: String,
}

impl Found {
    /// The recipe that was asked for, or the default one, of the project in `directory`.
    pub(crate) fn find(asked: Option<&Path>, directory: &Path) -> Result<Found, RecipeError> {
        let Some(path) = asked else {
            return Found::file_or(directory.join("osb.toml"), || Ok(&RECIPES[0]));
        };
        if path.extension().is_some_and(|extension| extension == "lock") {
            let message = format!("{} is the name of a lock, not of a recipe", path.display());
            return Err(at_option(message).hint("a recipe's file is called NAME.toml").into());
        }
        match bare_name(path) {
            Some(name) if !path.is_file() => {
                Found::file_or(directory.join(format!("{name}.toml")), || built_in(name))
            }
            _ => Found::file(path.to_owned()).map_err(|source| unreadable(path, source)),
        }
    }

    /// The file, or, if it is not there, what `instead` has in its place.
    fn file_or(
        path: PathBuf,
        instead: impl FnOnce() -> Result<&'static BuiltIn, Problem>,
    ) -> Result<Found, RecipeError> {
        match Found::file(path.clone()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let BuiltIn { name, text } = instead()?;
                let title = format!("built-in recipe {name}");
                Ok(Found { origin: Origin::BuiltIn(path), title, text: (*text).to_owned() })
            }
            found => found.map_err(|source| unreadable(&path, source)),
        }
    }

    fn file(path: PathBuf) -> io::Result<Found> {
        let text = fs::read_to_string(&path)?;
        Ok(Found { title: show(&path), origin: Origin::File(path), text })
    }
}

fn unreadable(path: &Path, source: io::Error) -> RecipeError {
    RecipeError::Io { doing: "reading the recipe", path: path.to_owned(), source }
}

/// A problem with what `--recipe` names.
fn at_option(message: String) -> Problem {
    Problem::new(Place { file: "--recipe".to_owned(), line: 0, column: 0 }, message)
}

/// What was asked for, if it is a word that could be the name of a recipe.
fn bare_name(asked: &Path) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    asked.to_str().filter(|name| !name.is_empty() && name.chars().all(plain))
}

fn built_in(name: &str) -> Result<&'static BuiltIn, Problem> {
    RECIPES.iter().find(|recipe| recipe.name == name).ok_or_else(|| {
        let known = RECIPES.map(|recipe| recipe.name);
        let hint = did_you_mean(name, known)
            .unwrap_or_else(|| format!("write {name}.toml, or use one of: {}", known.join(", ")));
        at_option(format!("no recipe `{name}`: there is no {name}.toml, nor is it built in"))
            .hint(hint)
    })
}
