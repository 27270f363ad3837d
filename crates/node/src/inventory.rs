//! `nodes.yaml`: the nodes of a cluster.
//!
//! ```yaml
//! nodes:
//!   - hostname: cp-1
//!     mac: d8:3a:dd:00:00:01
//!     role: control-plane
//!     ip: 10.0.0.11
//! default:
//!   role: worker
//!   hostname_prefix: worker-
//!   auto_register: true
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use crate::error::{InventoryError, Problem};
use crate::model::{Member, Role};
use crate::rules;

/// The longest prefix of a host name: six digits of an address's digest follow.
const MOST_PREFIX: usize = 57;

/// A `nodes.yaml`, all of which was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The nodes, in the order of the file.
    pub nodes: Vec<Member>,
    /// What holds for nodes that are not in the list.
    pub defaults: Defaults,
}

/// What holds for nodes that are not in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// What such a node is in its cluster, and what a node of the list is that does not say.
    pub role: Role,
    /// What its name begins with; six digits of a digest of its address follow.
    pub hostname_prefix: String,
    /// Whether it may join at all.
    pub auto_register: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInventory {
    #[serde(default)]
    nodes: Vec<Spanned<RawMember>>,
    #[serde(default)]
    default: RawDefaults,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    hostname: Spanned<String>,
    mac: Option<Spanned<String>>,
    serial: Option<Spanned<String>>,
    role: Option<Spanned<String>>,
    ip: Option<Spanned<String>>,
    #[serde(default)]
    labels: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDefaults {
    role: Option<Spanned<String>>,
    hostname_prefix: Option<Spanned<String>>,
    #[serde(default)]
    auto_register: bool,
}

impl Inventory {
    /// Reads a `nodes.yaml`; `file` is its name for messages.
    ///
    /// # Errors
    /// With everything that is wrong: no YAML, unknown keys, values that cannot be, and names,
    /// addresses and serial numbers that two nodes have.
    pub fn parse(file: &str, text: &str) -> Result<Inventory, InventoryError> {
        let failed = |problems| InventoryError { file: file.to_owned(), problems };
        let options = serde_saphyr::options! { with_snippet: false };
        let raw: RawInventory = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| failed(vec![syntax(&error)]))?;
        let mut reader = Reader::default();
        let defaults = reader.defaults(raw.default);
        let nodes: Vec<Member> =
            raw.nodes.into_iter().filter_map(|node| reader.member(node, &defaults)).collect();
        match reader.problems.is_empty() {
            true => Ok(Inventory { nodes, defaults }),
            false => {
                reader.problems.sort_by_key(|problem| (problem.line, problem.column));
                Err(failed(reader.problems))
            }
        }
    }

    /// The node of this name.
    ///
    /// # Errors
    /// If there is none, with the name that is most like it.
    pub fn find(&self, name: &str) -> Result<&Member, String> {
        let names = || self.nodes.iter().map(|node| node.name.as_str());
        self.nodes.iter().find(|node| node.name == name).ok_or_else(|| {
            let near = names()
                .map(|known| (strsim::damerau_levenshtein(known, name), known))
                .filter(|(distance, _)| *distance <= 3)
                .min();
            match near {
                Some((_, known)) => format!("no node {name:?}: did you mean {known}?"),
                None => format!("no node {name:?} among {} nodes", self.nodes.len()),
            }
        })
    }
}

/// What the YAML parser says, in one line.
fn syntax(error: &serde_saphyr::Error) -> Problem {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let text = error.without_snippet().to_string();
    // It names the place, too, at the end.
    let message = match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    };
    Problem { line: location.line(), column: location.column(), message }
}

/// Checks values, and collects what is wrong with them.
#[derive(Debug, Default)]
struct Reader {
    problems: Vec<Problem>,
    /// Where a value was first, by its kind.
    seen: BTreeMap<(&'static str, String), u64>,
}

impl Reader {
    fn problem(&mut self, location: Location, message: impl Into<String>) {
        let (line, column) = (location.line(), location.column());
        self.problems.push(Problem { line, column, message: message.into() });
    }

    /// Notes what is wrong with a value.
    fn check<T>(&mut self, value: &Spanned<T>, checked: Result<(), String>) {
        if let Err(message) = checked {
            self.problem(value.referenced, message);
        }
    }

    /// Notes a value that another node has, too.
    fn unique(&mut self, kind: &'static str, value: &str, location: Location) {
        match self.seen.get(&(kind, value.to_owned())) {
            Some(line) => {
                let message = format!("{kind} {value} is on line {line}, too");
                self.problem(location, message);
            }
            None => drop(self.seen.insert((kind, value.to_owned()), location.line())),
        }
    }

    fn role(&mut self, role: Option<&Spanned<String>>) -> Option<Role> {
        let role = role?;
        let known = Role::NAMES.iter().find(|(name, _)| *name == role.value);
        if known.is_none() {
            let names = Role::NAMES.map(|(name, _)| name).join(" or ");
            self.problem(
                role.referenced,
                format!("no role {:?}: {names}", rules::clip(&role.value)),
            );
        }
        known.map(|(_, role)| *role)
    }

    fn defaults(&mut self, raw: RawDefaults) -> Defaults {
        let role = self.role(raw.role.as_ref()).unwrap_or(Role::Worker);
        if let Some(prefix) = &raw.hostname_prefix {
            // With the digits behind it, it has to be a name.
            let whole = format!("{}000000", prefix.value);
            let checked = match prefix.value.len() {
                ..=MOST_PREFIX => rules::hostname(&whole).map_err(|problem| {
                    problem.replace(
                        &format!("{whole:?}"),
                        &format!("{:?} and six digits", prefix.value),
                    )
                }),
                _ => Err(format!("a prefix has at most {MOST_PREFIX} characters")),
            };
            self.check(prefix, checked);
        }
        Defaults {
            role,
            hostname_prefix: raw.hostname_prefix.map_or("node-".to_owned(), |prefix| prefix.value),
            auto_register: raw.auto_register,
        }
    }

    fn member(&mut self, raw: Spanned<RawMember>, defaults: &Defaults) -> Option<Member> {
        let place = raw.referenced;
        let raw = raw.value;
        self.check(&raw.hostname, rules::hostname(&raw.hostname.value));
        self.unique("hostname", &raw.hostname.value, raw.hostname.referenced);
        let mac = raw.mac.map(|mac| {
            let text = mac.value.to_ascii_lowercase().replace('-', ":");
            self.check(&mac, rules::mac(&text));
            self.unique("mac", &text, mac.referenced);
            text
        });
        let serial = raw.serial.map(|serial| {
            self.check(&serial, rules::serial(&serial.value));
            self.unique("serial", &serial.value, serial.referenced);
            serial.value
        });
        if mac.is_none() && serial.is_none() {
            self.problem(place, "a node needs a `mac` or a `serial`, by which it is known");
        }
        let ip = raw.ip.and_then(|ip| {
            let parsed = ip.value.parse::<IpAddr>();
            match parsed {
                Ok(address) => self.unique("ip", &address.to_string(), ip.referenced),
                Err(_) => {
                    let shown = rules::clip(&ip.value);
                    self.problem(ip.referenced, format!("{shown:?} is no IP address (10.0.0.11)"));
                }
            }
            parsed.ok()
        });
        for (key, value) in &raw.labels {
            self.check(value, rules::label(key, &value.value));
        }
        let role = match &raw.role {
            Some(role) => self.role(Some(role))?,
            None => defaults.role,
        };
        let labels = raw.labels.into_iter().map(|(key, value)| (key, value.value)).collect();
        Some(Member { name: raw.hostname.value, role, mac, serial, ip, labels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
nodes:
  - hostname: cp-1
    mac: D8-3A-DD-00-00-01
    role: control-plane
    ip: 10.0.0.11
    labels: {zone: a, topology.kubernetes.io/region: lab}
  - hostname: worker-1
    serial: \"10000000abcdef01\"
    ip: fd00::1
default:
  role: worker
  hostname_prefix: worker-
  auto_register: true
";

    fn problems(text: &str) -> String {
        Inventory::parse("nodes.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_good_one() {
        let inventory = Inventory::parse("nodes.yaml", GOOD).unwrap();
        let names: Vec<&str> = inventory.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["cp-1", "worker-1"]);
        let first = &inventory.nodes[0];
        assert_eq!(
            (first.role, first.mac.as_deref()),
            (Role::ControlPlane, Some("d8:3a:dd:00:00:01"))
        );
        assert_eq!(first.labels["zone"], "a");
        let second = inventory.find("worker-1").unwrap();
        assert_eq!(
            (second.role, second.serial.as_deref()),
            (Role::Worker, Some("10000000abcdef01"))
        );
        assert!(inventory.defaults.auto_register);
        for node in &inventory.nodes {
            assert_eq!(node.check(), Ok(()));
        }
        assert_eq!(
            inventory.find("worker-2").unwrap_err(),
            "no node \"worker-2\": did you mean worker-1?"
        );
        assert_eq!(inventory.find("printer").unwrap_err(), "no node \"printer\" among 2 nodes");
    }

    #[test]
    fn an_empty_one_registers_nobody() {
        let inventory = Inventory::parse("nodes.yaml", "nodes: []\n").unwrap();
        assert!(inventory.nodes.is_empty() && !inventory.defaults.auto_register);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_place() {
        let text = "\
nodes:
  - hostname: Worker_1
    mac: d8:3a:dd:00:00:01
  - hostname: worker-2
    mac: D8:3A:DD:00:00:01
    role: master
    ip: 10.0.0.300
  - hostname: worker-2
  - hostname: worker-3
    serial: s3
    ip: 10.0.0.3
    labels:
      zone: not a value
  - hostname: worker-4
    serial: s3
    ip: 10.0.0.3
default:
  hostname_prefix: '-'
";
        assert_eq!(
            problems(text),
            "\
nodes.yaml:2:15: \"Worker_1\" cannot be a host name: lower case, as Kubernetes wants its nodes' names
nodes.yaml:5:10: mac d8:3a:dd:00:00:01 is on line 3, too
nodes.yaml:6:11: no role \"master\": control-plane or worker
nodes.yaml:7:9: \"10.0.0.300\" is no IP address (10.0.0.11)
nodes.yaml:8:5: a node needs a `mac` or a `serial`, by which it is known
nodes.yaml:8:15: hostname worker-2 is on line 4, too
nodes.yaml:13:13: \"not a value\" cannot be the value of the label zone: at most 63 letters, digits, - _ and .
nodes.yaml:15:13: serial s3 is on line 10, too
nodes.yaml:16:9: ip 10.0.0.3 is on line 11, too
nodes.yaml:18:20: \"-\" and six digits cannot be a host name: it cannot start or end with a hyphen"
        );
    }

    #[test]
    fn what_is_no_inventory_is_told_with_its_place() {
        for (text, said) in [
            ("nodes:\n  - hostname: a\n    mca: x\n", "nodes.yaml:3:"),
            ("nodes:\n  - mac: d8:3a:dd:00:00:01\n", "nodes.yaml:2:"),
            ("nodes: 3\n", "nodes.yaml:1:"),
            ("nodes:\n  - hostname: [a\n", "nodes.yaml:"),
            ("nodes:\n\t- hostname: a\n", "nodes.yaml:2:"),
            ("nodes: []\nnodes: []\n", "nodes.yaml:2:"),
            ("node: []\n", "nodes.yaml:1:"),
            ("default:\n  auto_register: maybe\n", "nodes.yaml:2:"),
        ] {
            let found = problems(text);
            assert!(found.starts_with(said) && !found.contains('\n'), "{text:?}: {found}");
        }
    }

    #[test]
    fn numbers_in_yaml_stay_what_was_written() {
        let text = "nodes:\n  - hostname: 123\n    serial: 0010\n    labels: {on: yes, v: 1.10}\n";
        let inventory = Inventory::parse("nodes.yaml", text).unwrap();
        let node = inventory.find("123").unwrap();
        assert_eq!(node.serial.as_deref(), Some("0010"));
        assert_eq!(node.labels["v"], "1.10");
        assert_eq!(node.labels["on"], "yes");
    }
}
