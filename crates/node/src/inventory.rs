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

use serde::Serialize;

use crate::error::{InventoryError, Problem};
use crate::layout;
use crate::model::{Member, Role};
use crate::reader::Reader;
use crate::rules;
use crate::yaml::{self, Place};

/// The longest file that a node reads, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// A `nodes.yaml`, all of which was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The nodes, in the order of the file.
    pub nodes: Vec<Member>,
    /// What holds for nodes that are not in the list.
    pub defaults: Defaults,
}

/// What holds for nodes that are not in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Defaults {
    /// What such a node is in its cluster, and what a node of the list is that does not say.
    pub role: Role,
    /// What its name begins with; six digits of a digest of its address follow.
    pub hostname_prefix: String,
    /// Whether it may join at all.
    pub auto_register: bool,
    /// Labels of its Kubernetes node.
    pub labels: BTreeMap<String, String>,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults {
            role: Role::Worker,
            hostname_prefix: "node-".to_owned(),
            auto_register: false,
            labels: BTreeMap::new(),
        }
    }
}

impl Inventory {
    /// Reads a `nodes.yaml`; `file` is its name for messages.
    ///
    /// # Errors
    /// With everything that is wrong: no YAML, unknown keys, values that cannot be, and names,
    /// addresses and serial numbers that two nodes have.
    pub fn parse(file: &str, text: &str) -> Result<Inventory, InventoryError> {
        let mut problems = Vec::new();
        let inventory = Inventory::read(text, &mut problems);
        match inventory {
            Some(inventory) if problems.is_empty() => Ok(inventory),
            _ => {
                clamp(&mut problems, text);
                problems.sort_by_key(|problem| (problem.line, problem.column));
                Err(InventoryError { file: file.to_owned(), problems })
            }
        }
    }

    /// Reads as far as it can, and notes what is wrong.
    fn read(text: &str, problems: &mut Vec<Problem>) -> Option<Inventory> {
        if text.len() > MOST_BYTES {
            let message = format!("it has more than {MOST_BYTES} bytes, which no node reads");
            problems.push(Place::default().problem(message));
            return None;
        }
        match yaml::read(layout::without_mark(text), problems) {
            Ok(document) => Some(Reader::new(problems).inventory(&document)),
            Err(problem) => {
                problems.push(problem);
                None
            }
        }
    }

    /// The node of this name.
    ///
    /// # Errors
    /// If there is none, with the name that is most like it.
    pub fn find(&self, name: &str) -> Result<&Member, String> {
        self.nodes.iter().find(|node| node.name == name).ok_or_else(|| {
            match rules::nearest(name, self.nodes.iter().map(|node| node.name.as_str())) {
                Some(known) => format!("no node {name:?}: did you mean {known}?"),
                None => format!("no node {name:?} among {} nodes", self.nodes.len()),
            }
        })
    }

    /// The node that has this MAC address, in any usual spelling, or this serial number.
    pub fn known_by(&self, text: &str) -> Option<&Member> {
        let mac = rules::any_mac(text).ok();
        self.nodes.iter().find(|node| {
            (mac.is_some() && node.mac == mac)
                || node.serial.as_ref().is_some_and(|serial| serial.eq_ignore_ascii_case(text))
        })
    }
}

/// What is wrong at the end of a file is in its last line, not in one behind it.
fn clamp(problems: &mut [Problem], text: &str) {
    let last = text.lines().count() as u64;
    for problem in problems.iter_mut().filter(|problem| problem.line > last) {
        problem.line = last;
        problem.column = text.lines().last().map_or(0, |line| line.chars().count()) as u64 + 1;
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
    fn what_is_wrong_at_the_end_is_in_the_last_line() {
        for text in ["nodes: [\n", "nodes:\n- a: 'x\n", "nodes:\n- \"\n\n", "nodes: {a: b"] {
            let found = Inventory::parse("nodes.yaml", text).unwrap_err().problems;
            let last = text.lines().count() as u64;
            assert!(found.iter().all(|problem| problem.line <= last), "{text:?}: {found:?}");
        }
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
nodes.yaml:5:10: mac d8:3a:dd:00:00:01 is on line 3, too: each node has its own
nodes.yaml:6:11: no role \"master\": control-plane or worker
nodes.yaml:7:9: \"10.0.0.300\" is no IP address (10.0.0.11)
nodes.yaml:8:5: a node needs a `mac` or a `serial`, by which it is known
nodes.yaml:8:15: hostname worker-2 is on line 4, too: each node has its own
nodes.yaml:13:13: \"not a value\" cannot be the value of the label zone: at most 63 letters, digits, - _ and .
nodes.yaml:15:13: serial s3 is on line 10, too: each node has its own
nodes.yaml:16:9: ip 10.0.0.3 is on line 11, too: each node has its own
nodes.yaml:18:20: \"-\" and six digits cannot be a host name: it cannot start or end with a hyphen"
        );
    }

    #[test]
    fn what_is_no_inventory_is_told_with_its_place() {
        for (text, said) in [
            ("", "nodes.yaml: it is empty"),
            ("- hostname: a\n", "nodes.yaml:1:1: an inventory must be keys"),
            ("nodes:\n  - hostname: a\n    serial: s\n    mca: x\n", "nodes.yaml:4:5:"),
            ("nodes:\n  - mac: d8:3a:dd:00:00:01\n", "nodes.yaml:2:5: a node needs a `hostname`"),
            ("nodes:\n  - a\n", "nodes.yaml:2:5: a node must be keys"),
            ("nodes:\n", "nodes.yaml:1:"),
            ("nodes:\n  - {hostname: a, serial: s, mac: }\n", "nodes.yaml:2:"),
            ("nodes:\n  - {hostname: a, serial: s, labels: x}\n", "nodes.yaml:2:38: `labels`"),
            (
                "nodes:\n  - {hostname: a, serial: s, labels: {x: []}}\n",
                "nodes.yaml:2:42: the label x",
            ),
            ("nodes:\n  - {hostname: [a], serial: s}\n", "nodes.yaml:2:16: `hostname` must"),
            ("default:\n", "nodes.yaml:1:"),
            (
                "default: {hostname_prefix: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffffff}",
                "nodes.yaml:1:28: a prefix",
            ),
            ("nodes: 3\n", "nodes.yaml:1:"),
            ("nodes:\n  - hostname: [a\n", "nodes.yaml:"),
            ("nodes:\n\t- hostname: a\n", "nodes.yaml:2:"),
            ("nodes: []\nnodes: []\n", "nodes.yaml:2:1: the key `nodes` is on line 1"),
            ("node: []\n", "nodes.yaml:1:"),
            ("default:\n  auto_register: maybe\n", "nodes.yaml:2:"),
        ] {
            let found = problems(text);
            assert!(found.starts_with(said) && !found.contains('\n'), "{text:?}: {found}");
        }
    }

    #[test]
    fn a_serial_number_is_one_in_any_case() {
        let text = "nodes:\n  - {hostname: a, serial: AB}\n  - {hostname: b, serial: ab}\n";
        assert!(problems(text).starts_with("nodes.yaml:3:27: serial ab is on line 2"));
    }

    #[test]
    fn the_default_has_labels_and_words_for_yes() {
        let text = "default: {auto_register: 'Yes', labels: {zone: a}}";
        let Inventory { defaults, .. } = Inventory::parse("nodes.yaml", text).unwrap();
        assert!(defaults.auto_register && defaults.labels["zone"] == "a");
    }

    #[test]
    fn what_no_node_reads_is_refused() {
        assert!(problems(&"#".repeat((1 << 20) + 1)).contains("1048576 bytes"));
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
