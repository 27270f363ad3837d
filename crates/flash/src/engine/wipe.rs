//! Both ends of the disk before anything else is written.
//!
//! The table of a former use lies at its beginning, and a copy of it at its end, which firmware
//! and kernel take if there is no other. A disk that has a half of the image must have neither.

use crate::engine::plan::is_zero;
use crate::engine::record::Record;
use crate::engine::run::Run;
use crate::engine::{Cause, HEAD, Mode, Phase, Refused, TAIL};

impl Run<'_> {
    /// Wipes both ends and looks whether they are.
    pub(crate) fn wipe(&mut self) -> Result<(), Cause> {
        self.disk.meter.begin(Phase::Wipe, Some(HEAD + TAIL));
        let resume = self.common.options.mode == Mode::Resume;
        let is_wiped = resume && self.find()?;
        let tail = self.disk.size - TAIL;
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
        let news = self.position - self.record.position;
        if self.record.adapting || news < self.common.options.note_every {
            return Ok(());
        }
        // It must never say more than would be there after a loss of power.
        self.disk.sync()?;
        self.record.position = self.position;
        self.write_record()
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
