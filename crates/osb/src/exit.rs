//! Failures, with the exit code and the hint that go with them.
//!
//! Codes: 0 done, 1 failed, 2 bad usage or input, 3 refused for safety, 4 verification failed,
//! 5 this machine cannot do it, 130 interrupted.

use std::error::Error;

use osb_boot::BootError;
use osb_builder::{BuildError, FailedCommand, Outcome};
use osb_image::compare::CompareError;
use osb_recipe::RecipeError;
use osb_sandbox::Missing;
use serde_json::{Value, json};

/// Something failed.
pub(crate) const FAILED: u8 = 1;
/// Wrong arguments, recipe, lock or file.
pub(crate) const BAD_INPUT: u8 = 2;
/// It would do harm: a disk that is in use, a name that may mean another one.
pub(crate) const REFUSED: u8 = 3;
/// Something is not what it was, or not what was signed.
pub(crate) const VERIFICATION: u8 = 4;
/// The host lacks something; see `osb doctor`.
pub(crate) const HOST: u8 = 5;
/// Ctrl-C or SIGTERM.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What happened, then its causes.
    pub(crate) messages: Vec<String>,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The exit code.
    pub(crate) code: u8,
    /// The same facts as fields, for `--json`; null if there are none.
    pub(crate) details: Value,
}

impl Failure {
    /// A failure without causes.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { messages: vec![message.into()], hint: None, code, details: Value::Null }
    }

    /// A failure with everything that `error` tells.
    pub(crate) fn from_error(code: u8, error: &dyn Error) -> Self {
        let mut messages = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors repeat their cause in their own text: once is enough.
            if !messages.iter().any(|message| message.contains(&text)) {
                messages.push(text);
            }
            cause = error.source();
        }
        Self { messages, hint: None, code, details: Value::Null }
    }

    /// The same failure with a next step.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Stopped by the user.
    pub(crate) fn interrupted() -> Self {
        Self::new(INTERRUPTED, "interrupted")
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let failure = Self::from_error(error.exit_code(), &error);
        let details = match &error {
            BuildError::Command(failed) => details(failed),
            _ => Value::Null,
        };
        Self { hint: error.hint(), details, ..failure }
    }
}

impl From<CompareError> for Failure {
    fn from(error: CompareError) -> Self {
        Self::from_error(BAD_INPUT, &error)
    }
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        BuildError::Host(missing).into()
    }
}

/// A program of the image that failed, as fields.
fn details(failed: &FailedCommand) -> Value {
    let (status, limit, processes) = match &failed.outcome {
        Outcome::Exit(status) => (Some(status), None, &[][..]),
        Outcome::NotStarted { .. } => (None, None, &[][..]),
        Outcome::Limit { excess, processes } => (None, Some(excess.to_string()), &processes[..]),
    };
    json!({
        "layer": failed.layer,
        "step": failed.step,
        "status": status,
        "limit": limit,
        "culprits": failed.culprits,
        "processes": processes,
        "last_lines": failed.last_lines(),
        "log": failed.log,
    })
}

impl From<RecipeError> for Failure {
    fn from(error: RecipeError) -> Self {
        let failure = Self::from_error(BAD_INPUT, &error);
        Self { hint: error.hint().map(str::to_owned), ..failure }
    }
}

impl From<BootError> for Failure {
    fn from(error: BootError) -> Self {
        match &error {
            BootError::Image { .. } => Self::from_error(BAD_INPUT, &error)
                .with_hint("build it first (osb build), or name an image: osb boot IMAGE"),
            BootError::NotADisk { .. }
            | BootError::Architecture(_)
            | BootError::Credential { .. }
            | BootError::Path(_) => Self::from_error(BAD_INPUT, &error),
            BootError::Tools(_) | BootError::Io { .. } | BootError::Qemu { .. } => {
                Self::from_error(FAILED, &error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Chain(&'static str, Option<Box<Chain>>);

    impl fmt::Display for Chain {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Chain {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|error| error as _)
        }
    }

    #[test]
    fn causes_follow_and_are_not_repeated() {
        let root = Chain("permission denied", None);
        let middle = Chain("opening x: permission denied", Some(Box::new(root)));
        let top = Chain("reading the recipe", Some(Box::new(middle)));
        let failure = Failure::from_error(FAILED, &top);
        assert_eq!(failure.messages, ["reading the recipe", "opening x: permission denied"]);
    }

    #[test]
    fn a_missing_image_is_bad_input_with_a_next_step() {
        let source = std::io::ErrorKind::NotFound.into();
        let failure = Failure::from(BootError::Image { path: "x.img".into(), source });
        assert_eq!(failure.code, BAD_INPUT);
        assert!(failure.hint.is_some_and(|hint| hint.contains("osb build")));
        assert_eq!(failure.messages.len(), 2);
    }
}
