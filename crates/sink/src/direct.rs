//! A new file, written around the page cache.
//!
//! Artifacts are gigabytes that nobody reads soon, and that must be on the disk before they get
//! their names. Through the page cache they are copied once more, push out what the next build
//! needs, and are waited for at the end. So blocks go to the disk as they become full, by a thread
//! of its own, with `O_DIRECT` (open(2)) where the file system has it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use crate::aligned::{ALIGN, Aligned};

/// Bytes that are written at a time.
const BLOCK: usize = 1 << 20;
/// Blocks that may wait for the disk.
const DEPTH: usize = 8;

/// A file that is written from its beginning to its end; what is skipped is a hole.
///
/// An error of the disk shows at a later call, or at the end. A dropped `DirectFile` leaves an
/// unfinished file behind.
#[derive(Debug)]
pub struct DirectFile {
    blocks: SyncSender<(u64, Block)>,
    /// Blocks that come back to be used again.
    free: Receiver<Block>,
    thread: Option<JoinHandle<io::Result<File>>>,
    /// What is not handed over yet, and its place in the file, a multiple of [`ALIGN`].
    block: Block,
    offset: u64,
}

impl DirectFile {
    /// Makes the file, empty.
    ///
    /// # Errors
    /// If it cannot be made, or `path` is something else than a regular file: on a device, what is
    /// skipped would keep its old content.
    pub fn create(path: &Path) -> io::Result<DirectFile> {
        let open = |flags: OFlags| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            options.custom_flags(flags.bits() as i32).open(path)
        };
        // File systems without it say so here (EINVAL), or at the first write.
        let file = open(OFlags::DIRECT).or_else(|_| open(OFlags::empty()))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} is not a regular file", path.display()),
            ));
        }
        let (blocks, incoming) = sync_channel(DEPTH);
        let (back, free) = channel();
        let write = move || write_blocks(file, &incoming, &back);
        let thread = thread::Builder::new().name("file".to_owned()).spawn(write)?;
        let block = Block::new();
        Ok(DirectFile { blocks, free, thread: Some(thread), block, offset: 0 })
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.offset + self.block.len as u64
    }

    /// Leaves a hole, but for the ends that share a block of the disk with data.
    ///
    /// # Errors
    /// The disk's, of what was written before.
    pub fn skip(&mut self, len: u64) -> io::Result<()> {
        let end = self.position() + len;
        let edge = self.position().next_multiple_of(ALIGN as u64).min(end);
        self.block.pad((edge - self.offset) as usize);
        if self.block.len == BLOCK {
            self.hand_over()?;
        }
        if end > edge {
            self.hand_over()?;
            self.offset = end - end % ALIGN as u64;
            self.block.pad((end % ALIGN as u64) as usize);
        }
        Ok(())
    }

    /// Writes the rest, sets the length and waits until all is on the disk. Returns the length.
    ///
    /// From then on all may read the file (mode 0644), whatever the umask is.
    ///
    /// # Errors
    /// The disk's.
    pub fn finish(mut self) -> io::Result<u64> {
        let len = self.position();
        // The disk takes whole blocks; what is too much is cut off again.
        self.block.pad(self.block.len.next_multiple_of(ALIGN));
        self.hand_over()?;
        let DirectFile { blocks, thread, .. } = self;
        drop(blocks);
        let file = join(thread)?;
        file.set_len(len)?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.sync_all()?;
        Ok(len)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        if self.block.len == 0 {
            return Ok(());
        }
        let next = self.free.try_recv().unwrap_or_else(|_| Block::new());
        let block = std::mem::replace(&mut self.block, next);
        let offset = self.offset;
        self.offset += block.len as u64;
        // It takes no more: it has failed.
        let sent = self.blocks.send((offset, block));
        sent.or_else(|_| join(self.thread.take()).and(Err(io::Error::other("the file is closed"))))
    }
}

impl Write for DirectFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.block.fill(bytes);
        if self.block.len == BLOCK {
            self.hand_over()?;
        }
        Ok(taken)
    }

    /// Does nothing: a file is finished, not flushed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread: writes blocks until there will be no more.
fn write_blocks(
    file: File,
    incoming: &Receiver<(u64, Block)>,
    back: &Sender<Block>,
) -> io::Result<File> {
    for (offset, mut block) in incoming {
        let result = file.write_all_at(block.bytes(), offset);
        result.or_else(|error| buffered(&file, error)?.write_all_at(block.bytes(), offset))?;
        block.len = 0;
        // At the end nobody takes it.
        let _ = back.send(block);
    }
    Ok(file)
}

/// The file without `O_DIRECT`, if that may have been the reason of the error: its rules differ
/// between file systems, and after a write that was cut short the rest is not aligned.
fn buffered(file: &File, error: io::Error) -> io::Result<&File> {
    let flags = fcntl_getfl(file)?;
    // Most say EINVAL; some say that they do not support it.
    let refused = error.kind() == io::ErrorKind::InvalidInput
        || error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error());
    if !refused || !flags.contains(OFlags::DIRECT) {
        return Err(error);
    }
    fcntl_setfl(file, flags - OFlags::DIRECT)?;
    Ok(file)
}

fn join(thread: Option<JoinHandle<io::Result<File>>>) -> io::Result<File> {
    let thread = thread.ok_or_else(|| io::Error::other("the file is closed"))?;
    thread.join().map_err(|_| io::Error::other("the thread of a file panicked"))?
}

/// Memory for a block, and how much of it is in use.
#[derive(Debug)]
struct Block {
    memory: Aligned,
    len: usize,
}

impl Block {
    fn new() -> Block {
        Block { memory: Aligned::new(BLOCK), len: 0 }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[..self.len]
    }

    /// Takes as many bytes as there is room for.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        let room = &mut self.memory[self.len..];
        let taken = room.len().min(bytes.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        self.len += taken;
        taken
    }

    /// Zeroes until it has so many bytes.
    fn pad(&mut self, len: usize) {
        self.memory[self.len..len].fill(0);
        self.len = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_every_byte_at_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![0xA5; 4 << 20]).unwrap();
        let bytes: Vec<u8> = (0..3 * BLOCK as u32 / 2).map(|at| (at % 251) as u8 + 1).collect();
        let mut file = DirectFile::create(&path).unwrap();
        let mut expected = Vec::new();
        for (data, hole) in [
            (5, 3),
            (4096, 4096),
            (1, 100_000),
            (BLOCK, 0),
            (BLOCK - 7, 7),
            (0, 1),
            (bytes.len(), 9),
        ] {
            file.write_all(&bytes[..data]).unwrap();
            file.skip(hole).unwrap();
            expected.extend_from_slice(&bytes[..data]);
            expected.resize(expected.len() + hole as usize, 0);
            assert_eq!(file.position(), expected.len() as u64);
        }
        assert_eq!(file.finish().unwrap(), expected.len() as u64);
        assert!(std::fs::read(&path).unwrap() == expected);
    }

    #[test]
    fn an_empty_file_and_one_that_is_a_hole() {
        let dir = tempfile::tempdir().unwrap();
        for len in [0, 1, 4096, 5000, 10 << 20] {
            let path = dir.path().join("file");
            let mut file = DirectFile::create(&path).unwrap();
            file.skip(len).unwrap();
            assert_eq!(file.finish().unwrap(), len);
            assert!(std::fs::read(&path).unwrap() == vec![0; len as usize], "{len}");
        }
    }

    #[test]
    fn without_direct_writes_it_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("file")).unwrap();
        let flags = fcntl_getfl(&file).unwrap();
        if fcntl_setfl(&file, flags | OFlags::DIRECT).is_err() {
            println!("SKIPPED: the file system has no direct writes");
            return;
        }
        // What a file system with other rules says.
        let refused = || io::Error::from(io::ErrorKind::InvalidInput);
        buffered(&file, refused()).unwrap().write_all_at(b"not aligned", 3).unwrap();
        assert!(!fcntl_getfl(&file).unwrap().contains(OFlags::DIRECT));
        assert!(buffered(&file, refused()).is_err(), "it is no reason any more");
        assert!(buffered(&file, io::ErrorKind::StorageFull.into()).is_err());
        fcntl_setfl(&file, flags | OFlags::DIRECT).unwrap();
        assert!(buffered(&file, Errno::OPNOTSUPP.into()).is_ok());
    }

    #[test]
    fn devices_are_refused() {
        assert!(DirectFile::create(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn a_full_disk_is_an_error() {
        // /dev/full is a device, so it is put where the file was.
        let (blocks, incoming) = sync_channel(DEPTH);
        let (back, free) = channel();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let thread = thread::spawn(move || write_blocks(full, &incoming, &back));
        let block = Block::new();
        let mut file = DirectFile { blocks, free, thread: Some(thread), block, offset: 0 };
        let written = (0..100).try_for_each(|_| file.write_all(&[1; BLOCK]));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
