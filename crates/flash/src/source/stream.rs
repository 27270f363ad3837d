//! An image that can be read from its beginning only: a thread decompresses ahead of the reader.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use osb_image::Compression;

use super::Source;
use super::checked::{Checked, Expected};

/// Bytes that are decompressed at a time.
const BLOCK: usize = 1 << 20;
/// Blocks that may wait for the reader.
const DEPTH: usize = 8;

/// A stream, and the block of it that is being read.
#[derive(Debug)]
pub(super) struct Stream {
    blocks: Receiver<io::Result<Vec<u8>>>,
    /// Blocks that go back to be used again.
    free: Sender<Vec<u8>>,
    block: Vec<u8>,
    /// Where the block begins.
    start: u64,
    ended: bool,
    size: Option<u64>,
    stop: Arc<AtomicBool>,
    /// Time that the thread waited for compressed bytes, and took in all, in nanoseconds.
    input: Arc<AtomicU64>,
    worked: Arc<AtomicU64>,
    /// Time that the reader waited for the thread.
    waited: Duration,
}

/// What a stream is made of.
pub(super) struct Input {
    /// The file as it lies there.
    pub(super) reader: Box<dyn Read + Send>,
    /// What is known of it.
    pub(super) file: Expected,
    /// How it is compressed.
    pub(super) compression: Option<Compression>,
    /// Bytes of the content, if known: more or less of them is an error.
    pub(super) size: Option<u64>,
}

impl Stream {
    /// Starts the thread.
    pub(super) fn start(input: Input) -> io::Result<Stream> {
        let (sender, blocks) = sync_channel(DEPTH);
        let (free, back) = channel();
        let size = input.size;
        let (stop, waits, worked) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::default());
        let worker = Worker {
            input,
            sender,
            back,
            stop: Arc::clone(&stop),
            waits: Arc::clone(&waits),
            worked: Arc::clone(&worked),
        };
        // Not joined: it may be in the middle of a read from a server that says nothing.
        thread::Builder::new().name("image".to_owned()).spawn(move || worker.run())?;
        let (block, waited) = (Vec::new(), Duration::ZERO);
        let mut stream = Stream {
            blocks,
            free,
            block,
            start: 0,
            ended: false,
            size,
            stop,
            input: waits,
            worked,
            waited,
        };
        stream.next()?;
        Ok(stream)
    }

    /// The first bytes, as many as there are in a block, before anything was read.
    pub(super) fn head(&self) -> &[u8] {
        &self.block
    }

    /// Goes on to the next block, which is empty at the end.
    fn next(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        let next = self.blocks.recv();
        self.waited += begun.elapsed();
        // Without a last, empty block the thread has died.
        let next = next.map_err(|_| io::Error::other("the thread that reads the image died"))??;
        self.start += self.block.len() as u64;
        self.ended = next.is_empty();
        // Nobody takes it if the thread has ended.
        let _ = self.free.send(std::mem::replace(&mut self.block, next));
        Ok(())
    }
}

impl Source for Stream {
    fn size(&self) -> Option<u64> {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset < self.start {
            return Err(io::Error::other("a stream cannot be read backwards"));
        }
        let mut filled = 0;
        while filled < buffer.len() && !self.ended {
            let at = offset.saturating_add(filled as u64);
            let into = usize::try_from(at - self.start).unwrap_or(usize::MAX);
            let part = self.block.get(into..).unwrap_or_default();
            if part.is_empty() {
                self.next()?;
                continue;
            }
            let len = part.len().min(buffer.len() - filled);
            buffer[filled..filled + len].copy_from_slice(&part[..len]);
            filled += len;
        }
        Ok(filled)
    }

    fn finish(&mut self) -> io::Result<()> {
        while !self.ended {
            self.next()?;
        }
        Ok(())
    }

    fn waited(&self) -> Option<Duration> {
        let [input, worked] =
            [&self.input, &self.worked].map(|time| time.load(Ordering::Relaxed) as f64);
        let share = if worked > 0.0 { (input / worked).min(1.0) } else { 1.0 };
        Some(self.waited.mul_f64(share))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The thread's side.
struct Worker {
    input: Input,
    sender: SyncSender<io::Result<Vec<u8>>>,
    back: Receiver<Vec<u8>>,
    stop: Arc<AtomicBool>,
    waits: Arc<AtomicU64>,
    worked: Arc<AtomicU64>,
}

impl Worker {
    fn run(self) {
        let sender = self.sender.clone();
        if let Err(error) = self.copy() {
            // Nobody is there to be told if the stream was dropped.
            let _ = sender.send(Err(error));
        }
    }

    /// Sends blocks, the last of them empty; ends when nobody wants more.
    fn copy(self) -> io::Result<()> {
        let Input { reader, file, compression, size } = self.input;
        let name = file.name.clone();
        let reader = Checked::new(reader, file, self.waits);
        let mut content: Box<dyn Read + Send> = match compression {
            Some(compression) => compression.decoder(reader)?,
            None => Box::new(reader),
        };
        let wrong = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
        let mut total = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let mut block = self.back.try_recv().unwrap_or_default();
            block.resize(BLOCK, 0);
            let len = fill(&mut content, &mut block)?;
            block.truncate(len);
            let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.worked.fetch_add(took, Ordering::Relaxed);
            total += len as u64;
            match size {
                Some(size) if total > size => {
                    return Err(wrong(format!("{name} decompresses to more than {size} bytes")));
                }
                Some(size) if len == 0 && total < size => {
                    return Err(wrong(format!("{name} ends at byte {total} of {size}")));
                }
                _ => {}
            }
            if self.sender.send(Ok(block)).is_err() || len == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// Fills the buffer, unless the end comes before.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
