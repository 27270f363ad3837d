//! Files on a volume that is there, as `osb flash` changes them.

use std::collections::BTreeMap;
use std::io;

use osb_fat::edit::{EditError, Editor, Medium};
use osb_tree::ReadAt;

use super::image::{Sparse, fat, pieces, samples};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "edit",
    about: "FAT volumes, as pieces, in which files are read and written; what is refused changes \
            nothing",
    run,
    seeds: || samples().map(|tree| pieces(&fat(&tree))).to_vec(),
    words: &["FAT32   ", "RRaA", "rrAa", "NODE    TOM"],
};

/// Volumes beyond this are of no more interest, and their tables take long to read.
const MOST: u64 = 64 << 20;

/// What is read and written is of whole sectors, which are this long at least.
const SECTOR: usize = 512;

/// The image, and what was written to it.
struct Written {
    image: Sparse,
    bytes: BTreeMap<u64, Vec<u8>>,
}

impl Medium for Written {
    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.image.read_exact_at(bytes, offset)?;
        let end = offset + bytes.len() as u64;
        for (at, piece) in self.bytes.range(offset..end) {
            bytes[(at - offset) as usize..][..piece.len()].copy_from_slice(piece);
        }
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        assert!(offset + bytes.len() as u64 <= self.image.len, "written behind the end");
        let pieces = bytes.chunks(SECTOR).zip((offset..).step_by(SECTOR));
        self.bytes.extend(pieces.map(|(piece, at)| (at, piece.to_vec())));
        Ok(())
    }
}

fn run(input: &[u8]) {
    let image = Sparse::of(input);
    let len = image.len;
    if len > MOST {
        return;
    }
    let mut medium = Written { image, bytes: BTreeMap::new() };
    let Ok(mut editor) = Editor::open(&mut medium, len, 0) else { return };
    let _ = editor.free();
    for item in editor.names("").ok().flatten().unwrap_or_default() {
        let _ = if item.folder { editor.names(&item.name).map(drop) } else { Ok(()) };
        if !item.folder && item.size < 1 << 20 {
            let _ = editor.read(&item.name);
        }
    }
    let mut refused = true;
    for (path, size) in [("osb/files/a long name.toml", 3000), ("DIR/FILE", 700), ("target", 0)] {
        match editor.write(path, &vec![7; size]) {
            Ok(()) => refused = false,
            Err(EditError::Io(error)) => panic!("{path}: {error}"),
            Err(_) => {}
        }
    }
    assert!(!refused || medium.bytes.is_empty(), "refused, and something was written");
}
