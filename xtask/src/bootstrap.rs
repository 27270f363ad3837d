//! The scripts of the first boot on this machine: shellcheck, and their tests on a fake root with a
//! real server (`xtask/tests/bootstrap`).

use std::process::Command;

use anyhow::Result;

use crate::project::Project;
use crate::steps::{Steps, capture};

pub(crate) fn check(steps: &mut Steps, project: &Project) {
    let script = |name: &str| Command::new(project.root.join("xtask/tests/bootstrap").join(name));
    match Command::new("shellcheck").arg("--version").output() {
        Ok(_) => {
            steps.run("first boot: shellcheck", || last_line(&mut script("lint.sh")));
        }
        Err(_) => steps.skip("first boot: shellcheck", "this machine has no shellcheck"),
    }
    match Command::new("python3").arg("--version").output() {
        Ok(_) => {
            steps.run("first boot: scripts", || last_line(&mut script("run.py")));
        }
        Err(_) => steps.skip("first boot: scripts", "this machine has no python3"),
    }
}

/// Runs a command; the last line that it printed.
fn last_line(command: &mut Command) -> Result<((), String)> {
    let text = capture(command)?;
    Ok(((), text.lines().last().unwrap_or_default().to_owned()))
}
