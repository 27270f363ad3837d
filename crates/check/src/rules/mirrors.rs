//! Whom apt on the node asks.

use std::net::IpAddr;

use osb_tree::Tree;

use crate::facts::Facts;
use crate::rule::{Finding, Rule, Severity, Verdict};

/// Anyone can reach any host with a dot in its name, but for those that end so: networks' own names.
const PRIVATE_ENDS: [&str; 9] = [
    ".local",
    ".localhost",
    ".internal",
    ".lan",
    ".intranet",
    ".corp",
    ".home",
    ".home.arpa",
    ".private",
];
/// The port of apt-cacher-ng, which serves one network.
const CACHE_PORT: &str = "3142";
/// Ways to get files without a host (sources.list(5)).
const HOSTLESS: [&str; 5] = ["file", "copy", "cdrom", "store", "rred"];

/// Findings that are enough to know that something is wrong, and lines of a list of mirrors.
const MOST_FOUND: usize = 1000;

pub(super) const MIRRORS: Rule = Rule {
    id: "no-private-mirrors",
    severity: Severity::Error,
    claim: "apt on the node asks hosts that it can reach, without a proxy and without a password.",
    reason: "A mirror of the network where the image was built is unknown elsewhere: no updates.",
    source: "sources.list(5), apt.conf(5), apt-transport-mirror(1)",
    remedy: "The recipe's sources name the mirror that nodes are to use; `osb check --mirror HOST`.",
    run: mirrors,
};

fn mirrors(facts: &Facts) -> Verdict {
    let root = facts.root()?;
    let mut found = Vec::new();
    for (path, text) in sources(facts, root) {
        for line in told_lines(&text) {
            if found.len() >= MOST_FOUND {
                return Ok(found);
            }
            for word in line.split(|char: char| char.is_ascii_whitespace() || char == '"') {
                look_at(facts, root, &path, word, &mut found);
            }
        }
    }
    for (path, text) in settings(facts, root) {
        for line in told_lines(&text).filter(|line| line.contains("://")) {
            if line.to_ascii_lowercase().contains("proxy") {
                found.push(Finding::at(&path, format!("a proxy: {line}")));
            }
        }
    }
    for path in ["etc/apt/auth.conf", "etc/apt/auth.conf.d"] {
        let inode = root.get(path);
        if inode.is_some_and(|inode| {
            !inode.is_directory() || root.children(path.as_bytes()).next().is_some()
        }) {
            found.push(Finding::at(path, "passwords for apt"));
        }
    }
    Ok(found)
}

/// Lists of sources, with their paths.
fn sources(facts: &Facts, root: &Tree) -> Vec<(String, String)> {
    let folders = [".list", ".sources"]
        .into_iter()
        .flat_map(|suffix| facts.files.texts(root, "etc/apt/sources.list.d", suffix));
    folders.chain(one(facts, root, "etc/apt/sources.list")).collect()
}

/// Settings of apt, with their paths.
fn settings(facts: &Facts, root: &Tree) -> Vec<(String, String)> {
    let folder = facts.files.texts(root, "etc/apt/apt.conf.d", "").into_iter();
    folder.chain(one(facts, root, "etc/apt/apt.conf")).collect()
}

fn one(facts: &Facts, root: &Tree, path: &str) -> Option<(String, String)> {
    Some((path.to_owned(), facts.files.text(root, path)?))
}

/// Lines that are no comments.
fn told_lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.starts_with('#') && !line.starts_with("//"))
}

/// Looks at one word of a source: a URI, perhaps that of a list of mirrors.
fn look_at(facts: &Facts, root: &Tree, path: &str, word: &str, found: &mut Vec<Finding>) {
    let Some((scheme, rest)) = uri(word) else { return };
    if scheme == "mirror+file" {
        let list = rest.trim_start_matches('/');
        let Some(text) = facts.files.text(root, list) else {
            found.push(Finding::at(path, format!("the list of mirrors /{list} is not there")));
            return;
        };
        // A line is a URI and what it is good for.
        let words = told_lines(&text).filter_map(|line| line.split_ascii_whitespace().next());
        let words = words.take(MOST_FOUND);
        let hosts = words.filter_map(uri).filter_map(|(scheme, rest)| host(scheme, rest));
        found.extend(hosts.filter_map(|host| private(facts, list, host)));
        return;
    }
    found.extend(host(scheme, rest).and_then(|host| private(facts, path, host)));
}

/// What is wrong with a host, if it is not allowed.
fn private(facts: &Facts, path: &str, host: &str) -> Option<Finding> {
    let (name, _) = with_port(host);
    let known = facts.context.mirrors.iter().any(|mirror| mirror == host || mirror == name);
    (!known && is_private(host))
        .then(|| Finding::at(path, format!("{host} is known in one network only")))
}

/// The scheme of a URI, and what is behind its colon.
fn uri(word: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = word.split_once(':')?;
    let plain = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    (plain && rest.starts_with('/')).then_some((scheme, rest))
}

/// The host of a URI, with its port; `None` if it has none.
fn host<'a>(scheme: &str, rest: &'a str) -> Option<&'a str> {
    if HOSTLESS.contains(&scheme.rsplit('+').next().unwrap_or(scheme)) {
        return None;
    }
    let authority = rest.strip_prefix("//")?.split('/').next()?;
    Some(authority.rsplit('@').next().unwrap_or(authority))
}

/// A host without its port, and the port.
fn with_port(host: &str) -> (&str, Option<&str>) {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':')),
        None => host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    }
}

/// Whether a host has an address or a name that only one network knows.
fn is_private(host: &str) -> bool {
    let (name, port) = with_port(host);
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let private = match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            address.is_private() || address.is_loopback() || address.is_link_local()
        }
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
        Err(_) => !name.contains('.') || PRIVATE_ENDS.iter().any(|end| name.ends_with(end)),
    };
    private || port == Some(CACHE_PORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(word: &str) -> Option<&str> {
        let (scheme, rest) = uri(word)?;
        host(scheme, rest)
    }

    #[test]
    fn hosts_of_one_network_are_told_from_public_ones() {
        for host in [
            "mirror",
            "10.0.0.1",
            "192.168.1.1:80",
            "apt.corp",
            "x.internal:8080",
            "mirror.example.org:3142",
            "[::1]",
            "[fd00::1]:80",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in ["ftp.debian.org", "pkgs.k8s.io", "apt.example.com:8443", "[2001:db8::1]:80"] {
            assert!(!is_private(host), "{host}");
        }
    }

    #[test]
    fn only_what_is_fetched_from_somebody_has_a_host() {
        assert_eq!(host_of("http://u:p@a.example/x"), Some("a.example"));
        assert_eq!(host_of("mirror+https://a.example/list"), Some("a.example"));
        assert_eq!(host_of("tor+http://a.example:80/"), Some("a.example:80"));
        let without = [
            "main",
            "file:/srv/repository",
            "file:///srv/repository",
            "mirror+file:/etc/apt/mirrors/x.list",
            "cdrom:[Debian]/",
            "copy:///x",
        ];
        for word in without {
            assert_eq!(host_of(word), None, "{word}");
        }
    }
}
