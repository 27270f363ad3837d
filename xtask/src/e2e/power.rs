//! The power fails while kubeadm joins; the next boot takes back what it began, and goes on.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::good::{NAME, provisioned};
use super::node::Node;
use super::site::Site;

/// How long the kubelet of a slow machine may take to ask for its registration.
const PATIENCE: Duration = Duration::from_secs(300);
/// What the scripts say when they find half a node.
const TAKEN_BACK: &str = "setup: an earlier kubeadm did not end: taken back";

/// The boot that ends in the middle of `kubeadm join`.
pub(super) fn cut(site: &mut Site<'_>, node: &Node) -> Result<Vec<String>> {
    let good = site.scripts.good.clone();
    site.serve(&good)?;
    // kubelet has its credentials and is not yet known to the cluster, and so it stays.
    site.server.state().admits = false;
    let mut boot = node.boot(site, "cut", &[])?;
    let mut lines = boot.attempt(|boot| {
        let lines = boot.wait_for("kubeadm: kubelet is active")?;
        let begun = Instant::now();
        while !registers(site) {
            ensure!(begun.elapsed() < PATIENCE, "kubelet asks for nothing");
            sleep(Duration::from_millis(100));
        }
        Ok(lines)
    })?;
    boot.cut_power();
    lines.push("(the power fails)".to_owned());
    Ok(lines)
}

/// The boot after it.
pub(super) fn go_on(site: &mut Site<'_>, node: &Node) -> Result<Vec<String>> {
    let good = site.scripts.good.clone();
    site.serve(&good)?;
    site.server.state().admits = false;
    let mut boot = node.boot(site, "on", &[])?;
    let mut lines = boot.attempt(|boot| {
        let lines = boot.wait_for(TAKEN_BACK)?;
        let goes_on = lines.iter().any(|line| line.contains("osb: going on where try 1 stopped"));
        ensure!(goes_on, "it does not go on:\n{}", lines.join("\n"));
        Ok(lines)
    })?;
    site.server.state().admits = true;
    boot.attempt(|boot| {
        let verdict = boot.verdict()?;
        verdict.is(true)?;
        lines.extend(verdict.lines);
        boot.login()?;
        provisioned(site, boot, &good)
    })?;
    lines.push(boot.end(NAME)?);
    Ok(lines)
}

/// Whether a kubelet has asked to be made known to the cluster.
fn registers(site: &Site<'_>) -> bool {
    site.server.state().requests.iter().any(|request| request.starts_with("PUT /nodes/"))
}
