//! The same lock gives the same bytes, whoever builds, where, when and how.
//!
//! Everything that should not matter is varied, many things in each build, so that a few builds
//! are enough; if one differs, `osb diff` explains it, and what was varied is named.
//!
//! What is not varied: the kernel, the processor, and the clock, which cannot be moved for one
//! process without moving it for all. Builds are some minutes apart, so that a time which leaks
//! differs; and no file in an image may be modified later than the clock that the lock gives it,
//! which is days before any build. Other times (of superblocks, of inodes' changes and reads) are
//! in the bytes, and the builds' distance tells.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use osb_image::{Limits, Options};

use crate::project::{Image, Project};
use crate::steps::{Steps, capture, show};
use crate::test::clear;

/// When the files of an export were last changed, as far as they say: in 2001.
const OLD: Duration = Duration::from_secs(1_000_000_000);

/// A place that a mirror could be at.
const PLACE: &str = "some/where else/debian";

/// Sets what only a shell or a namespace can: the umask, and as root the host's name.
const SCRIPT: &str = "\
    [ -z \"$HOST_NAME\" ] || echo \"$HOST_NAME\" > /proc/sys/kernel/hostname
    umask \"$UMASK\"
    exec \"$@\"";

/// `cargo xtask reproduce`: with the artifacts in `folder`, or a build of its own, to compare with.
pub(crate) fn run(folder: Option<&Path>) -> Result<Steps> {
    let project = Project::find()?;
    let mut steps = Steps::default();
    crate::test::release(&mut steps, &project);
    let image = match folder {
        Some(folder) => project.image(crate::project::DEFAULT, folder)?,
        None => {
            let image = project.default_image()?;
            let built = steps.run("the build to compare with", || {
                clear(&image.out)?;
                let mut build = project.osb(&["build", "--locked", "--quiet", "--recipe"]);
                show(build.arg(&image.recipe).arg("--output").arg(&image.out))?;
                let root = rustix::process::geteuid().is_root();
                let user = if root { "root" } else { "this user" };
                let text = format!("this folder, {user}, this machine's mirror, locale, time zone");
                Ok(((), text))
            });
            if built.is_none() {
                return Ok(steps);
            }
            image
        }
    };
    check(&mut steps, &project, &image);
    crate::user::check(&mut steps, &project, &image);
    Ok(steps)
}

/// All variations but the ordinary user, who has a proof of his own.
pub(crate) fn check(steps: &mut Steps, project: &Project, image: &Image) {
    steps.run("reproduce: no file modified after the image's clock", || no_later_time(image));
    let place = project.work.join("reproduce");
    let git = Git { root: &project.root };
    let Ok(commit) = git.commit() else {
        steps.skip("reproduce: export and clone", "this is no Git repository");
        return;
    };
    let Some(export) = steps.run("reproduce: an osb compiled from an export", || {
        clear(&place)?;
        export(project, image, &git, &place.join(format!("Ex pört/{commit}")))
    }) else {
        return;
    };
    let cache = place.join("cache");
    steps.run("reproduce: export, cold, all different", || {
        let mirror = mirror(project, &image.recipe, &place.join("mirror"))?;
        let server = osb_testrepo::serve(&place.join("mirror"));
        // Another name for the same address; blanks stand in URLs as %20.
        let url = server.url().replace("127.0.0.1", "localhost");
        let url = format!("{url}/{}", PLACE.replace(' ', "%20"));
        let variation = Variation {
            osb: &export.osb,
            recipe: export.folder.join("osb.toml"),
            cache: &cache,
            out: place.join("out of the export"),
            arguments: &["--jobs", "1", "--mirror", &url],
            environment: &[
                ("LC_ALL", "de_DE.UTF-8"),
                ("LANG", "tr_TR.UTF-8"),
                ("TZ", "Pacific/Kiritimati"),
                ("HOME", "/nonexistent"),
                ("USER", "somebody"),
                ("EDITOR", "ed"),
            ],
            umask: "077",
            host_name: "elsewhere",
        };
        let name = variation.build(image, project)?;
        ensure!(server.count(".deb") > 0, "nothing was downloaded from the local mirror");
        let text = format!(
            "another folder, export without .git, files of 2001, empty cache, --jobs 1, \
             mirror {} with {mirror} packages, de_DE, Pacific/Kiritimati, umask 077, \
             another HOME, {name}",
            url.split('/').nth(2).unwrap_or_default()
        );
        Ok(((), text))
    });
    steps.run("reproduce: clone, warm", || {
        let clone = place.join("clone");
        git.clone_to(&clone)?;
        fs::copy(lock(&image.recipe), clone.join("osb.lock")).context("copying the lock")?;
        let epoch = epoch(image)?.to_string();
        let variation = Variation {
            osb: &project.osb,
            recipe: clone.join("osb.toml"),
            cache: &cache,
            out: place.join("out-of-the-clone"),
            arguments: &["--jobs", "4", "--offline"],
            environment: &[
                ("LC_ALL", "C"),
                ("TZ", "America/St_Johns"),
                ("SOURCE_DATE_EPOCH", &epoch),
            ],
            umask: "000",
            host_name: "",
        };
        let name = variation.build(image, project)?;
        let text = format!(
            "a Git clone, the other build's cache, offline, --jobs 4, C, America/St_Johns, \
             umask 000, SOURCE_DATE_EPOCH given, {name}"
        );
        Ok(((), text))
    });
    if let Err(error) = clear(&place) {
        eprintln!("warning: {error:#}");
    }
}

/// Fails, with an explanation, unless two builds wrote the same bytes.
pub(crate) fn same_bytes(project: &Project, a: &Path, b: &Path, varied: &str) -> Result<usize> {
    let sums = |folder: &Path| fs::read_to_string(folder.join("SHA256SUMS"));
    let (one, other) = (sums(a)?, sums(b)?);
    if one != other {
        // It ends with 1 if there are differences, which is what we expect here.
        let explained = project.osb(&["diff"]).arg(a).arg(b).output()?;
        bail!(
            "two builds differ; what was varied: {varied}\n{}{}",
            String::from_utf8_lossy(&explained.stdout),
            String::from_utf8_lossy(&explained.stderr)
        );
    }
    show(Command::new("sha256sum").args(["--quiet", "-c", "SHA256SUMS"]).current_dir(b))?;
    Ok(one.lines().count())
}

/// A build under other circumstances.
pub(crate) struct Variation<'a> {
    pub(crate) osb: &'a Path,
    pub(crate) recipe: PathBuf,
    pub(crate) cache: &'a Path,
    pub(crate) out: PathBuf,
    pub(crate) arguments: &'a [&'a str],
    pub(crate) environment: &'a [(&'a str, &'a str)],
    pub(crate) umask: &'a str,
    /// Empty: this machine's.
    pub(crate) host_name: &'a str,
}

impl Variation<'_> {
    /// Builds, and compares with what is there; which host name it had, in words.
    pub(crate) fn build(&self, image: &Image, project: &Project) -> Result<&'static str> {
        let root = rustix::process::geteuid().is_root();
        let mut command = Command::new(if root { "unshare" } else { "sh" });
        if root {
            command.args(["--uts", "sh"]);
        }
        command.args(["-ec", SCRIPT, "sh"]).arg(self.osb).args(["build", "--locked", "--quiet"]);
        command.arg("--cache-dir").arg(self.cache).arg("--output").arg(&self.out);
        command.arg("--recipe").arg(&self.recipe).args(self.arguments);
        command.env("UMASK", self.umask);
        // Only root may set it, even in a namespace of its own.
        let host_name = if root { self.host_name } else { "" };
        command.env("HOST_NAME", host_name);
        command.envs(self.environment.iter().copied());
        command.current_dir(self.recipe.parent().context("a recipe without folder")?);
        show(&mut command)?;
        let name = if host_name.is_empty() { "this host name" } else { "another host name" };
        let Variation { arguments, environment, umask, .. } = self;
        let varied = format!("{arguments:?} {environment:?} umask {umask}, {name}");
        same_bytes(project, &image.out, &self.out, &varied)?;
        Ok(name)
    }
}

/// The repository.
pub(crate) struct Git<'a> {
    pub(crate) root: &'a Path,
}

impl Git<'_> {
    pub(crate) fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        // CI runs as root in a folder of somebody else's.
        command.args(["-c", "safe.directory=*", "-C"]).arg(self.root).args(arguments);
        command
    }

    pub(crate) fn commit(&self) -> Result<String> {
        Ok(capture(&mut self.git(&["rev-parse", "HEAD"]))?.trim().to_owned())
    }

    /// Fails if files are not as they are committed: then HEAD is not what was built.
    pub(crate) fn is_clean(&self) -> Result<()> {
        let changed = capture(&mut self.git(&["status", "--porcelain", "--untracked-files=no"]))?;
        ensure!(
            changed.is_empty(),
            "files are not as they are committed; commit or stash these first\n{changed}"
        );
        Ok(())
    }

    fn export_to(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let archive = folder.with_extension("tar");
        show(self.git(&["archive", "--output"]).arg(&archive).arg("HEAD"))?;
        show(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(folder))?;
        Ok(fs::remove_file(&archive)?)
    }

    fn clone_to(&self, folder: &Path) -> Result<()> {
        show(
            Command::new("git")
                .args(["clone", "--quiet", "--no-hardlinks"])
                .arg(self.root)
                .arg(folder),
        )
    }
}

/// The repository without `.git`, and the osb that was compiled from it.
struct Export {
    folder: PathBuf,
    osb: PathBuf,
}

fn export(project: &Project, image: &Image, git: &Git, folder: &Path) -> Result<(Export, String)> {
    git.is_clean()?;
    git.export_to(folder)?;
    fs::copy(lock(&image.recipe), folder.join("osb.lock")).context("copying the lock")?;
    age(folder)?;
    // Dependencies are compiled already; what lies in another folder is compiled anew. The folder
    // has the commit in its name: times cannot tell cargo that something has changed there.
    let target = project.osb.ancestors().nth(2).context("a target folder")?;
    let keep = project.work.join("osb-kept");
    fs::copy(&project.osb, &keep)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    show(
        Command::new(cargo)
            .args(["build", "--release", "--locked", "--quiet", "--package", "osb", "--target-dir"])
            .arg(target)
            .current_dir(folder),
    )?;
    let osb = folder.join("osb-of-the-export");
    fs::rename(&project.osb, &osb)?;
    fs::rename(&keep, &project.osb)?;
    let same = fs::read(&osb)? == fs::read(&project.osb)?;
    let text = if same { "the same program" } else { "another program: paths are in it" };
    Ok((Export { folder: folder.to_owned(), osb }, text.to_owned()))
}

/// Gives everything below a folder an old time.
fn age(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            age(&path)?;
        } else if !path.is_symlink() {
            File::open(&path)?.set_modified(SystemTime::UNIX_EPOCH + OLD)?;
        }
    }
    Ok(File::open(folder)?.set_modified(SystemTime::UNIX_EPOCH + OLD)?)
}

/// Lays the downloaded packages where a mirror would have them; how many there are.
fn mirror(project: &Project, recipe: &Path, folder: &Path) -> Result<usize> {
    let lock = osb_apt::Lock::read(&lock(recipe))?;
    let tools = lock.tools.iter().map(|tool| &tool.package);
    let mut count = 0;
    for package in lock.packages.iter().chain(tools) {
        let deb = project.cache.join("debs-v1").join(format!("{}.deb", package.sha256));
        if !deb.is_file() {
            continue;
        }
        // The security archive's paths are others, and either archive may have all.
        for archive in [PLACE.to_owned(), format!("{PLACE}-security")] {
            let link = folder.join(archive).join(&package.path);
            fs::create_dir_all(link.parent().context("a package without a folder")?)?;
            if !link.exists() {
                symlink(deb.canonicalize()?, &link)?;
            }
        }
        count += 1;
    }
    ensure!(count > 0, "no package of the lock is in {}", project.cache.display());
    Ok(count)
}

fn lock(recipe: &Path) -> PathBuf {
    recipe.with_extension("lock")
}

/// The clock of an image.
fn epoch(image: &Image) -> Result<i64> {
    let text = fs::read_to_string(image.out.join("metadata.json"))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    metadata["source_date_epoch"].as_i64().context("metadata.json without a clock")
}

/// Fails if any file of the disk was modified after the image's clock, as far as it says.
fn no_later_time(image: &Image) -> Result<((), String)> {
    let epoch = epoch(image)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    ensure!(i64::try_from(now)? > epoch, "the image's clock is not in the past");
    let options = Options { scratch: &std::env::temp_dir(), limits: Limits::default() };
    let disk = osb_image::open(&image.out.join("disk.img"), &options)?;
    let mut count = 0;
    for volume in &disk.volumes {
        for (path, _, inode) in volume.tree.iter() {
            let time = inode.meta.mtime.secs;
            let path = String::from_utf8_lossy(path);
            ensure!(time <= epoch, "/{path} is of {time}, after the image's clock {epoch}");
            count += 1;
        }
    }
    let days = (i64::try_from(now)? - epoch) as f64 / 86400.0;
    Ok(((), format!("{count} paths; the clock is {days:.1} days before this build")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_explained_with_what_was_varied() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let project = Project {
            root: path(""),
            work: path(""),
            osb: "/bin/echo".into(),
            cache: path("cache"),
        };
        for (name, sums) in [("a", ""), ("b", "00  disk.img\n")] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("SHA256SUMS"), sums).unwrap();
        }
        let error = same_bytes(&project, &path("a"), &path("b"), "the moon").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("the moon") && text.contains("diff"), "{text}");
    }

    #[test]
    fn files_get_an_old_time_at_any_depth() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/b/c"), "").unwrap();
        age(dir.path()).unwrap();
        for name in ["", "a", "a/b/c"] {
            let time = fs::metadata(dir.path().join(name)).unwrap().modified().unwrap();
            assert_eq!(time, SystemTime::UNIX_EPOCH + OLD);
        }
    }
}
