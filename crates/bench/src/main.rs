//! One writer of osb by itself, so that it can be measured beside the tool that does the same.
//!
//! Each way is what a build does, with the settings of a build: from files on the disk, or a disk
//! image, to a file that is on the disk when the program ends. Left out is what the other tool does
//! not do: the digests of what is written, and the cache. `cargo xtask bench image` runs it.
#![allow(clippy::print_stderr)]

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use osb_builder::{ROOTFS_FORM, SD_FORM};
use osb_frames::{Codec, Cuts, Frames, NoStore};
use osb_sink::{DirectFile, Sink, SparseFile};
use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// What is asked for.
const USAGE: &str = "osb-bench ext4 FOLDER OUT SIZE | tar.gz FOLDER OUT | zst IMAGE OUT";

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<OsString>) -> Result<()> {
    let [way, from, to, rest @ ..] = &arguments[..] else { bail!("usage: {USAGE}") };
    let (from, to) = (Path::new(from), Path::new(to));
    match (way.to_str(), rest) {
        (Some("ext4"), [size]) => {
            ext4(from, to, size.to_str().and_then(|size| size.parse().ok()).context("a size")?)
        }
        (Some("tar.gz"), []) => tar_gz(from, to),
        (Some("zst"), []) => zst(from, to),
        _ => bail!("usage: {USAGE}"),
    }
}

/// A file system of `size` bytes with what is in `folder`.
fn ext4(folder: &Path, to: &Path, size: u64) -> Result<()> {
    let tree = osb_tree::scan(folder)?;
    let options = osb_ext4::Options {
        size,
        uuid: [1; 16],
        hash_seed: [2; 16],
        label: "root".to_owned(),
        timestamp: 1_700_000_000,
    };
    let mut file = SparseFile::create(to, size)?;
    osb_ext4::Image::plan(&tree, &options)?.write(&mut file)?;
    Ok(file.finish()?)
}

/// A compressed archive of what is in `folder`.
fn tar_gz(folder: &Path, to: &Path) -> Result<()> {
    let tree = osb_tree::scan(folder)?;
    finish(osb_archive::tar(&tree, frames(to, ROOTFS_FORM)?)?)
}

/// A compressed image. Holes are told, as a build does; nobody reads them.
fn zst(image: &Path, to: &Path) -> Result<()> {
    let file = File::open(image)?;
    let mut frames = frames(to, SD_FORM)?;
    let size = file.metadata()?.len();
    let mut buffer = vec![0; 256 << 10];
    let mut at = 0;
    while at < size {
        let data = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
            Ok(data) => data,
            // There is no more data.
            Err(Errno::NXIO) => size,
            Err(error) => return Err(error.into()),
        };
        frames.zeros(data - at)?;
        at = data;
        let end = if at < size { rustix::fs::seek(&file, SeekFrom::Hole(at))? } else { size };
        while at < end {
            let len = buffer.len().min(usize::try_from(end - at)?);
            file.read_exact_at(&mut buffer[..len], at)?;
            frames.data(&buffer[..len])?;
            at += len as u64;
        }
    }
    finish(frames)
}

fn frames(to: &Path, (codec, cuts): (Codec, Cuts)) -> Result<Frames<DirectFile>> {
    let jobs = std::thread::available_parallelism()?.get();
    let file = DirectFile::create(to).with_context(|| PathBuf::from(to).display().to_string())?;
    Ok(Frames::new(file, codec, cuts, jobs, Arc::new(NoStore))?)
}

fn finish(frames: Frames<DirectFile>) -> Result<()> {
    let (file, _) = frames.finish()?;
    file.finish()?;
    Ok(())
}
