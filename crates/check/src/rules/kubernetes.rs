//! containerd, CNI plugins and kubelet.

use glob_match::glob_match;
use osb_tree::Tree;

use crate::facts::Facts;
use crate::parse::containerd::Settings;
use crate::rule::{Finding, Rule, Severity, Skip, Verdict};

const CONFIG: &str = "etc/containerd/config.toml";
/// Plugins without which no pod gets an address.
const PLUGINS: [&str; 3] = ["bridge", "host-local", "loopback"];
const DEFAULT_BIN: &str = "/opt/cni/bin";

/// containerd's settings for Kubernetes; `Err` with what is wrong with the files.
fn settings(facts: &Facts) -> Result<Result<Settings, Finding>, Skip> {
    let root = facts.kubernetes()?;
    if root.resolve("usr/bin/containerd").is_err()
        && root.resolve("usr/local/bin/containerd").is_err()
    {
        return Skip::because("there is no containerd");
    }
    let Some(text) = facts.files.text(root, CONFIG) else {
        return Ok(Err(Finding::at(
            CONFIG,
            "it is not there: containerd's defaults fit no kubelet",
        )));
    };
    // The tables of 1.x replace each other.
    let whole = major(facts).is_some_and(|major| major < 2);
    let settings = Settings::read(CONFIG, &text, &|pattern| imported(facts, root, pattern), whole);
    Ok(settings.map_err(|(path, problem)| Finding::at(path, problem)))
}

/// The files that a pattern of imports means: only the name may have `*` and the like.
fn imported(facts: &Facts, root: &Tree, pattern: &str) -> Vec<(String, String)> {
    let (folder, names) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let mut files = facts.files.texts(root, folder, "");
    files.retain(|(path, _)| glob_match(names, path.rsplit('/').next().unwrap_or(path)));
    files
}

/// The first number of containerd's version, if a package brings it.
fn major(facts: &Facts) -> Option<u32> {
    let packages = facts.packages().ok()?;
    let package = packages.get("containerd").or_else(|| packages.get("containerd.io"))?;
    upstream(&package.version).map(|(major, _)| major)
}

pub(super) const CGROUP_DRIVER: Rule = Rule {
    id: "containerd-cgroup-driver",
    severity: Severity::Error,
    claim: "containerd and kubelet both leave cgroups to systemd.",
    reason: "With two managers of one cgroup tree a node becomes unstable under load; kubeadm sets \
             kubelet to systemd.",
    source: "Kubernetes documentation, \"Configuring a cgroup driver\"",
    remedy: "SystemdCgroup = true in containerd's options for runc; cgroupDriver: systemd.",
    run: cgroup_driver,
};

fn cgroup_driver(facts: &Facts) -> Verdict {
    let config = match settings(facts)? {
        Ok(config) => config,
        Err(finding) => return Ok(vec![finding]),
    };
    let mut found = Vec::new();
    if !config.systemd_cgroup() {
        found.push(Finding::at(CONFIG, "SystemdCgroup is not true for runc"));
    }
    // Version 1 of the format has other names for all tables; version 3 came with containerd 2.
    let fits = match (config.version, major(facts)) {
        (Some(2), _) => true,
        (Some(3), major) => major.is_none_or(|major| major >= 2),
        _ => false,
    };
    if !fits {
        found.push(Finding::at(CONFIG, "its version is not one that this containerd reads"));
    }
    let root = facts.root()?;
    for path in ["var/lib/kubelet/config.yaml", "etc/kubernetes/kubelet.yaml"] {
        let text = facts.files.text(root, path).unwrap_or_default();
        if text.lines().any(|line| line.trim() == "cgroupDriver: cgroupfs") {
            found.push(Finding::at(path, "kubelet manages cgroups itself (cgroupfs)"));
        }
    }
    Ok(found)
}

pub(super) const CNI: Rule = Rule {
    id: "containerd-cni-paths",
    severity: Severity::Error,
    claim: "CNI plugins are where containerd looks for them, and its folder for networks is there.",
    reason: "Pods stay in ContainerCreating: \"failed to find plugin\".",
    source: "containerd, docs/cri/config.md; CNI specification 1.1",
    remedy: "bin_dir = \"/opt/cni/bin\" and conf_dir = \"/etc/cni/net.d\", with the plugins there.",
    run: cni,
};

fn cni(facts: &Facts) -> Verdict {
    let Ok(config) = settings(facts)? else { return Skip::because("containerd has no settings") };
    let root = facts.root()?;
    let (folders, conf) = (config.plugin_folders(), config.network_folder());
    let mut found = Vec::new();
    for plugin in PLUGINS {
        let paths = folders.iter().map(|folder| format!("{}/{plugin}", folder.trim_matches('/')));
        let paths: Vec<String> = paths.collect();
        if !paths.iter().any(|path| is_program(root, path)) {
            found.extend(
                paths.first().map(|path| Finding::at(path, "it is no program, or not there")),
            );
        }
    }
    if !folders.contains(&DEFAULT_BIN) {
        let text =
            format!("most network add-ons install to {DEFAULT_BIN}, not {}", folders.join(", "));
        found.push(Finding::at(CONFIG, text));
    }
    if root.resolve(conf).is_err() {
        found.push(Finding::at(CONFIG, format!("the folder {conf} is not there")));
    }
    Ok(found)
}

fn is_program(root: &Tree, path: &str) -> bool {
    let inode = root.resolve(path).ok().and_then(|path| root.get(path));
    inode.is_some_and(|inode| inode.content().is_some() && inode.meta.mode & 0o111 != 0)
}

pub(super) const SOCKET: Rule = Rule {
    id: "containerd-socket",
    severity: Severity::Error,
    claim: "crictl and kubelet ask the socket on which containerd listens, and runc is there.",
    reason: "kubelet finds no container runtime; containerd starts no container.",
    source: "Kubernetes documentation, \"Container Runtimes\"; crictl(1)",
    remedy: "runtime-endpoint: unix:///run/containerd/containerd.sock in /etc/crictl.yaml.",
    run: socket,
};

fn socket(facts: &Facts) -> Verdict {
    let Ok(config) = settings(facts)? else { return Skip::because("containerd has no settings") };
    let root = facts.root()?;
    let own = config.socket();
    let mut found = Vec::new();
    let files = [
        ("etc/crictl.yaml", ["runtime-endpoint:", "image-endpoint:"]),
        ("var/lib/kubelet/config.yaml", ["containerRuntimeEndpoint:", "imageServiceEndpoint:"]),
    ];
    for (path, keys) in files {
        for line in facts.files.text(root, path).unwrap_or_default().lines().map(str::trim) {
            let value = keys.iter().find_map(|key| line.strip_prefix(key)).map(str::trim);
            let Some(value) = value.map(|value| value.trim_matches(['"', '\''])) else { continue };
            if !value.is_empty() && value.strip_prefix("unix://").unwrap_or(value) != own {
                found.push(Finding::at(path, format!("{line}: containerd listens on {own}")));
            }
        }
    }
    if !["usr/sbin/runc", "usr/bin/runc", "usr/local/sbin/runc"]
        .iter()
        .any(|path| is_program(root, path))
    {
        found.push(Finding::at("usr/sbin/runc", "there is no runc"));
    }
    match facts.units()?.contains_key("containerd.service") {
        true => {}
        false => found.push(Finding::at("etc/systemd/system", "containerd.service is not enabled")),
    }
    Ok(found)
}

pub(super) const PAUSE_IMAGE: Rule = Rule {
    id: "containerd-pause-image",
    severity: Severity::Warning,
    claim: "containerd's settings name the image that holds a pod's namespaces.",
    reason: "containerd's own choice is older than kubeadm's: both are pulled, and a node without a \
             registry starts no pod.",
    source: "Kubernetes documentation, \"Container Runtimes\", \"Overriding the sandbox (pause) image\"",
    remedy: "sandbox_image = \"registry.k8s.io/pause:3.10.2\", the one of `kubeadm config images list`.",
    run: pause_image,
};

fn pause_image(facts: &Facts) -> Verdict {
    let Ok(config) = settings(facts)? else { return Skip::because("containerd has no settings") };
    Ok(match config.pause_image() {
        Some(image) if !image.is_empty() => Vec::new(),
        _ => vec![Finding::at(CONFIG, "it names no pause image")],
    })
}

pub(super) const VERSIONS: Rule = Rule {
    id: "kubernetes-versions-fit",
    severity: Severity::Error,
    claim: "kubelet, kubeadm and kubectl are of releases that work with each other and with \
            containerd.",
    reason: "kubeadm refuses them, or the cluster does.",
    source: "Kubernetes, \"Version Skew Policy\"; from 1.38 on containerd 1.x is refused",
    remedy: "Take all from one series: `--set kubernetes.upstream=1.NN`.",
    run: versions,
};

fn versions(facts: &Facts) -> Verdict {
    facts.kubernetes()?;
    let packages = facts.packages()?;
    let of = |name: &str| packages.get(name).and_then(|package| upstream(&package.version));
    let (kubelet, kubeadm, kubectl) = (of("kubelet"), of("kubeadm"), of("kubectl"));
    let status = "var/lib/dpkg/status";
    let mut found = Vec::new();
    if let (Some(kubelet), Some(kubeadm)) = (kubelet, kubeadm)
        && (kubelet.0 != kubeadm.0 || kubelet.1 > kubeadm.1 || kubeadm.1 - kubelet.1 > 1)
    {
        let text =
            format!("kubelet {}.{} with kubeadm {}.{}", kubelet.0, kubelet.1, kubeadm.0, kubeadm.1);
        found.push(Finding::at(status, text));
    }
    if let (Some(node), Some(kubectl)) = (kubeadm.or(kubelet), kubectl)
        && (node.0 != kubectl.0 || node.1.abs_diff(kubectl.1) > 1)
    {
        let text =
            format!("kubectl {}.{} with Kubernetes {}.{}", kubectl.0, kubectl.1, node.0, node.1);
        found.push(Finding::at(status, text));
    }
    let containerd = of("containerd").or_else(|| of("containerd.io"));
    if let (Some(node), Some(containerd)) = (kubelet.or(kubeadm), containerd)
        && node >= (1, 38)
        && containerd.0 < 2
    {
        let text = format!(
            "Kubernetes {}.{} refuses containerd {}.{}",
            node.0, node.1, containerd.0, containerd.1
        );
        found.push(Finding::at(status, text));
    }
    Ok(found)
}

/// The first two numbers of a package's version, without its epoch.
fn upstream(version: &str) -> Option<(u32, u32)> {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let mut numbers = version.split(|char: char| !char.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

pub(super) const VERSIONS_HELD: Rule = Rule {
    id: "kubernetes-held",
    severity: Severity::Warning,
    claim: "kubelet and kubeadm are held at their versions.",
    reason: "An upgrade of all packages takes a node out of its cluster's series.",
    source: "Kubernetes documentation, \"Installing kubeadm\"",
    remedy: "`hold` in the layer: kubelet, kubeadm, kubectl.",
    run: versions_held,
};

fn versions_held(facts: &Facts) -> Verdict {
    let (packages, dpkg) = (facts.packages()?, facts.dpkg()?);
    let names = ["kubelet", "kubeadm"];
    let there: Vec<&str> = names.into_iter().filter(|name| packages.contains_key(*name)).collect();
    if there.is_empty() {
        return Skip::because("neither kubelet nor kubeadm is there");
    }
    let loose = there.into_iter().filter(|name| !dpkg.held.contains(*name));
    Ok(loose
        .map(|name| Finding::at("var/lib/dpkg/status", format!("{name} is not held")))
        .collect())
}

/// Where settings of the kernel are, the first that has a file of a name counts (sysctl.d(5)).
const SYSCTLS_IN: [&str; 4] =
    ["etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d"];

pub(super) const SYSCTLS: Rule = Rule {
    id: "kubernetes-sysctls",
    severity: Severity::Error,
    claim: "Packets are forwarded, and bridges pass theirs through iptables.",
    reason: "Pods reach neither each other nor services; kubeadm's preflight fails.",
    source: "Kubernetes documentation, \"Container Runtimes\", \"Network configuration\"",
    remedy: "net.ipv4.ip_forward=1 and net.bridge.bridge-nf-call-iptables=1, ...-ip6tables=1.",
    run: sysctls,
};

fn sysctls(facts: &Facts) -> Verdict {
    let root = facts.kubernetes()?;
    if let Some(name) = facts.distribution() {
        return Skip::because(format!("{name} makes these settings itself"));
    }
    let mut values = std::collections::BTreeMap::new();
    let files = facts.files.merged(root, &SYSCTLS_IN, ".conf");
    for (_, text) in files {
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some((key, value)) = line.trim_start_matches('-').split_once('=') {
                values.insert(key.trim().replace('/', "."), value.trim().to_owned());
            }
        }
    }
    let wanted = [
        "net.ipv4.ip_forward",
        "net.bridge.bridge-nf-call-iptables",
        "net.bridge.bridge-nf-call-ip6tables",
    ];
    let wrong = wanted.iter().filter(|key| values.get(**key).map(String::as_str) != Some("1"));
    Ok(wrong.map(|key| Finding::at("etc/sysctl.d", format!("{key} is not 1"))).collect())
}
