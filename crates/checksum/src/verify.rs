//! Checking files against their list, and saying everything that is wrong at once.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::digest::{Digest, sha256_file, to_hex};
use crate::sums::Sums;

/// What is wrong with one file.
#[derive(Debug)]
pub enum Problem {
    /// There is no such file.
    Missing,
    /// It is there but cannot be read, or is not a regular file.
    Unreadable(io::Error),
    /// It has another digest than the list says.
    Differs {
        /// The digest in the list.
        expected: Digest,
        /// The digest of the file.
        actual: Digest,
    },
}

/// The files that do not match their list, all of them, in order of their names.
#[derive(Debug, thiserror::Error)]
#[error("{} of {checked} files failed verification{}", problems.len(), listing(problems))]
pub struct VerifyError {
    /// How many files were checked.
    pub checked: usize,
    /// Names, as they stand in the list, and what is wrong.
    pub problems: Vec<(String, Problem)>,
}

impl Sums {
    /// Reads every listed file below `dir` and compares its digest.
    ///
    /// # Errors
    /// If any file is missing, unreadable or different; the error lists every one of them.
    pub fn verify(&self, dir: impl AsRef<Path>) -> Result<(), VerifyError> {
        let dir = dir.as_ref();
        let problems: Vec<(String, Problem)> = self
            .iter()
            .filter_map(|(name, expected)| {
                check(&dir.join(name), expected).err().map(|problem| (name.to_owned(), problem))
            })
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(VerifyError { checked: self.len(), problems })
        }
    }
}

fn check(path: &Path, expected: &Digest) -> Result<(), Problem> {
    let problem = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Problem::Missing,
        _ => Problem::Unreadable(error),
    };
    // Looked at before it is opened: opening a pipe would wait for a writer for ever.
    if !fs::metadata(path).map_err(problem)?.is_file() {
        return Err(Problem::Unreadable(io::Error::other("not a regular file")));
    }
    match sha256_file(path).map_err(problem)? {
        actual if actual == *expected => Ok(()),
        actual => Err(Problem::Differs { expected: *expected, actual }),
    }
}

fn listing(problems: &[(String, Problem)]) -> String {
    problems.iter().fold(String::new(), |mut text, (name, problem)| {
        // Writing to a String does not fail.
        let _ = match problem {
            Problem::Missing => write!(text, "\n  {name}: missing"),
            Problem::Unreadable(error) => write!(text, "\n  {name}: cannot be read: {error}"),
            Problem::Differs { expected, actual } => write!(
                text,
                "\n  {name}: differs: expected {}, found {}",
                to_hex(expected),
                to_hex(actual)
            ),
        };
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sha256;

    #[test]
    fn every_problem_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("good"), b"good").unwrap();
        fs::write(dir.path().join("changed"), b"evil").unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        let mut sums = Sums::new();
        for name in ["good", "changed", "folder", "absent"] {
            sums.insert(name, sha256(name.as_bytes())).unwrap();
        }
        let error = sums.verify(dir.path()).unwrap_err();
        assert_eq!(error.checked, 4);
        let names: Vec<&str> = error.problems.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["absent", "changed", "folder"]);
        assert!(matches!(error.problems[0].1, Problem::Missing));
        let evil = sha256(b"evil");
        assert!(matches!(error.problems[1].1, Problem::Differs { actual, .. } if actual == evil));
        assert!(matches!(error.problems[2].1, Problem::Unreadable(_)));
        let text = error.to_string();
        assert!(
            text.starts_with("3 of 4 files failed verification\n  absent: missing\n"),
            "{text}"
        );
        assert!(text.contains(&to_hex(&evil)), "{text}");
    }

    #[test]
    fn good_files_pass() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/file"), b"x").unwrap();
        let mut sums = Sums::new();
        sums.insert("sub/file", sha256(b"x")).unwrap();
        sums.verify(dir.path()).unwrap();
    }
}
