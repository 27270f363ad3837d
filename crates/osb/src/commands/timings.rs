//! `--timings`: where a build's time went, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use osb_builder::{Kind, Program, StageTime};
use serde_json::{Value, json};

use crate::format;

/// Programs in each table for people.
const TOP: usize = 10;

/// The stages, and the programs of all stages together that used the most CPU time.
pub(crate) fn people(stages: &[StageTime]) -> String {
    let mut text =
        format!("\n  {:20} {:20} {:>12} {:>12}\n", "stage", "layer", "time", "processor");
    for stage in stages {
        let (wall, cpu) = (format::seconds(stage.wall), format::seconds(stage.cpu));
        let layer = stage.layer.as_deref().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:20} {layer:20} {wall:>12} {cpu:>12}", stage.name);
    }
    let programs = total(stages);
    let (emulated, others): (Vec<_>, Vec<_>) =
        programs.iter().partition(|program| program.kind == Kind::Emulated);
    let shown = emulated.iter().take(TOP).chain(others.iter().take(TOP));
    let width = shown.map(|program| program.path.chars().count()).max().unwrap_or(0);
    table(&mut text, "emulated", width, &emulated);
    table(&mut text, "not emulated", width, &others);
    text
}

/// The programs of all stages, each once for every way in which it ran; most CPU time first.
fn total(stages: &[StageTime]) -> Vec<Program> {
    let mut sums: BTreeMap<(Kind, &str), Program> = BTreeMap::new();
    for program in stages.iter().flat_map(|stage| &stage.programs) {
        sums.entry((program.kind, &program.path))
            .and_modify(|sum| {
                sum.starts += program.starts;
                sum.cpu += program.cpu;
            })
            .or_insert_with(|| program.clone());
    }
    let mut programs: Vec<Program> = sums.into_values().collect();
    programs.sort_by(|a, b| b.cpu.cmp(&a.cpu));
    programs
}

fn table(text: &mut String, title: &str, width: usize, programs: &[&Program]) {
    if programs.is_empty() {
        return;
    }
    let (shown, rest) = programs.split_at(programs.len().min(TOP));
    let width = width.max(20);
    let _ = writeln!(text, "\n  {title:width$} {:>8} {:>12}", "starts", "processor");
    let mut row = |name: &str, programs: &[&Program], remark: &str| {
        let starts: u64 = programs.iter().map(|p| p.starts).sum();
        let cpu = format::time(programs.iter().map(|p| p.cpu).sum::<Duration>());
        let line = format!("  {name:width$} {starts:>8} {cpu:>12}  {remark}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    for program in shown {
        let remark = match program.kind {
            Kind::Emulated => program.why.as_deref().unwrap_or_default(),
            Kind::Substituted => "substituted",
            Kind::Native => "native",
        };
        row(&program.path, std::slice::from_ref(program), remark);
    }
    if !rest.is_empty() {
        row(&format!("{} others", rest.len()), rest, "");
    }
    row("all", programs, "");
}

/// One stage as a JSON object.
pub(crate) fn machine(stage: &StageTime) -> Value {
    let programs: Vec<_> = stage
        .programs
        .iter()
        .map(|program| {
            json!({
                "path": program.path,
                "kind": program.kind,
                "starts": program.starts,
                "cpu_seconds": program.cpu.as_secs_f64(),
                "why": program.why,
            })
        })
        .collect();
    json!({
        "name": stage.name,
        "layer": stage.layer,
        "seconds": stage.wall,
        "cpu_seconds": stage.cpu,
        "programs": programs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(kind: Kind, path: &str, starts: u64, seconds: u64) -> Program {
        let why = (kind == Kind::Emulated).then(|| "prints the machine".to_owned());
        Program { kind, path: path.to_owned(), starts, cpu: Duration::from_secs(seconds), why }
    }

    fn stages() -> Vec<StageTime> {
        let stage = |layer: Option<&str>, programs| StageTime {
            name: "install",
            layer: layer.map(str::to_owned),
            wall: 1.5,
            cpu: 60.0,
            programs,
        };
        let mut many: Vec<_> =
            (0..12).map(|i| program(Kind::Native, &format!("/n{i}"), 1, 1)).collect();
        many.push(program(Kind::Emulated, "/usr/bin/uname", 2, 3));
        vec![
            stage(None, Vec::new()),
            stage(Some("base"), many),
            stage(Some("k8s"), vec![program(Kind::Emulated, "/usr/bin/uname", 5, 4)]),
        ]
    }

    #[test]
    fn people_see_the_sums_of_all_stages() {
        let text = people(&stages());
        let line = |start: &str| {
            let found = text.lines().find(|line| line.trim_start().starts_with(start));
            let line = found.unwrap_or_else(|| panic!("{start}: {text}"));
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("install base"), "install base 1.50 s 1 min 00 s", "{text}");
        assert_eq!(line("/usr/bin/uname"), "/usr/bin/uname 7 7.00 s prints the machine");
        assert_eq!(line("/n0"), "/n0 1 1.00 s native");
        assert_eq!(line("2 others"), "2 others 2 2.00 s");
        assert!(text.ends_with("12.0 s\n"), "{text}");
    }

    #[test]
    fn programs_see_every_stage() {
        let value = machine(&stages()[1]);
        assert_eq!((&value["layer"], &value["seconds"]), (&"base".into(), &1.5.into()));
        assert_eq!(value["programs"].as_array().map(Vec::len), Some(13));
        let uname = &value["programs"][12];
        assert_eq!((&uname["kind"], &uname["starts"]), (&"emulated".into(), &2.into()));
        assert_eq!(uname["why"], "prints the machine");
        assert_eq!(machine(&stages()[0])["layer"], Value::Null);
    }
}
