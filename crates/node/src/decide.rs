//! What an inventory says of one machine: the rules of the node itself (`inventory.jq` and
//! `configuration.sh` of the layer bootstrap), so that it can be known before the node starts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use sha1::{Digest, Sha1};

use crate::inventory::{Defaults, Inventory};
use crate::model::{Member, Role};
use crate::rules;

/// How a machine shows itself to an inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Addresses of its wired interfaces, in lower case with colons, the first by interface name first.
    macs: Vec<String>,
    /// Serial number of its board.
    serial: Option<String>,
}

/// What a machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is a node of the list.
    Entry(Told),
    /// It is not in the list and may join all the same.
    Default(Told),
    /// It is not in the list and must not join.
    Unknown,
}

/// Name, role, address and labels: `node` of `NODE_CONFIG`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its name; none if that is made of an address which is not known here.
    pub hostname: Option<String>,
    /// What it is in its cluster.
    pub role: Role,
    /// The address by which the inventory knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The serial number by which the inventory knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its IP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Labels of its Kubernetes node.
    pub labels: BTreeMap<String, String>,
}

/// What an inventory says of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What the machine is told.
    pub answer: Answer,
    /// Names of nodes that have its address or its serial number, and another of the other. They
    /// are not this machine.
    pub near: Vec<String>,
}

/// Several entries are one machine: by their names. The node takes none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("more than one entry is this machine: {}: make them one", .0.join(", "))]
pub struct Ambiguous(pub Vec<String>);

impl Machine {
    /// A machine with these addresses, that of its first wired interface first, and this serial
    /// number.
    ///
    /// # Errors
    /// If one of them cannot be.
    pub fn new(macs: &[String], serial: Option<&str>) -> Result<Machine, String> {
        let macs = macs.iter().map(|mac| rules::any_mac(mac)).collect::<Result<_, _>>()?;
        serial.map_or(Ok(()), rules::serial)?;
        Ok(Machine { macs, serial: serial.map(str::to_owned) })
    }

    /// The machine that an entry describes.
    pub fn of(member: &Member) -> Machine {
        Machine { macs: member.mac.iter().cloned().collect(), serial: member.serial.clone() }
    }

    /// Which of what an entry says of the machine is so.
    fn fits(&self, member: &Member) -> Vec<bool> {
        let mac = member.mac.as_ref().map(|mac| self.macs.contains(mac));
        let serial = member
            .serial
            .as_ref()
            .map(|serial| self.serial.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(serial)));
        mac.into_iter().chain(serial).collect()
    }
}

impl Inventory {
    /// What a machine is told if this inventory is all there is to ask: all that an entry says of
    /// the machine has to fit.
    ///
    /// # Errors
    /// If several entries are this machine.
    pub fn decide(&self, machine: &Machine) -> Result<Decision, Ambiguous> {
        let (mut found, mut near) = (Vec::new(), Vec::new());
        for member in &self.nodes {
            let fits = machine.fits(member);
            match (fits.contains(&true), fits.contains(&false)) {
                (true, false) => found.push(member),
                (true, true) => near.push(member.name.clone()),
                (false, _) => {}
            }
        }
        let answer = match found[..] {
            [member] => Answer::Entry(Told::of(member)),
            [] if self.defaults.auto_register => Answer::Default(self.newcomer(machine)),
            [] => Answer::Unknown,
            _ => {
                let names = found.iter().map(|member| member.name.clone());
                return Err(Ambiguous(names.collect()));
            }
        };
        Ok(Decision { answer, near })
    }

    /// What a machine is told that is not in the list.
    fn newcomer(&self, machine: &Machine) -> Told {
        let defaults = &self.defaults;
        Told {
            hostname: machine.macs.first().map(|mac| defaults.name(mac)),
            role: defaults.role,
            mac: None,
            serial: None,
            ip: None,
            labels: defaults.labels.clone(),
        }
    }
}

impl Defaults {
    /// The name of a machine that is not in the list.
    fn name(&self, mac: &str) -> String {
        format!("{}{}", self.hostname_prefix, digits(mac))
    }

    /// Whether a machine that is not in the list could get this name, which is that of the machine
    /// with this address.
    pub(crate) fn may_name(&self, name: &str, mac: Option<&str>) -> bool {
        let hex = |rest: &str| {
            rest.len() == 6 && rest.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
        };
        self.auto_register
            && name.strip_prefix(&self.hostname_prefix).is_some_and(hex)
            && mac.is_none_or(|mac| self.name(mac) != name)
    }
}

impl Told {
    /// What the node of an entry is told.
    pub fn of(member: &Member) -> Told {
        let Member { name, role, mac, serial, ip, labels } = member.clone();
        Told { hostname: Some(name), role, mac, serial, ip, labels }
    }
}

/// The first six hexadecimal digits of the SHA-1 of an interface's address file, which ends with a
/// line break (`mac_suffix` of the layer bootstrap). A name, not a protection.
fn digits(mac: &str) -> String {
    let digest = Sha1::digest(format!("{mac}\n"));
    digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
nodes:
  - { hostname: both, mac: D8-3A-DD-00-00-01, serial: ABC1 }
  - { hostname: mac, mac: d8:3a:dd:00:00:02, ip: 10.0.0.2, labels: { zone: a } }
  - { hostname: serial, serial: abc3, role: control-plane }
default: { role: worker, hostname_prefix: lab-, auto_register: true, labels: { new: '' } }
";

    fn inventory(text: &str) -> Inventory {
        Inventory::parse("nodes.yaml", text).unwrap()
    }

    fn machine(macs: &[&str], serial: Option<&str>) -> Machine {
        let macs: Vec<String> = macs.iter().map(|mac| (*mac).to_owned()).collect();
        Machine::new(&macs, serial).unwrap()
    }

    /// The name, how it was found, and what only half fits.
    fn decided(text: &str, machine: &Machine) -> (String, Vec<String>) {
        let Decision { answer, near } = inventory(text).decide(machine).unwrap();
        let name = |told: Told| told.hostname.unwrap_or_else(|| "?".to_owned());
        let text = match answer {
            Answer::Entry(told) => format!("entry {}", name(told)),
            Answer::Default(told) => format!("default {}", name(told)),
            Answer::Unknown => "unknown".to_owned(),
        };
        (text, near)
    }

    #[test]
    fn all_that_an_entry_says_has_to_fit() {
        let one = "d8:3a:dd:00:00:01";
        let two = "D8-3A-DD-00-00-02";
        for (machine, wanted, near) in [
            (machine(&[one], Some("abc1")), "entry both", vec![]),
            (machine(&["d8:3a:dd:00:00:09", two], None), "entry mac", vec![]),
            (machine(&[], Some("ABC3")), "entry serial", vec![]),
            (machine(&[], Some("abc4")), "default ?", vec![]),
            (machine(&[one], None), "default lab-24e230", vec!["both".to_owned()]),
            (machine(&[two], Some("abc1")), "entry mac", vec!["both".to_owned()]),
        ] {
            assert_eq!(decided(TEXT, &machine), (wanted.to_owned(), near), "{machine:?}");
        }
        assert_eq!(decided("nodes: []", &machine(&[one], None)).0, "unknown");
    }

    #[test]
    fn two_entries_of_one_machine_are_none() {
        let both = machine(&["d8:3a:dd:00:00:02"], Some("abc3"));
        let error = inventory(TEXT).decide(&both).unwrap_err();
        assert_eq!(error, Ambiguous(vec!["mac".to_owned(), "serial".to_owned()]));
    }

    #[test]
    fn a_newcomer_gets_what_the_default_says() {
        let answer = inventory(TEXT).decide(&machine(&[], Some("new"))).unwrap().answer;
        let Answer::Default(told) = answer else { panic!("{answer:?}") };
        assert_eq!((told.role, told.labels.len()), (Role::Worker, 1));
    }

    #[test]
    fn a_name_that_a_newcomer_may_get_is_refused() {
        let taken = |name: &str, mac: &str, join: bool| {
            let text = format!(
                "nodes:\n- {{hostname: {name}, serial: s{mac}}}\n\
                 default: {{hostname_prefix: lab-, auto_register: {join}}}\n"
            );
            Inventory::parse("nodes.yaml", &text).is_ok()
        };
        let one = ", mac: d8:3a:dd:00:00:01";
        assert!(!taken("lab-123456", "", true) && !taken("lab-24e231", one, true));
        assert!(taken("lab-24e230", one, true), "its own");
        assert!(taken("lab-123456", "", false) && taken("lab-12345", "", true));
        assert!(taken("lab-12345g", "", true) && taken("x-123456", "", true));
    }

    #[test]
    fn what_no_machine_has_is_refused() {
        assert!(Machine::new(&["1".to_owned()], None).is_err());
        assert!(Machine::new(&[], Some("")).is_err());
    }
}
