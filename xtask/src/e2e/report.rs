//! What was seen, as a text that can be shown: each case with its seconds and the lines that decided it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

/// The report, written anew after each case, so that it is there if a later one hangs.
#[derive(Debug)]
pub(super) struct Report {
    path: PathBuf,
    text: String,
}

impl Report {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, text: "# First boots in QEMU\n".to_owned() }
    }

    /// Adds a case, and shows its lines.
    pub(super) fn add(&mut self, case: &str, took: Duration, lines: &[String]) -> Result<()> {
        let lines = lines.join("\n");
        eprintln!("{lines}");
        self.text +=
            &format!("\n## {case} ({:.0} s)\n\n```text\n{lines}\n```\n", took.as_secs_f64());
        fs::write(&self.path, &self.text)
            .with_context(|| format!("writing {}", self.path.display()))
    }
}
