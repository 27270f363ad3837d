//! What must not run, one after the other on one node that is never switched off; and a server that
//! is not there.

use anyhow::{Context, Result, ensure};

use super::node::{Boot, Node, Orders};
use super::scripts::BROKEN;
use super::site::Site;

/// The node's name, by its `node.toml`.
const NAME: &str = "shelf-2-node-7";

/// A fault: what is served, and the line that the node has to say.
struct Fault {
    name: &'static str,
    serve: fn(&mut Site<'_>) -> Result<()>,
    says: &'static str,
}

/// In this order: what follows [`BROKEN`] builds on its having run.
const FAULTS: [Fault; 7] = [
    Fault {
        name: "an object with other bytes",
        serve: |site| site.tamper(&site.scripts.mended.clone()),
        says: "has bad hash",
    },
    Fault {
        name: "a commit that was changed after it was signed",
        serve: |site| site.serve(&site.scripts.forged.clone()),
        says: "does not verify",
    },
    Fault {
        name: "a commit that is not signed",
        serve: |site| site.serve(&site.scripts.unsigned.clone()),
        says: "it is not signed",
    },
    Fault {
        name: "a commit that a stranger signed",
        serve: |site| site.serve(&site.scripts.strange.clone()),
        says: "not in allowed_signers: SHA256:",
    },
    Fault {
        name: "a commit that is older than the floor",
        serve: |site| site.serve(&site.scripts.ancient.clone()),
        says: "older than this image allows",
    },
    Fault {
        name: "scripts that fail",
        serve: |site| site.serve(&site.scripts.broken.clone()),
        says: BROKEN,
    },
    Fault {
        name: "a commit that is older than what ran last",
        serve: |site| site.serve(&site.scripts.floor.clone()),
        says: "older than what ran last",
    },
];

/// The node, told to give up soon.
pub(super) fn node(site: &Site<'_>) -> Result<Node> {
    let orders = Orders {
        hostname: Some(NAME),
        settings: &["bootstrap.limits.tries=2", "bootstrap.limits.pause=2"],
        ..Default::default()
    };
    Node::new(site, "refused", &orders)
}

/// All of it; `seen` is told each case as it passes.
pub(super) fn check(
    site: &mut Site<'_>,
    node: &Node,
    mut seen: impl FnMut(&str, Vec<String>) -> Result<()>,
) -> Result<()> {
    let mended = site.scripts.mended.clone();
    site.serve(&mended)?;
    site.impersonate()?;
    let mut boot = node.boot(site, "first", &[])?;
    let lines = boot.attempt(|boot| refused(boot, "is not who it must be"))?;
    seen("a server of a wrong authority", lines)?;
    for fault in &FAULTS {
        boot.halt()?;
        (fault.serve)(site)?;
        let lines = boot.attempt(|boot| {
            boot.again()?;
            let lines = refused(boot, fault.says)?;
            let ran = site.server.state().reports.contains_key("node-config");
            ensure!(ran == (fault.says == BROKEN), "whether setup.sh ran: {ran}");
            Ok(lines)
        });
        seen(fault.name, lines.context(fault.name)?)?;
    }
    boot.halt()?;
    site.serve(&mended)?;
    site.server.down();
    let lines = boot.attempt(|boot| {
        boot.again()?;
        refused(boot, "next try in 2 seconds")
    })?;
    seen("a server that does not answer", lines)?;
    // Nobody does anything here: systemd starts it anew after a minute, and the server comes while it
    // tries.
    let mut lines = boot.attempt(|boot| boot.wait_for("next try in 2 seconds"))?;
    site.server.up()?;
    boot.attempt(|boot| {
        let verdict = boot.verdict()?;
        verdict.is(true)?;
        lines.extend(verdict.lines);
        let config = site.report("node-config")?;
        ensure!(config["node"]["hostname"] == NAME, "NODE_CONFIG: {config:#}");
        ensure!(config["source"]["commit"] == *mended, "NODE_CONFIG: {config:#}");
        Ok(())
    })?;
    lines.push(boot.end(NAME)?);
    seen("a server that comes late", lines)
}

/// Wants a run that ends badly, plainly, and without a mark.
fn refused(boot: &mut Boot<'_>, says: &str) -> Result<Vec<String>> {
    let verdict = boot.verdict()?;
    verdict.is(false)?;
    verdict.says(says)?;
    boot.login()?;
    boot.unmarked()?;
    Ok(verdict.lines)
}
