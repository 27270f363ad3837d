//! The power fails while kubeadm joins; the next boot takes back what it began, and goes on.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::good::provisioned;
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
    let mut lines = boot.wait_for("kubeadm: kubelet is active")?;
    let begun = Instant::now();
    while !site.server.state().requests.iter().any(|request| request.starts_with("PUT /nodes/")) {
        if begun.elapsed() > PATIENCE {
            return Err(boot.explain(anyhow::anyhow!("kubelet asks for nothing")));
        }
        sleep(Duration::from_millis(100));
    }
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
    let mut lines = boot.wait_for(TAKEN_BACK)?;
    site.server.state().admits = true;
    let verdict = boot.verdict()?;
    lines.extend(verdict.lines);
    ensure!(verdict.provisioned, "not provisioned:\n{}", lines.join("\n"));
    ensure!(
        lines.iter().any(|line| line.contains("osb: going on where try 1 stopped")),
        "it does not go on:\n{}",
        lines.join("\n")
    );
    boot.login()?;
    provisioned(site, &boot, &good).map_err(|error| boot.explain(error))?;
    boot.switch_off()?;
    Ok(lines)
}
