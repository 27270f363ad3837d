//! A disk of any length of which only the ends exist.
//!
//! The `gpt` crate reads and writes a seekable device. A partition table touches the first and
//! last few sectors only, so those are kept in memory; between them there is nothing.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// The first and the last bytes of a disk.
#[derive(Debug)]
pub(crate) struct Window {
    head: Vec<u8>,
    tail: Vec<u8>,
    len: u64,
    position: u64,
}

impl Window {
    /// A disk of `len` bytes, all zero, with `head` bytes at its start and `tail` at its end.
    pub(crate) fn new(len: u64, head: usize, tail: usize) -> Window {
        Window { head: vec![0; head], tail: vec![0; tail], len, position: 0 }
    }

    /// The two ends.
    pub(crate) fn into_ends(self) -> (Vec<u8>, Vec<u8>) {
        (self.head, self.tail)
    }

    /// What exists from the position on, up to the end of its window.
    fn here(&mut self) -> io::Result<&mut [u8]> {
        let tail_start = self.len - self.tail.len() as u64;
        let (window, start) = if self.position < self.head.len() as u64 {
            (&mut self.head, 0)
        } else if self.position >= tail_start {
            (&mut self.tail, tail_start)
        } else {
            return Err(io::Error::other(format!(
                "a partition table reaches into the disk, to byte {}",
                self.position
            )));
        };
        // At the end of the disk, or behind it, there is nothing.
        let at = usize::try_from(self.position - start).map_or(window.len(), |at| at);
        let at = at.min(window.len());
        Ok(&mut window[at..])
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = (&*self.here()?).read(buffer)?;
        self.position += got as u64;
        Ok(got)
    }
}

impl Write for Window {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = (&mut *self.here()?).write(bytes)?;
        self.position += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_exist_and_the_middle_does_not() {
        let mut window = Window::new(1 << 40, 8, 4);
        window.write_all(b"12345678").unwrap();
        assert!(window.write_all(b"9").is_err());
        window.seek(SeekFrom::End(-4)).unwrap();
        window.write_all(b"abcd").unwrap();
        assert!(window.write_all(b"e").is_err());
        assert_eq!(window.read(&mut [0; 1]).unwrap(), 0);
        window.seek(SeekFrom::Start(2)).unwrap();
        let mut two = [0; 2];
        window.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"34");
        assert_eq!(window.seek(SeekFrom::Current(1)).unwrap(), 5);
        assert!(window.seek(SeekFrom::Current(-6)).is_err());
        assert_eq!(window.into_ends(), (b"12345678".to_vec(), b"abcd".to_vec()));
    }
}
