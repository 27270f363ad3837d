//! `osb doctor`: whether this machine can build, and what is missing.

use std::path::{Path, PathBuf};

use osb_apt::Mirrors;
use osb_sandbox::{Machine, Mode};
use serde_json::json;

use crate::cli::{Doctor, Global};
use crate::environment;
use crate::exit::{Failure, HOST};
use crate::format;
use crate::output::Output;

/// Room that a first build needs in the cache: packages, tools, layers.
const CACHE_ROOM: u64 = 6 << 30;
/// Room for the artifacts.
const OUTPUT_ROOM: u64 = 5 << 30;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warning,
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    text: String,
}

pub(crate) fn run(global: &Global, arguments: &Doctor, output: &Output) -> Result<(), Failure> {
    let cache = environment::cache_folder(global.cache_dir.as_deref())?;
    let mirrors = Mirrors::discover(arguments.mirror.as_deref().filter(|url| !url.is_empty()));
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut checks = vec![kernel(&release)];
    checks.extend(sandbox(&arguments.arch));
    checks.push(room("cache", &cache, CACHE_ROOM));
    checks.push(room("output", &arguments.output, OUTPUT_ROOM));
    checks.push(Check {
        name: "mirror",
        verdict: Verdict::Ok,
        text: format!("{} and {}", mirrors.debian, mirrors.security),
    });
    output.answer(&machine(&checks), &people(&checks));
    match checks.iter().filter(|check| check.verdict == Verdict::Missing).count() {
        0 => Ok(()),
        count => Err(Failure::new(
            HOST,
            format!(
                "this machine cannot build {} images: {count} things are missing",
                arguments.arch
            ),
        )),
    }
}

/// Linux 6.7 is the first with binfmt_misc in user namespaces.
fn kernel(release: &str) -> Check {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = (numbers.next().and_then(Result::ok), numbers.next().and_then(Result::ok));
    let new = matches!(version, (Some(major), minor) if (major, minor.unwrap_or(0)) >= (6, 7));
    let (verdict, remark) = if new {
        (Verdict::Ok, "")
    } else {
        (Verdict::Warning, ": older than 6.7, foreign programs run slowly or not at all")
    };
    Check { name: "kernel", verdict, text: format!("Linux {release}{remark}") }
}

/// Namespaces, overlay mounts and binfmt, as the sandbox itself sees them.
fn sandbox(architecture: &str) -> Vec<Check> {
    let guest = if architecture == "amd64" { Machine::X86_64 } else { Machine::Aarch64 };
    let check = |verdict, text| Check { name: "sandbox", verdict, text };
    match osb_sandbox::probe(guest) {
        Ok(Mode::Native) => {
            vec![check(
                Verdict::Ok,
                "namespaces; programs of this architecture run as they are".into(),
            )]
        }
        Ok(Mode::Private) => vec![check(
            Verdict::Ok,
            format!("namespaces and a private handler for {architecture} programs"),
        )],
        Ok(Mode::Registered) => vec![check(
            Verdict::Warning,
            format!(
                "namespaces and the host's handler for {architecture} programs: full emulation, \
                 slow; Linux 6.7 or later is much faster"
            ),
        )],
        Err(missing) => {
            missing.reasons.into_iter().map(|reason| check(Verdict::Missing, reason)).collect()
        }
    }
}

/// Whether the file system that will hold `folder` has `need` bytes free.
fn room(name: &'static str, folder: &Path, need: u64) -> Check {
    let check = |verdict, text| Check { name, verdict, text };
    let shown = folder.display();
    let Some(existing) = nearest_existing(folder) else {
        return check(Verdict::Missing, format!("{shown}: no part of this path exists"));
    };
    match rustix::fs::statvfs(&existing) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let verdict = if free < need { Verdict::Warning } else { Verdict::Ok };
            let wish = if free < need {
                format!("; a first build wants about {}", format::bytes(need))
            } else {
                String::new()
            };
            check(verdict, format!("{shown}: {} free{wish}", format::bytes(free)))
        }
        Err(error) => check(Verdict::Missing, format!("{shown}: {error}")),
    }
}

/// The folder itself or the nearest parent that exists.
fn nearest_existing(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).ok()?;
    absolute.ancestors().find(|path| path.is_dir()).map(Path::to_owned)
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
        }
    }
}

fn people(checks: &[Check]) -> String {
    let line =
        |check: &Check| format!("{:8} {:8} {}", check.verdict.word(), check.name, check.text);
    checks.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn machine(checks: &[Check]) -> serde_json::Value {
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({"name": check.name, "verdict": check.verdict.word(), "text": check.text})
        })
        .collect();
    json!({"event": "doctor", "checks": checks})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_since_6_7_are_good() {
        for (release, verdict) in [
            ("6.7.0", Verdict::Ok),
            ("6.18.44-custom", Verdict::Ok),
            ("7.2+deb13-amd64", Verdict::Ok),
            ("7-rc1", Verdict::Ok),
            ("6.6.99", Verdict::Warning),
            ("5.15.0", Verdict::Warning),
            ("unknown", Verdict::Warning),
        ] {
            assert_eq!(kernel(release).verdict, verdict, "{release}");
        }
    }

    #[test]
    fn room_is_looked_for_where_the_folder_will_be() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("not/yet/there");
        assert_eq!(room("cache", &folder, 1).verdict, Verdict::Ok);
        let check = room("cache", &folder, u64::MAX);
        assert_eq!(check.verdict, Verdict::Warning);
        assert!(check.text.contains("wants about"), "{}", check.text);
    }
}
