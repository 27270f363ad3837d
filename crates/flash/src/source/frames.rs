//! A zstd file with a seek table: several threads decompress its frames, ahead of the reader.
//!
//! Only the frames that somebody wants are decompressed: those with data by the map, and of them
//! only what lies before the reader. All others are zeroes without being looked at. The memory is
//! bounded by [`AHEAD`], or by the largest frame if that is larger ([`SeekTable`] bounds it).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use osb_blockmap::{BlockMap, State};
use osb_image::SeekTable;

use super::Source;

/// Bytes of the memory for frames: those being decompressed, done, or being read.
const AHEAD: usize = 32 << 20;
/// Compressed frames of more bytes get memory of their own each time.
const LARGE: usize = 4 << 20;
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
}

/// How far everybody is.
#[derive(Debug, Default)]
struct Line {
    /// The reader needs nothing before this frame.
    reader: usize,
    /// The next frame to be decompressed.
    next: usize,
    /// Frames that are done.
    done: BTreeMap<usize, io::Result<Vec<u8>>>,
    /// Buffers to be used again: fresh memory costs more than a copy.
    free: Vec<Vec<u8>>,
    /// Bytes of all buffers: free, in use by threads, done, and the reader's.
    held: usize,
    /// Frames that are done, under way, or being read.
    busy: usize,
    stop: bool,
}

impl Line {
    /// A buffer with room for `len` bytes, if there is memory for one.
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let mut buffer = self.free.pop().unwrap_or_default();
        let more = len.saturating_sub(buffer.capacity());
        while self.held + more > AHEAD && !self.free.is_empty() {
            self.held -= self.free.pop().map_or(0, |other| other.capacity());
        }
        if self.busy > 0 && self.held + more > AHEAD {
            self.free.push(buffer);
            return None;
        }
        buffer.clear();
        let before = buffer.capacity();
        buffer.reserve_exact(len);
        self.held += buffer.capacity() - before;
        self.busy += 1;
        Some(buffer)
    }

    /// Takes back what came of a frame that nobody needs any more.
    fn give_back(&mut self, buffer: Vec<u8>) {
        self.busy -= 1;
        self.free.push(buffer);
    }
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
        let shared = Arc::new(Shared { file, table, wanted, line, changed });
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

    /// Compressed bytes are read from a file: waiting for them is a part of decompression.
    fn waited(&self) -> Option<Duration> {
        None
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
            let result = decoder.decompress(&self.file, &self.table, index, &mut buffer);
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

fn len(range: Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

/// A decompressor, and memory for what it reads.
#[derive(Default)]
struct Decoder {
    context: Option<zstd::bulk::Decompressor<'static>>,
    packed: Vec<u8>,
}

impl Decoder {
    /// Puts the content of a frame into `content`, which has room for it: exactly as many bytes as
    /// the table says.
    fn decompress(
        &mut self,
        file: &File,
        table: &SeekTable,
        index: usize,
        content: &mut Vec<u8>,
    ) -> io::Result<()> {
        let damaged = |problem: String| {
            let text = format!("frame {index}: {problem}");
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let (plain, packed) = (len(table.content(index)), len(table.packed(index)));
        // More than a frame takes that cannot be compressed, and some more.
        if packed > 2 * zstd::zstd_safe::compress_bound(plain) {
            return Err(damaged(format!("{packed} bytes for a content of {plain}")));
        }
        self.packed.resize(packed, 0);
        file.read_exact_at(&mut self.packed, table.packed(index).start)?;
        let mut context = match self.context.take() {
            Some(context) => context,
            None => zstd::bulk::Decompressor::new()?,
        };
        let done = context.decompress_to_buffer(&self.packed, content);
        self.context = Some(context);
        if packed > LARGE {
            self.packed = Vec::new();
        }
        let len = done.map_err(|error| damaged(error.to_string()))?;
        if len == plain {
            Ok(())
        } else {
            Err(damaged(format!("it has {len} bytes, and the seek table says {plain}")))
        }
    }
}
