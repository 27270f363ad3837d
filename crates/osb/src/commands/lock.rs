//! `osb lock`.

use osb_apt::Change;
use osb_builder::LockReport;
use serde_json::{Value, json};

use crate::cli::{Global, Lock};
use crate::exit::Failure;
use crate::output::Output;

pub(crate) fn run(global: &Global, arguments: &Lock, output: &Output) -> Result<(), Failure> {
    let options = super::options(global, &arguments.project, output)?;
    let report = osb_builder::lock(&options, &|event| output.event(&event))?;
    let path = options.lock_path.display().to_string();
    output.result(&machine(&report, &path), &people(&report, &path));
    Ok(())
}

/// Old → new of everything that changed, and where the lock lies.
fn people(report: &LockReport, path: &str) -> String {
    let mut lines: Vec<String> =
        report.changes.iter().map(|change| format!("  {change}")).collect();
    let packages = report.lock.packages.len();
    lines.push(if report.written {
        format!("{path}: {packages} packages, {} changes", report.changes.len())
    } else {
        format!("{path}: {packages} packages, nothing changed")
    });
    lines.join("\n")
}

fn machine(report: &LockReport, path: &str) -> Value {
    let changes: Vec<_> = report
        .changes
        .iter()
        .map(|Change { name, from, to, what }| {
            json!({"what": what, "name": name, "from": from, "to": to})
        })
        .collect();
    json!({
        "event": "lock",
        "path": path,
        "packages": report.lock.packages.len(),
        "written": report.written,
        "changes": changes,
    })
}
