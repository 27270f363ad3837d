//! From the tree to the files that a node starts from.
//!
//! Everything is laid out first. Then the disk is streamed once, in order, into as many sinks as
//! are wanted: the sparse `disk.img`, the compressor of `sd.img.zst`, and the hashes of both.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use osb_board::Boot;
use osb_checksum::Sha256Writer;
use osb_partition::{Guid, Layout, PartitionSpec, PartitionType};
use osb_recipe::{Arch, Recipe};
use osb_sink::{HashSink, Sink, SparseFile, Tee, ZstdSink};
use osb_tree::Tree;

use crate::cache::Lease;
use crate::error::BuildError;
use crate::job::Job;
use crate::options::Only;
use crate::partial::Partial;
use crate::plan::Plan;

/// Every artifact that a build can write.
const ARTIFACTS: [&str; 3] = ["disk.img", "rootfs.tar.gz", "sd.img.zst"];

/// Compression of `sd.img.zst`: 3 is the level that saturates a card writer; 19 is 100 times
/// slower for 10 % less.
const ZSTD_LEVEL: i32 = 3;
/// Compression of `rootfs.tar.gz`, gzip's own default.
const GZIP_LEVEL: u32 = 6;

/// A written file, still under its temporary name.
pub(crate) struct Emitted {
    pub(crate) name: &'static str,
    pub(crate) partial: Partial,
    pub(crate) size: u64,
    pub(crate) sha256: [u8; 32],
    /// For compressed files: length and digest of what they hold.
    pub(crate) content: Option<(u64, [u8; 32])>,
}

/// The disk, laid out: nothing is written yet.
pub(crate) struct Disk {
    pub(crate) layout: Layout,
    pub(crate) boot: Boot,
    pub(crate) volume_id: u32,
    pub(crate) root_uuid: [u8; 16],
    fat: osb_fat::Plan,
    root: osb_ext4::Options,
}

/// Identifier of the root partition, as the kernel command line names it.
fn root_guid(plan: &Plan) -> Guid {
    Guid::from_digest(&plan.identifier("root partition"))
}

/// Picks the boot files for the recipe's board.
pub(crate) fn boot_files(job: &Job, plan: &Plan, tree: &Tree) -> Result<Boot, BuildError> {
    let recipe = &job.options.project.recipe;
    let command_line = job.options.project.command_line();
    let mut boot = osb_board::boot(
        &recipe.image.board,
        &osb_board::Inputs {
            tree,
            arch: recipe.image.arch.as_str(),
            root_partuuid: &root_guid(plan).partuuid(),
            command_line: &command_line,
            version: &recipe.image.version,
            name: &recipe.image.name,
        },
    )?;
    let ids: Vec<_> = boot.files.iter().map(|(_, id, _)| id).collect();
    for id in ids {
        boot.files.inode_mut(id).meta.mtime = osb_tree::Time::from_secs(plan.epoch);
    }
    Ok(boot)
}

/// Lays out partitions and file systems.
pub(crate) fn plan_disk(
    recipe: &Recipe,
    plan: &Plan,
    tree: &Tree,
    boot: Boot,
) -> Result<Disk, BuildError> {
    let root = osb_ext4::Options {
        size: osb_ext4::estimate_size(tree, recipe.disk.root_free),
        uuid: Guid::from_digest(&plan.identifier("root file system")).bytes(),
        hash_seed: plan.identifier("directory hash"),
        label: "root".to_owned(),
        timestamp: plan.epoch,
    };
    let root_type = match recipe.image.arch {
        Arch::Arm64 => PartitionType::LinuxRootArm64,
        Arch::Amd64 => PartitionType::LinuxRootAmd64,
    };
    let layout = Layout::new(
        Guid::from_digest(&plan.identifier("disk")),
        vec![
            PartitionSpec {
                name: "boot".to_owned(),
                kind: PartitionType::EfiSystem,
                guid: Guid::from_digest(&plan.identifier("boot partition")),
                size: recipe.disk.boot_size,
            },
            PartitionSpec {
                name: "root".to_owned(),
                kind: root_type,
                guid: root_guid(plan),
                size: root.size,
            },
        ],
    )?;
    let id = plan.identifier("boot file system");
    let volume_id = u32::from_le_bytes([id[0], id[1], id[2], id[3]]);
    let fat = osb_fat::Plan::new(
        &boot.files,
        &osb_fat::Options {
            size: recipe.disk.boot_size,
            label: "BOOT".to_owned(),
            volume_id,
            timestamp: plan.epoch,
            hidden_sectors: layout.partitions()[0].first_lba as u32,
        },
    )?;
    Ok(Disk { layout, boot, volume_id, root_uuid: root.uuid, fat, root })
}

/// Writes `disk.img` and `sd.img.zst`, or one of them.
pub(crate) fn write_disk(job: &Job, disk: &Disk, tree: &Tree) -> Result<Vec<Emitted>, BuildError> {
    let size = disk.layout.disk_size();
    job.stage("disk", Some(size), || {
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
                let file = File::create(path).map_err(BuildError::io("creating", path))?;
                let writer = Sha256Writer::new(BufWriter::with_capacity(1 << 20, file));
                let threads = job.options.jobs.max(1) as u32;
                Some(
                    ZstdSink::create(writer, ZSTD_LEVEL, threads, size)
                        .map_err(BuildError::io("creating", path))?,
                )
            }
            None => None,
        };
        let mut hash = HashSink::new();
        let mut progress = Progress { job };
        {
            let mut sinks: Vec<&mut dyn Sink> = vec![&mut hash, &mut progress];
            sinks.extend(raw.as_mut().map(|sink| sink as &mut dyn Sink));
            sinks.extend(sd.as_mut().map(|sink| sink as &mut dyn Sink));
            let mut root = Some(osb_ext4::Image::plan(tree, &disk.root)?);
            disk.layout.write(&mut Tee(sinks), &mut |index, sink| match index {
                0 => disk.fat.write(sink).map_err(io::Error::other),
                _ => match root.take() {
                    Some(image) => image.write(sink).map_err(io::Error::other),
                    None => Err(io::Error::other("the root partition is written once")),
                },
            })?;
        }
        let (length, digest) = hash.finish();
        let mut emitted = Vec::new();
        if let (Some(sink), Some(path)) = (raw, raw_path) {
            sink.finish().map_err(BuildError::io("finishing", &*path))?;
            emitted.push(Emitted {
                name: "disk.img",
                partial: path,
                size: length,
                sha256: digest,
                content: None,
            });
        }
        if let (Some(sink), Some(path)) = (sd, sd_path) {
            let fail = |error| BuildError::io("finishing", &*path)(error);
            let (writer, sha256, size) = sink.finish().map_err(fail)?.finish();
            sync(writer, &path)?;
            let content = Some((length, digest));
            emitted.push(Emitted { name: "sd.img.zst", partial: path, size, sha256, content });
        }
        Ok((emitted, mib(size)))
    })
}

/// Writes `rootfs.tar.gz`: the tree with the boot files under `/boot/firmware`.
pub(crate) fn write_rootfs(job: &Job, tree: &Tree, boot: &Boot) -> Result<Emitted, BuildError> {
    job.stage("rootfs", None, || {
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
        let path = partial(job, "rootfs.tar.gz");
        let file = File::create(&*path).map_err(BuildError::io("creating", &*path))?;
        let writer = Sha256Writer::new(BufWriter::with_capacity(1 << 20, file));
        let options = osb_archive::TarOptions { gzip_level: GZIP_LEVEL, jobs: job.options.jobs };
        let writer = Watched { job, inner: writer };
        let writer = osb_archive::tar_gz(&whole, writer, &options)?.inner;
        let (writer, sha256, size) = writer.finish();
        sync(writer, &path)?;
        let emitted = Emitted { name: "rootfs.tar.gz", partial: path, size, sha256, content: None };
        Ok((emitted, mib(size)))
    })
}

/// The temporary name of an artifact, in the folder where it will lie.
fn partial(job: &Job, name: &str) -> Partial {
    Partial::of(&job.options.output.join(name))
}

fn sync(writer: BufWriter<File>, path: &Path) -> Result<(), BuildError> {
    writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)
        .and_then(|file| file.sync_all())
        .map_err(BuildError::io("writing out", path))
}

/// Removes what a run that was killed left in the output folder, unless somebody writes there now:
/// it may be gigabytes, and this run may never come to write.
pub(crate) fn sweep(job: &Job) -> Result<(), BuildError> {
    written().iter().try_for_each(|name| crate::partial::clear(&job.options.output.join(name)))
}

/// Makes the folder, takes it for this run alone, and removes what a run that was killed left there
/// under temporary names.
pub(crate) fn prepare_output(job: &Job) -> Result<Lease, BuildError> {
    let output = &job.options.output;
    fs::create_dir_all(output).map_err(BuildError::io("making", output))?;
    let busy = format!("another run of osb is writing to {}", output.display());
    let lease = job.claim(output, &busy)?;
    for name in written() {
        drop(partial(job, &name));
    }
    Ok(lease)
}

/// Everything that a build may write into its folder, the sums first.
pub(crate) fn written() -> Vec<String> {
    let mut names = vec!["SHA256SUMS".to_owned()];
    let described = ARTIFACTS.into_iter().chain(["metadata.json"]);
    names.extend(described.flat_map(|name| [format!("{name}.sha256"), name.to_owned()]));
    names
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// Tells the caller how far the disk is, and stops if asked to.
struct Progress<'a> {
    job: &'a Job<'a>,
}

impl Sink for Progress<'_> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.zeros(bytes.len() as u64)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.job.advance(len);
        go_on(self.job)
    }
}

/// A file that is being written until the caller asks to stop.
struct Watched<'a, W> {
    job: &'a Job<'a>,
    inner: W,
}

impl<W: Write> Write for Watched<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        go_on(self.job)?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Not `ErrorKind::Interrupted`: `write_all` takes that for a reason to try again, for ever.
fn go_on(job: &Job) -> io::Result<()> {
    job.go_on().map_err(io::Error::other)
}
