//! `osb build`.

use std::fmt::Write;

use osb_builder::{Only, Report};
use serde_json::{Value, json};

use super::{provenance, timings};
use crate::cli::{Build, Form, Global};
use crate::exit::Failure;
use crate::format;
use crate::output::Output;

pub(crate) fn run(global: &Global, arguments: &Build, output: &Output) -> Result<(), Failure> {
    let mut options = super::options(global, &arguments.project, output)?;
    options.output.clone_from(&arguments.output);
    options.only = arguments.only.map(only);
    options.locked = arguments.locked;
    options.timings = arguments.timings;
    options.check = !arguments.no_check;
    let start = provenance::Start::now(&options);
    let report = osb_builder::build(&options, &|event| output.event(&event))?;
    provenance::write(arguments, &options, &report, start)?;
    let mut text = people(&report);
    if arguments.timings {
        text += &timings::people(&report.stages);
    }
    output.result(&machine(&report), &text);
    Ok(())
}

pub(super) fn only(form: Form) -> Only {
    match form {
        Form::Tree => Only::Tree,
        Form::Disk => Only::Disk,
        Form::Rootfs => Only::Rootfs,
        Form::Sd => Only::Sd,
    }
}

/// The summary for people.
fn people(report: &Report) -> String {
    let mut text = format!(
        "\n{} {} for {}, {} packages",
        report.name, report.version, report.architecture, report.packages
    );
    if let Some(kubernetes) = &report.kubernetes {
        text += &format!(", Kubernetes {kubernetes}");
    }
    text.push('\n');
    let names: Vec<_> =
        report.artifacts.iter().map(|artifact| artifact.path.display().to_string()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, artifact) in names.iter().zip(&report.artifacts) {
        let size = format::bytes(artifact.size);
        let digest = artifact.sha256.as_deref().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", format!("  {name:width$} {size:>11}  {digest}").trim_end());
    }
    let (wall, cpu) = report
        .stages
        .iter()
        .fold((0.0, 0.0), |(wall, cpu), stage| (wall + stage.wall, cpu + stage.cpu));
    let _ = match report.unchanged {
        true => writeln!(text, "nothing has changed since these were built"),
        false => writeln!(
            text,
            "in {}, {} of processor time",
            format::seconds(wall),
            format::seconds(cpu)
        ),
    };
    text
}

fn machine(report: &Report) -> Value {
    let artifacts: Vec<_> = report
        .artifacts
        .iter()
        .map(|artifact| {
            json!({"path": artifact.path, "size": artifact.size, "sha256": artifact.sha256})
        })
        .collect();
    let stages: Vec<_> = report.stages.iter().map(timings::machine).collect();
    json!({
        "event": "report",
        "unchanged": report.unchanged,
        "name": report.name,
        "version": report.version,
        "arch": report.architecture,
        "kubernetes": report.kubernetes,
        "packages": report.packages,
        "artifacts": artifacts,
        "stages": stages,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use osb_builder::{Artifact, StageTime};

    fn stage(name: &'static str, wall: f64, cpu: f64) -> StageTime {
        StageTime { name, layer: None, wall, cpu, programs: Vec::new() }
    }

    fn report() -> Report {
        Report {
            unchanged: false,
            artifacts: vec![Artifact {
                path: "out/disk.img".into(),
                size: 3 << 30,
                sha256: Some("ab".repeat(32)),
            }],
            stages: vec![stage("download", 1.5, 0.5), stage("configure", 60.0, 100.0)],
            packages: 289,
            name: "rpi5-node".into(),
            version: "0.1.0".into(),
            architecture: "arm64".into(),
            kubernetes: None,
        }
    }

    #[test]
    fn the_summary_has_sizes_and_times() {
        let text = people(&report());
        for part in ["289 packages", "out/disk.img", "3.0 GiB", "abab", "1 min 02 s"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn the_report_object_has_everything() {
        let value = machine(&report());
        assert_eq!(value["event"], "report");
        assert_eq!(value["kubernetes"], Value::Null);
        assert_eq!(value["artifacts"][0]["size"], 3_u64 << 30);
        assert_eq!(value["stages"][1]["cpu_seconds"], 100.0);
    }
}
