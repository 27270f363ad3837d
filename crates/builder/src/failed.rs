//! A program of the image that failed or had to be ended, and what is to be blamed for it.

use std::fmt;
use std::path::PathBuf;

use osb_sandbox::{Excess, Process};

/// How many of the last lines of its output an error shows.
const LINES: usize = 20;

/// A program in the sandbox that did not end well.
#[derive(Debug, Clone)]
pub struct FailedCommand {
    /// The layer being built.
    pub layer: String,
    /// The step, for people: a script's file, or what osb did.
    pub step: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Packages' scripts, or other parts of the step, that caused it, as far as they are known.
    pub culprits: Vec<String>,
    /// The last of what it printed.
    pub tail: String,
    /// A file with all that was kept of that, if it could be written.
    pub log: Option<PathBuf>,
    /// How many bytes it printed in all.
    pub printed: u64,
}

/// How a program ended that did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With this exit code; 128 and the signal's number for a signal.
    Exit(i32),
    /// It did not even start.
    NotStarted {
        /// Its path in the image.
        program: String,
        /// What the kernel said.
        reason: String,
    },
    /// It was ended because of a limit.
    Limit {
        /// Which one.
        excess: Excess,
        /// The first few processes that there were, with their ids.
        processes: Vec<String>,
    },
}

impl FailedCommand {
    /// The last lines that say something.
    pub fn last_lines(&self) -> Vec<String> {
        let lines: Vec<&str> = self.tail.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LINES)..].iter().map(|line| printable(line)).collect()
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        let advice = match &self.outcome {
            Outcome::Exit(_) => "correct the cause",
            Outcome::NotStarted { .. } => {
                return "does the image have that program, or the one that its #! line names?"
                    .to_owned();
            }
            Outcome::Limit { excess, .. } => match excess {
                Excess::Time(_) => "make it end sooner",
                Excess::Output(_) => "let it print less, or to a file",
                Excess::Processes(_) => "let it start fewer at a time",
                Excess::Space { .. } => "free some space, or choose a folder with --cache-dir",
                Excess::LeftBehind(_) => "let it wait for what it starts, or end that",
            },
        };
        let kept = self.tail.len() as u64;
        let what = if kept < self.printed {
            format!("the last {} KiB of {} that it printed", kept >> 10, kib(self.printed))
        } else {
            "all that it printed".to_owned()
        };
        let log = match &self.log {
            Some(log) => format!("{} has {what}", log.display()),
            None => "what it printed could not be kept".to_owned(),
        };
        format!("{advice}, then build again (finished layers are kept); {log}")
    }
}

impl std::error::Error for FailedCommand {}

impl fmt::Display for FailedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer {}: {} ", self.layer, self.step)?;
        match &self.outcome {
            Outcome::Exit(status) => write!(f, "failed with exit code {status}")?,
            Outcome::NotStarted { program, reason } => {
                write!(f, "did not start: {program}: {reason}")?;
            }
            Outcome::Limit { excess, .. } => write!(f, "was ended: {excess}")?,
        }
        for culprit in &self.culprits {
            write!(f, "\n  {}", printable(culprit))?;
        }
        if let Outcome::Limit { processes, .. } = &self.outcome {
            for process in processes {
                write!(f, "\n  process {process}")?;
            }
        }
        let lines = self.last_lines();
        if !lines.is_empty() {
            write!(f, "\n  its last lines:\n    {}", lines.join("\n    "))?;
        }
        Ok(())
    }
}

/// Without what a terminal, or a reader of logs, would take for commands.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn kib(bytes: u64) -> String {
    if bytes < 10 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

/// What dpkg says about packages that it could not configure, in the order of its words.
///
/// ```text
/// dpkg: error processing package tiny (--configure):
///  installed tiny package post-installation script subprocess returned error exit status 3
/// ```
/// Those that fail only because another one did are counted, not named.
pub(crate) fn blamed_by_dpkg(output: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut dependent = 0;
    let mut lines = output.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix("dpkg: error processing package ") else { continue };
        let package = rest.split_whitespace().next().unwrap_or_default();
        let reason = lines.next_if(|line| line.starts_with(' ')).unwrap_or_default().trim();
        if reason.starts_with("dependency problems") {
            dependent += 1;
        } else {
            found.push(script_reason(package, reason));
        }
    }
    if dependent > 0 {
        found.push(format!("{dependent} packages that depend on that were left out"));
    }
    found
}

fn script_reason(package: &str, reason: &str) -> String {
    let scripts = [
        ("pre-installation script", "preinst"),
        ("post-installation script", "postinst"),
        ("pre-removal script", "prerm"),
        ("post-removal script", "postrm"),
    ];
    let found = scripts.iter().find_map(|(words, name)| {
        let (_, end) = reason.split_once(words)?;
        let end = end.trim().trim_start_matches("subprocess").trim();
        Some(format!("the {name} script of {package}: {end}"))
    });
    found.unwrap_or_else(|| format!("package {package}: {reason}"))
}

/// Jobs that failed in the background, by what [`crate::background`] prints.
pub(crate) fn blamed_by_background(output: &str) -> Vec<String> {
    let word = ", run in the background for ";
    output.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
}

/// The packages' scripts that these processes belong to: dpkg tells its scripts who they are.
pub(crate) fn scripts_of(processes: &[Process]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for process in processes {
        let variable = |name: &str| {
            let mut pairs = process.environment.iter();
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        let Some(package) = variable("DPKG_MAINTSCRIPT_PACKAGE") else { continue };
        let script = variable("DPKG_MAINTSCRIPT_NAME").unwrap_or("maintainer");
        let text = format!("the {script} script of {package}");
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const DPKG: &str = "Setting up one (1) ...
dpkg: error processing package one (--configure):
 installed one package post-installation script subprocess returned error exit status 3
dpkg: dependency problems prevent configuration of two:
 two depends on one; however:
  Package one is not configured yet.

dpkg: error processing package two (--configure):
 dependency problems - leaving unconfigured
Setting up three (1) ...
dpkg: error processing package three:arm64 (--configure):
 package is in a very bad inconsistent state; you should
 reinstall it before attempting configuration
Errors were encountered while processing:
 one
 two
 three:arm64
";

    #[test]
    fn dpkg_names_the_packages_that_failed() {
        assert_eq!(
            blamed_by_dpkg(DPKG),
            [
                "the postinst script of one: returned error exit status 3",
                "package three:arm64: package is in a very bad inconsistent state; you should",
                "1 packages that depend on that were left out",
            ]
        );
        assert!(blamed_by_dpkg("dpkg: error: something else\n").is_empty());
        assert_eq!(blamed_by_dpkg("dpkg: error processing package x"), ["package x: "]);
    }

    #[test]
    fn processes_name_their_packages_once() {
        let process = |pairs: &[(&str, &str)]| Process {
            pid: 2,
            command: String::new(),
            environment: pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect(),
        };
        let own = [("DPKG_MAINTSCRIPT_PACKAGE", "dbus"), ("DPKG_MAINTSCRIPT_NAME", "postinst")];
        let processes = [process(&own), process(&own), process(&[("HOME", "/")])];
        assert_eq!(scripts_of(&processes), ["the postinst script of dbus"]);
    }

    #[test]
    fn an_error_has_everything_that_is_known() {
        let failed = FailedCommand {
            layer: "base".into(),
            step: "scripts/10-x".into(),
            outcome: Outcome::Limit {
                excess: Excess::Output(256 << 20),
                processes: vec!["7 (yes)".into()],
            },
            culprits: vec!["the postinst script of y".into()],
            tail: (0..30).map(|i| format!("line {i}\n\n")).collect(),
            log: Some("/cache/failure.log".into()),
            printed: 257 << 20,
        };
        let text = failed.to_string();
        let start = "layer base: scripts/10-x was ended: it printed more than 256 MiB\n  \
            the postinst script of y\n  process 7 (yes)\n  its last lines:\n    line 10\n";
        assert!(text.starts_with(start) && text.ends_with("line 29"), "{text}");
        let hint = failed.hint();
        assert!(hint.contains("print less") && hint.contains("/cache/failure.log"), "{hint}");
        assert!(hint.contains("257 MiB"), "{hint}");
    }
}
