//! How a task ends that could not begin.

use std::fmt;
use std::process::ExitCode;

/// What a task was given cannot be worked with: exit code 2, as osb has it.
#[derive(Debug)]
pub(crate) struct BadInput(pub(crate) String);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// Fails with [`BadInput`] unless a condition holds.
macro_rules! demand {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::exit::BadInput(format!($($text)+)).into());
        }
    };
}
pub(crate) use demand;

/// The exit code for an error.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    if error.is::<BadInput>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}
