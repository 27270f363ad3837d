//! Runs beside each other: two builds on one cache, two into one folder, and `osb cache prune`.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::kills::{Site, wait};
use crate::steps::{Steps, capture, show};
use crate::test::clear;

/// No build takes longer.
const PATIENCE: Duration = Duration::from_secs(1800);

/// After this, builds are in the middle of their work.
const UNDER_WAY: Duration = Duration::from_secs(3);

/// Runs all of it; the cache is warm before, and empty afterwards.
pub(crate) fn check(steps: &mut Steps, site: &Site) {
    let outs = ["out-a", "out-b"].map(|name| site.project.work.join(name));
    steps.run("two builds into one folder", || {
        clear(&outs[0])?;
        let mut builds = [spawn(site.build(&outs[0]))?, spawn(site.build(&outs[0]))?];
        succeed(&mut builds)?;
        site.same_bytes(&outs[0])?;
        show(
            Command::new("sha256sum").args(["--quiet", "-c", "SHA256SUMS"]).current_dir(&outs[0]),
        )?;
        Ok(((), "one after the other".to_owned()))
    });
    steps.run("two cold builds and prune at once", || {
        site.make_cold()?;
        outs.iter().try_for_each(|out| clear(out))?;
        let mut builds = [spawn(site.build(&outs[0]))?, spawn(site.build(&outs[1]))?];
        std::thread::sleep(UNDER_WAY);
        let prune = || site.project.osb(&["cache", "prune", "--older-than", "0"]);
        let refused = prune().arg("--no-wait").output()?;
        ensure!(refused.status.code() == Some(1), "prune --no-wait: {refused:?}");
        let mut waiting = spawn(prune())?;
        std::thread::sleep(UNDER_WAY);
        ensure!(waiting.try_wait()?.is_none(), "prune did not wait for the builds");
        succeed(&mut builds)?;
        outs.iter().try_for_each(|out| site.same_bytes(out))?;
        succeed(&mut [waiting])?;
        let left = capture(&mut site.project.osb(&["cache", "--json"]))?;
        let left: serde_json::Value = serde_json::from_str(&left).context("reading the list")?;
        let buckets = left["buckets"].as_array().context("a list of buckets")?;
        let strange: Vec<_> = buckets
            .iter()
            .filter(|bucket| bucket["entries"] != 0 && bucket["name"] != "releases-v1")
            .collect();
        ensure!(strange.is_empty(), "left after prune: {strange:?}");
        Ok(((), "the same bytes twice, prune waited".to_owned()))
    });
}

fn spawn(mut command: Command) -> Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("starting osb")
}

fn succeed(children: &mut [Child]) -> Result<()> {
    // All are waited for, so that none is left behind by the failure of another.
    let ends: Vec<_> = children.iter_mut().map(|child| wait(child, PATIENCE)).collect();
    for status in ends {
        let status = status?;
        ensure!(status.success(), "it ended with {status}");
    }
    Ok(())
}
