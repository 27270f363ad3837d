//! `osb build`.

use std::fmt::Write;
use std::time::Duration;

use osb_builder::{Only, Report};
use serde_json::{Value, json};

use crate::cli::{Build, Form, Global};
use crate::exit::Failure;
use crate::format;
use crate::output::Output;

pub(crate) fn run(global: &Global, arguments: &Build, output: &Output) -> Result<(), Failure> {
    let mut options = super::options(global, &arguments.project, output)?;
    options.output.clone_from(&arguments.output);
    options.only = arguments.only.map(only);
    options.locked = arguments.locked;
    let report = osb_builder::build(&options, &|event| output.event(&event))?;
    output.result(&machine(&report), &people(&report, output.is_verbose()));
    Ok(())
}

fn only(form: Form) -> Only {
    match form {
        Form::Tree => Only::Tree,
        Form::Disk => Only::Disk,
        Form::Rootfs => Only::Rootfs,
        Form::Sd => Only::Sd,
    }
}

/// The summary for people; with the stages' times if `verbose`.
fn people(report: &Report, verbose: bool) -> String {
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
    if verbose {
        let _ = writeln!(text, "  {:20} {:>12} {:>12}", "stage", "time", "processor");
        for stage in &report.stages {
            let (wall, cpu) = (seconds(stage.wall), seconds(stage.cpu));
            let _ = writeln!(text, "  {:20} {wall:>12} {cpu:>12}", stage.name);
        }
    }
    let _ = writeln!(text, "in {}, {} of processor time", seconds(wall), seconds(cpu));
    text
}

fn seconds(value: f64) -> String {
    // Negative or endless times do not come from a clock.
    format::time(Duration::try_from_secs_f64(value).unwrap_or_default())
}

fn machine(report: &Report) -> Value {
    let artifacts: Vec<_> = report
        .artifacts
        .iter()
        .map(|artifact| {
            json!({"path": artifact.path, "size": artifact.size, "sha256": artifact.sha256})
        })
        .collect();
    let stages: Vec<_> = report
        .stages
        .iter()
        .map(|stage| json!({"name": stage.name, "seconds": stage.wall, "cpu_seconds": stage.cpu}))
        .collect();
    json!({
        "event": "report",
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

    fn report() -> Report {
        Report {
            artifacts: vec![Artifact {
                path: "out/disk.img".into(),
                size: 3 << 30,
                sha256: Some("ab".repeat(32)),
            }],
            stages: vec![
                StageTime { name: "download", wall: 1.5, cpu: 0.5 },
                StageTime { name: "configure", wall: 60.0, cpu: 100.0 },
            ],
            packages: 289,
            name: "rpi5-node".into(),
            version: "0.1.0".into(),
            architecture: "arm64".into(),
            kubernetes: None,
        }
    }

    #[test]
    fn the_summary_has_sizes_and_times() {
        let text = people(&report(), true);
        for part in ["289 packages", "out/disk.img", "3.0 GiB", "abab", "configure", "1 min 02 s"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!people(&report(), false).contains("configure"));
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
