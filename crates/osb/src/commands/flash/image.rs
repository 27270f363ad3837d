//! The image that is to be written, and what is known of it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use osb_builder::Event;
use osb_flash::{Found, Image, Place, Signed, SourceError, SourceFailure, SourceOptions, Trust};

use crate::cli::Flash;
use crate::commands::keys;
use crate::environment;
use crate::exit::{BAD_INPUT, FAILED, Failure, REFUSED, VERIFICATION};
use crate::output::Output;

/// An image that was found and compared with what is said of it.
pub(super) struct Opened {
    pub(super) image: Image,
    pub(super) facts: Facts,
}

/// What a plan tells of an image.
#[derive(Debug)]
pub(super) struct Facts {
    /// Its path or address.
    pub(super) name: String,
    /// Its path, if it lies on this machine.
    pub(super) path: Option<PathBuf>,
    /// Recipe, version, architecture and board; empty for images of others.
    pub(super) about: String,
    /// What is known to be right.
    pub(super) checked: String,
    /// Who vouches for that; empty if nobody does.
    pub(super) signed: String,
    /// Length in bytes, if known.
    pub(super) size: Option<u64>,
    /// Bytes of data, of zeroes, and that are not used.
    pub(super) totals: Option<(u64, u64, u64)>,
    /// Nothing is known of it but its bytes.
    pub(super) foreign: bool,
}

/// Finds and compares it.
pub(super) fn open(
    arguments: &Flash,
    stop: &Arc<AtomicBool>,
    output: &Output,
) -> Result<Opened, Failure> {
    let place = Place::of(OsStr::new(&arguments.image));
    let folder = match &place {
        Place::Path(path) if path.is_dir() => Some(path.as_path()),
        Place::Path(path) => path.parent(),
        Place::Url(_) => None,
    };
    let keys = arguments.key.as_deref().map(|key| keys::public(key, folder, output)).transpose()?;
    let stage = Stage::new(output);
    let progress = |done, total| stage.on(done, total);
    let options = SourceOptions {
        digest: arguments.sha256,
        keys: keys.as_ref(),
        threads: environment::processors(),
        stop,
        progress: &progress,
        limits: osb_flash::Limits::default(),
    };
    let found = osb_flash::open(&place, &options);
    stage.end();
    let found = found.map_err(|error| failure(&error))?;
    found.warnings.iter().for_each(|text| output.event(&Event::Warning(text.clone())));
    if found.trust == Trust::Nothing && found.about.is_none() {
        output.remark("nothing tells what this image should be; it is written as it is read");
    }
    let facts = facts(&place, &found);
    Ok(Opened { image: found.image, facts })
}

fn facts(place: &Place, found: &Found) -> Facts {
    let image = &found.image;
    let about = found.about.as_ref().map(|about| {
        format!("{} {}, {}, {}", about.name, about.version, about.architecture, about.board)
    });
    let path = match place {
        Place::Path(path) if path.is_dir() => Some(path.join(&found.file)),
        Place::Path(path) => Some(path.clone()),
        Place::Url(_) => None,
    };
    let compression = found.compression.map(|name| format!(", {name}")).unwrap_or_default();
    Facts {
        name: image.name.clone(),
        path,
        about: about.unwrap_or_default(),
        checked: format!("{}{compression}", found.trust.text()),
        signed: signed(&found.signed),
        size: image.map.as_ref().map(|map| map.size()).or_else(|| image.source.size()),
        totals: image.map.as_ref().map(|map| map.totals()),
        foreign: found.about.is_none(),
    }
}

fn signed(signed: &Signed) -> String {
    match signed {
        Signed::By(signer) => format!("signed with the {} key {}", signer.kind.name(), signer.key),
        Signed::Unchecked(kind) => {
            format!("its {} signature was not checked: --key tells whose it is", kind.name())
        }
        Signed::Nobody => String::new(),
    }
}

fn failure(error: &SourceError) -> Failure {
    let (code, hint) = match error.kind() {
        SourceFailure::Interrupted => return Failure::interrupted(),
        SourceFailure::Io => (FAILED, None),
        SourceFailure::Input => {
            (BAD_INPUT, Some("build one (osb build), or name another: --image PATH|DIR|URL"))
        }
        SourceFailure::Refused => (REFUSED, None),
        SourceFailure::Verification => (VERIFICATION, None),
    };
    let failure = Failure::from_error(code, error);
    Failure { hint: hint.map(str::to_owned), ..failure }
}

/// The comparison of an image as a stage, once there is something to compare.
struct Stage<'a> {
    output: &'a Output,
    begun: Mutex<Option<(Instant, u64)>>,
}

impl<'a> Stage<'a> {
    fn new(output: &'a Output) -> Self {
        Stage { output, begun: Mutex::new(None) }
    }

    fn on(&self, done: u64, total: u64) {
        let mut begun = self.begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (_, before) = begun.get_or_insert_with(|| {
            self.output.event(&Event::Begin { stage: "check image", total: Some(total) });
            (Instant::now(), 0)
        });
        let bytes = done.saturating_sub(*before);
        *before = done.max(*before);
        self.output.event(&Event::Advance { bytes });
    }

    fn end(&self) {
        let begun = self.begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((since, _)) = *begun {
            let (stage, summary) = ("check image", String::new());
            self.output.event(&Event::End { stage, summary, elapsed: since.elapsed() });
        }
    }
}
