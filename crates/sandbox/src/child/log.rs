//! The end of what a command wrote, and how much it was.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use rustix::io::Errno;

/// How much of a command's output is kept.
const TAIL: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Log {
    pub(super) tail: VecDeque<u8>,
    pub(super) total: u64,
}

impl Log {
    /// Reads what is there; `false` at the end.
    pub(super) fn read_once(&mut self, output: impl AsFd) -> io::Result<bool> {
        let mut buffer = [0; 64 << 10];
        let length = match rustix::io::read(output, &mut buffer) {
            Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
            other => other?,
        };
        self.add(&buffer[..length]);
        Ok(length > 0)
    }

    /// Reads what is left when nobody writes any more.
    pub(super) fn drain(&mut self, output: &mut File) -> io::Result<()> {
        let mut buffer = [0; 64 << 10];
        loop {
            match output.read(&mut buffer)? {
                0 => return Ok(()),
                length => self.add(&buffer[..length]),
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.tail.extend(bytes);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
    }
}
