//! One disk, from its beginning to its end.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use osb_checksum::{Digest, to_hex};

use crate::engine::buffers::Buffers;
use crate::engine::disk::Disk;
use crate::engine::feed::{Work, Written};
use crate::engine::hashers::Hashers;
use crate::engine::receipt::ByteCounts;
use crate::engine::record::Record;
use crate::engine::{
    Cause, EngineError, HEAD, ImageReceipt, Left, Mode, Options, Phase, Receipt, Refused,
    SourceFault, TAIL,
};
use crate::identity;

/// What all disks have in common.
pub(crate) struct Common<'a> {
    pub(crate) options: &'a Options<'a>,
    pub(crate) image: ImageFacts,
    pub(crate) buffers: Buffers,
    pub(crate) hashers: Hashers,
}

/// What is known of the image before all of it is read.
pub(crate) struct ImageFacts {
    pub(crate) name: String,
    pub(crate) digest: Option<Digest>,
    /// What it is known by on a disk that is not finished.
    pub(crate) id: Option<Digest>,
    pub(crate) sector_size: Option<u32>,
    /// Its first MiB.
    pub(crate) head: Vec<u8>,
    /// Its length, if known.
    pub(crate) size: Option<u64>,
    /// Bytes that will be written, if known.
    pub(crate) work: Option<u64>,
    /// Bytes that are passed over.
    pub(crate) unused: u64,
}

/// One disk.
pub(crate) struct Run<'a> {
    pub(crate) disk: Disk<'a>,
    pub(crate) common: &'a Common<'a>,
    pub(crate) target: usize,
    pub(crate) name: &'a str,
    /// Something has been written.
    pub(crate) touched: bool,
    /// The first MiB has been wiped and looked at, and not been written since.
    pub(crate) wiped: bool,
    /// Everything before this byte has been written; everything before the record's is safe.
    pub(crate) position: u64,
    pub(crate) record: Record,
    /// When that was written.
    pub(crate) noted: Instant,
    /// What is on the disk already is not written again.
    pub(crate) compares: bool,
    /// Where this run begins: behind what another has written.
    pub(crate) start: u64,
    pub(crate) resumed: u64,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        disk: Disk<'a>,
        common: &'a Common<'a>,
        target: usize,
        name: &'a str,
    ) -> Run<'a> {
        let image = common.image.id.unwrap_or_default();
        Run {
            disk,
            common,
            target,
            name,
            touched: false,
            wiped: false,
            position: 0,
            record: Record { image, position: 0, adapting: false, number: 0 },
            noted: Instant::now(),
            compares: common.options.mode == Mode::ChangedOnly,
            start: 0,
            resumed: 0,
        }
    }

    /// Does everything. `starts` hears where this disk begins as soon as that is known.
    pub(crate) fn run(
        mut self,
        starts: Sender<u64>,
        works: Receiver<Work>,
    ) -> Result<Receipt, EngineError> {
        self.all(starts, works).map_err(|cause| {
            let (phase, offset) = (self.disk.meter.phase(), self.disk.at);
            EngineError { left: self.leave(&cause), cause, phase, offset }
        })
    }

    fn all(&mut self, starts: Sender<u64>, works: Receiver<Work>) -> Result<Receipt, Cause> {
        self.check()?;
        self.wipe()?;
        // Nobody listens if it is to stop.
        let _ = starts.send(self.start);
        drop(starts);
        let written = self.copy(&works)?;
        drop(works);
        self.mark_end(written.size)?;
        self.disk.meter.begin(Phase::Sync, None);
        self.disk.sync()?;
        self.verify(&written.checks)?;
        self.clear_end(written.size)?;
        let (identity, head) = self.adapt(&written)?;
        let warnings = self.finish(&head)?;
        self.disk.meter.end();
        Ok(self.receipt(&written, identity, warnings))
    }

    /// Looks whether the image fits, before anything is written.
    fn check(&self) -> Result<(), Cause> {
        let Disk { size, sector, .. } = self.disk;
        let ImageFacts { head, sector_size, .. } = &self.common.image;
        let image = identity::sector_size(head).or(*sector_size).filter(|image| *image != sector);
        if let Some(image) = image {
            return Err(Refused::SectorSize { disk: sector, image }.into());
        }
        let needed = [
            self.common.image.size.unwrap_or(0),
            identity::needed(head, sector).unwrap_or(0),
            HEAD + TAIL,
        ];
        let needed = needed.into_iter().max().unwrap_or(0);
        if needed > size {
            return Err(Refused::TooSmall { size, needed }.into());
        }
        if self.common.options.customise.is_some() && !identity::has_table(head, sector) {
            return Err(Refused::NoTable.into());
        }
        if self.common.options.mode == Mode::Resume && self.common.image.id.is_none() {
            return Err(Refused::Anonymous.into());
        }
        Ok(())
    }

    /// Leaves the disk so that nothing boots from it, as far as that is possible. After an
    /// interruption the record says how far it is.
    fn leave(&mut self, cause: &Cause) -> Left {
        if !self.touched {
            return Left::Untouched;
        }
        self.disk.leaving = true;
        self.record.number += 1;
        // Nothing of an image that is damaged, or of a disk that is, is worth going on from.
        let keep = match cause {
            Cause::Interrupted | Cause::Device(_) | Cause::Customise(_) => true,
            Cause::Source(SourceFault::Read { error, .. }) => {
                !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
            }
            _ => false,
        };
        if !keep {
            (self.record.position, self.record.adapting) = (0, false);
        } else if !self.record.adapting && self.disk.sync().is_ok() {
            self.record.position = self.position;
        }
        let wiped = self.wipe_head();
        self.disk.meter.tell(Duration::ZERO);
        match wiped {
            Ok(()) => Left::Unbootable,
            // It has been seen otherwise.
            Err(Cause::Verification { .. }) => Left::Unknown,
            Err(_) if self.wiped => Left::Unbootable,
            Err(_) => Left::Unknown,
        }
    }

    fn receipt(
        &self,
        written: &Arc<Written>,
        identity: Option<crate::Identity>,
        warnings: Vec<String>,
    ) -> Receipt {
        let image = &self.common.image;
        let meter = &self.disk.meter;
        Receipt {
            image: ImageReceipt {
                name: image.name.clone(),
                sha256: image.digest.or(written.digest).as_ref().map(to_hex),
                size: written.size,
                ranges: written.checks.len(),
            },
            target: self.name.to_owned(),
            target_size: self.disk.size,
            sector_size: self.disk.sector,
            mode: self.common.options.mode.as_str(),
            bytes: ByteCounts::new(meter, self.resumed, image.unused),
            seconds: meter.seconds.clone(),
            identity,
            result: "verified",
            warnings,
        }
    }
}
