//! osb: from signed Debian packages to a disk that boots.
//!
//! This crate reads arguments, the environment and the clock, calls the libraries, and prints;
//! everything else is theirs. No other crate prints.

mod cli;
mod commands;
mod environment;
mod exit;
mod format;
mod input;
mod output;
mod printable;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    // The sandbox starts this program again, under another name, as the first process inside.
    osb_sandbox::dispatch();
    // Folders made here become folders of the image: the caller's umask must not reach them.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let cli = Cli::parse();
    let output = Output::new(&cli.global);
    match commands::run(&cli, &output).and_then(|code| output.finish().map(|()| code)) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}
