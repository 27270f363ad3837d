//! What makes a disk of a copy: its own identifiers, its files, the table's copy at its end; and
//! last the first MiB, without which nothing of it boots.

use std::collections::BTreeMap;

use osb_checksum::sha256;

use crate::Identity;
use crate::engine::disk::Disk;
use crate::engine::feed::Written;
use crate::engine::run::Run;
use crate::engine::{Cause, HEAD, Phase};
use crate::identity;
use crate::overlay::{Below, Changes, Overlay};

/// The part of the first MiB that is written last, alone: in it are the sectors from which all
/// firmware starts, and both that say that there is a GPT, whatever the length of a sector. Before
/// they are written, all else is on the disk; so one loss of power more or less does not matter.
const FIRST: usize = 8192;

impl Below for Disk<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&mut self, bytes: &mut [u8], offset: u64) -> Result<(), Cause> {
        self.look(bytes.len(), offset, |found| bytes.copy_from_slice(found))
    }
}

impl Run<'_> {
    /// Adapts identifiers, table and files, and writes all that, but for the first MiB: returns it.
    pub(crate) fn adapt(
        &mut self,
        written: &Written,
    ) -> Result<(Option<Identity>, Vec<u8>), Cause> {
        self.disk.meter.begin(Phase::Adapt, None);
        self.disk.at = 0;
        let options = self.common.options;
        let seed = (!options.keep_ids).then(|| self.seed());
        let sector = self.disk.sector;
        // Only for the size of a foreign image, which is not known before.
        debug_assert!(written.size <= self.disk.size);
        let mut overlay = Overlay::new(&mut self.disk, self.common.image.head.clone());
        let adapted = identity::adapt(&mut overlay, sector, seed);
        let adapted = adapted.map_err(|error| Cause::Customise(error.into())).and_then(|adapted| {
            if let (Some(customise), Some((identity, table))) = (options.customise, &adapted) {
                customise(self.target, &mut overlay, identity, table).map_err(Cause::Customise)?;
            }
            Ok(adapted.map(|(identity, _)| identity))
        });
        let Changes { head, blocks, failed } = overlay.finish();
        // The disk's own error says more than what was made of it.
        let identity = failed.map_or(adapted, Err)?;
        self.write_back(&blocks)?;
        Ok((identity, head))
    }

    /// Writes what has changed, and reads it back.
    fn write_back(&mut self, blocks: &BTreeMap<u64, Vec<u8>>) -> Result<(), Cause> {
        if blocks.is_empty() {
            return Ok(());
        }
        self.note_changes()?;
        let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
        for (at, block) in blocks {
            match runs.last_mut() {
                Some((start, run))
                    if *start + run.len() as u64 == *at
                        && run.len() + block.len() <= HEAD as usize =>
                {
                    run.extend_from_slice(block);
                }
                _ => runs.push((*at, block.clone())),
            }
        }
        for (at, run) in &runs {
            self.disk.write_bytes(run, *at)?;
        }
        self.disk.sync()?;
        runs.iter().try_for_each(|(at, run)| self.same(run, *at))
    }

    /// Writes the first MiB, in two parts. Returns warnings.
    pub(crate) fn finish(&mut self, head: &[u8]) -> Result<Vec<String>, Cause> {
        self.disk.meter.begin(Phase::Finish, Some(HEAD));
        self.wiped = false;
        let (first, rest) = head.split_at(FIRST);
        self.disk.write_bytes(rest, FIRST as u64)?;
        self.disk.sync()?;
        self.same(rest, FIRST as u64)?;
        self.disk.write_bytes(first, 0)?;
        self.disk.sync()?;
        self.same(head, 0)?;
        self.disk.meter.advance(HEAD);
        // The disk is right, whatever the kernel thinks of it.
        let warning = |error| format!("the kernel does not know the new partitions yet: {error}");
        let reread = self.disk.reread_table();
        Ok(reread.ok().and_then(Result::err).map(warning).into_iter().collect())
    }

    /// An error if these bytes are not on the disk; at most 1 MiB.
    fn same(&mut self, bytes: &[u8], at: u64) -> Result<(), Cause> {
        let len = bytes.len() as u64;
        self.disk.meter.counts.verified += len;
        match self.disk.look(bytes.len(), at, |found| found == bytes)? {
            true => Ok(()),
            false => Err(Cause::Verification { len }),
        }
    }

    /// What this disk's identifiers are made of.
    fn seed(&self) -> osb_checksum::Digest {
        let number = (self.target as u64).to_le_bytes();
        let parts = [self.common.options.seed.as_slice(), &number, self.name.as_bytes()];
        sha256(&parts.concat())
    }
}
