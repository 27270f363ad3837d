//! Reading back, from the device itself.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use crate::engine::buffers::Buffer;
use crate::engine::plan::{Check, groups};
use crate::engine::run::Run;
use crate::engine::{Cause, HEAD, Phase};

impl Run<'_> {
    /// Compares everything that must be on the disk. The first MiB is not there yet: what will be
    /// written there takes part in its place. While one piece is hashed, the next is read.
    pub(crate) fn verify(&mut self, checks: &[Check]) -> Result<(), Cause> {
        let total = checks.iter().map(|check| check.len).sum();
        self.disk.meter.begin(Phase::Verify, Some(total));
        let (wrong, found) = channel();
        for group in groups(checks) {
            let checks = checks[group].to_vec();
            let (Some(first), Some(last)) = (checks.first(), checks.last()) else { continue };
            let (offset, len) = (first.offset, (last.end() - first.offset) as usize);
            let mut buffer = self.buffer()?;
            let held = HEAD.saturating_sub(offset).min(len as u64) as usize;
            if held > 0 {
                let head = &self.common.image.head[offset as usize..][..held];
                buffer[..held].copy_from_slice(head);
            }
            let rest = self.disk.whole(len - held);
            if rest > 0 {
                buffer = self.disk.read(buffer, held, rest, offset + held as u64)?;
            }
            let bytes = checks.iter().map(|check| check.len).sum();
            self.compare(buffer, checks, wrong.clone());
            self.disk.meter.counts.verified += bytes;
            self.disk.meter.advance(bytes);
            if let Ok(check) = found.try_recv() {
                return Err(self.wrong(check));
            }
        }
        drop(wrong);
        let begun = Instant::now();
        let first = found.into_iter().min_by_key(|check: &Check| check.offset);
        self.disk.meter.waited_for_hash(begun.elapsed());
        first.map_or(Ok(()), |check| Err(self.wrong(check)))
    }

    fn compare(&self, buffer: Buffer, checks: Vec<Check>, wrong: Sender<Check>) {
        let offset = checks.first().map_or(0, |check| check.offset);
        self.common.hashers.run(move || {
            for check in checks {
                let at = (check.offset - offset) as usize;
                if !check.holds(&buffer[at..][..check.len as usize]) {
                    // One is enough: whoever waits may have heard of another.
                    let _ = wrong.send(check);
                }
            }
        });
    }

    fn buffer(&mut self) -> Result<Buffer, Cause> {
        let begun = Instant::now();
        let stop = self.disk.stop;
        let buffer = self.common.buffers.take(&|| stop.load(Ordering::Relaxed));
        self.disk.meter.waited_for_hash(begun.elapsed());
        buffer.ok_or(Cause::Interrupted)
    }

    fn wrong(&mut self, check: Check) -> Cause {
        self.disk.at = check.offset;
        Cause::Verification { len: check.len }
    }
}
