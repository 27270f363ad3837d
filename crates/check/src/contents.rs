//! Whole contents, on several threads: their MD5, and what in them looks like a secret.

use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use md5::{Digest, Md5};
use osb_tree::Content;

/// Bytes that are read at a time.
const CHUNK: usize = 256 << 10;

/// Something in a content that should not be in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Which pattern it is of.
    pub(crate) pattern: usize,
    /// Where it begins, in bytes.
    pub(crate) at: u64,
}

/// The MD5 of a content.
pub(crate) fn md5(content: &Content) -> io::Result<[u8; 16]> {
    let mut hash = Md5::new();
    let mut reader = content.open()?;
    let mut buffer = vec![0; CHUNK.min(content.size() as usize + 1)];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// Calls `visit` with pieces of a content, each with the position of its first byte; each begins
/// with the last `overlap` bytes of the one before.
pub(crate) fn pieces(
    reader: &mut dyn Read,
    overlap: usize,
    visit: &mut dyn FnMut(&[u8], u64),
) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK + overlap];
    let (mut kept, mut at) = (0, 0_u64);
    loop {
        let length = match reader.read(&mut buffer[kept..]) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = kept + length;
        if length == 0 {
            return Ok(at + end as u64);
        }
        visit(&buffer[..end], at);
        let keep = overlap.min(end);
        buffer.copy_within(end - keep..end, 0);
        at += (end - keep) as u64;
        kept = keep;
    }
}

/// Does `work` for every item, on `jobs` threads; the results in the items' order.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::default();
    std::thread::scope(|scope| {
        let run = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else { return };
                let result = work(item);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
            }
        };
        for _ in 1..jobs.min(items.len()) {
            scope.spawn(run);
        }
        run();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_overlap_and_lose_nothing() {
        let content: Vec<u8> = (0..3 * CHUNK as u32 + 7).map(|n| (n * 7 / 5) as u8).collect();
        let mut back = Vec::new();
        let length = pieces(&mut &content[..], 100, &mut |piece, at| {
            back.truncate(at as usize);
            back.extend_from_slice(piece);
        });
        assert_eq!(length.unwrap(), content.len() as u64);
        assert!(back == content);
    }

    #[test]
    fn results_come_in_order() {
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(
            side_by_side(&items, 4, |item| item * 2),
            items.iter().map(|i| i * 2).collect::<Vec<_>>()
        );
        assert!(side_by_side(&[] as &[u32], 4, |item| *item).is_empty());
    }

    #[test]
    fn sums_are_those_of_md5sum() {
        let hex =
            |bytes: [u8; 16]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(md5(&Content::from(b"abc".to_vec())).unwrap()),
            "900150983cd24fb0d6963f7d28e17f72"
        );
    }
}
