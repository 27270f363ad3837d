//! osb as a product: archives and a Debian package for the machine that builds them.
//!
//! `cargo xtask dist` builds the program and packs it; `cargo xtask dist generate` writes the
//! manual pages and completions that are packed anew. Nothing here is compiled a second time: the
//! release build is the one that everything else is tested with.

mod deb;
mod elf;
mod files;
mod install;
mod licences;
mod product;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use osb_checksum::{Sums, sha256};

use self::product::Product;
use crate::project::Project;
use crate::steps::{Steps, capture, show};
use crate::test::{clear, release};

pub(crate) use self::install::{NATIVE, check as installs};

/// The level of the archive that is downloaded most: small, and still made in seconds.
const ZSTD_LEVEL: i32 = 19;

/// What to make.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    /// The folder to write to [default: dist in cargo's target folder]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    packager: Packager,
    /// Take sources that differ from their commit, too
    #[arg(long)]
    allow_dirty: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Write the manual pages and completions anew, from the definition of the command line
    Generate,
    /// Only the tests of what is released, with the package on a system of trixie
    Check {
        /// The folder that `osb build` wrote to, for this machine's own architecture
        folder: PathBuf,
    },
}

/// Who signs for a package.
#[derive(Debug, clap::Args)]
pub(crate) struct Packager {
    /// The package's maintainer, who gets the mail about it
    #[arg(long, value_name = "NAME <ADDRESS>", default_value = "osb developers <osb@localhost>")]
    maintainer: String,
}

/// `cargo xtask dist`.
pub(crate) fn run(arguments: &Arguments) -> Result<Steps> {
    let project = Project::find()?;
    let mut steps = Steps::default();
    if let Some(Task::Generate) = arguments.task {
        steps.run("dist: manual pages and completions", || generate(&project));
        return Ok(steps);
    }
    release(&mut steps, &project);
    if !steps.all_passed() {
        return Ok(steps);
    }
    if let Some(Task::Check { folder }) = &arguments.task {
        let image = project.image(NATIVE, folder)?;
        check(&mut steps, &project);
        installs(&mut steps, &project, &image);
        return Ok(steps);
    }
    let folder = match &arguments.output {
        Some(folder) => std::path::absolute(folder)?,
        None => project.osb.parent().and_then(Path::parent).unwrap_or(&project.work).join("dist"),
    };
    steps.run("dist", || {
        let product = Product::gather(&project)?;
        ensure!(
            arguments.allow_dirty || !product.told.contains("-dirty"),
            "{}: the sources have changes that no commit has; commit them, or say --allow-dirty",
            product.told
        );
        let text = make(&product, &arguments.packager.maintainer, &folder)?;
        Ok(((), format!("{}: {text}; in {}", product.told, folder.display())))
    });
    Ok(steps)
}

/// The steps for what needs no image: what is made, and whether it is made twice the same.
pub(crate) fn check(steps: &mut Steps, project: &Project) {
    let Some(product) = steps.run("dist: the program and what goes with it", || {
        let product = Product::gather(project)?;
        let commit = expected_commit(project)?;
        ensure!(
            product.told.contains(&commit),
            "`osb --version` says {:?}, and the commit is {commit}",
            product.told
        );
        let text = format!("{}; {}", product.told, product.needs.depends());
        Ok((product, text))
    }) else {
        return;
    };
    let folder = folder(project);
    let again = project.work.join("dist-again");
    let maintainer = "Somebody <somebody@example.org>";
    steps.run("dist: archives and package", || Ok(((), make(&product, maintainer, &folder)?)));
    steps.run("dist: twice the same", || {
        make(&Product::gather(project)?, maintainer, &again)?;
        let sums = |folder: &Path| fs::read_to_string(folder.join("SHA256SUMS"));
        ensure!(sums(&folder)? == sums(&again)?, "{} differs", again.display());
        clear(&again)?;
        Sums::parse(&sums(&folder)?)?.verify(&folder)?;
        Ok(((), "every file, as SHA256SUMS says".to_owned()))
    });
    steps.run("dist: the archives unpacked", || unpacked(project, &product, &folder));
    install::cargo(steps, project);
}

/// Where the test has them.
fn folder(project: &Project) -> PathBuf {
    project.work.join("dist")
}

/// The commit that the release build must name; nothing where Git does not know it.
fn expected_commit(project: &Project) -> Result<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(&project.root).args(["rev-parse", "--verify", "HEAD"]);
    let commit = match capture(&mut git) {
        Ok(commit) => commit,
        // A source archive.
        Err(_) if !project.root.join(".git").exists() => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    Ok(commit.chars().take(12).collect())
}

/// Writes everything into `folder`, which is cleared before; what was written.
fn make(product: &Product, maintainer: &str, folder: &Path) -> Result<String> {
    let tar = osb_archive::tar(product.archive()?.tree(), Vec::new())?;
    let name = product.name();
    // Compression is what takes time.
    let made = std::thread::scope(|scope| {
        let zst = scope.spawn(|| zstd::encode_all(tar.as_slice(), ZSTD_LEVEL));
        let gz = product::gzip(&tar)?;
        let deb = product.deb(maintainer)?;
        let zst = zst.join().map_err(|_| anyhow!("compressing the archive failed"))??;
        anyhow::Ok([
            (format!("{name}.tar.gz"), gz),
            (format!("{name}.tar.zst"), zst),
            (product.deb_name(), deb),
        ])
    })?;
    clear(folder)?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut sums = Sums::new();
    let mut sizes = Vec::new();
    for (name, bytes) in made {
        fs::write(folder.join(&name), &bytes).with_context(|| name.clone())?;
        sizes.push(format!("{name} {:.1} MiB", bytes.len() as f64 / 1_048_576.0));
        sums.insert(name, sha256(&bytes))?;
    }
    fs::write(folder.join("SHA256SUMS"), sums.to_string())?;
    Ok(sizes.join(", "))
}

/// The archives as users unpack them; the program must start from there.
fn unpacked(project: &Project, product: &Product, folder: &Path) -> Result<((), String)> {
    let place = project.work.join("dist-unpacked");
    let name = product.name();
    for end in ["tar.gz", "tar.zst"] {
        clear(&place)?;
        fs::create_dir_all(&place)?;
        let archive = fs::File::open(folder.join(format!("{name}.{end}")))?;
        let reader: Box<dyn std::io::Read> = match end {
            "tar.gz" => Box::new(flate2::read::GzDecoder::new(archive)),
            _ => Box::new(zstd::Decoder::new(archive)?),
        };
        tar::Archive::new(reader).unpack(&place)?;
        let root = place.join(&name);
        let told = capture(Command::new(root.join("bin/osb")).arg("--version"))?;
        if told.trim_end() != product.told {
            bail!("{end}: it says {told:?}, not {:?}", product.told);
        }
        for path in ["share/man/man1/osb-build.1", "share/doc/osb/THIRD-PARTY.txt"] {
            ensure!(root.join(path).is_file(), "{end}: there is no {path}");
        }
    }
    let count = fs::read_dir(place.join(&name).join("share/man/man1"))?.count();
    clear(&place)?;
    Ok(((), format!("osb starts; {count} manual pages")))
}

/// The test that compares the committed files writes them if it is told to.
fn generate(project: &Project) -> Result<((), String)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--quiet", "--package", "osb", "--bin", "osb", "cli::generated"]);
    show(command.env("OSB_UPDATE_GOLDEN", "1").current_dir(&project.root))?;
    Ok(((), "crates/osb/generated".to_owned()))
}
