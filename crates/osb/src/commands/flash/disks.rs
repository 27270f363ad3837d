//! The disks that were named: found, judged, agreed on.

use std::path::Path;

use osb_flash::{Disk, Host, NoDisk, Refusal};

use super::consent::{Consent, agrees, consent};
use crate::cli::Flash;
use crate::exit::{BAD_INPUT, FAILED, Failure, REFUSED};
use crate::output::Output;
use crate::printable::printable;

/// A disk and what it was called.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) disk: Disk,
    consent: Consent,
}

/// Finds every disk that was named.
pub(super) fn choose(arguments: &Flash, host: &Host) -> Result<Vec<Chosen>, Failure> {
    let mut chosen: Vec<Chosen> = Vec::new();
    for name in &arguments.devices {
        let disk = osb_flash::find(host, name).map_err(|error| missing(&error))?;
        if chosen.iter().any(|other| other.disk.path == disk.path) {
            let message = format!("{} is named twice: {}", name.display(), disk.path.display());
            return Err(Failure::new(BAD_INPUT, message));
        }
        let consent = consent(&disk, name, &arguments.serial, arguments.yes);
        chosen.push(Chosen { disk, consent });
    }
    Ok(chosen)
}

fn missing(error: &NoDisk) -> Failure {
    let code = match error {
        NoDisk::List(_) => FAILED,
        NoDisk::Missing { .. } => BAD_INPUT,
        NoDisk::NotADevice { .. } | NoDisk::Partition { .. } | NoDisk::Other { .. } => REFUSED,
    };
    Failure::from_error(code, error).with_hint("see which disks there are: osb devices")
}

/// Refuses unless all of the disks may be written: one that is wrong makes it likely that another
/// one is not meant, either.
pub(super) fn judge(
    chosen: &[Chosen],
    host: &Host,
    image: Option<&Path>,
    needed: Option<u64>,
) -> Result<(), Failure> {
    let mut reasons = Vec::new();
    let mut hint = None;
    for Chosen { disk, consent } in chosen {
        let against = osb_flash::against(host, disk, image, needed);
        let against = against.map_err(|error| Failure::from_error(FAILED, &error))?;
        for refusal in disk.refusals.iter().chain(&against) {
            reasons.push(format!("{}: {}", disk.path.display(), printable(&refusal.to_string())));
            hint = hint.or_else(|| refusal.remedy());
        }
        if let Consent::Refused(why) = consent {
            reasons.push(format!("{}: {}", disk.path.display(), printable(why)));
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let refusals: Vec<_> = chosen.iter().map(|each| machine(&each.disk)).collect();
    Err(Failure {
        messages: vec![format!("nothing was written: {}", reasons.join("; "))],
        hint,
        code: REFUSED,
        details: refusals.into(),
    })
}

fn machine(disk: &Disk) -> serde_json::Value {
    let kinds: Vec<&str> = disk.refusals.iter().map(Refusal::kind).collect();
    serde_json::json!({"device": disk.path, "refusals": kinds})
}

/// Asks for each disk whose name does not say by itself that it is meant.
pub(super) fn agree(chosen: &[Chosen], output: &Output) -> Result<(), Failure> {
    for Chosen { disk, consent } in chosen {
        let Consent::Asked(words) = consent else { continue };
        let what = match (disk.serial.is_empty(), disk.model.is_empty()) {
            (false, _) => "serial number",
            (true, false) => "model",
            (true, true) => "name",
        };
        let word = printable(words.first().map_or("", String::as_str));
        let question = format!(
            "Everything on {} will be lost. Type its {what} to go on ({word}):",
            disk.path.display()
        );
        let Some(answer) = output.ask(&question) else {
            return Err(Failure::new(
                REFUSED,
                format!(
                    "nothing was written: nobody is there to say that {} is meant",
                    disk.path.display()
                ),
            )
            .with_hint(
                "without a terminal: --yes and a /dev/disk/by-id name, or --yes --serial S",
            ));
        };
        if !agrees(&answer, words) {
            let message =
                format!("nothing was written: that is not the {what} of {}", disk.path.display());
            return Err(Failure::new(REFUSED, message));
        }
    }
    Ok(())
}
