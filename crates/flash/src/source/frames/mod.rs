//! A zstd file with a seek table: several threads decompress its frames, ahead of the reader.
//!
//! Only the frames that somebody wants are decompressed: those with data by the map, and of them
//! only what lies before the reader. All others are zeroes without being looked at. The memory is
//! bounded by [`line::AHEAD`], or by the largest frame if that is larger ([`SeekTable`] bounds it).

mod decoder;
mod line;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use osb_blockmap::{BlockMap, State};
use osb_image::SeekTable;

use super::Source;
use decoder::Decoder;
use line::Line;

/// Most threads: no disk is faster than what so many make.
const MOST_THREADS: usize = 8;

/// A file of frames.
#[derive(Debug)]
pub(super) struct Frames {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// The frame that is being read.
    current: Option<(usize, Vec<u8>)>,
    waited: Duration,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    file: File,
    table: SeekTable,
    /// For each frame, whether it is to be decompressed.
    wanted: Vec<bool>,
    line: Mutex<Line>,
    /// Something has changed: a frame is done, or there is room for more.
    changed: Condvar,
    /// Time that the threads took, and of that for reading the file, in nanoseconds.
    worked: AtomicU64,
    input: AtomicU64,
}

impl Frames {
    /// Starts the threads, at least one. Without a map all frames are wanted.
    pub(super) fn start(
        file: File,
        table: SeekTable,
        map: Option<&BlockMap>,
        threads: usize,
    ) -> io::Result<Frames> {
        let wanted = wanted(&table, map);
        let (line, changed) = (Mutex::default(), Condvar::new());
        let (worked, input) = Default::default();
        let shared = Arc::new(Shared { file, table, wanted, line, changed, worked, input });
        let (current, waited) = (None, Duration::ZERO);
        let mut frames = Frames { shared, threads: Vec::new(), current, waited };
        for _ in 0..threads.clamp(1, MOST_THREADS) {
            let shared = Arc::clone(&frames.shared);
            let thread = thread::Builder::new().name("frames".to_owned());
            frames.threads.push(thread.spawn(move || shared.work())?);
        }
        Ok(frames)
    }

    /// The first bytes, at most `most`, as far as they are in one frame: what is read here can be read
    /// again.
    pub(super) fn head(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let first = self.shared.table.content(self.shared.table.frame_at(0));
        let mut head = vec![0; len(0..most.min(first.end))];
        let filled = self.read_at(0, &mut head)?;
        head.truncate(filled);
        Ok(head)
    }

    /// Makes `index` the current frame.
    fn turn_to(&mut self, index: usize) -> io::Result<()> {
        if self.current.as_ref().is_some_and(|(current, _)| *current == index) {
            return Ok(());
        }
        let old = self.current.take();
        let mut line = self.shared.lock();
        if let Some((_, buffer)) = old {
            line.give_back(buffer);
        }
        if index < line.reader {
            return Err(io::Error::other("a stream cannot be read backwards"));
        }
        line.reader = index;
        while let Some(first) = line.done.first_entry().filter(|first| *first.key() < index) {
            // After an error there is no reader any more.
            let passed = first.remove().unwrap_or_default();
            line.give_back(passed);
        }
        self.shared.changed.notify_all();
        let begun = Instant::now();
        let frame = loop {
            if let Some(frame) = line.done.remove(&index) {
                break frame;
            }
            if self.threads.iter().all(JoinHandle::is_finished) {
                return Err(io::Error::other("the threads that decompress have died"));
            }
            // With an end, for the case that a thread dies without telling.
            let wait = self.shared.changed.wait_timeout(line, Duration::from_secs(1));
            line = wait.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(line);
        self.waited += begun.elapsed();
        self.current = Some((index, frame?));
        Ok(())
    }
}

impl Source for Frames {
    fn size(&self) -> Option<u64> {
        Some(self.shared.table.content_len())
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let shared = Arc::clone(&self.shared);
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset.saturating_add(filled as u64);
            let index = shared.table.frame_at(at);
            let content = shared.table.content(index);
            if at >= content.end {
                break;
            }
            let left = usize::try_from(content.end - at).unwrap_or(usize::MAX);
            let part = &mut buffer[filled..];
            let len = part.len().min(left);
            if shared.wanted[index] {
                self.turn_to(index)?;
                let into = usize::try_from(at - content.start).unwrap_or(usize::MAX);
                let frame = self.current.as_ref().and_then(|(_, frame)| frame.get(into..));
                part[..len].copy_from_slice(&frame.unwrap_or_default()[..len]);
            } else {
                part[..len].fill(0);
            }
            filled += len;
        }
        Ok(filled)
    }

    /// The threads wait for the file as long as the reader does, of the time that it waits for them.
    fn waited(&self) -> Option<Duration> {
        let [input, worked] = [&self.shared.input, &self.shared.worked]
            .map(|time| time.load(Ordering::Relaxed) as f64);
        let share = if worked > 0.0 { (input / worked).min(1.0) } else { 0.0 };
        Some(self.waited.mul_f64(share))
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A panic has shown as an error of the reader.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Length of a frame's content in bytes.
    fn len(&self, index: usize) -> usize {
        len(self.table.content(index))
    }

    /// A thread: decompresses frames until there are no more.
    fn work(&self) {
        let mut decoder = Decoder::default();
        while let Some((index, mut buffer)) = self.claim() {
            let begun = Instant::now();
            let result = decoder.read(&self.file, &self.table, index);
            add(&self.input, begun);
            let result = result.and_then(|()| decoder.decompress(&self.table, index, &mut buffer));
            add(&self.worked, begun);
            let mut line = self.lock();
            if index < line.reader {
                line.give_back(buffer);
            } else {
                line.done.insert(index, result.map(|()| buffer));
            }
            self.changed.notify_all();
        }
    }

    /// The next frame to decompress, and a buffer, once there is room; `None` at the end.
    fn claim(&self) -> Option<(usize, Vec<u8>)> {
        let mut line = self.lock();
        loop {
            let first = line.next.max(line.reader);
            let rest = self.wanted.get(first..).unwrap_or_default();
            let next = rest.iter().position(|wanted| *wanted).map(|ahead| first + ahead);
            line.next = next.unwrap_or(self.wanted.len());
            if line.stop {
                return None;
            }
            // A reader never goes back: behind the last frame there is no more work.
            let index = next?;
            if let Some(buffer) = line.take(self.len(index)) {
                line.next = index + 1;
                return Some((index, buffer));
            }
            line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// For each frame, whether it has data.
fn wanted(table: &SeekTable, map: Option<&BlockMap>) -> Vec<bool> {
    let Some(map) = map else {
        return (0..table.frames()).map(|index| !table.content(index).is_empty()).collect();
    };
    let mut wanted = vec![false; table.frames()];
    for range in map.ranges().iter().filter(|range| matches!(range.state, State::Data(_))) {
        let first = table.frame_at(range.offset);
        let behind = table.frame_at(range.end().saturating_sub(1)).saturating_add(1);
        let behind = behind.min(wanted.len());
        for frame in wanted.get_mut(first..behind).unwrap_or_default() {
            *frame = true;
        }
    }
    wanted
}

/// Counts the time since `begun`.
fn add(time: &AtomicU64, begun: Instant) {
    let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    time.fetch_add(took, Ordering::Relaxed);
}

fn len(range: Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use osb_frames::{Codec, Cuts, NoStore};

    use super::line::AHEAD;
    use super::*;

    /// Blocks of one MiB that are all alike within, and none like another.
    fn content(blocks: u8) -> Vec<u8> {
        (1..=blocks).flat_map(|block| vec![block; 1 << 20]).collect()
    }

    fn start(content: &[u8], map: Option<&BlockMap>) -> Frames {
        let (codec, cuts) = (Codec::Zstd { level: 1 }, Cuts::new(4096, 256 << 10, 64 << 20));
        let mut packed =
            osb_frames::Frames::new(Vec::new(), codec, cuts, 1, Arc::new(NoStore)).unwrap();
        packed.write_all(content).unwrap();
        let packed = packed.finish().unwrap().0;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&packed).unwrap();
        let table = SeekTable::read(&file, packed.len() as u64).unwrap().unwrap();
        Frames::start(file, table, map, 3).unwrap()
    }

    /// Waits until the threads do nothing any more; the bytes that they hold.
    fn settled(frames: &Frames) -> usize {
        let mut before = (usize::MAX, 0);
        loop {
            let line = frames.shared.lock();
            let now = (line.next, line.done.len());
            if now == before && line.busy == line.done.len() + usize::from(frames.current.is_some())
            {
                return line.held;
            }
            before = now;
            drop(line);
            thread::sleep(Duration::from_millis(50));
        }
    }

    #[test]
    fn threads_stay_ahead_and_no_further_than_the_memory() {
        let content = content(60);
        let mut frames = start(&content, None);
        for at in [0, 20 << 20, 21 << 20] {
            let held = settled(&frames);
            assert!(held > AHEAD / 2 && held <= AHEAD, "{held} bytes before {at}");
            let mut buffer = vec![0; 100];
            assert_eq!(frames.read_at(at, &mut buffer).unwrap(), 100);
            assert!(buffer == content[at as usize..][..100], "at {at}");
        }
        let mut buffer = [0];
        assert!(frames.read_at(0, &mut buffer).unwrap_err().to_string().contains("backwards"));
        // Threads in the middle of their work end with it.
        drop(frames);
    }

    #[test]
    fn what_the_map_does_not_want_is_never_decompressed() {
        let content = content(8);
        let range = |offset: u64, state| osb_blockmap::Range { offset, len: 4 << 20, state };
        let ranges = vec![range(0, State::Unused), range(4 << 20, State::Data([0; 32]))];
        let map = BlockMap::new(8 << 20, ranges).unwrap();
        let mut frames = start(&content, Some(&map));
        let mut buffer = vec![1; 2 << 20];
        assert_eq!(frames.read_at(3 << 20, &mut buffer).unwrap(), 2 << 20);
        assert!(buffer[..100].iter().all(|byte| *byte == 0), "it was decompressed");
        assert!(buffer[1 << 20..] == content[4 << 20..5 << 20]);
    }

    #[test]
    fn a_frame_that_lies_is_an_error_and_the_others_are_read() {
        let mut frames = start(&content(2), None);
        settled(&frames);
        let error = io::Error::new(io::ErrorKind::InvalidData, "frame 1: x");
        if let Some(done) = frames.shared.lock().done.get_mut(&1) {
            *done = Err(error);
        }
        let mut buffer = vec![0; 2 << 20];
        assert!(frames.read_at(0, &mut buffer).unwrap_err().to_string().contains("frame 1"));
    }
}
