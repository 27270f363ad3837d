//! How it ended, for each disk: words, objects, the receipt, the exit code.

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use osb_flash::{Cause, DeviceError, EngineError, Left, Receipt, SourceFault};
use serde_json::{Value, json};

use super::disks::Chosen;
use crate::cli::Flash;
use crate::exit::{FAILED, Failure, INTERRUPTED, REFUSED, VERIFICATION};
use crate::format;
use crate::output::Output;

/// What a run that ends at once leaves behind.
pub(super) const UNFINISHED: &str =
    "a disk that was being written does not start; write it anew, or go on with --resume";

type Ended = Result<Receipt, EngineError>;

/// Tells of every disk; the code is that of the worst.
pub(super) fn tell(
    arguments: &Flash,
    chosen: &[Chosen],
    results: &[Ended],
    output: &Output,
) -> Result<ExitCode, Failure> {
    for (each, result) in chosen.iter().zip(results) {
        let device = each.disk.path.display();
        match result {
            Ok(receipt) => {
                let mut object = json!({"event": "flashed", "device": each.disk.path});
                object["receipt"] = json!(receipt);
                output.result(&object, &done(&device.to_string(), receipt));
                receipt.warnings.iter().for_each(|text| output.line(&format!("warning: {text}")));
            }
            Err(error) => output.failure(&failure(&device.to_string(), error)),
        }
    }
    // Last, so that a folder that is gone hides nothing.
    if let Some(path) = &arguments.receipt {
        write_receipt(path, &receipts(chosen, results))?;
    }
    let worst =
        results.iter().filter_map(|result| result.as_ref().err()).map(code).max_by_key(rank);
    Ok(worst.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// `/dev/sda has the image: 955.0 MiB written, 68.0 MiB zeroed, 1.0 GiB read back and right, in 8.1 s`
fn done(device: &str, receipt: &Receipt) -> String {
    let bytes = &receipt.bytes;
    let seconds: f64 = receipt.seconds.values().sum();
    let mut parts = vec![format!("{} written", format::bytes(bytes.written))];
    for (count, what) in [
        (bytes.punched, "zeroed by the disk"),
        (bytes.unchanged, "there already"),
        (bytes.resumed, "from the run before"),
        (bytes.verified, "read back and right"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", format::bytes(count)));
        }
    }
    let time = format::time(std::time::Duration::from_secs_f64(seconds));
    format!("{device} has the image: {}, in {time}", parts.join(", "))
}

fn failure(device: &str, error: &EngineError) -> Failure {
    let failure = Failure::from_error(code(error), error);
    let mut messages = failure.messages.clone();
    if let Some(first) = messages.first_mut() {
        *first = format!("{device}: {first}");
    }
    let hint = match (&error.cause, error.left) {
        (Cause::Verification { .. }, _) => Some("do not trust this disk with anything"),
        (Cause::Hung(_), _) => None,
        (_, Left::Unbootable) => Some("write it anew, or go on where it stopped: --resume"),
        (_, Left::Untouched | Left::Unknown) => None,
    };
    Failure { messages, hint: hint.map(str::to_owned), ..failure }
}

/// The exit code of a disk's failure.
fn code(error: &EngineError) -> u8 {
    match &error.cause {
        Cause::Interrupted => INTERRUPTED,
        Cause::Refused(_) => REFUSED,
        Cause::Verification { .. } => VERIFICATION,
        Cause::Source(
            SourceFault::Length { .. } | SourceFault::Range { .. } | SourceFault::Whole { .. },
        ) => VERIFICATION,
        // A damaged compressed file shows when it is decompressed.
        Cause::Source(SourceFault::Read { error, .. })
            if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            VERIFICATION
        }
        Cause::Source(_)
        | Cause::Device(_)
        | Cause::Hung(_)
        | Cause::Customise(_)
        | Cause::Threads(_) => FAILED,
    }
}

/// Which code is told of several disks: the one that somebody must know of first.
fn rank(code: &u8) -> u8 {
    match *code {
        REFUSED => 0,
        FAILED => 1,
        VERIFICATION => 2,
        _ => 3,
    }
}

/// A disk that cannot be opened.
pub(super) fn closed(error: &DeviceError) -> Failure {
    let code = match error {
        DeviceError::Open { .. } => FAILED,
        DeviceError::NoDevice { .. }
        | DeviceError::Partition { .. }
        | DeviceError::InUse { .. }
        | DeviceError::Locked { .. } => REFUSED,
    };
    Failure::from_error(code, error)
}

/// What was done to each disk, and what each one is.
fn receipts(chosen: &[Chosen], results: &[Ended]) -> Value {
    let disks = chosen.iter().zip(results).map(|(each, result)| {
        let disk = &each.disk;
        let mut entry = json!({
            "device": disk.path, "by_id": disk.by_id, "model": disk.model, "serial": disk.serial,
        });
        match result {
            Ok(receipt) => entry["receipt"] = json!(receipt),
            Err(error) => {
                entry["error"] = json!({
                    "message": error.to_string(), "phase": error.phase.as_str(),
                    "offset": error.offset, "exit_code": code(error),
                });
            }
        }
        entry
    });
    json!({"osb": env!("CARGO_PKG_VERSION"), "devices": disks.collect::<Vec<_>>()})
}

/// Writes the receipt: whole, or not at all.
fn write_receipt(path: &Path, receipts: &Value) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let failed = |error: &std::io::Error| {
        let message = format!("writing the receipt {}: {error}", path.display());
        Failure::new(FAILED, message)
    };
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        std::io::Write::write_all(&mut file, format!("{receipts:#}\n").as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().map_err(|error: std::io::Error| failed(&error))
}
