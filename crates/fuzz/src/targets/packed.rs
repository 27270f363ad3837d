//! zstd files, with a seek table opened as images: what is read in place is what all of it is, and
//! what frames say of their size is right if they can be decompressed.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use osb_frames::{Codec, Cuts, Frames, NoStore};
use osb_image::{Compression, Limits, Options, zstd_content_size};
use osb_tree::{Inode, Tree};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "packed",
    about: "zstd files with a seek table: frames and their sizes",
    run,
    seeds,
    words: &["(\u{b5}/", "^*M\u{18}"],
};

/// What an input may decompress to, and what its tables may take.
const LIMITS: Limits = Limits { memory: 8 << 20, work: 8 << 20, decompressed: 8 << 20 };

fn run(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    std::fs::write(&path, bytes).unwrap();
    sizes(&path, bytes);
    let options = Options { scratch: folder.path(), limits: LIMITS };
    let Ok(image) = osb_image::open(&path, &options) else { return };
    for (_, _, inode) in image.volumes.iter().flat_map(|volume| volume.tree.iter()) {
        let Some(content) = inode.content() else { continue };
        let mut read = Vec::new();
        if content.open().is_ok_and(|content| content.take(1 << 20).read_to_end(&mut read).is_ok())
        {
            assert_eq!(read.len() as u64, content.size().min(1 << 20));
        }
    }
}

fn sizes(path: &Path, bytes: &[u8]) {
    let file = File::open(path).unwrap();
    let Some(told) = zstd_content_size(&file, bytes.len() as u64).unwrap() else { return };
    let Ok(mut content) = Compression::Zstd.decoder(bytes) else { return };
    let limited = &mut content.by_ref().take(LIMITS.decompressed);
    if let Ok(size) = std::io::copy(limited, &mut std::io::sink())
        && size < LIMITS.decompressed
    {
        assert_eq!(told, size);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut tree = Tree::new();
    tree.lay("a/file", Inode::file(0o644, vec![7; 20_000])).unwrap();
    let (codec, cuts) = (Codec::Zstd { level: 1 }, Cuts::new(512, 4096, 64 << 10));
    let mut frames = Frames::new(Vec::new(), codec, cuts, 1, Arc::new(NoStore)).unwrap();
    frames.write_all(&osb_archive::tar(&tree, Vec::new()).unwrap()).unwrap();
    vec![frames.finish().unwrap().0]
}
