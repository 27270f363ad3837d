//! `osb sign`.

use osb_release::{Options, Shelf};
use serde_json::json;

use super::{keys, verify};
use crate::cli::Sign;
use crate::environment;
use crate::exit::Failure;
use crate::output::Output;

pub(crate) fn run(arguments: &Sign, output: &Output) -> Result<(), Failure> {
    let interrupted = output.clone();
    let stop = environment::cancel_flag(move || interrupted.failure(&Failure::interrupted()))?;
    // Before anything is read at length: a key that cannot be used is told at once.
    let key = keys::secret(arguments, output)?;
    let shelf = Shelf::Folder(arguments.folder.clone());
    // Nobody should vouch for what he has not looked at: those bytes are signed, and no others.
    let stage = verify::Stage::begin(output);
    let options = Options {
        keys: None,
        provenance: false,
        stop: &stop,
        progress: &|bytes| stage.advance(bytes),
    };
    let verified =
        osb_release::verify(&shelf, &options).map_err(|error| verify::failure(&error))?;
    stage.end(&verified);
    let written =
        osb_release::sign(&arguments.folder, verified.documents(), &key, environment::now())
            .map_err(|error| verify::failure(&error))?;
    let (kind, id) = (key.kind().name(), key.id());
    let text: String = written
        .iter()
        .map(|path| format!("{}: signed with the {kind} key {id}\n", path.display()))
        .collect();
    let object = json!({"event": "sign", "kind": kind, "key": id, "signatures": written});
    output.result(&object, &text);
    Ok(())
}
