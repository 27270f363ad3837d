//! `osb completions`: what makes a shell complete osb's command line.
//!
//! The files are generated from the definition of the command line and committed
//! (`crates/osb/generated`); a test holds them to it.

use serde_json::json;

use crate::cli::{Completions, Shell};
use crate::exit::Failure;
use crate::output::Output;

pub(crate) fn run(arguments: &Completions, output: &Output) -> Result<(), Failure> {
    let (name, script) = match arguments.shell {
        Shell::Bash => ("bash", include_str!("../../generated/completions/osb.bash")),
        Shell::Zsh => ("zsh", include_str!("../../generated/completions/_osb")),
        Shell::Fish => ("fish", include_str!("../../generated/completions/osb.fish")),
    };
    let value = json!({"event": "completions", "shell": name, "script": script});
    output.answer(&value, script.trim_end());
    Ok(())
}
