//! Resolves packages against `Packages` files that are already on disk, and prints `name version`
//! lines: to be compared with what `apt-get --simulate install` gives for the same files.
//!
//! ```text
//! resolve --arch arm64 --essential \
//!     --index trixie:500:main_Packages --index backports:100:backports_Packages \
//!     --pin 'backports:linux-*:990' apt linux-image-arm64
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::process::ExitCode;

use osb_apt::{Pin, Repository, Request, Universe, parse_packages, resolve};

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(lines) => {
            println!("{lines}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the arguments, resolves, and returns the lines.
fn run(mut arguments: impl Iterator<Item = String>) -> Result<String, Box<dyn Error>> {
    let mut request = Request::default();
    let (mut indices, mut pins) = (Vec::new(), Vec::new());
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--arch" => request.architecture = value()?,
            "--essential" => request.essential = true,
            "--index" => indices.push(value()?),
            "--pin" => pins.push(value()?),
            option if option.starts_with('-') => return Err(format!("unknown {option}").into()),
            _ => request.packages.push(argument),
        }
    }
    let mut repositories = Vec::new();
    for index in &indices {
        let [name, priority, file] = three(index)?;
        let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
        let architecture = request.architecture.as_str();
        let records = parse_packages(&text, file, |a| a == architecture || a == "all")?;
        repositories.push(Repository {
            name: name.into(),
            base: String::new(),
            suite: name.into(),
            priority: priority.parse()?,
            pins: Vec::new(),
            release_sha256: String::new(),
            date: 0,
            signed_by: String::new(),
            records,
        });
    }
    for pin in &pins {
        let [name, pattern, priority] = three(pin)?;
        let pin = Pin { pattern: pattern.into(), priority: priority.parse()? };
        let repository = repositories.iter_mut().find(|r| r.name == name);
        repository.ok_or(format!("--pin names the unknown index {name}"))?.pins.push(pin);
    }
    let chosen = resolve(&Universe::new(repositories)?, &request)?;
    let lines: Vec<String> = chosen.iter().map(|c| format!("{} {}", c.name, c.version)).collect();
    Ok(lines.join("\n"))
}

/// `a:b:c`.
fn three(text: &str) -> Result<[&str; 3], String> {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    parts.try_into().map_err(|_| format!("{text:?} does not have the form a:b:c"))
}
