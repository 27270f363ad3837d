//! Threads that turn pieces into compressed ones, by remembering or by work.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::codec::{Codec, Piece};
use crate::store::{self, Store};

/// A piece to be compressed, an empty buffer for the result, and where it goes.
struct Job {
    piece: Piece,
    out: Vec<u8>,
    reply: Sender<io::Result<Done>>,
}

/// A compressed piece.
pub(crate) struct Done {
    /// What it was made of; its buffer can be used again.
    pub(crate) piece: Piece,
    /// The member or frame.
    pub(crate) compressed: Vec<u8>,
    /// It was remembered.
    pub(crate) reused: bool,
    /// It was remembered wrongly.
    pub(crate) damaged: bool,
    /// Why it will not be remembered.
    pub(crate) unsaved: Option<io::Error>,
}

/// A piece under way.
pub(crate) struct Pending(Receiver<io::Result<Done>>);

impl Pending {
    /// Waits for it.
    pub(crate) fn wait(self) -> io::Result<Done> {
        self.0.recv().map_err(|_| panicked())?
    }
}

/// The threads. They end when this is dropped.
pub(crate) struct Workers {
    jobs: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn start(codec: Codec, count: usize, store: Arc<dyn Store>) -> io::Result<Workers> {
        let (jobs, receiver) = channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        let threads = (0..count.max(1))
            .map(|number| {
                let (receiver, store) = (Arc::clone(&receiver), Arc::clone(&store));
                let thread = thread::Builder::new().name(format!("frames-{number}"));
                thread.spawn(move || work(&receiver, codec, &*store))
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Workers { jobs, threads })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.threads.len()
    }

    /// Hands them a piece, and an empty buffer.
    pub(crate) fn submit(&self, piece: Piece, out: Vec<u8>) -> io::Result<Pending> {
        let (reply, receiver) = channel();
        // All of them have panicked, or they would wait for it.
        self.jobs.send(Job { piece, out, reply }).map_err(|_| panicked())?;
        Ok(Pending(receiver))
    }

    /// Waits until they have ended.
    pub(crate) fn finish(self) -> io::Result<()> {
        drop(self.jobs);
        self.threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| panicked()))
    }
}

fn panicked() -> io::Error {
    io::Error::other("a compressing thread panicked")
}

/// A thread: takes jobs until there will be no more.
fn work(receiver: &Mutex<Receiver<Job>>, codec: Codec, store: &dyn Store) {
    loop {
        let job = match receiver.lock() {
            Ok(receiver) => receiver.recv(),
            Err(_) => return,
        };
        let Ok(Job { piece, out, reply }) = job else { return };
        // Whoever does not wait any more has failed elsewhere.
        let _ = reply.send(compress(piece, out, codec, store));
    }
}

/// Compresses a piece into `out`, which is empty, unless the store has it.
pub(crate) fn compress(
    piece: Piece,
    mut out: Vec<u8>,
    codec: Codec,
    store: &dyn Store,
) -> io::Result<Done> {
    let key = codec.key(&piece);
    let damaged = match store.get(&key, &mut out) {
        Ok(true) => match store::open(&key, &out).map(<[u8]>::len) {
            Some(length) => {
                out.truncate(length);
                let compressed = out;
                return Ok(Done { piece, compressed, reused: true, damaged: false, unsaved: None });
            }
            None => true,
        },
        Ok(false) => false,
        Err(_) => true,
    };
    out.clear();
    codec.compress(&piece, &mut out)?;
    let length = out.len();
    store::seal(&key, &mut out);
    let unsaved = store.put(&key, &out).err();
    out.truncate(length);
    Ok(Done { piece, compressed: out, reused: false, damaged, unsaved })
}
