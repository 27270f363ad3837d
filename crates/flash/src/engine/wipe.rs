//! Both ends of the disk before anything else is written.
//!
//! The table of a former use lies at its beginning, and a copy of it at its end, which firmware
//! and kernel take if there is no other. A disk that has a half of the image must have neither.

use std::time::Instant;

use crate::engine::plan::is_zero;
use crate::engine::record::Record;
use crate::engine::run::Run;
use crate::engine::{Cause, HEAD, Mode, Phase, Refused, TAIL};

/// What no partition table and no file system begins with.
const MARK: u8 = 0x5A;
/// Bytes at the end that are marked: more than the 33 sectors of a table's copy, however long.
const MARKED: u64 = 256 << 10;

impl Run<'_> {
    /// Wipes both ends and looks whether they are.
    pub(crate) fn wipe(&mut self) -> Result<(), Cause> {
        self.disk.meter.begin(Phase::Wipe, Some(HEAD + TAIL));
        let resume = self.common.options.mode == Mode::Resume;
        let is_wiped = resume && self.find()?;
        let tail = self.disk.size - TAIL;
        // From here on it must be left in order.
        self.disk.go_on()?;
        self.touched = true;
        self.disk.write_bytes(&vec![0; TAIL as usize], tail)?;
        match is_wiped {
            // Its record could be lost with the power while it is written anew.
            true => self.disk.sync()?,
            false => self.wipe_head()?,
        }
        let zero = self.disk.look(TAIL as usize, tail, is_zero)?;
        if !zero {
            return Err(Cause::Verification { len: TAIL });
        }
        self.wiped = true;
        self.disk.meter.advance(HEAD + TAIL);
        Ok(())
    }

    /// Writes a mark to the end of the disk, behind the image. A disk that claims to be larger than it
    /// is may have it in the middle of the image instead, and the table's copy later on: reading the
    /// image back finds it there.
    pub(crate) fn mark_end(&mut self, image: u64) -> Result<(), Cause> {
        let (start, len) = self.behind(image);
        self.disk.write_bytes(&vec![MARK; len], start)
    }

    /// Takes the mark away again.
    pub(crate) fn clear_end(&mut self, image: u64) -> Result<(), Cause> {
        let (start, len) = self.behind(image);
        self.disk.write_bytes(&vec![0; len], start)
    }

    /// Where the table's copy will be, as far as that is not the image's.
    fn behind(&self, image: u64) -> (u64, usize) {
        let end = image.next_multiple_of(self.disk.sector.into());
        let start = end.max(self.disk.size - MARKED).min(self.disk.size);
        (start, (self.disk.size - start) as usize)
    }

    /// Wipes the first MiB but for the record, and looks whether it is.
    pub(crate) fn wipe_head(&mut self) -> Result<(), Cause> {
        let head = self.record.head();
        self.disk.write_bytes(&head, 0)?;
        self.disk.sync()?;
        match self.disk.look(HEAD as usize, 0, |found| found == head)? {
            true => Ok(()),
            false => Err(Cause::Verification { len: HEAD }),
        }
    }

    /// Writes the record anew, if there is enough that it does not say yet.
    pub(crate) fn note(&mut self) -> Result<(), Cause> {
        let options = self.common.options;
        let due = self.position - self.record.position >= options.note_every
            && self.noted.elapsed() >= options.note_after;
        if self.record.adapting || !due {
            return Ok(());
        }
        // It must never say more than would be there after a loss of power.
        self.disk.sync()?;
        self.record.position = self.position;
        self.write_record()?;
        self.noted = Instant::now();
        Ok(())
    }

    /// Notes that what was copied is going to be changed in some places.
    pub(crate) fn note_changes(&mut self) -> Result<(), Cause> {
        (self.record.position, self.record.adapting) = (0, true);
        self.write_record()?;
        self.disk.sync()
    }

    fn write_record(&mut self) -> Result<(), Cause> {
        self.record.number += 1;
        let (at, block) = self.record.block();
        self.disk.write_bytes(&block, at)
    }

    /// Learns where an interrupted run has ended. Returns whether the first MiB is wiped.
    fn find(&mut self) -> Result<bool, Cause> {
        let seen = |head: &[u8]| Some((Record::find(head)?, Record::is_alone(head)));
        let (found, alone) = self.disk.look(HEAD as usize, 0, seen)?.ok_or(Refused::NoRecord)?;
        if found.image != self.record.image {
            return Err(Refused::OtherImage.into());
        }
        // The end of the disk is wiped again, so it is written again, too.
        let position = found.position.min(self.disk.size - TAIL);
        self.record = Record { position, ..found };
        (self.start, self.position) = (position, position);
        self.compares |= found.adapting;
        Ok(alone)
    }
}
