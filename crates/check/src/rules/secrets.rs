//! What must not be in an image: identities, keys, passwords, traces.

use osb_tree::{Inode, Kind as FileKind, Tree};

use crate::facts::{Facts, mounted};
use crate::parse::secret::{Kind, kind};
use crate::rule::{Finding, Rule, Severity, Verdict};

/// Files in which a machine keeps what makes it itself, and nothing else.
const IDENTITIES: [&str; 8] = [
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/NetworkManager/secret_key",
    "var/lib/cloud/instance",
    "var/lib/kubelet/pki",
    "etc/kubernetes/pki",
    "etc/machine-info",
];
/// Files that programs write when people use them.
const TRACES: [&str; 14] = [
    ".ash_history",
    ".bash_history",
    ".lesshst",
    ".mysql_history",
    ".node_repl_history",
    ".psql_history",
    ".python_history",
    ".sh_history",
    ".sqlite_history",
    ".viminfo",
    ".wget-hsts",
    ".zsh_history",
    ".zhistory",
    ".local/share/fish/fish_history",
];
pub(super) const MACHINE_ID: Rule = Rule {
    id: "no-machine-identity",
    severity: Severity::Error,
    claim: "/etc/machine-id is there and empty, and nothing else makes one machine of all nodes.",
    reason: "Nodes with one machine-id get one address by DHCP, and journals mix.",
    source: "machine-id(5), random-seed(8); Kubernetes documentation, \"Installing kubeadm\"",
    remedy: "An empty /etc/machine-id; remove the others.",
    run: machine_id,
};

fn machine_id(facts: &Facts) -> Verdict {
    let root = facts.root()?;
    let mut found = Vec::new();
    match root.get("etc/machine-id").map(|inode| &inode.kind) {
        Some(FileKind::File(content)) if content.size() == 0 => {}
        Some(FileKind::File(_)) => {
            let text = facts.files.text(root, "etc/machine-id").unwrap_or_default();
            if text.trim() != "uninitialized" {
                found.push(Finding::at("etc/machine-id", "it holds an identity"));
            }
        }
        Some(_) => found.push(Finding::at("etc/machine-id", "it is no file")),
        None if facts.units().is_ok() => {
            found.push(Finding::at("etc/machine-id", "it is not there: the start asks questions"));
        }
        None => {}
    }
    for path in IDENTITIES {
        if let Some(inode) = root.get(path)
            && !matches!(&inode.kind, FileKind::Symlink(target) if target.ends_with(b"machine-id"))
            && (!inode.is_directory() || root.children(path.as_bytes()).next().is_some())
        {
            found.push(Finding::at(path, "it is one machine's"));
        }
    }
    if facts.boot().is_ok_and(|boot| boot.get("loader/random-seed").is_some()) {
        let path = mounted("loader/random-seed");
        found.push(Finding::at(path, "all machines would begin with one seed"));
    }
    Ok(found)
}

pub(super) const HOST_KEYS: Rule = Rule {
    id: "no-host-keys",
    severity: Severity::Error,
    claim: "There are no ssh host keys.",
    reason: "Whoever has the image can pass for every node made from it.",
    source: "sshd(8); crates/builder/src/clean.rs",
    remedy: "Remove /etc/ssh/ssh_host_*; the first start makes new ones.",
    run: host_keys,
};

fn host_keys(facts: &Facts) -> Verdict {
    let root = facts.root()?;
    let folders = ["etc/ssh", "etc/dropbear", "etc/dropbear/initramfs"];
    let mut found = Vec::new();
    for folder in folders {
        for (name, _) in root.children(folder.as_bytes()) {
            let is_key = name.starts_with(b"ssh_host_")
                || name.starts_with(b"dropbear_") && name.ends_with(b"_key");
            if is_key {
                let path = [folder.as_bytes(), b"/", name].concat();
                found.push(Finding::at(path, "a host key"));
            }
        }
    }
    Ok(found)
}

/// What was found of one kind.
fn marks(facts: &Facts, wanted: Kind) -> Verdict {
    let marks = facts.marks()?;
    let found = marks.found.iter().filter_map(|marked| {
        let (kind, name) = kind(marked.mark.pattern);
        let inside = marked.inside.as_ref().map(|path| format!(" of /{path} in it"));
        let at = marked.mark.at;
        let text = || format!("{name}, at byte {at}{}", inside.unwrap_or_default());
        (kind == wanted).then(|| Finding::at(&marked.path, text()))
    });
    Ok(found.chain(marks.unseen.iter().map(|(path, why)| Finding::unseen(path, why))).collect())
}

pub(super) const PRIVATE_KEYS: Rule = Rule {
    id: "no-private-keys",
    severity: Severity::Error,
    claim: "No file but the packages' own has a private key in it.",
    reason: "Whoever has the image has the key.",
    source: "RFC 7468, RFC 9580, PuTTY and age formats",
    remedy: "Keys come to a node after it has started, or it makes its own.",
    run: |facts| marks(facts, Kind::PrivateKey),
};

pub(super) const KUBECONFIGS: Rule = Rule {
    id: "no-kubeconfigs",
    severity: Severity::Error,
    claim: "No kubeconfig with a key or a token is there.",
    reason: "Whoever has the image has what it may do in the cluster.",
    source: "Kubernetes documentation, \"Organizing Cluster Access Using kubeconfig Files\"",
    remedy: "`kubeadm join` writes it on the node.",
    run: kubeconfigs,
};

fn kubeconfigs(facts: &Facts) -> Verdict {
    let mut found = marks(facts, Kind::Kubeconfig)?;
    // What was found elsewhere counts without a root, too.
    let Ok(root) = facts.root() else { return Ok(found) };
    let homes = homes(root).into_iter().map(|home| format!("{home}/.kube/config"));
    let files = ["admin.conf", "super-admin.conf", "kubelet.conf", "bootstrap-kubelet.conf"];
    let files = files.into_iter().map(|name| format!("etc/kubernetes/{name}"));
    for path in files.chain(homes) {
        let known = found.iter().any(|finding| finding.path.as_deref() == Some(path.as_bytes()));
        if root.get(&path).is_some() && !known {
            found.push(Finding::at(path, "a kubeconfig"));
        }
    }
    Ok(found)
}

pub(super) const TOKENS: Rule = Rule {
    id: "no-tokens",
    severity: Severity::Error,
    claim: "No file but the packages' own has a token or a password in it.",
    reason: "Whoever has the image can use it.",
    source: "kubeadm-token(8); RFC 7519; the issuers' documented forms",
    remedy: "Hand it over after the node has started, or as a systemd credential.",
    run: tokens,
};

fn tokens(facts: &Facts) -> Verdict {
    let mut found = marks(facts, Kind::Token)?;
    let Ok(root) = facts.root() else { return Ok(found) };
    // Here any word is one (docs.k3s.io, "Configuration File").
    for program in ["k3s", "rke2"] {
        let file = format!("etc/rancher/{program}/config.yaml");
        let mut files = facts.files.texts(root, &format!("{file}.d"), ".yaml");
        files.extend(facts.files.text(root, &file).map(|text| (file, text)));
        for (path, text) in files {
            let is_token = |line: &str| {
                line.split_once(':').is_some_and(|(key, value)| {
                    matches!(key, "token" | "agent-token" | "server-token")
                        && !value.trim().is_empty()
                })
            };
            let known =
                found.iter().any(|finding| finding.path.as_deref() == Some(path.as_bytes()));
            if text.lines().any(is_token) && !known {
                found.push(Finding::at(path, format!("a token of {program}")));
            }
        }
    }
    Ok(found)
}

pub(super) const PASSWORDS: Rule = Rule {
    id: "no-passwords",
    severity: Severity::Error,
    claim: "No account has a password, and none can be entered without one.",
    reason: "A hash can be guessed at leisure, and is the same on every node.",
    source: "shadow(5), crypt(5)",
    remedy: "Public keys only; `!` or `*` in /etc/shadow.",
    run: passwords,
};

fn passwords(facts: &Facts) -> Verdict {
    let mut found = marks(facts, Kind::PasswordHash)?;
    // What was found elsewhere counts without a root, too.
    let Ok(root) = facts.root() else { return Ok(found) };
    for path in ["etc/shadow", "etc/gshadow", "etc/passwd"] {
        let text = facts.files.text(root, path).unwrap_or_default();
        for (line, number) in text.lines().zip(1..) {
            let mut fields = line.split(':');
            let (name, password) = (fields.next().unwrap_or_default(), fields.next());
            let text = match (path, password) {
                ("etc/gshadow", Some("")) => continue,
                ("etc/passwd", Some("x" | "*")) | (_, None) => continue,
                (_, Some("")) => format!("line {number}: {name} needs no password"),
                (_, Some(value)) if value.starts_with(['!', '*']) && value.len() <= 3 => continue,
                _ => format!("line {number}: {name} has a password"),
            };
            found.retain(|finding| {
                finding.path.as_deref() != Some(path.as_bytes()) || finding.text.starts_with("line")
            });
            found.push(Finding::at(path, text));
        }
    }
    Ok(found)
}

pub(super) const TRACES_RULE: Rule = Rule {
    id: "no-traces",
    severity: Severity::Error,
    claim: "There is no history of shells and editors, and there are no logs.",
    reason: "They tell what was typed, passwords too, and by whom.",
    source: "bash(1), HISTFILE; crates/builder/src/clean.rs",
    remedy: "Remove them in the layer that makes them.",
    run: traces,
};

fn traces(facts: &Facts) -> Verdict {
    let root = facts.root()?;
    let mut found = Vec::new();
    for home in homes(root) {
        for name in TRACES {
            let path = format!("{home}/{name}");
            if root.get(&path).and_then(Inode::content).is_some() {
                found.push(Finding::at(path, "what somebody typed"));
            }
        }
    }
    for folder in ["var/log", "var/lib/apt/lists", "var/cache/apt/archives"] {
        for (path, id) in root.descendants(folder.as_bytes()) {
            if root.inode(id).content().is_some_and(|content| content.size() > 0) {
                found.push(Finding::at(path, "it was left by a build or by use"));
            }
        }
    }
    Ok(found)
}

/// Home folders: root's, and those below /home.
fn homes(root: &Tree) -> Vec<String> {
    let users =
        root.children(b"home").map(|(name, _)| format!("home/{}", String::from_utf8_lossy(name)));
    std::iter::once("root".to_owned()).chain(users).collect()
}

pub(super) const BUILD_PATHS: Rule = Rule {
    id: "no-build-paths",
    severity: Severity::Warning,
    claim: "No file but the packages' own names a folder of the machine that built it.",
    reason: "It tells about that machine, and two machines do not build the same image.",
    source: "reproducible-builds.org, \"Build path\"",
    remedy: "Find what writes it: `osb why PATH`.",
    run: |facts| marks(facts, Kind::BuildPath),
};
