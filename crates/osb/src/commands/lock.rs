//! `osb lock`.

use std::collections::BTreeMap;

use osb_apt::{Change, Forced, Subject};
use osb_builder::{LockReport, Moving};
use serde_json::{Value, json};

use crate::cli::{Global, Lock};
use crate::exit::Failure;
use crate::format;
use crate::output::Output;

pub(crate) fn run(global: &Global, arguments: &Lock, output: &Output) -> Result<(), Failure> {
    let mut options = super::options(global, &arguments.project, output)?;
    options.locked = arguments.locked;
    let moving = match &arguments.update {
        None => Moving::Needed,
        Some(names) if names.is_empty() => Moving::All,
        Some(names) => Moving::Named(names.iter().cloned().collect()),
    };
    let write = !arguments.dry_run && !arguments.locked;
    let report = osb_builder::lock(&options, &moving, write, &|event| output.event(&event))?;
    let told = Told { report: &report, moving: &moving, all: global.verbose };
    let path = options.lock_path.display().to_string();
    output.result(&machine(&report, &path, arguments.dry_run), &told.people(&path));
    Ok(())
}

/// A report, and how it is told to people.
struct Told<'a> {
    report: &'a LockReport,
    moving: &'a Moving,
    /// Whether tools are listed one by one.
    all: bool,
}

impl Told<'_> {
    /// Old → new of everything that changed, the sum, and where the lock lies.
    fn people(&self, path: &str) -> String {
        let report = self.report;
        let packages = report.lock.packages.len();
        if !report.existed {
            let tools = report.lock.tools.len();
            let verb = if report.written { "is new" } else { "would be new" };
            return format!("{path} {verb}: {packages} packages, {tools} tools");
        }
        let mut lines: Vec<String> = report
            .drift
            .iter()
            .map(|drift| format!("the recipe changed since the lock: {drift}"))
            .collect();
        let listed = |change: &&Change| self.all || !matches!(change.subject, Subject::Tool(..));
        let rows: Vec<[String; 5]> =
            report.changes.iter().filter(listed).map(|change| self.row(change)).collect();
        lines.extend(table(&rows));
        if !self.all {
            lines.extend(tools(&report.changes));
        }
        lines.push(format!("{path}: {}", self.sum()));
        lines.join("\n")
    }

    /// Name; old → new; layer or tool set; suite; difference in size.
    fn row(&self, change: &Change) -> [String; 5] {
        let versions = match (&change.from, &change.to) {
            (Some(from), Some(to)) if change.is_downgrade() => format!("{from} → {to} (older)"),
            (Some(from), Some(to)) => format!("{from} → {to}"),
            (None, Some(to)) => format!("new: {to}"),
            (Some(from), None) => format!("removed, was {from}"),
            (None, None) => String::new(),
        };
        let place = match &change.subject {
            Subject::Package(layer) | Subject::Artifact(layer) => layer.clone(),
            Subject::Tool(set, host) => format!("tools {set} ({host})"),
            Subject::Source => "source".to_owned(),
        };
        let mut origin = match change.suite.is_empty() {
            true => change.source.clone(),
            false => change.suite.clone(),
        };
        if change.security && change.subject != Subject::Source {
            origin += " [security]";
        }
        let size = difference(change.size_from, change.size_to);
        let why = why(&self.report.forced, change);
        let tail = match why {
            Some(why) => format!("{size}  ({why})"),
            None => size,
        };
        [change.name.clone(), versions, place, origin, tail]
    }

    /// The last line.
    fn sum(&self) -> String {
        let report = self.report;
        let of = |tool: bool| {
            report.changes.iter().filter(move |change| match change.subject {
                Subject::Package(_) => !tool,
                Subject::Tool(..) => tool,
                _ => false,
            })
        };
        let moved = of(false).filter(|change| change.from.is_some() && change.to.is_some());
        let security = moved.clone().filter(|change| change.security).count();
        let moved = moved.count();
        let new = of(false).filter(|change| change.from.is_none()).count();
        let gone = of(false).filter(|change| change.to.is_none()).count();
        let packages = report.lock.packages.len();
        if report.changes.is_empty() {
            return match (self.moving, report.written) {
                (Moving::Needed, false) if report.drift.is_empty() => {
                    format!("{packages} packages, fits the recipe, nothing changed")
                }
                (_, false) => format!("{packages} packages, nothing changed"),
                (_, true) => format!("{packages} packages, no version changed"),
            };
        }
        let mut parts = vec![format!("{} moved", format::count(moved, "package"))];
        match security {
            0 => {}
            1 => parts[0] += ", 1 of them a security update",
            _ => parts[0] += &format!(", {security} of them security updates"),
        }
        for (count, what) in [(new, "new"), (gone, "removed")] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        let tools = of(true).count();
        if tools > 0 {
            parts.push(format!("{} of tools", format::count(tools, "change")));
        }
        if !report.written {
            parts.push("nothing is written".to_owned());
        }
        parts.join("; ")
    }
}

/// Why a package moved that was to stay.
fn why<'a>(forced: &'a [Forced], change: &Change) -> Option<&'a str> {
    let tool = match &change.subject {
        Subject::Package(_) => None,
        Subject::Tool(set, host) => Some((set.clone(), host.clone())),
        Subject::Artifact(_) | Subject::Source => return None,
    };
    let found = forced.iter().find(|forced| forced.name == change.name && forced.tool == tool);
    found.map(|forced| forced.why.as_str())
}

/// Bytes, with a sign.
fn difference(from: u64, to: u64) -> String {
    match to.cmp(&from) {
        std::cmp::Ordering::Greater => format!("+{}", format::bytes(to - from)),
        std::cmp::Ordering::Less => format!("-{}", format::bytes(from - to)),
        std::cmp::Ordering::Equal => String::new(),
    }
}

/// Rows as lines, in columns.
fn table(rows: &[[String; 5]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// One line a tool set, for both hosts together.
fn tools(changes: &[Change]) -> Vec<String> {
    let mut sets: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        if let Subject::Tool(set, _) = &change.subject {
            sets.entry(set).or_default().push(change);
        }
    }
    let line = |(set, changes): (&str, Vec<&Change>)| {
        let security = changes.iter().filter(|change| change.security).count();
        let mut names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let (more, shown) = (names.len().saturating_sub(4), names.iter().take(4));
        let mut names = shown.copied().collect::<Vec<_>>().join(", ");
        if more > 0 {
            names += &format!(" and {more} more");
        }
        let security = match security {
            0 => String::new(),
            count => format!(", {count} of them from a security archive"),
        };
        let count = format::count(changes.len(), "change");
        format!("  tools {set}: {count}{security} ({names}; -v lists them)")
    };
    sets.into_iter().map(line).collect()
}

fn machine(report: &LockReport, path: &str, dry_run: bool) -> Value {
    let changes: Vec<_> = report
        .changes
        .iter()
        .map(|change| {
            let layer = match &change.subject {
                Subject::Package(layer) | Subject::Artifact(layer) => Some(layer),
                _ => None,
            };
            json!({
                "what": change.subject.to_string(),
                "name": change.name,
                "from": change.from,
                "to": change.to,
                "layer": layer,
                "source": change.source,
                "suite": change.suite,
                "security": change.security,
                "downgrade": change.is_downgrade(),
                "size_from": change.size_from,
                "size_to": change.size_to,
                "forced_by": why(&report.forced, change),
            })
        })
        .collect();
    json!({
        "event": "lock",
        "path": path,
        "packages": report.lock.packages.len(),
        "written": report.written,
        "dry_run": dry_run,
        "drift": report.drift,
        "changes": changes,
    })
}
