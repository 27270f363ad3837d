//! Threads that hash, for all disks together: as many as there are processors.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

/// More would want more memory bandwidth than machines have.
const MOST: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs, the first that came first. Jobs that are there when it is dropped are still done.
pub(crate) struct Hashers {
    jobs: Sender<Job>,
}

impl Hashers {
    pub(crate) fn new() -> io::Result<Hashers> {
        let (jobs, incoming) = channel();
        let incoming = Arc::new(Mutex::new(incoming));
        let count = thread::available_parallelism().map_or(1, |count| count.get().min(MOST));
        for _ in 0..count {
            let incoming = Arc::clone(&incoming);
            thread::Builder::new().name("hash".to_owned()).spawn(move || work(&incoming))?;
        }
        Ok(Hashers { jobs })
    }

    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // Threads end when this is dropped and not before: no job panics.
        let _ = self.jobs.send(Box::new(job));
    }
}

fn work(incoming: &Mutex<Receiver<Job>>) {
    loop {
        let next = incoming.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
