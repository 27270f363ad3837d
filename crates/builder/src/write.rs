//! The artifacts, each byte once.
//!
//! The disk is streamed, in order, into as many sinks as are wanted: the sparse `disk.img`, the
//! compressor of `sd.img.zst`, the hashes of both, and the block map. `rootfs.tar.gz` is written
//! beside it, on a thread of its own. What was compressed before comes from the cache.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use osb_blockmap::{BlockMap, Recorder};
use osb_board::Boot;
use osb_checksum::Sha256Writer;
use osb_frames::{Codec, Cuts, Frames, Store, Tally};
use osb_sink::{DirectFile, HashSink, Sink, SparseFile, Tee, Threaded};
use osb_tree::{Kind, Tree};

use crate::disk::Disk;
use crate::emit::{Emitted, Written, partial};
use crate::error::BuildError;
use crate::job::Job;
use crate::options::Only;
use crate::partial::Partial;

/// Compression of `sd.img.zst`: 3 is the level that saturates a card writer; 19 is 100 times
/// slower for 10 % less.
const ZSTD_LEVEL: i32 = 3;
/// Compression of `rootfs.tar.gz`, gzip's own default.
const GZIP_LEVEL: u32 = 6;
/// Where the disk is cut: at blocks of its file systems, two mebibytes apart on average, which is
/// the window of the level: longer pieces would not be smaller.
const DISK_CUTS: Cuts = Cuts::new(4096, 2 << 20, 64 << 20);

/// Where the archive is cut: at its blocks, a mebibyte apart on average. Gzip's window is 32 KiB, so
/// longer pieces would be smaller by less than a thousandth.
const TAR_CUTS: Cuts = Cuts::new(osb_archive::BLOCK, 1 << 20, 64 << 20);

/// A file that is hashed while it is written.
type HashedFile = Sha256Writer<DirectFile>;

/// Writes the forms that are wanted, side by side.
pub(crate) fn artifacts(job: &Job, disk: &Disk, tree: &Tree) -> Result<Written, BuildError> {
    let only = job.options.only;
    let wants_disk = only != Some(Only::Rootfs);
    let wants_rootfs = only.is_none_or(|only| only == Only::Rootfs);
    let mut total = 0;
    if wants_disk {
        total += disk.layout.disk_size();
    }
    if wants_rootfs {
        total += content(tree) + content(&disk.boot.files);
    }
    job.stage("write", Some(total), || {
        let writing = Writing {
            job,
            store: Arc::new(job.cache.frames()),
            stop: AtomicBool::new(false),
            outcome: Mutex::default(),
        };
        std::thread::scope(|scope| {
            if wants_rootfs {
                scope.spawn(|| writing.run(|| write_rootfs(&writing, tree, &disk.boot)));
            }
            if wants_disk {
                writing.run(|| write_disk(&writing, disk, tree));
            }
        });
        writing.finish()
    })
}

/// Bytes of all files: about what an archive of them has.
fn content(tree: &Tree) -> u64 {
    tree.iter()
        .map(|(_, _, inode)| match &inode.kind {
            Kind::File(content) => content.size(),
            _ => 0,
        })
        .sum()
}

/// What is written side by side: an error of one ends all.
struct Writing<'a> {
    job: &'a Job<'a>,
    store: Arc<dyn Store>,
    stop: AtomicBool,
    outcome: Mutex<Outcome>,
}

/// What has come of it.
#[derive(Default)]
struct Outcome {
    written: Written,
    tallies: Vec<Tally>,
    /// The first; those that follow are its doing.
    error: Option<BuildError>,
}

impl Writing<'_> {
    fn run(&self, write: impl FnOnce() -> Result<(Written, Option<Tally>), BuildError>) {
        // A panic must end the other side, too: it would go on for nothing.
        let stop = StopOnDrop(&self.stop);
        let result = write();
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok((Written { files, map }, tally)) => {
                outcome.written.files.extend(files);
                outcome.written.map = outcome.written.map.take().or(map);
                outcome.tallies.extend(tally);
                std::mem::forget(stop);
            }
            Err(error) => {
                outcome.error.get_or_insert(error);
            }
        }
    }

    /// Fails if the caller asked to stop, or another side has failed.
    ///
    /// Not with `ErrorKind::Interrupted`: `write_all` takes that for a reason to try again, for
    /// ever.
    fn go_on(&self) -> io::Result<()> {
        self.job.go_on().map_err(io::Error::other)?;
        match self.stop.load(Ordering::Relaxed) {
            true => Err(io::Error::other("another artifact could not be written")),
            false => Ok(()),
        }
    }

    fn frames(&self, out: HashedFile, codec: Codec, cuts: Cuts) -> io::Result<Frames<HashedFile>> {
        Frames::new(out, codec, cuts, self.job.options.jobs, Arc::clone(&self.store))
    }

    fn finish(self) -> Result<(Written, String), BuildError> {
        let Outcome { written, tallies, error } =
            self.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = error {
            return Err(error);
        }
        tallies.iter().for_each(|tally| report(self.job, tally));
        let sum = |part: fn(&Tally) -> u64| tallies.iter().map(part).sum::<u64>();
        let (reused, made) = (sum(|tally| tally.reused_bytes), sum(|tally| tally.made_bytes));
        let names: Vec<_> = written.files.iter().map(|file| file.name).collect();
        let mut summary = names.join(", ");
        if reused > 0 {
            let percent = 100.0 * reused as f64 / (reused + made) as f64;
            summary += &format!("; {percent:.1} % were compressed before");
        }
        Ok((written, summary))
    }
}

/// Tells what is wrong with the cache's compressed pieces.
fn report(job: &Job, tally: &Tally) {
    if tally.damaged > 0 {
        let count = tally.damaged;
        job.warn(format!("{count} damaged entries of frames-v1 in the cache were made again"));
    }
    if let Some(error) = &tally.unsaved {
        job.warn(format!("what was compressed cannot be kept in the cache: {error}"));
    }
}

/// One gzip member.
pub(crate) fn gzip(job: &Job, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let codec = Codec::Gzip { level: GZIP_LEVEL };
    let (member, tally) = osb_frames::single(codec, bytes, &job.cache.frames())?;
    report(job, &tally);
    Ok(member)
}

/// Sets a flag, unless it is forgotten.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes `disk.img` with its `.bmap`, and `sd.img.zst`, or one of them.
fn write_disk(
    writing: &Writing,
    disk: &Disk,
    tree: &Tree,
) -> Result<(Written, Option<Tally>), BuildError> {
    let job = writing.job;
    let size = disk.layout.disk_size();
    let wants = |only| job.options.only.is_none_or(|wanted| wanted == only);
    let raw_path = wants(Only::Disk).then(|| partial(job, "disk.img"));
    let sd_path = wants(Only::Sd).then(|| partial(job, "sd.img.zst"));
    let mut raw = match raw_path.as_deref() {
        Some(path) => {
            Some(SparseFile::create(path, size).map_err(BuildError::io("creating", path))?)
        }
        None => None,
    };
    let mut sd = match sd_path.as_deref() {
        Some(path) => {
            let file = create(path)?;
            let frames = writing.frames(file, Codec::Zstd { level: ZSTD_LEVEL }, DISK_CUTS);
            Some(frames.map_err(BuildError::io("creating", path))?)
        }
        None => None,
    };
    // The digest of the whole disk, its zeroes too, takes as long as all the rest; those of the
    // ranges do not wait for it.
    let fail = || BuildError::io("hashing", &job.options.output);
    let mut hash = Threaded::start("disk-hash", HashSink::new()).map_err(fail())?;
    let mut map = Threaded::start("block-map", Recorder::new()).map_err(fail())?;
    let mut progress = Progress(writing);
    {
        let mut sinks: Vec<&mut dyn Sink> = vec![&mut hash, &mut map, &mut progress];
        sinks.extend(raw.as_mut().map(|sink| sink as &mut dyn Sink));
        sinks.extend(sd.as_mut().map(|sink| sink as &mut dyn Sink));
        disk.write(tree, &mut Tee(sinks))?;
    }
    // While the hash comes to its end, the files come to the disk.
    let mut files = Vec::new();
    let mut tally = None;
    if let (Some(sink), Some(path)) = (sd, sd_path) {
        let (writer, reuse) = sink.finish().map_err(BuildError::io("finishing", &*path))?;
        files.push(finish("sd.img.zst", path, writer)?);
        tally = Some(reuse);
    }
    let map = map.finish().map_err(fail())?.finish();
    let mut bmap = None;
    if let (Some(sink), Some(path)) = (raw, &raw_path) {
        sink.finish().map_err(BuildError::io("finishing", &**path))?;
        bmap = Some(write_bmap(job, &map)?);
    }
    let (length, digest) = hash.finish().map_err(fail())?.finish();
    for file in &mut files {
        file.content = Some((length, digest));
    }
    files.extend(bmap);
    if let Some(path) = raw_path {
        files.push(Emitted {
            name: "disk.img",
            partial: path,
            size: length,
            sha256: digest,
            content: None,
        });
    }
    Ok((Written { files, map: Some(map) }, tally))
}

/// Writes `disk.img.bmap`.
fn write_bmap(job: &Job, map: &BlockMap) -> Result<Emitted, BuildError> {
    let path = partial(job, "disk.img.bmap");
    let mut file = create(&path)?;
    file.write_all(map.to_bmap().as_bytes()).map_err(BuildError::io("writing", &*path))?;
    finish("disk.img.bmap", path, file)
}

/// Writes `rootfs.tar.gz`: the tree with the boot files under `/boot/firmware`.
fn write_rootfs(
    writing: &Writing,
    tree: &Tree,
    boot: &Boot,
) -> Result<(Written, Option<Tally>), BuildError> {
    let mut whole = tree.clone();
    for (path, _, inode) in boot.files.iter() {
        let path = String::from_utf8_lossy(path).into_owned();
        let path = if path.is_empty() {
            "boot/firmware".to_owned()
        } else {
            format!("boot/firmware/{path}")
        };
        whole.lay(&path, inode.clone())?;
    }
    let path = partial(writing.job, "rootfs.tar.gz");
    let codec = Codec::Gzip { level: GZIP_LEVEL };
    let frames = writing
        .frames(create(&path)?, codec, TAR_CUTS)
        .map_err(BuildError::io("creating", &*path))?;
    let out = osb_archive::tar(&whole, Watched { writing, inner: frames })?;
    let (out, tally) = out.inner.finish().map_err(BuildError::io("finishing", &*path))?;
    let emitted = finish("rootfs.tar.gz", path, out)?;
    Ok((Written { files: vec![emitted], map: None }, Some(tally)))
}

fn create(path: &Path) -> Result<HashedFile, BuildError> {
    let file = DirectFile::create(path).map_err(BuildError::io("creating", path))?;
    Ok(Sha256Writer::new(file))
}

/// Brings a file to the disk.
fn finish(name: &'static str, partial: Partial, writer: HashedFile) -> Result<Emitted, BuildError> {
    let (file, sha256, size) = writer.finish();
    file.finish().map_err(BuildError::io("writing out", &*partial))?;
    Ok(Emitted { name, partial, size, sha256, content: None })
}

/// Tells the caller how far the disk is, and stops if asked to.
struct Progress<'a>(&'a Writing<'a>);

impl Sink for Progress<'_> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.zeros(bytes.len() as u64)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.0.job.advance(len);
        self.0.go_on()
    }
}

/// The same for the archive.
struct Watched<'a, W> {
    writing: &'a Writing<'a>,
    inner: W,
}

impl<W: Write> Write for Watched<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writing.go_on()?;
        let written = self.inner.write(bytes)?;
        self.writing.job.advance(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
