//! Contents that lie in pieces within something larger, as files do in an image.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes that can be read at any offset, by several readers at once.
pub trait ReadAt: Debug + Send + Sync {
    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// If they cannot be read, or there are not so many.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for Vec<u8> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let part = usize::try_from(offset).ok().and_then(|offset| {
            let end = offset.checked_add(buffer.len())?;
            self.get(offset..end)
        });
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A piece of a content, and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins in the content, in bytes.
    pub at: u64,
    /// Its length in bytes.
    pub len: u64,
    /// Where it begins in the source, in bytes.
    pub offset: u64,
}

/// A content in pieces; what lies in none is zeroes.
#[derive(Debug, Clone)]
pub struct Extents {
    source: Arc<dyn ReadAt>,
    pieces: Arc<[Extent]>,
    size: u64,
}

impl Extents {
    /// `size` bytes in `pieces` of `source`. Pieces are taken in order: what overlaps the one
    /// before, or lies behind `size`, is cut off.
    pub fn new(source: Arc<dyn ReadAt>, pieces: impl Into<Vec<Extent>>, size: u64) -> Self {
        let mut pieces = pieces.into();
        let mut end = 0;
        pieces.retain_mut(|piece| {
            let cut = end.max(piece.at) - piece.at;
            piece.at += cut.min(piece.len);
            piece.offset = piece.offset.saturating_add(cut);
            piece.len = piece.len.saturating_sub(cut).min(size.saturating_sub(piece.at));
            end = end.max(piece.at.saturating_add(piece.len));
            piece.len > 0
        });
        Extents { source, pieces: pieces.into(), size }
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The pieces, in order; they do not overlap.
    pub fn pieces(&self) -> &[Extent] {
        &self.pieces
    }

    /// Whether the two are the same bytes because they lie in the same place.
    pub fn same_place(&self, other: &Extents) -> bool {
        Arc::ptr_eq(&self.source, &other.source)
            && self.size == other.size
            && self.pieces == other.pieces
    }

    /// The end of the hole that `at` lies in; `None` if it lies in a piece.
    pub fn hole_end(&self, at: u64) -> Option<u64> {
        match self.piece(at) {
            (Some(_), _) => None,
            (None, next) => Some(next),
        }
    }

    /// A reader over all bytes, holes included.
    pub fn reader(&self) -> impl Read + '_ {
        Reader { extents: self, at: 0 }
    }

    /// Fills `buffer` with the bytes from `at` on, which must be there.
    ///
    /// # Errors
    /// If the source cannot be read.
    pub fn read_at(&self, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let len = match self.piece(at) {
                (Some(piece), _) => {
                    let into = at - piece.at;
                    let len =
                        buffer.len().min(usize::try_from(piece.len - into).unwrap_or(usize::MAX));
                    self.source.read_exact_at(&mut buffer[..len], piece.offset + into)?;
                    len
                }
                (None, next) => {
                    let len = buffer.len().min(usize::try_from(next - at).unwrap_or(usize::MAX));
                    if len == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    buffer[..len].fill(0);
                    len
                }
            };
            buffer = &mut buffer[len..];
            at += len as u64;
        }
        Ok(())
    }

    /// The piece that `at` lies in, else where the hole that it lies in ends.
    fn piece(&self, at: u64) -> (Option<&Extent>, u64) {
        let next = self.pieces.partition_point(|piece| piece.at + piece.len <= at);
        match self.pieces.get(next) {
            Some(piece) if piece.at <= at => (Some(piece), at),
            Some(piece) => (None, piece.at),
            None => (None, self.size.max(at)),
        }
    }
}

struct Reader<'a> {
    extents: &'a Extents,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.extents.size.saturating_sub(self.at);
        let len = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.extents.read_at(&mut buffer[..len], self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(pieces: &[(u64, u64, u64)], size: u64) -> Extents {
        let source: Vec<u8> = (0..100).collect();
        let pieces: Vec<Extent> = pieces
            .iter()
            .map(|(at, len, offset)| Extent { at: *at, len: *len, offset: *offset })
            .collect();
        Extents::new(Arc::new(source), pieces, size)
    }

    fn read(extents: &Extents) -> Vec<u8> {
        crate::Content::Extents(extents.clone()).read().unwrap()
    }

    #[test]
    fn pieces_and_holes_come_in_order() {
        let content = extents(&[(1, 2, 50), (4, 2, 10)], 8);
        assert_eq!(read(&content), [0, 50, 51, 0, 10, 11, 0, 0]);
        assert_eq!(
            (content.hole_end(0), content.hole_end(1), content.hole_end(6)),
            (Some(1), None, Some(8))
        );
    }

    #[test]
    fn overlaps_and_what_is_behind_the_end_are_cut_off() {
        let content = extents(&[(0, 3, 10), (1, 4, 20), (0, 1, 99), (5, 100, 30)], 7);
        assert_eq!(read(&content), [10, 11, 12, 22, 23, 30, 31]);
        assert_eq!(content.pieces().len(), 3);
    }

    #[test]
    fn a_piece_outside_of_its_source_is_an_error() {
        let mut bytes = Vec::new();
        assert!(extents(&[(0, 4, 98)], 4).reader().read_to_end(&mut bytes).is_err());
        assert!(extents(&[(0, 4, u64::MAX - 1)], 4).reader().read_to_end(&mut bytes).is_err());
    }
}
