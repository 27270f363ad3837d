//! `osb nodes list`: a table of the nodes.

use osb_node::{Inventory, Member, Told};
use serde_json::{Value, json};

use crate::cli::NodesList;
use crate::exit::Failure;
use crate::output::Output;

pub(super) fn run(arguments: &NodesList, output: &Output) -> Result<(), Failure> {
    let inventory = super::read(&arguments.file)?;
    if output.is_json() {
        for member in &inventory.nodes {
            output.answer(&json!({"event": "node", "node": Told::of(member)}), "");
        }
        output.answer(&json!({"event": "default", "default": inventory.defaults}), "");
    } else {
        output.answer(&Value::Null, &people(&inventory));
    }
    Ok(())
}

/// A row for each node, and a line for all others.
fn people(inventory: &Inventory) -> String {
    let mut rows = vec![["NAME", "ROLE", "IP", "MAC", "SERIAL", "LABELS"].map(str::to_owned)];
    rows.extend(inventory.nodes.iter().map(row));
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text += "\n";
    }
    let defaults = &inventory.defaults;
    text += &match defaults.auto_register {
        true => {
            format!("others: join as {}…, {}\n", defaults.hostname_prefix, defaults.role.name())
        }
        false => "others: may not join\n".to_owned(),
    };
    text
}

fn row(member: &Member) -> [String; 6] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        member.name.clone(),
        member.role.name().to_owned(),
        or_dash(member.ip.map(|ip| ip.to_string())),
        or_dash(member.mac.clone()),
        or_dash(member.serial.clone()),
        super::show::labels(&member.labels),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let text = "\
nodes:
  - {hostname: cp-1, serial: s1, role: control-plane, ip: 10.0.0.11}
  - {hostname: worker-30, mac: d8:3a:dd:01:02:03, labels: {b: '', a: x}}
default: {auto_register: true, hostname_prefix: lab-}
";
        let inventory = Inventory::parse("nodes.yaml", text).unwrap();
        assert_eq!(
            people(&inventory),
            "\
NAME       ROLE           IP         MAC                SERIAL  LABELS
cp-1       control-plane  10.0.0.11  -                  s1
worker-30  worker         -          d8:3a:dd:01:02:03  -       a=x b=
others: join as lab-…, worker
"
        );
    }
}
