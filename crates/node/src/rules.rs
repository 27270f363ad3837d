//! What single values have to be. Each function says what is wrong and what would be right.

use std::net::IpAddr;

/// The longest label of a domain name (RFC 1035, section 2.3.4).
const MOST_LABEL: usize = 63;

/// The longest prefix of a host name (`inventory.jq` of the layer bootstrap).
const MOST_PREFIX: usize = 56;

/// Domains of which kubelet sets any label of its own node, and those of their subdomains
/// (Kubernetes, pkg/kubelet/apis/well_known_labels.go).
const KUBELET_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/// Other labels of Kubernetes' domains that kubelet sets (the same file).
const KUBELET_LABELS: [&str; 10] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// A value that cannot be, and why.
type Checked = Result<(), String>;

/// A host name: one label of RFC 1123, section 2.1, in lower case.
///
/// One label, because DHCP's option 12 and the kernel carry a name, not a domain; in lower case,
/// because Kubernetes wants that of its nodes' names.
pub(crate) fn hostname(name: &str) -> Checked {
    let shown = clip(name);
    let refuse = |why: &str| Err(format!("{shown:?} cannot be a host name: {why}"));
    if name.is_empty() || name.len() > MOST_LABEL {
        return refuse("1 to 63 characters");
    }
    if name.contains('.') {
        return refuse("the name alone, without the domain");
    }
    if name.contains(|char: char| char.is_ascii_uppercase()) {
        return refuse("lower case, as Kubernetes wants its nodes' names");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return refuse("only letters a to z, digits and hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        return refuse("it cannot start or end with a hyphen");
    }
    if name == "localhost" {
        return refuse("this name is every machine's own");
    }
    Ok(())
}

/// A setting: a dotted key, and a value of one line.
pub(crate) fn setting(key: &str, value: &str) -> Checked {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if !key.split('.').all(part) {
        return Err(format!(
            "{:?} cannot be a key: letters, digits, - and _, with single dots between",
            clip(key)
        ));
    }
    match value.chars().any(char::is_control) {
        true => Err(format!("the value of {key} has control characters; put it into a file")),
        false => Ok(()),
    }
}

/// The address of an interface, six pairs of hexadecimal digits in lower case, of one device.
pub(crate) fn mac(text: &str) -> Checked {
    let pair = |pair: &str| {
        pair.len() == 2 && pair.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
    };
    if text.split(':').count() != 6 || !text.split(':').all(pair) {
        return Err(format!(
            "{:?} is no MAC address: six pairs like d8:3a:dd:01:02:03",
            clip(text)
        ));
    }
    // The lowest bit of the first byte marks groups.
    let group = u8::from_str_radix(&text[..2], 16).is_ok_and(|first| first & 1 == 1);
    match group || text == "00:00:00:00:00:00" {
        true => Err(format!("{text} is no device's MAC address")),
        false => Ok(()),
    }
}

/// A MAC address in any usual spelling, in lower case with colons.
pub(crate) fn any_mac(text: &str) -> Result<String, String> {
    let normal = text.to_ascii_lowercase().replace('-', ":");
    mac(&normal).map(|()| normal)
}

/// What the names of nodes begin with, of which nobody said how they are called: six digits of the
/// address's digest follow. The node takes at most 56 characters.
pub(crate) fn prefix(text: &str) -> Checked {
    if text.len() > MOST_PREFIX {
        return Err(format!("a prefix has at most {MOST_PREFIX} characters"));
    }
    let whole = format!("{text}000000");
    hostname(&whole).map_err(|problem| {
        problem.replace(&format!("{whole:?}"), &format!("{text:?} and six digits"))
    })
}

/// A board's serial number.
pub(crate) fn serial(text: &str) -> Checked {
    let fine = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    match fine {
        true => Ok(()),
        false => Err(format!("{:?} is no serial number: 1 to 64 letters and digits", clip(text))),
    }
}

/// The address of one node in its network.
pub(crate) fn ip(address: &IpAddr) -> Checked {
    // An IPv4 address may be written as one of IPv6 (::ffff:10.0.0.11).
    let plain = address.to_canonical();
    let broadcast = matches!(plain, IpAddr::V4(plain) if plain.is_broadcast());
    let none = plain.is_unspecified() || plain.is_loopback() || plain.is_multicast() || broadcast;
    match none {
        true => Err(format!("{address} is no node's own address (10.0.0.11)")),
        false => Ok(()),
    }
}

/// Whether kubelet starts with a label on its command line; those of Kubernetes' own domains are
/// for the control plane, but for some.
fn kubelet_takes(key: &str) -> bool {
    let Some((domain, _)) = key.split_once('/') else { return true };
    let within = |known: &str| {
        domain.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let reserved = within("kubernetes.io") || within("k8s.io");
    !reserved || KUBELET_DOMAINS.into_iter().any(within) || KUBELET_LABELS.contains(&key)
}

/// A label of a Kubernetes node (Kubernetes documentation, "Labels and Selectors").
pub(crate) fn label(key: &str, value: &str) -> Checked {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let word = |text: &str| {
        let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        text.len() <= MOST_LABEL
            && ends(text.as_bytes().first())
            && ends(text.as_bytes().last())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let domain =
        |text: &str| text.len() <= 253 && text.split('.').all(|part| hostname(part).is_ok());
    if !word(name) || !prefix.is_none_or(domain) {
        return Err(format!(
            "{:?} cannot be a label: NAME or DOMAIN/NAME, of letters, digits, - _ and .",
            clip(key)
        ));
    }
    if !kubelet_takes(key) {
        return Err(format!(
            "kubelet does not start with the label {key}: leave it out, and set it from the control \
             plane (kubectl label node NAME {key}={})",
            clip(value)
        ));
    }
    match value.is_empty() || word(value) {
        true => Ok(()),
        false => Err(format!(
            "{:?} cannot be the value of the label {key}: at most 63 letters, digits, - _ and .",
            clip(value)
        )),
    }
}

/// The one of some names that is most like another.
pub(crate) fn nearest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let near = names.map(|name| (strsim::damerau_levenshtein(name, text), name));
    // Of a short name half is another name.
    let likely = |(distance, name): &(usize, &str)| *distance <= 3 && distance * 2 <= name.len();
    near.filter(likely).min().map(|(_, name)| name)
}

/// The first 40 characters, for messages.
pub(crate) fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        let long = "a".repeat(63);
        for good in ["a", "worker-3", "3com", "x--y", &long] {
            assert_eq!(hostname(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "1 to 63"),
            ("Worker", "lower case"),
            ("a.example", "without the domain"),
            ("-a", "hyphen"),
            ("a-", "hyphen"),
            ("a_b", "only letters"),
            ("a b", "only letters"),
            ("é", "only letters"),
            ("a\n", "only letters"),
            ("localhost", "every machine"),
        ] {
            let said = hostname(bad).unwrap_err();
            assert!(said.contains(why), "{bad:?}: {said}");
        }
        assert!(hostname(&"a".repeat(64)).is_err());
    }

    #[test]
    fn settings() {
        for key in ["a", "bootstrap.ref", "A_b-c.9"] {
            assert_eq!(setting(key, "any = value, 'with' \"all\" of ünicode"), Ok(()));
        }
        for key in ["", ".", "a.", ".a", "a..b", "a b", "a=b", "ä"] {
            assert!(setting(key, "").is_err(), "{key:?}");
        }
        for value in ["two\nlines", "bell\u{7}", "\u{9b}"] {
            assert!(setting("a", value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn addresses_and_serials() {
        assert_eq!(mac("d8:3a:dd:01:02:03"), Ok(()));
        for bad in [
            "",
            "d8:3a:dd:01:02",
            "d8-3a-dd-01-02-03",
            "D8:3A:DD:01:02:03",
            "d8:3a:dd:01:02:0g",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
        ] {
            assert!(mac(bad).is_err(), "{bad}");
        }
        assert_eq!(serial("10000000abcdef01"), Ok(()));
        for bad in ["", "a b", "a\0", &"1".repeat(65)] {
            assert!(serial(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ip_addresses_are_of_one_node() {
        for good in ["10.0.0.11", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "169.254.1.1"] {
            assert_eq!(ip(&good.parse().unwrap()), Ok(()), "{good}");
        }
        for bad in [
            "0.0.0.0",
            "::",
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "::ffff:127.0.0.1",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(ip(&bad.parse().unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels() {
        for (key, value) in [("zone", "a"), ("topology.kubernetes.io/zone", "shelf_2.b"), ("x", "")]
        {
            assert_eq!(label(key, value), Ok(()), "{key}");
        }
        for key in [
            "node-role.kubernetes.io/worker",
            "kubernetes.io/role",
            "x.k8s.io/a",
            "k8s.io/a",
            "a.topology.kubernetes.io/zone",
            "topology.kubernetes.io/rack",
            "xnode.kubernetes.io/a",
        ] {
            let said = label(key, "b").unwrap_err();
            assert!(said.contains(&format!("kubectl label node NAME {key}=b")), "{key}: {said}");
        }
        for key in [
            "node.kubernetes.io/pool",
            "a.node.kubernetes.io/b",
            "kubelet.kubernetes.io/x",
            "kubernetes.io/hostname",
            "notkubernetes.io/a",
            "k8s.io",
        ] {
            assert_eq!(label(key, "b"), Ok(()), "{key}");
        }
        let long = "a".repeat(64);
        for (key, value) in [
            ("", "a"),
            ("/a", "a"),
            ("a/", "a"),
            ("A.b/c", "a"),
            ("a/b/c", "a"),
            ("-a", "a"),
            (&long, "a"),
            ("a", "-"),
            ("a", "b c"),
            ("a", &long),
        ] {
            assert!(label(key, value).is_err(), "{key:?} {value:?}");
        }
    }
}
