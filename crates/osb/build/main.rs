//! Tells the program which commit it was built from: `OSB_VERSION`, what `osb --version` prints.
//!
//! From the environment's `OSB_COMMIT`, for packagers whose source has no Git; else from Git, in
//! release builds only. A debug build would be compiled anew, with all its tests, at every commit.
//! Nothing but the text of `--version` knows the commit: it reaches no artifact.
#![allow(clippy::print_stdout, reason = "cargo reads a build script's standard output")]

mod commit;

use std::env;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed=OSB_COMMIT");
    println!("cargo::rerun-if-changed=build");
    let package = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = match env::var("OSB_COMMIT") {
        Ok(given) if given.trim().is_empty() => package,
        Ok(given) if commit::is_printable(&given) => format!("{package} ({})", given.trim()),
        Ok(_) | Err(env::VarError::NotUnicode(_)) => {
            println!("cargo::error=OSB_COMMIT is not a short line of printable ASCII");
            return ExitCode::FAILURE;
        }
        Err(env::VarError::NotPresent) => match from_git() {
            Some(commit) => format!("{package} ({commit})"),
            None => package,
        },
    };
    println!("cargo::rustc-env=OSB_VERSION={version}");
    ExitCode::SUCCESS
}

/// The commit of the repository that this crate lies in, if it does.
fn from_git() -> Option<String> {
    if env::var("PROFILE").as_deref() != Ok("release") {
        return Some("debug build".to_owned());
    }
    let manifest = env::var_os("CARGO_MANIFEST_DIR")?;
    let commit = commit::of(Path::new(&manifest).parent()?.parent()?)?;
    for path in &commit.watch {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    Some(commit.text)
}
