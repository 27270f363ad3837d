//! What can be wrong with a recipe or a layer, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a recipe could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Something written in a recipe, a layer or on the command line is wrong.
    #[error("{0}")]
    Invalid(Box<Problem>),
    /// A file of the project could not be read.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was being done ("reading").
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RecipeError {
    /// What to do about it, if osb knows.
    pub fn hint(&self) -> Option<&str> {
        match self {
            RecipeError::Invalid(problem) => problem.hint.as_deref(),
            RecipeError::Io { .. } => None,
        }
    }
}

impl From<Problem> for RecipeError {
    fn from(problem: Problem) -> Self {
        RecipeError::Invalid(Box::new(problem))
    }
}

/// One mistake, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is written.
    pub place: Place,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub(crate) fn new(place: Place, message: impl Into<String>) -> Self {
        Problem { place, message: message.into(), hint: None }
    }

    /// The same problem with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem with a hint, if there is one.
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// A place in a file, or on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path of the file as the user would write it, `built-in recipe rpi5-node`, or `--set`.
    pub file: String,
    /// Line, from 1; for `--set` the number of the option. 0: the file as a whole.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// The known name that `word` was probably meant to be.
///
/// Jaro-Winkler over 0.75 accepts swapped, missing and doubled letters and `_` for `-`, and
/// rejects names that merely share a letter or two.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["board", "arch", "boot-size", "layers"];
        assert_eq!(did_you_mean("bord", known).unwrap(), "did you mean `board`?");
        assert_eq!(did_you_mean("boot_size", known).unwrap(), "did you mean `boot-size`?");
        assert_eq!(did_you_mean("zzz", known), None);
    }
}
