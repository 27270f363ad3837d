//! `osb tools SET`: for the project's own tests, which run the archive's tools as referees.

use serde_json::json;

use crate::cli::{Global, Tools};
use crate::exit::Failure;
use crate::output::Output;

pub(crate) fn run(global: &Global, arguments: &Tools, output: &Output) -> Result<(), Failure> {
    let options = super::options(global, &arguments.project, output)?;
    let tools = osb_builder::tools(&options, &arguments.name, &|event| output.event(&event))?;
    let folder = &tools.root;
    let value = json!({"event": "tools", "set": arguments.name, "path": folder});
    output.answer(&value, &folder.display().to_string());
    Ok(())
}
