//! `osb split`.

use std::fs;

use osb_checksum::Sums;
use osb_release::{METADATA, Manifest, ReleaseError, SBOM, SUMS, Shelf};
use serde_json::json;

use super::verify;
use crate::cli::Split;
use crate::environment;
use crate::exit::Failure;
use crate::format;
use crate::output::Output;

pub(crate) fn run(arguments: &Split, output: &Output) -> Result<(), Failure> {
    let interrupted = output.clone();
    let stop = environment::cancel_flag(move || interrupted.failure(&Failure::interrupted()))?;
    let failed = |error: ReleaseError| verify::failure(&error);
    let folder = &arguments.folder;
    let shelf = Shelf::Folder(folder.clone());
    let place = shelf.to_string();
    let text = shelf.small(SUMS).map_err(failed)?;
    let text = text.ok_or_else(|| failed(ReleaseError::NoSums { place: place.clone() }))?;
    let sums = Sums::parse(&String::from_utf8_lossy(&text))
        .map_err(|source| failed(ReleaseError::Sums { place, source }))?;
    let mut written = Vec::new();
    for (name, digest) in sums.iter().filter(|(name, _)| !is_description(name)) {
        // One that is in parts already stays so.
        if !fs::exists(folder.join(name)).unwrap_or(true)
            && fs::exists(folder.join(Manifest::file_name(name))).unwrap_or(false)
        {
            continue;
        }
        let cut = osb_release::split(folder, name, *digest, arguments.limit, &stop);
        written.extend(cut.map_err(failed)?);
    }
    let text = match written.as_slice() {
        [] => format!("no file has more than {}\n", format::bytes(arguments.limit)),
        written => written
            .iter()
            .map(|file| {
                let parts = format::count(file.parts.len(), "part");
                let path = folder.join(Manifest::file_name(&file.name));
                format!("{}: {parts}, {}\n", path.display(), format::bytes(file.size))
            })
            .collect(),
    };
    let files: Vec<_> = written
        .iter()
        .map(|file| {
            let parts: Vec<_> = file.parts.iter().map(|part| &part.name).collect();
            json!({"name": file.name, "size": file.size, "parts": parts})
        })
        .collect();
    output.result(&json!({"event": "split", "limit": arguments.limit, "files": files}), &text);
    Ok(())
}

/// Whether a file speaks of the images: programs read it whole, and no server finds it too large.
fn is_description(name: &str) -> bool {
    [METADATA, SBOM].contains(&name) || name.ends_with(".bmap")
}
