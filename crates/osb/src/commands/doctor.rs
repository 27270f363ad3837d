//! `osb doctor`: whether this machine can build, and what is missing.

use std::path::{Path, PathBuf};

use osb_apt::Mirrors;
use osb_sandbox::{Identity, Machine, Missing, Need, Verdict};
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

pub(crate) fn run(
    global: &Global,
    arguments: &Doctor,
    identity: &Result<Identity, Missing>,
    output: &Output,
) -> Result<(), Failure> {
    let cache = environment::cache_folder(global.cache_dir.as_deref())?;
    let mut needs = match identity {
        Ok(identity) => {
            let mut needs = vec![osb_sandbox::identity(identity)];
            needs.extend(owner(&cache));
            needs.extend(sandbox(&arguments.arch, &cache));
            needs
        }
        // Nothing can be tried without that.
        Err(missing) => {
            let mut needs = missing.needs.clone();
            needs.push(osb_sandbox::kernel(guest(&arguments.arch)));
            needs
        }
    };
    needs.push(room("cache", &cache, CACHE_ROOM, "choose another folder with --cache-dir"));
    needs.push(room("output", &arguments.output, OUTPUT_ROOM, "choose another one with --output"));
    let mirrors = Mirrors::discover(arguments.mirror.as_deref().filter(|url| !url.is_empty()));
    needs.push(Need::met("mirror", format!("{} and {}", mirrors.debian, mirrors.security)));
    output.answer(&machine(&needs), &people(&needs));
    let missing = Missing::among(&needs).map_or(0, |missing| missing.needs.len());
    let counted = match missing {
        0 => return Ok(()),
        1 => "one thing is missing".to_owned(),
        more => format!("{more} things are missing"),
    };
    Err(Failure::new(
        HOST,
        format!("this machine cannot build {} images: {counted}", arguments.arch),
    ))
}

/// What is wrong with the owner of a cache that is there already.
fn owner(cache: &Path) -> Option<Need> {
    let error = osb_builder::check_owner(cache).err()?;
    Some(Need::missing("cache", error.to_string(), error.hint().unwrap_or_default()))
}

fn guest(architecture: &str) -> Machine {
    if architecture == "amd64" { Machine::X86_64 } else { Machine::Aarch64 }
}

/// What the sandbox needs, with a trial where the cache is or will be.
fn sandbox(architecture: &str, cache: &Path) -> Vec<Need> {
    let guest = guest(architecture);
    let scratch = nearest_existing(cache)
        .and_then(|folder| tempfile::Builder::new().prefix(".osb-doctor-").tempdir_in(folder).ok());
    match scratch {
        Some(scratch) => {
            osb_sandbox::examine(guest, cache, scratch.path(), Path::new(super::LAUNCHER))
        }
        None => vec![Need::missing(
            "cache",
            format!("{}: nothing can be written there", cache.display()),
            "choose another folder with --cache-dir or OSB_CACHE_DIR",
        )],
    }
}

/// Whether the file system that will hold `folder` has `want` bytes free.
fn room(name: &'static str, folder: &Path, want: u64, remedy: &str) -> Need {
    let shown = folder.display();
    let stat = nearest_existing(folder).and_then(|folder| rustix::fs::statvfs(&folder).ok());
    let Some(stat) = stat else {
        return Need::missing(name, format!("{shown}: no part of this path exists"), remedy);
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let text = format!("{shown}: {} free", format::bytes(free));
    if free < want {
        let text = format!("{text}; a first build wants about {}", format::bytes(want));
        return Need::warning(name, text, format!("free some space, or {remedy}"));
    }
    Need::met(name, text)
}

/// The folder itself or the nearest parent that exists.
fn nearest_existing(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).ok()?;
    absolute.ancestors().find(|path| path.is_dir()).map(Path::to_owned)
}

fn people(needs: &[Need]) -> String {
    let lines = needs.iter().flat_map(|need| {
        let mark = match need.verdict {
            Verdict::Met => "\u{2714}",
            Verdict::Warning => "!",
            Verdict::Missing => "\u{2718}",
        };
        let remedy = need.remedy.iter().map(|remedy| format!("{:13} \u{2192} {remedy}", ""));
        std::iter::once(format!("{mark} {:12}{}", need.name, need.text)).chain(remedy)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn machine(needs: &[Need]) -> serde_json::Value {
    let word = |verdict| match verdict {
        Verdict::Met => "ok",
        Verdict::Warning => "warning",
        Verdict::Missing => "missing",
    };
    let need = |need: &Need| {
        json!({
            "name": need.name,
            "verdict": word(need.verdict),
            "text": need.text,
            "remedy": need.remedy,
        })
    };
    json!({"event": "doctor", "checks": needs.iter().map(need).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_looked_for_where_the_folder_will_be() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("not/yet/there");
        assert_eq!(room("cache", &folder, 1, "x").verdict, Verdict::Met);
        let need = room("cache", &folder, u64::MAX, "choose");
        assert_eq!(need.verdict, Verdict::Warning);
        assert!(need.text.contains("wants about"), "{}", need.text);
        assert_eq!(need.remedy.as_deref(), Some("free some space, or choose"));
    }

    #[test]
    fn remedies_stand_below_what_is_missing() {
        let needs = [Need::met("a", "fine"), Need::missing("b", "absent", "install it")];
        let text = people(&needs);
        assert_eq!(text.lines().count(), 3);
        assert!(text.ends_with("\u{2192} install it"), "{text}");
    }
}
