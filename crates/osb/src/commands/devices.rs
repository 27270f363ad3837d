//! `osb devices`: the disks of this machine.

use osb_flash::{Contents, Disk, Host};
use serde_json::{Value, json};

use crate::exit::{FAILED, Failure};
use crate::format;
use crate::output::Output;
use crate::printable::printable;

pub(crate) fn run(output: &Output) -> Result<(), Failure> {
    let disks =
        osb_flash::devices(&Host::this()).map_err(|error| Failure::from_error(FAILED, &error))?;
    if output.is_json() {
        disks.iter().for_each(|disk| output.answer(&machine(disk), ""));
        return Ok(());
    }
    let text = match disks.is_empty() {
        true => "no disks\n".to_owned(),
        false => disks.iter().map(people).collect::<Vec<_>>().join("\n"),
    };
    output.answer(&Value::Null, &text);
    Ok(())
}

/// A disk for programs.
pub(super) fn machine(disk: &Disk) -> Value {
    let contents = disk.contents.iter().map(
        |found| json!({"partition": found.partition, "format": found.format, "label": found.label}),
    );
    let refusals = disk.refusals.iter().map(|refusal| {
        json!({"kind": refusal.kind(), "reason": refusal.to_string(), "remedy": refusal.remedy()})
    });
    json!({
        "path": disk.path,
        "by_id": disk.by_id,
        "model": disk.model,
        "serial": disk.serial,
        "size": disk.size,
        "transport": disk.transport.name(),
        "removable": disk.removable,
        "logical_sector": disk.logical_sector,
        "physical_sector": disk.physical_sector,
        "contents": contents.collect::<Vec<_>>(),
        "refusals": refusals.collect::<Vec<_>>(),
    })
}

/// A disk in a few lines, the name first and what forbids it last.
fn people(disk: &Disk) -> String {
    let medium = if disk.removable { ", removable" } else { "" };
    let size = format::bytes(disk.size);
    let mut lines = vec![format!("{}  {size}, {}{medium}", disk.path.display(), disk.transport)];
    let mut add = |what: &str, text: &str| {
        if !text.is_empty() {
            lines.push(format!("  {what:8} {}", printable(text)));
        }
    };
    add("model", &disk.model);
    add("serial", &disk.serial);
    disk.by_id.iter().for_each(|name| add("name", &name.to_string_lossy()));
    if (disk.logical_sector, disk.physical_sector) != (512, 512) {
        add("sectors", &format!("{}, stored in {}", disk.logical_sector, disk.physical_sector));
    }
    let contents: Vec<_> = disk.contents.iter().map(content).collect();
    add("has", &contents.join(", "));
    for refusal in &disk.refusals {
        add("NOT FREE", &refusal.to_string());
        add("", &refusal.remedy().map(|remedy| format!("→ {remedy}")).unwrap_or_default());
    }
    lines.join("\n") + "\n"
}

/// What lies on a disk or a partition: `1: vfat "BOOT"`.
pub(super) fn content(found: &Contents) -> String {
    let label =
        if found.label.is_empty() { String::new() } else { format!(" \"{}\"", found.label) };
    match found.partition {
        None => format!("{}{label}", found.format),
        Some(number) => format!("{number}: {}{label}", found.format),
    }
}
