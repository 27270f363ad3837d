//! The first boot when nothing is wrong, and the second one of the same disk.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::container::GREETING;
use super::node::{Boot, MAC, Node, Orders};
use super::scripts::PATH;
use super::site::{HASH, Site, TOKEN};

/// The node's name and address, by the inventory.
pub(super) const NAME: &str = "worker-3";
const ADDRESS: &str = "10.0.2.15";
/// What the container may use, in bytes: as `guest/05-container.sh` says.
const MEMORY: &str = "67108864";
/// What kubelet is started with: kubeadm's drop-in, changed by the image's.
const KUBELET: &str = "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
    --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml \
    --config-dir=/etc/kubernetes/kubelet.conf.d";

/// `osb/nodes.yaml`.
pub(super) fn inventory() -> String {
    format!(
        "nodes:\n  - mac: {MAC}\n    hostname: {NAME}\n    ip: {ADDRESS}\n    labels: {{ zone: shelf-2 }}\n"
    )
}

/// A disk whose name is in the inventory on its boot partition.
pub(super) fn node(site: &Site<'_>, name: &'static str) -> Result<Node> {
    let orders = Orders {
        inventory: Some(&inventory()),
        settings: &["environment=dev"],
        ..Default::default()
    };
    Node::new(site, name, &orders)
}

/// From power-on to provisioned; what the console said, and how long that took.
pub(super) fn first(site: &mut Site<'_>, node: &Node) -> Result<(Vec<String>, Duration)> {
    let good = site.scripts.good.clone();
    site.serve(&good)?;
    let mut boot = node.boot(site, "first", &[])?;
    let verdict = boot.attempt(|boot| {
        let verdict = boot.verdict()?;
        boot.login()?;
        verdict.is(true)?;
        provisioned(site, boot, &good)?;
        Ok(verdict)
    })?;
    let mut lines = verdict.lines;
    lines.extend(boot.console("Memory cgroup out of memory: Killed process")?);
    lines.push(boot.end(NAME)?);
    Ok((lines, verdict.after))
}

/// That the node is what the inventory says, and that everything of the template was done.
pub(super) fn provisioned(site: &Site<'_>, boot: &Boot<'_>, commit: &str) -> Result<()> {
    let name = boot.root("uname -n; cat /etc/hostname")?;
    ensure!(name == format!("{NAME}\n{NAME}"), "its name: {name:?}");
    told(site, boot, commit)?;
    equal("what kubeadm was given", &site.report("join")?, &join(site))?;
    let container = json!({
        "machine": format!("aarch64 overlay {GREETING}"), "limit": MEMORY, "kills": "1", "code": "137",
    });
    equal("the container", &site.report("container")?, &container)?;
    let kubelet =
        boot.root("systemctl is-active kubelet; systemctl show -P ConditionResult kubelet")?;
    ensure!(kubelet == "active\nyes", "kubelet: {kubelet:?}");
    let started = site.server.state().nodes.get(NAME).cloned().unwrap_or_default();
    let started = String::from_utf8(started)?;
    ensure!(started == KUBELET, "kubelet was started with {started:?}");
    let marker = boot.root("cat /var/lib/node-provisioned")?;
    ensure!(
        marker.starts_with("provisioned ")
            && marker.ends_with(&format!("commit {commit} as {NAME}")),
        "the marker: {marker}"
    );
    let state: Value = serde_json::from_str(&boot.root("cat /var/lib/osb/state.json")?)?;
    ensure!(state["status"] == "provisioned" && state["commit"] == commit, "the record: {state}");
    // The token was for one moment. The brackets: sudo logs this very line.
    let pattern = TOKEN.replace('.', "[.]");
    let traces = boot.root(&format!("grep -rl {pattern} /etc /var/lib /var/log /run || true"))?;
    ensure!(traces.is_empty(), "the token is still in {traces}");
    let checked = boot.root("/usr/lib/osb/check-node || true")?;
    ensure!(!checked.contains("NOT ok"), "check-node says:\n{checked}");
    let system = boot.root("systemctl is-system-running --wait || true")?;
    ensure!(system == "running", "the system is {system}: {}", boot.root("systemctl --failed")?);
    Ok(())
}

/// NODE_CONFIG, all of it.
fn told(site: &Site<'_>, boot: &Boot<'_>, commit: &str) -> Result<()> {
    let mut seen = site.report("node-config")?;
    let identity = seen.as_object_mut().and_then(|all| all.remove("identity"));
    let identity = identity.context("NODE_CONFIG has no identity")?;
    equal("the addresses in NODE_CONFIG", &identity["macs"], &json!([MAC]))?;
    let machine = boot.root("cat /etc/machine-id")?;
    equal("the machine-id in NODE_CONFIG", &identity["machine_id"], &json!(machine))?;
    let expected = json!({
        "version": 1,
        "node": {
            "hostname": NAME, "role": "worker", "mac": MAC, "ip": ADDRESS, "labels": {"zone": "shelf-2"},
        },
        "found_in": "osb/nodes.yaml on the boot partition",
        "boot": {"mode": "disk", "state": "disk", "persistent": true, "containers": "direct"},
        "source": {
            "kind": "git", "url": site.url(), "ref": "refs/heads/main", "commit": commit,
        },
        "settings": {"environment": "dev"},
    });
    equal("NODE_CONFIG", &seen, &expected)
}

/// What the template makes of the inventory's entry.
fn join(site: &Site<'_>) -> Value {
    json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {"bootstrapToken": {
            "token": TOKEN, "apiServerEndpoint": site.address(), "caCertHashes": [HASH],
        }},
        "nodeRegistration": {
            "name": NAME,
            "criSocket": "unix:///run/containerd/containerd.sock",
            "kubeletExtraArgs": [
                {"name": "node-ip", "value": ADDRESS},
                {"name": "node-labels", "value": "zone=shelf-2"},
            ],
        },
    })
}

fn equal(what: &str, seen: &Value, expected: &Value) -> Result<()> {
    ensure!(seen == expected, "{what} is\n{seen:#}\nnot\n{expected:#}");
    Ok(())
}

/// The second boot: nothing is done again, and the name is there from the first packet on.
pub(super) fn second(site: &mut Site<'_>, node: &Node) -> Result<Vec<String>> {
    let good = site.scripts.good.clone();
    site.serve(&good)?;
    let mut boot = node.boot(site, "second", &[])?;
    let seen = boot.attempt(|boot| {
        boot.login()?;
        again(site, boot)
    })?;
    let mut lines = boot.lines()?;
    lines.push(format!("first-boot.service: {seen}"));
    lines.push(boot.end(NAME)?);
    Ok(lines)
}

fn again(site: &Site<'_>, boot: &Boot<'_>) -> Result<String> {
    let system = boot.root("systemctl is-system-running --wait || true")?;
    ensure!(system == "running", "the system is {system}: {}", boot.root("systemctl --failed")?);
    let service = boot.root(
        "systemctl show -P ActiveState,ConditionResult first-boot | paste -sd ' '; \
         systemctl is-active kubelet containerd; uname -n",
    )?;
    ensure!(
        service == format!("inactive no\nactive\nactive\n{NAME}"),
        "first-boot, kubelet, containerd, name: {service:?}"
    );
    let said = boot.root("journalctl -b -u first-boot --output=cat --grep '^osb: ' || true")?;
    ensure!(!said.contains("osb: "), "the first boot has run again: {said}");
    let state = site.server.state();
    let asked = |request: &&String| request.contains(PATH) || request.contains("/report/");
    let asked: Vec<&String> = state.requests.iter().filter(asked).collect();
    ensure!(asked.is_empty(), "the node asked for {asked:?}");
    Ok("inactive, its condition not met; nothing was fetched; kubelet and containerd run"
        .to_owned())
}
