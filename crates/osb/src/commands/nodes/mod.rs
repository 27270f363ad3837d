//! `osb nodes`: the inventory of a cluster.

mod add;
mod list;
mod show;
mod target;

use std::path::Path;

use osb_node::{Inventory, InventoryError, Problem};
use serde_json::{Value, json};

use crate::cli::{Nodes, NodesAction, NodesValidate};
use crate::exit::{BAD_INPUT, Failure};
use crate::format;
use crate::input;
use crate::output::Output;

pub(crate) fn run(arguments: &Nodes, output: &Output) -> Result<(), Failure> {
    match &arguments.action {
        NodesAction::Validate(arguments) => validate(arguments, output),
        NodesAction::List(arguments) => list::run(arguments, output),
        NodesAction::Show(arguments) => show::run(arguments, output),
        NodesAction::Add(arguments) => add::run(arguments, output),
    }
}

/// Looks at all files, so that one run tells everything.
fn validate(arguments: &NodesValidate, output: &Output) -> Result<(), Failure> {
    let mut wrong = 0;
    for file in &arguments.files {
        // As text: a path that is not UTF-8 cannot be JSON.
        let name = file.display().to_string();
        let read = input::text(file).map_err(|failure| as_a_whole(&name, &failure));
        match read.and_then(|text| Inventory::parse(&name, &text)) {
            Ok(inventory) => {
                let nodes = inventory.nodes.len();
                output.result(
                    &json!({"event": "inventory", "file": name, "nodes": nodes}),
                    &format!("{name}: {}, nothing wrong", format::count(nodes, "node")),
                );
            }
            Err(error) => {
                wrong += error.problems.len();
                tell(&error, output);
            }
        }
    }
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::new(BAD_INPUT, format!("{} found", format::count(wrong, "mistake")))
            .with_hint("docs/node.md explains nodes.yaml")),
    }
}

/// A file that could not be read.
fn as_a_whole(file: &str, failure: &Failure) -> InventoryError {
    let problem = Problem { line: 0, column: 0, message: failure.messages.join(": ") };
    InventoryError { file: file.to_owned(), problems: vec![problem] }
}

/// A line or an object for everything that is wrong.
fn tell(error: &InventoryError, output: &Output) {
    if !output.is_json() {
        output.answer(&Value::Null, &error.to_string());
        return;
    }
    for problem in &error.problems {
        output.answer(
            &json!({
                "event": "problem",
                "file": error.file,
                "line": problem.line,
                "column": problem.column,
                "message": problem.message,
            }),
            "",
        );
    }
}

/// Reads an inventory that has to be right.
fn read(file: &Path) -> Result<Inventory, Failure> {
    Inventory::parse(&file.display().to_string(), &input::text(file)?)
        .map_err(|error| Failure::from_error(BAD_INPUT, &error))
}
