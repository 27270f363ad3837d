//! File systems that `crates/ext4` wrote, under everything that will ever meet them: e2fsck of the
//! release that is installed and of the one to come, and a kernel that mounts them, looks up every
//! name, writes, and makes them larger while they are in use.

mod guest;
mod sid;
mod tree;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use osb_boot::Tools;
use osb_ext4::{Image as Ext4, Options, estimate_size};
use osb_sink::Sink;
use osb_tree::diff::{Scope, diff};
use osb_tree::{Inode, Time, Tree};

use crate::project::{Image, Project};
use crate::steps::{Steps, capture};
use crate::test::clear;

/// Time of what the file system makes itself.
const TIMESTAMP: i64 = 1_750_000_000;

/// A file system in a file, and what is in it.
struct Written {
    path: PathBuf,
    tree: Tree,
}

/// Writes file systems and has them looked at.
pub(crate) fn check(steps: &mut Steps, project: &Project, tools: &Tools, image: &Image) {
    let folder = project.work.join("ext4");
    let written = steps.run("ext4: write", || {
        clear(&folder)?;
        fs::create_dir_all(&folder)?;
        let tree = tree::conformance()?;
        let size = estimate_size(&tree, 64 << 20, 4 << 20);
        let written = [("conformance", size), ("growth", 2 << 30)].map(|(name, size)| {
            let path = folder.join(name);
            write(&tree, &path, size)?;
            Ok::<_, anyhow::Error>(Written { path, tree: tree.clone() })
        });
        let [conformance, growth] = written;
        let text = format!("{} entries, {} MiB and 2048 MiB", tree.len(), size >> 20);
        Ok(([conformance?, growth?], text))
    });
    let Some([conformance, growth]) = written else { return };
    let referees = referees(steps, project, tools);
    referees.check(steps, &[&conformance, &growth], "as written");
    steps.run("ext4: read back", || Ok(((), read_back(&conformance)?)));
    guest::check(steps, project, tools, image, [&conformance, &growth]);
    referees.check(steps, &[&conformance, &growth], "after the guest");
    steps.run("ext4: read back after growth", || Ok(((), read_back(&growth)?)));
}

/// Writes `tree`; free blocks get rubbish, as they may have it on a disk.
fn write(tree: &Tree, path: &Path, size: u64) -> Result<()> {
    let options = Options {
        size,
        uuid: *b"\x12\x34\x56\x78\x9a\xbc\x4d\xef\x80\x01\x02\x03\x04\x05\x06\x07",
        hash_seed: *b"0123456789abcdef",
        label: "conformance".to_owned(),
        timestamp: TIMESTAMP,
    };
    let file = File::create(path).with_context(|| path.display().to_string())?;
    file.set_len(size)?;
    let mut sink = Rubbish { file, at: 0 };
    Ext4::plan(tree, &options)?.write(&mut sink)?;
    ensure!(sink.at == size, "{} of {size} bytes came", sink.at);
    Ok(())
}

struct Rubbish {
    file: File,
    at: u64,
}

impl Sink for Rubbish {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.at)?;
        self.zeros(bytes.len() as u64)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.at += len;
        Ok(())
    }

    fn unused(&mut self, len: u64) -> io::Result<()> {
        let rubbish = vec![0xA5; 1 << 20];
        for (at, len) in places(self.file.metadata()?.len(), self.at, self.at + len) {
            for part in (0..len).step_by(rubbish.len()) {
                let len =
                    usize::try_from(len - part).map_or(rubbish.len(), |len| len.min(rubbish.len()));
                self.file.write_all_at(&rubbish[..len], at + part)?;
            }
        }
        self.zeros(len)
    }
}

/// Where rubbish goes in free blocks from `from` to `to`: everywhere, but in an image of more than
/// 1 GiB only where something would be read by mistake, at both ends and where groups begin. As
/// positions and lengths in bytes.
fn places(image: u64, from: u64, to: u64) -> Vec<(u64, u64)> {
    const GROUP: usize = 128 << 20;
    if image <= 1 << 30 {
        return vec![(from, to - from)];
    }
    let len = (to - from).min(1 << 20);
    let groups = (from.next_multiple_of(GROUP as u64)..to).step_by(GROUP);
    let groups = groups.map(|at| (at, (to - at).min(64 << 10)));
    [(from, len), (to - len, len)].into_iter().chain(groups).collect()
}

/// The programs that check.
struct Referees<'a> {
    tools: &'a Tools,
    sid: Option<PathBuf>,
}

fn referees<'a>(steps: &mut Steps, project: &Project, tools: &'a Tools) -> Referees<'a> {
    let name = "ext4: e2fsck of sid";
    let version = format!("e2fsck-static {}", sid::VERSION);
    let sid = match sid::e2fsck(project, tools) {
        Ok(None) => {
            steps.skip(name, &format!("{version} has gone from the archive: pin the newer one"));
            None
        }
        other => steps.run(name, || Ok((other?, version))).flatten(),
    };
    Referees { tools, sid }
}

impl Referees<'_> {
    fn check(&self, steps: &mut Steps, written: &[&Written], when: &str) {
        for written in written {
            let name = written.path.file_name().unwrap_or_default().display();
            steps.run(&format!("ext4: trixie's e2fsck, {name} {when}"), || {
                Ok(((), fsck(self.tools.command("e2fsck")?, &written.path)?))
            });
            if let Some(sid) = &self.sid {
                steps.run(&format!("ext4: sid's e2fsck, {name} {when}"), || {
                    Ok(((), fsck(Command::new(sid), &written.path)?))
                });
            }
        }
    }
}

/// `e2fsck -fn` must exit with 0 and say nothing but the passes and the summary.
fn fsck(mut e2fsck: Command, path: &Path) -> Result<String> {
    let text = capture(e2fsck.args(["-f", "-n"]).arg(path))?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("Pass ")).collect();
    let [summary] = lines[..] else { bail!("e2fsck complains:\n{text}") };
    Ok(summary.to_owned())
}

/// Our own reader finds the tree, and nothing else but what the guest was told to make.
fn read_back(written: &Written) -> Result<String> {
    let folder = written.path.parent().context("a folder")?;
    let options = osb_image::Options { scratch: folder, limits: osb_image::Limits::default() };
    let mut image = osb_image::open(&written.path, &options)?;
    let mut found = image.volumes.pop().context("no file system")?.tree;
    found.remove(guest::MADE);
    let mut expected = written.tree.clone();
    let mut own = Inode::directory(0o700);
    own.meta.mtime = Time::from_secs(TIMESTAMP);
    expected.insert("lost+found", own)?;
    // Something was made in it.
    if let (Some(root), Some(seen)) = (expected.get_mut(""), found.get("")) {
        root.meta.mtime = seen.meta.mtime;
    }
    same(&expected, &found, &Scope::ALL)
}

/// No difference between two trees.
fn same(expected: &Tree, found: &Tree, scope: &Scope) -> Result<String> {
    let differences = diff(expected, found, scope)?;
    let first = format!("{:?}", differences.iter().take(5).collect::<Vec<_>>());
    ensure!(differences.is_empty(), "{} differences: {first:.1000}", differences.len());
    Ok(format!("{} entries with metadata and content", found.len()))
}
