//! What can be wrong with what a node is told.

use std::fmt;

/// Why a `node.toml` cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Written for another version of the format.
    #[error(
        "osb/node.toml has version {found}, and this osb knows {} only: use the osb that wrote it, \
         or a newer one",
        crate::VERSION
    )]
    Version {
        /// The version that the file names.
        found: i64,
    },
    /// No TOML, or not of this form.
    #[error("osb/node.toml: {0}")]
    Toml(Box<toml::de::Error>),
    /// It cannot be written as TOML.
    #[error("osb/node.toml cannot be written: {0}")]
    Write(#[from] toml::ser::Error),
    /// A value that cannot be.
    #[error("{place}: {problem}")]
    Value {
        /// Which value: the key in the file, or the option of the command line.
        place: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// More than the boot partition and the node's start have room for.
    #[error(
        "osb/node.toml would have {size} bytes, and at most {} are possible: let the node fetch \
         what is large",
        crate::MOST_BYTES
    )]
    TooLarge {
        /// Length in bytes.
        size: usize,
    },
}

impl NodeError {
    /// A value at `place`, with what is wrong with it.
    pub(crate) fn value(place: impl Into<String>, problem: impl Into<String>) -> NodeError {
        NodeError::Value { place: place.into(), problem: problem.into() }
    }
}

impl From<toml::de::Error> for NodeError {
    fn from(error: toml::de::Error) -> NodeError {
        NodeError::Toml(Box::new(error))
    }
}

/// Something that is wrong at a place of a `nodes.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 if it is the file as a whole.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Why a `nodes.yaml` cannot be used: everything that is wrong, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryError {
    /// The file.
    pub file: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for InventoryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { line, column, message }) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            match line {
                0 => write!(formatter, "{}: {message}", self.file)?,
                _ => write!(formatter, "{}:{line}:{column}: {message}", self.file)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for InventoryError {}
