//! A new entry in a `nodes.yaml`, with everything else as it was written.
//!
//! The text is not made anew: the entry is put behind the last one. What came out is read again; if
//! that is not the old inventory and the entry, nothing is changed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use crate::error::{InventoryError, Problem};
use crate::inventory::Inventory;
use crate::layout;
use crate::model::{Member, Role};
use crate::rules;

/// A node that is to be added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub hostname: String,
    /// Address of its wired interface, in any usual spelling.
    pub mac: Option<String>,
    /// Serial number of its board.
    pub serial: Option<String>,
    /// What it is in its cluster; that of the default if it is not said.
    pub role: Option<Role>,
    /// Its IP address.
    pub ip: Option<IpAddr>,
    /// Labels of its Kubernetes node.
    pub labels: BTreeMap<String, String>,
}

/// Why an entry was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The inventory is wrong already.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The entry cannot be, or another node has what it says.
    #[error("{name} cannot be added: {}", .problems.join("; "))]
    Entry {
        /// The entry's name.
        name: String,
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
    /// The list is written in a way that has no place for one more.
    #[error(
        "the list of nodes is written in a way that this cannot add to; write it yourself:\n{entry}"
    )]
    Layout {
        /// The entry as YAML.
        entry: String,
    },
}

impl Entry {
    /// The inventory `text` with this entry as the last; `file` is its name for messages. Of an
    /// empty text it becomes the first.
    ///
    /// # Errors
    /// If the inventory or the entry is wrong, or it cannot be added without changing more.
    pub fn add_to(&self, file: &str, text: &str) -> Result<String, AddError> {
        let refuse = |problems| AddError::Entry { name: self.hostname.clone(), problems };
        let before = match layout::says_nothing(text) {
            true => Inventory::parse(file, "nodes: []")?,
            false => Inventory::parse(file, text)?,
        };
        // As a list of its own, so that what is wrong with it is not taken for the file's layout.
        let alone = match Inventory::parse(file, &format!("nodes:\n{}", self.lines("  "))) {
            Ok(Inventory { nodes, .. }) => nodes,
            Err(error) => return Err(refuse(messages(error.problems))),
        };
        let no_place = || AddError::Layout { entry: self.lines("  ") };
        let after = layout::with_entry(text, &|indent| self.lines(indent)).ok_or_else(no_place)?;
        let problems = match Inventory::parse(file, &after) {
            Ok(found) if self.is_last(&before, &found, &alone) => return Ok(after),
            Ok(_) => return Err(no_place()),
            Err(error) => messages(error.problems),
        };
        // What is wrong now is that another node has it, or the layout.
        match before.nodes.iter().any(|member| self.meets(member)) {
            true => Err(refuse(problems)),
            false => Err(no_place()),
        }
    }

    /// Whether an inventory is another one and this entry.
    fn is_last(&self, before: &Inventory, found: &Inventory, alone: &[Member]) -> bool {
        let Some((last, others)) = found.nodes.split_last() else { return false };
        let role = self.role.unwrap_or(before.defaults.role);
        let wanted = alone.first().map(|member| Member { role, ..member.clone() });
        others == before.nodes && found.defaults == before.defaults && Some(last) == wanted.as_ref()
    }

    /// Whether a node has something that only one may have.
    fn meets(&self, member: &Member) -> bool {
        let mac = self.mac.as_deref().and_then(|mac| rules::any_mac(mac).ok());
        let serial = |text: &String| text.to_ascii_lowercase();
        member.name == self.hostname
            || (mac.is_some() && mac == member.mac)
            || (self.serial.is_some()
                && self.serial.as_ref().map(serial) == member.serial.as_ref().map(serial))
            || (self.ip.is_some()
                && self.ip.map(|ip| ip.to_canonical()) == member.ip.map(|ip| ip.to_canonical()))
    }

    /// The entry as YAML, its dash behind `indent`.
    fn lines(&self, indent: &str) -> String {
        let mut text = String::new();
        let mut dash = '-';
        let mut add = |key: &str, value: &str| {
            let _ = writeln!(text, "{indent}{dash} {key}: {}", scalar(value));
            dash = ' ';
        };
        add("hostname", &self.hostname);
        if let Some(mac) = &self.mac {
            add("mac", &rules::any_mac(mac).unwrap_or_else(|_| mac.clone()));
        }
        if let Some(serial) = &self.serial {
            add("serial", serial);
        }
        if let Some(role) = self.role {
            add("role", role.name());
        }
        if let Some(ip) = &self.ip {
            add("ip", &ip.to_string());
        }
        if !self.labels.is_empty() {
            let _ = writeln!(text, "{indent}  labels:");
        }
        for (key, value) in &self.labels {
            let _ = writeln!(text, "{indent}    {}: {}", scalar(key), scalar(value));
        }
        text
    }
}

fn messages(problems: Vec<Problem>) -> Vec<String> {
    problems.into_iter().map(|problem| problem.message).collect()
}

/// A text as YAML, in quotes if some reader could take it for something else: numbers (addresses of
/// digits are numbers to the base of sixty in YAML 1.1), truth, nothing.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let begins = text.starts_with(|char: char| char.is_ascii_alphabetic());
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    let word = WORDS.contains(&text.to_ascii_lowercase().as_str());
    let plain = begins && !word && text.bytes().all(safe) && !text.ends_with(':');
    match plain || text.parse::<std::net::Ipv4Addr>().is_ok() {
        true => text.to_owned(),
        // JSON's strings are YAML's.
        false => serde_json::Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry { hostname: "w-9".to_owned(), serial: Some("0009".to_owned()), ..Entry::default() }
    }

    fn added(text: &str) -> String {
        entry().add_to("nodes.yaml", text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    fn refused(entry: &Entry, text: &str) -> String {
        entry.add_to("nodes.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn everything_else_stays_as_it_was() {
        let before = "\
# ours
nodes:   # all of them
    - hostname: a   # the first
      serial: s1
    # the second
    - { hostname: b, serial: s2 } # flow
      # of b

      # and this

    # none of b

# What else there is.
default:
  role: control-plane
";
        let line = "      # and this\n";
        let new = "    - hostname: w-9\n      serial: \"0009\"\n";
        assert_eq!(added(before), before.replace(line, &format!("{line}{new}")));
        let windows = before.replace('\n', "\r\n");
        assert_eq!(added(&windows), added(before).replace('\n', "\r\n"));
        let marked = format!("\u{feff}{before}");
        assert_eq!(added(&marked), format!("\u{feff}{}", added(before)));
    }

    #[test]
    fn the_first_entry_finds_its_place() {
        let new = "nodes:\n  - hostname: w-9\n    serial: \"0009\"\n";
        for (before, after) in [
            ("", new.to_owned()),
            ("# none yet", format!("# none yet\n{new}")),
            ("nodes: []\n", new.to_owned()),
            ("nodes: [ ]", new.to_owned()),
            (
                "default: {}\nnodes:  []  # none\n",
                format!("default: {{}}\n{}", new.replace("nodes:", "nodes:  # none")),
            ),
            ("nodes: []\ndefault: {}\n", format!("{new}default: {{}}\n")),
            ("\u{feff}", format!("\u{feff}{new}")),
            ("\u{feff}# none\n", format!("\u{feff}# none\n{new}")),
            ("nodes: [\n]\n", new.to_owned()),
            ("nodes:\n- hostname: a\n  serial: |-\n    s\n\n# end\n", {
                let entry = "- hostname: w-9\n  serial: \"0009\"\n";
                format!("nodes:\n- hostname: a\n  serial: |-\n    s\n{entry}\n# end\n")
            }),
            ("default: {}", format!("default: {{}}\n{new}")),
            ("---\ndefault: {}\n", format!("---\ndefault: {{}}\n{new}")),
            (
                "nodes:\n- { hostname: a, serial: s }",
                "nodes:\n- { hostname: a, serial: s }\n- hostname: w-9\n  serial: \"0009\"\n"
                    .to_owned(),
            ),
        ] {
            assert_eq!(added(before), after, "{before:?}");
        }
    }

    #[test]
    fn all_that_is_said_is_written_and_read_back() {
        let all = Entry {
            hostname: "123".to_owned(),
            mac: Some("12-34-56-12-34-56".to_owned()),
            serial: Some("1e5".to_owned()),
            role: Some(Role::ControlPlane),
            ip: Some("fe80::".parse().unwrap()),
            labels: [("on", "yes"), ("zone", ""), ("a.example/b", "x_1")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        };
        let text = all.add_to("nodes.yaml", "").unwrap();
        assert!(
            text.contains("mac: \"12:34:56:12:34:56\"\n") && text.contains("ip: \"fe80::\"\n"),
            "{text}"
        );
        let node = &Inventory::parse("nodes.yaml", &text).unwrap().nodes[0];
        assert_eq!((node.name.as_str(), node.serial.as_deref()), ("123", Some("1e5")));
        assert_eq!((node.role, node.ip, &node.labels), (Role::ControlPlane, all.ip, &all.labels));
    }

    #[test]
    fn what_another_node_has_is_refused() {
        let text = "nodes:\n  - hostname: w-9\n    serial: S1\n    ip: 10.0.0.1\n";
        assert_eq!(
            refused(&entry(), text),
            "w-9 cannot be added: hostname w-9 is on line 2, too: each node has its own"
        );
        let other = Entry {
            hostname: "x".to_owned(),
            serial: Some("s1".to_owned()),
            ip: Some([10, 0, 0, 1].into()),
            ..entry()
        };
        let said = refused(&other, text);
        assert!(
            said.contains("serial s1 is on line 3") && said.contains("ip 10.0.0.1 is on line 4"),
            "{said}"
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let none = Entry { serial: None, ..entry() };
        assert!(refused(&none, "").contains("a `mac` or a `serial`"));
        let bad = Entry { hostname: "a\n- b".to_owned(), mac: Some("x".to_owned()), ..entry() };
        let said = refused(&bad, "");
        assert!(
            said.contains("cannot be a host name") && said.contains("no MAC address"),
            "{said}"
        );
        assert!(refused(&entry(), "nodes: 3\n").starts_with("nodes.yaml:1:"), "the file is wrong");
    }

    #[test]
    fn a_layout_without_a_place_is_left_alone() {
        for text in [
            "{nodes: []}\n",
            "nodes: [{hostname: a, serial: s}]\n",
            "nodes: []\n...\n",
            "nodes: [ # none yet\n]\n",
            "nodes:\n  - hostname: a\n    serial: s\n...\n",
        ] {
            let found = entry().add_to("nodes.yaml", text);
            let kept = found.as_ref().is_ok_and(|after| after.ends_with("...\n"));
            assert!(kept || matches!(found, Err(AddError::Layout { .. })), "{text:?}: {found:?}");
        }
    }
}
