//! `osb verify`: from a signature to every file, and back from the lock.

mod rebuild;

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use osb_builder::Event;
use osb_flash::Place;
use osb_release::{Options, ReleaseError, SUMS, Shelf, Signed, Verified, signature_name};
use osb_sandbox::Missing;
use serde_json::{Value, json};

use super::keys;
use crate::cli::{Global, VerifyRelease};
use crate::environment;
use crate::exit::{BAD_INPUT, FAILED, Failure, REFUSED, VERIFICATION};
use crate::format;
use crate::output::Output;
use crate::printable::printable;

pub(crate) fn run(
    global: &Global,
    arguments: &VerifyRelease,
    can_build: Result<(), Missing>,
    output: &Output,
) -> Result<(), Failure> {
    let place = Place::of(OsStr::new(&arguments.place));
    let folder = match &place {
        Place::Path(path) => Some(path.as_path()),
        Place::Url(_) => None,
    };
    let keys = arguments.key.as_deref().map(|key| keys::public(key, folder, output)).transpose()?;
    if arguments.rebuild {
        can_build?;
    }
    let interrupted = output.clone();
    let stop = environment::cancel_flag(move || interrupted.failure(&Failure::interrupted()))?;
    let shelf = match place {
        Place::Path(path) => Shelf::Folder(path),
        Place::Url(url) => {
            let (limits, cancel) = (osb_flash::Limits::default(), Arc::clone(&stop));
            Shelf::Url { url, limits, cancel }
        }
    };
    let stage = Stage::begin(output);
    let progress = |bytes| stage.advance(bytes);
    let options = Options {
        keys: keys.as_ref(),
        provenance: arguments.require_provenance,
        stop: &stop,
        progress: &progress,
    };
    let verified = osb_release::verify(&shelf, &options).map_err(|error| failure(&error))?;
    stage.end(&verified);
    let rebuilt = match arguments.rebuild {
        true => {
            Some(rebuild::compare(global, &arguments.project, &shelf, &verified, stop, output)?)
        }
        false => None,
    };
    output.result(&machine(&shelf, &verified, rebuilt), &people(&shelf, &verified, rebuilt));
    Ok(())
}

/// Comparing as a stage.
pub(super) struct Stage<'a> {
    output: &'a Output,
    since: Instant,
}

const STAGE: &str = "verify";

impl<'a> Stage<'a> {
    pub(super) fn begin(output: &'a Output) -> Self {
        output.event(&Event::Begin { stage: STAGE, total: None });
        Stage { output, since: Instant::now() }
    }

    pub(super) fn advance(&self, bytes: u64) {
        self.output.event(&Event::Advance { bytes });
    }

    pub(super) fn end(&self, verified: &Verified) {
        let summary = format::count(verified.files.len(), "file");
        let elapsed = self.since.elapsed();
        self.output.event(&Event::End { stage: STAGE, summary, elapsed });
    }
}

/// A release that is not in order, as a failure with its exit code.
pub(super) fn failure(error: &ReleaseError) -> Failure {
    match error {
        ReleaseError::Interrupted => Failure::interrupted(),
        ReleaseError::NoSums { .. } => Failure::from_error(BAD_INPUT, error),
        ReleaseError::InTheWay { .. } => Failure::from_error(REFUSED, error),
        ReleaseError::NoProvenance { .. } => Failure::from_error(VERIFICATION, error)
            .with_hint("ask who published it; osb build writes one"),
        ReleaseError::Key(_) => Failure::from_error(FAILED, error),
        ReleaseError::Chain(_) => Failure::from_error(VERIFICATION, error)
            .with_hint("get both anew; if that is no help, ask who published them"),
        _ if error.is_verification() => Failure::from_error(VERIFICATION, error)
            .with_hint("get the files anew, or build them again: osb build"),
        _ => Failure::from_error(FAILED, error),
    }
}

/// A line for each link.
fn people(shelf: &Shelf, verified: &Verified, rebuilt: Option<usize>) -> String {
    let mut lines = vec![format!("{}: every link holds", printable(&shelf.to_string()))];
    let mut add = |what: &str, text: String| lines.push(format!("  {what:<15} {text}"));
    add("signature", signed(&verified.signed, SUMS));
    let bytes = verified.files.iter().map(|file| file.size).sum();
    let count = format::count(verified.files.len(), "file");
    add(SUMS, format!("{count}, {}", format::bytes(bytes)));
    for file in &verified.files {
        let parts = match file.parts {
            0 => String::new(),
            parts => format!(" (in {})", format::count(parts, "part")),
        };
        add("", format!("{}{parts}", printable(&file.name)));
    }
    if let Some(metadata) = &verified.metadata {
        let about = format!("{} {}, {}", metadata.name, metadata.version, metadata.arch);
        add("metadata.json", format!("{}: of the same artifacts", printable(&about)));
    }
    match &verified.provenance {
        Some(by) => {
            add("provenance.json", "of the same artifacts".to_owned());
            add("", signed(by, osb_release::PROVENANCE));
        }
        None => add("provenance.json", "there is none".to_owned()),
    }
    if let Some(count) = rebuilt {
        add("rebuilt", format!("{}, byte for byte", format::count(count, "file")));
    }
    if !verified.strangers.is_empty() {
        let names: Vec<_> = verified.strangers.iter().map(|name| printable(name)).collect();
        add("not covered", names.join(", "));
    }
    lines.join("\n") + "\n"
}

fn signed(signed: &Signed, file: &str) -> String {
    match signed {
        Signed::By(signer) => {
            let comment = match signer.comment.as_str() {
                "" => String::new(),
                comment => format!(" ({})", printable(&comment.replace('\t', " "))),
            };
            format!("{} key {}{comment}", signer.kind.name(), signer.key)
        }
        Signed::Unchecked(kind) => {
            format!("not checked: whose {} is, --key tells", signature_name(file, *kind))
        }
        Signed::Nobody => "none: the files are whole, and nobody says whose they are".to_owned(),
    }
}

fn machine(shelf: &Shelf, verified: &Verified, rebuilt: Option<usize>) -> Value {
    let signature = |signed: &Signed| match signed {
        Signed::By(signer) => json!({
            "checked": true,
            "kind": signer.kind.name(),
            "key": signer.key,
            "comment": signer.comment,
        }),
        Signed::Unchecked(kind) => json!({"checked": false, "kind": kind.name()}),
        Signed::Nobody => Value::Null,
    };
    let files: Vec<_> = verified
        .files
        .iter()
        .map(|file| {
            let sha256 = osb_checksum::to_hex(&file.sha256);
            json!({"name": file.name, "size": file.size, "sha256": sha256, "parts": file.parts})
        })
        .collect();
    let metadata = verified.metadata.as_ref().map(|metadata| {
        json!({"name": metadata.name, "version": metadata.version, "arch": metadata.arch})
    });
    let provenance = verified.provenance.as_ref().map(|by| json!({"signature": signature(by)}));
    json!({
        "event": "verify",
        "place": shelf.to_string(),
        "signature": signature(&verified.signed),
        "files": files,
        "metadata": metadata,
        "provenance": provenance,
        "rebuilt": rebuilt,
        "not_covered": verified.strangers,
    })
}

/// The folder on this machine, which a rebuild is compared with.
fn local(shelf: &Shelf) -> Option<&Path> {
    match shelf {
        Shelf::Folder(path) => Some(path),
        Shelf::Url { .. } => None,
    }
}
