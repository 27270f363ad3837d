//! A machine whose clock has stopped, as every Pi without a battery has one: it starts in 2020, and
//! nobody tells it the time. Nothing but its address names it.

use anyhow::{Result, ensure};
use sha1::{Digest, Sha1};

use super::authority::Validity;
use super::node::{MAC, Node, Orders};
use super::site::Site;

const HOUR: u64 = 60 * 60;

/// A node that nobody has named.
pub(super) fn node(site: &Site<'_>) -> Result<Node> {
    let settings = ["bootstrap.limits.tries=1"];
    Node::new(site, "clock", &Orders { settings: &settings, ..Default::default() })
}

/// The first boot in 2020: a certificate that is younger than the image is refused; one that is older
/// is not, since the image's date is the least that the clock may have.
pub(super) fn check(site: &mut Site<'_>, node: &Node) -> Result<Vec<String>> {
    let mended = site.scripts.mended.clone();
    site.serve(&mended)?;
    let from = site.epoch + 12 * HOUR;
    site.certify(Validity { from, to: from + 1000 * HOUR })?;
    let mut boot = node.boot(site, "first", &["-rtc", "base=2020-01-01T00:00:00"])?;
    let mut lines = boot.attempt(|boot| {
        let refused = boot.verdict()?;
        refused.is(false)?;
        refused.says("osb: the clock is not synchronised after 5 seconds; going on with ")?;
        refused.says("is not who it must be")?;
        refused.says("(the clock is not synchronised: ")?;
        boot.login()?;
        boot.unmarked()?;
        let now: u64 = boot.root("date +%s")?.parse()?;
        let image = site.epoch;
        ensure!((image..from).contains(&now), "its clock says {now}, the image is of {image}");
        boot.halt()?;
        Ok(refused.lines)
    })?;
    site.serve(&mended)?;
    let name = by_address();
    boot.attempt(|boot| {
        boot.again()?;
        let verdict = boot.verdict()?;
        verdict.is(true)?;
        lines.extend(verdict.lines);
        let config = site.report("node-config")?;
        ensure!(config["node"]["hostname"] == *name, "NODE_CONFIG: {config:#}");
        ensure!(config["found_in"] == "the default of nodes.yaml", "NODE_CONFIG: {config:#}");
        Ok(())
    })?;
    lines.push(boot.end(&name)?);
    Ok(lines)
}

/// The name of a node that nobody has named.
fn by_address() -> String {
    let digest = hex::encode(Sha1::digest(format!("{MAC}\n")));
    format!("worker-{}", &digest[..6])
}
