//! A sink on a thread of its own.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use crate::Sink;

/// Bytes that are handed over at a time: few enough to stay in a processor's cache.
const BLOCK: usize = 256 << 10;
/// Blocks that may wait, 16 MiB: who writes may do something else for a while.
const DEPTH: usize = 64;

/// What is handed over.
enum Part {
    Data(Vec<u8>),
    Zeros(u64),
    Unused(u64),
}

/// Runs a sink on a thread of its own, a bounded number of bytes behind.
///
/// For one that takes as long as everything else together, as a hash does. An error of it shows at
/// a later call, or at the end.
#[derive(Debug)]
pub struct Threaded<S> {
    parts: SyncSender<Part>,
    /// Buffers that come back to be used again.
    free: Receiver<Vec<u8>>,
    /// Bytes not handed over yet.
    block: Vec<u8>,
    thread: Option<JoinHandle<io::Result<S>>>,
}

impl<S: Sink + Send + 'static> Threaded<S> {
    /// Starts the thread, under this name.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &str, mut inner: S) -> io::Result<Self> {
        let (parts, incoming) = sync_channel::<Part>(DEPTH);
        let (back, free) = channel();
        let run = move || {
            serve(&mut inner, &incoming, &back)?;
            Ok(inner)
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        let block = Vec::with_capacity(BLOCK);
        Ok(Threaded { parts, free, block, thread: Some(thread) })
    }

    /// Waits until the sink has seen everything, and gives it back.
    ///
    /// # Errors
    /// The sink's.
    pub fn finish(mut self) -> io::Result<S> {
        self.hand_over_block()?;
        let Threaded { parts, thread, .. } = self;
        drop(parts);
        join(thread)
    }

    fn hand_over_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let next = self.free.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK));
        let block = std::mem::replace(&mut self.block, next);
        self.hand_over(Part::Data(block))
    }

    fn hand_over(&mut self, part: Part) -> io::Result<()> {
        // It takes no more: it has failed.
        self.parts.send(part).or_else(|_| join(self.thread.take()).and(Err(ended())))
    }
}

impl<S: Sink + Send + 'static> Sink for Threaded<S> {
    fn data(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(head);
            bytes = rest;
            if self.block.len() == BLOCK {
                self.hand_over_block()?;
            }
        }
        Ok(())
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.hand_over_block()?;
        self.hand_over(Part::Zeros(len))
    }

    fn unused(&mut self, len: u64) -> io::Result<()> {
        self.hand_over_block()?;
        self.hand_over(Part::Unused(len))
    }
}

/// The thread.
fn serve(
    sink: &mut impl Sink,
    incoming: &Receiver<Part>,
    back: &Sender<Vec<u8>>,
) -> io::Result<()> {
    for part in incoming {
        match part {
            Part::Data(mut block) => {
                sink.data(&block)?;
                block.clear();
                // At the end nobody takes it.
                let _ = back.send(block);
            }
            Part::Zeros(len) => sink.zeros(len)?,
            Part::Unused(len) => sink.unused(len)?,
        }
    }
    Ok(())
}

fn join<S>(thread: Option<JoinHandle<io::Result<S>>>) -> io::Result<S> {
    let thread = thread.ok_or_else(ended)?;
    thread.join().map_err(|_| io::Error::other("the thread of a sink panicked"))?
}

fn ended() -> io::Error {
    io::Error::other("the thread of a sink has ended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriteSink;

    #[test]
    fn everything_arrives_in_order() {
        let input: Vec<u8> =
            (0..5 * BLOCK as u32 + 7).map(|at| (at >> 8) as u8 ^ at as u8).collect();
        let mut expected = WriteSink::new(Vec::new());
        let mut sink = Threaded::start("test", WriteSink::new(Vec::new())).unwrap();
        for (index, part) in input.chunks(100_003).enumerate() {
            for sink in [&mut sink as &mut dyn Sink, &mut expected] {
                sink.data(part).unwrap();
                sink.zeros(index as u64 % 3).unwrap();
            }
        }
        assert!(sink.finish().unwrap().into_inner() == expected.into_inner());
    }

    #[test]
    fn the_sinks_error_is_the_writers() {
        struct Full(usize);
        impl Sink for Full {
            fn data(&mut self, _: &[u8]) -> io::Result<()> {
                self.0 -= 1;
                if self.0 == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            }
            fn zeros(&mut self, _: u64) -> io::Result<()> {
                Ok(())
            }
        }
        // While there is more to come, and at the end.
        for blocks in [10 * DEPTH, 3] {
            let mut sink = Threaded::start("test", Full(3)).unwrap();
            let written = sink.data(&vec![1; blocks * BLOCK]);
            let error = written.and_then(|()| sink.finish().map(drop)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{blocks}");
        }
    }

    #[test]
    fn a_panic_is_an_error() {
        struct Panics;
        impl Sink for Panics {
            fn data(&mut self, _: &[u8]) -> io::Result<()> {
                panic!("on purpose");
            }
            fn zeros(&mut self, _: u64) -> io::Result<()> {
                Ok(())
            }
        }
        let mut sink = Threaded::start("test", Panics).unwrap();
        sink.data(b"x").unwrap();
        assert!(sink.finish().is_err());
    }
}
