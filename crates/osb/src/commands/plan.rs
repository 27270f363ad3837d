//! `osb plan`.

use std::fmt::Write;

use osb_builder::{Forecast, State, Step};
use serde_json::{Value, json};

use super::build;
use crate::cli::{Global, Plan};
use crate::exit::Failure;
use crate::format;
use crate::output::Output;

pub(crate) fn run(global: &Global, arguments: &Plan, output: &Output) -> Result<(), Failure> {
    let mut options = super::options(global, &arguments.project, output)?;
    options.output.clone_from(&arguments.output);
    options.only = arguments.only.map(build::only);
    options.check = !arguments.no_check;
    let forecast = osb_builder::forecast(&options, &|event| output.event(&event))?;
    output.answer(&machine(&forecast), &people(&forecast));
    Ok(())
}

/// A line a step, and what all of them need.
fn people(forecast: &Forecast) -> String {
    let mut text = String::new();
    for step in forecast.steps.iter().chain(&forecast.writing) {
        let layer = step.layer.as_deref().unwrap_or_default();
        let state = match step.state {
            State::Cached => "cached",
            State::Build => "to do",
            State::Depends => "if changed",
        };
        let mut notes = Vec::new();
        if step.packages > 0 {
            notes.push(format!("{} packages", step.packages));
        }
        if step.download > 0 {
            notes.push(format!("{} to download", format::bytes(step.download)));
        }
        if step.state != State::Cached {
            notes.push(step.seconds.map_or_else(|| "? s".to_owned(), format::seconds));
        }
        let line = format!("  {:13} {layer:12} {state:11} {}", step.stage, notes.join(", "));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if forecast.unchanged.is_some() {
        let folder = forecast.output.display();
        let _ = write!(text, "nothing to do: what is in {folder} was made from exactly this");
        return text;
    }
    let _ = writeln!(
        text,
        "download: {} in {} files",
        format::bytes(forecast.download),
        forecast.downloads
    );
    let _ = writeln!(
        text,
        "disk:     up to {} in the cache, {} in {}",
        format::bytes(forecast.cache_bytes),
        format::bytes(forecast.output_bytes),
        forecast.output.display()
    );
    let _ = match forecast.seconds {
        Some(seconds) => {
            write!(text, "time:     about {}, without downloads", format::seconds(seconds))
        }
        None => write!(text, "time:     not known: some of it has never been done here"),
    };
    text
}

fn machine(forecast: &Forecast) -> Value {
    let steps = |steps: &[Step]| -> Vec<Value> { steps.iter().map(step).collect() };
    json!({
        "event": "plan",
        "unchanged": forecast.unchanged.is_some(),
        "steps": steps(&forecast.steps),
        "writing": steps(&forecast.writing),
        "download_bytes": forecast.download,
        "download_files": forecast.downloads,
        "cache_bytes": forecast.cache_bytes,
        "output_bytes": forecast.output_bytes,
        "output": forecast.output,
        "seconds": forecast.seconds,
    })
}

fn step(step: &Step) -> Value {
    json!({
        "stage": step.stage,
        "layer": step.layer,
        "state": step.state.as_str(),
        "packages": step.packages,
        "download_bytes": step.download,
        "seconds": step.seconds,
    })
}
