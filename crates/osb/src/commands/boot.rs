//! `osb boot`.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use osb_boot::{Options, Outcome, Writes};
use serde_json::{Value, json};

use crate::cli::{Boot, Global};
use crate::environment;
use crate::exit::{BAD_INPUT, FAILED, Failure};
use crate::format;
use crate::output::Output;

/// More processors do not make a software-emulated boot faster.
const CPUS: usize = 4;

pub(crate) fn run(global: &Global, arguments: &Boot, output: &Output) -> Result<(), Failure> {
    // Looked at before anything is downloaded.
    fs::metadata(&arguments.image).map_err(|source| {
        Failure::from(osb_boot::BootError::Image { path: arguments.image.clone(), source })
    })?;
    let builder = super::options(global, &arguments.project, output)?;
    let recipe = builder.project.recipe.image.arch.as_str();
    let architecture = arguments
        .project
        .arch
        .clone()
        .or_else(|| architecture_beside(&arguments.image))
        .unwrap_or_else(|| recipe.to_owned());
    // The lease keeps the tree in the cache while QEMU runs from it.
    let (tools, _lease) = match &arguments.tools {
        Some(folder) => (folder.clone(), None),
        None => {
            same_architecture(&architecture, recipe)?;
            let tools = osb_builder::tools(&builder, "boot", &|event| output.event(&event))?;
            (tools.root, Some(tools.lease))
        }
    };
    let mut options = Options::new(arguments.image.clone(), &architecture, tools);
    // An image whose table cannot be read is left to the firmware, which says so.
    let table = osb_image::table(&arguments.image).ok().flatten();
    options.sector_size = table.map_or(options.sector_size, |table| table.sector_size);
    if arguments.write {
        options.writes = Writes::Kept;
    }
    options.memory_mib = arguments.memory;
    options.cpus = arguments
        .cpus
        .unwrap_or_else(|| u32::try_from(environment::processors().min(CPUS)).unwrap_or(1));
    options.credentials.clone_from(&arguments.credential);
    options.forwards.clone_from(&arguments.forward);
    options.until.clone_from(&arguments.until);
    options.timeout = arguments.timeout.map(Duration::from_secs);
    options.interactive = arguments.until.is_none()
        && !output.is_json()
        && std::io::stdin().is_terminal()
        && std::io::stdout().is_terminal();
    options.cancel = builder.cancel;
    if options.interactive {
        output.remark("Ctrl-A x quits, Ctrl-A h helps");
    }
    let outcome = osb_boot::run(&options, &mut |bytes| output.console(bytes))?;
    finish(outcome, arguments, output)
}

/// A lock has an emulator for its own recipe's images only.
fn same_architecture(image: &str, recipe: &str) -> Result<(), Failure> {
    if image == recipe {
        return Ok(());
    }
    let message = format!("the image is for {image}, the recipe for {recipe}");
    Err(Failure::new(BAD_INPUT, message)
        .with_hint("name the recipe that the image was built from, such as --recipe amd64-node"))
}

/// What the outcome means for the caller.
fn finish(outcome: Outcome, arguments: &Boot, output: &Output) -> Result<(), Failure> {
    let (value, text) = match outcome {
        Outcome::Matched { line, after } => (
            json!({"event": "boot", "outcome": "matched", "line": line,
                   "seconds": after.as_secs_f64()}),
            format!("\nafter {}: {}", format::time(after), line.trim_end()),
        ),
        Outcome::Exited { after, .. } => {
            if let Some(until) = &arguments.until {
                return Err(Failure::new(
                    FAILED,
                    format!(
                        "the guest ended after {} without a line that matches \"{until}\"",
                        format::time(after)
                    ),
                ));
            }
            (
                json!({"event": "boot", "outcome": "exited", "seconds": after.as_secs_f64()}),
                format!("\nthe guest ended after {}", format::time(after)),
            )
        }
        Outcome::TimedOut => {
            let seconds = arguments.timeout.unwrap_or_default();
            let failure = match &arguments.until {
                Some(until) => Failure::new(
                    FAILED,
                    format!("no line matched \"{until}\" within {seconds} seconds"),
                )
                .with_hint("software emulation is slow on a busy machine: try a longer --timeout"),
                None => Failure::new(FAILED, format!("stopped after {seconds} seconds")),
            };
            return Err(failure);
        }
        Outcome::Cancelled => return Err(Failure::interrupted()),
    };
    output.result(&value, &text);
    Ok(())
}

/// The architecture that `metadata.json` beside the image names.
fn architecture_beside(image: &Path) -> Option<String> {
    let text = fs::read_to_string(image.with_file_name("metadata.json")).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    value.get("arch")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_architecture_comes_from_the_metadata_beside_the_image() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk.img");
        assert_eq!(architecture_beside(&image), None);
        fs::write(dir.path().join("metadata.json"), r#"{"arch": "amd64"}"#).unwrap();
        assert_eq!(architecture_beside(&image).as_deref(), Some("amd64"));
        fs::write(dir.path().join("metadata.json"), "not JSON").unwrap();
        assert_eq!(architecture_beside(&image), None);
    }
}
