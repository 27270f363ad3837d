//! `osb nodes show`: what a machine would be told.

use std::collections::BTreeMap;
use std::path::Path;

use osb_node::{Answer, Inventory, Machine, Told};
use serde_json::json;

use crate::cli::NodesShow;
use crate::exit::{BAD_INPUT, Failure, REFUSED};
use crate::output::Output;

pub(super) fn run(arguments: &NodesShow, output: &Output) -> Result<(), Failure> {
    let inventory = super::read(&arguments.file)?;
    let machine = match &arguments.who {
        Some(who) => somebody(&inventory, who),
        None => Machine::new(&arguments.mac, arguments.serial.as_deref())
            .map_err(|text| Failure::new(BAD_INPUT, text)),
    }?;
    let decision =
        inventory.decide(&machine).map_err(|error| Failure::from_error(BAD_INPUT, &error))?;
    for name in &decision.near {
        output.remark(&format!(
            "{name}: only its mac or its serial fits, not both: it is not this machine"
        ));
    }
    let (found_in, told) = match decision.answer {
        Answer::Entry(told) => ("entry", told),
        Answer::Default(told) => ("default", told),
        Answer::Unknown => {
            let file = arguments.file.display();
            return Err(Failure::new(REFUSED, format!("{file}: nobody knows this machine"))
                .with_hint(format!("osb nodes add {file} --hostname NAME --mac … --serial …")));
        }
    };
    let value = json!({
        "event": "node", "found_in": found_in, "node": told, "near": decision.near,
    });
    output.answer(&value, &people(&arguments.file, found_in, &inventory, &told));
    Ok(())
}

/// Whom a word means. What it does not say of the machine is as its entry says.
fn somebody(inventory: &Inventory, who: &str) -> Result<Machine, Failure> {
    if let Ok(member) = inventory.find(who) {
        return Ok(Machine::of(member));
    }
    if let Some(member) = inventory.known_by(who) {
        return Ok(Machine::of(member));
    }
    // Of what is no address nobody can say whether it is a serial number or a name with a mistake.
    Machine::new(&[who.to_owned()], None).map_err(|_| {
        Failure::new(BAD_INPUT, inventory.find(who).err().unwrap_or_default())
            .with_hint(format!("if it is the serial number of a new board: --serial {who}"))
    })
}

fn people(file: &Path, found_in: &str, inventory: &Inventory, told: &Told) -> String {
    let prefix = &inventory.defaults.hostname_prefix;
    let name = match &told.hostname {
        Some(name) => name.clone(),
        None => format!("{prefix}… and six digits made of its MAC address"),
    };
    let mut text = format!("{name}  ({found_in} of {})\n", file.display());
    let mut add = |what: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text += &format!("  {what:8}{value}\n");
        }
    };
    add("role", Some(told.role.name()));
    add("ip", told.ip.map(|ip| ip.to_string()).as_deref());
    add("mac", told.mac.as_deref());
    add("serial", told.serial.as_deref());
    add("labels", Some(&labels(&told.labels)));
    text
}

/// Labels in a line, as kubectl shows them.
pub(super) fn labels(labels: &BTreeMap<String, String>) -> String {
    let pairs = labels.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(" ")
}
