//! Developer tasks: `cargo xtask test` is what has to pass before anything is merged.
//!
//! The referees (e2fsck, fsck.vfat, sgdisk, tar, zstd, ssh, apt) come from osb's own locked tool
//! set `test`, so the result does not depend on what is installed here.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod beside;
mod boot;
mod bootstrap;
mod changelog;
mod customise;
mod dhcp;
mod dist;
mod docs;
mod e2e;
mod equivalence;
mod exit;
mod ext4;
mod flash;
mod flashed;
mod full;
mod fuzz;
mod grow;
mod guest;
mod host;
mod image;
mod kills;
mod kubernetes;
mod layouts;
mod lint;
mod loops;
mod medium;
mod mutate;
mod project;
mod random;
mod rebuild;
mod referee;
#[cfg(test)]
mod references;
mod release;
mod reproduce;
mod steps;
mod test;
mod usage;
mod user;
mod variant;
mod version;
mod volumes;
#[cfg(test)]
mod workflows;
mod writers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use test::Part;

/// Developer tasks of osb.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Formatting, lints, tests, a real build, its referees, and a boot
    Test {
        /// Stop before the real build: no network, no QEMU
        #[arg(long)]
        quick: bool,
        /// Only the real build of this recipe, its referees and its boot
        #[arg(long, value_name = "RECIPE", conflicts_with = "quick")]
        image: Option<String>,
    },
    /// One image, of any board and with any Kubernetes: built, checked, booted
    Build(variant::Build),
    /// A release: all images built twice and compared, signed and verified, with notes
    Release(release::Arguments),
    /// A new version: in Cargo.toml, Cargo.lock, the recipes and the changelog
    Version(version::Arguments),
    /// Only the referees and the boot, on artifacts that are there
    Image {
        /// The folder that `osb build` wrote to
        #[arg(default_value = "out")]
        folder: PathBuf,
        /// The recipe that it was built from
        #[arg(long, default_value = project::DEFAULT)]
        recipe: String,
    },
    /// Only the comparison of osb's resolver with apt
    Referee,
    /// Only the long proofs: a second build like the one that is there, killed ones, two at once
    Proofs {
        /// The folder that `osb build` wrote to
        #[arg(default_value = "out")]
        folder: PathBuf,
        #[command(flatten)]
        series: kills::Series,
    },
    /// Only the growth of the root to a larger disk on the first boot, and what power failures do to it
    Grow {
        /// The folder that `osb build` wrote to
        #[arg(default_value = "out")]
        folder: PathBuf,
        /// The recipe that it was built from
        #[arg(long, default_value = project::DEFAULT)]
        recipe: String,
        #[command(flatten)]
        failures: grow::Failures,
    },
    /// Only the boots of a disk that was told its node's name, keys and files (`osb/node.toml`)
    Customise {
        /// The folder that `osb build` wrote to
        #[arg(default_value = "out")]
        folder: PathBuf,
        /// The recipe that it was built from
        #[arg(long, default_value = project::DEFAULT)]
        recipe: String,
    },
    /// Only first boots of an image with a site of its own: fetched scripts, a cluster to join, a container
    E2e {
        /// Only the one when nothing is wrong
        #[arg(long)]
        good: bool,
    },
    /// Only the proof that `osb check` notices what is wrong: hundreds of images with one fault each
    Mutate(mutate::Arguments),
    /// Only the build by an ordinary user, who must get the same bytes
    User {
        /// The folder that `osb build` wrote to
        #[arg(default_value = "out")]
        folder: PathBuf,
    },
    /// Only the proof that folder, user, mirror, locale, time zone, umask and cache do not matter
    Reproduce {
        /// The folder that `osb build` wrote to [default: build]
        folder: Option<PathBuf>,
    },
    /// Disks with an MBR, with 4096-byte sectors and with data partitions, built and booted
    Layouts,
    /// Only what `crates/ext4` writes, under the kernel and e2fsprogs of trixie and sid
    Ext4 {
        /// The folder that `osb build` wrote to: its disk.img is the system that mounts
        #[arg(default_value = "out")]
        folder: PathBuf,
        /// The recipe that it was built from
        #[arg(long, default_value = project::DEFAULT)]
        recipe: String,
    },
    /// osb's roots and unmodified mmdebstrap's, compared entry by entry
    Equivalence(equivalence::Arguments),
    /// Only `osb flash` on loop devices: what it writes, what it refuses, and what it leaves when it
    /// is interrupted
    Flash {
        /// The folder that `osb build` wrote to
        #[arg(default_value = "out")]
        folder: PathBuf,
    },
    /// Release archives and a Debian package of osb, for this machine's architecture
    Dist(dist::Arguments),
    /// Every reader of foreign bytes under libFuzzer
    Fuzz(fuzz::Arguments),
    /// The book: writes what is made from types, follows every link, renders it
    Docs,
    /// Only the commands of the README, the quick start and the cookbook, in scratch projects
    Documented {
        /// Only pages with this in their path
        #[arg(default_value = "")]
        page: String,
    },
    /// What osb costs, and what mmdebstrap does
    #[command(subcommand)]
    Bench(bench::Bench),
    /// A container of the `peer` tools
    #[command(hide = true)]
    Container(equivalence::container::Container),
    /// The same as test, and with --full the long proofs too
    Ci {
        /// Also start nodes on whose first boot something is wrong, compare osb's resolver with apt,
        /// mount file systems of ours in a guest, boot a disk that was told its name, build under other circumstances, kill builds at random points, build
        /// beside each other and prune, build with upstream Kubernetes and with other disk layouts,
        /// boot a disk that bmaptool wrote, flash and refuse disks of all kinds, and fuzz every reader
        /// of foreign bytes
        #[arg(long)]
        full: bool,
    },
}

fn main() -> ExitCode {
    osb_sandbox::dispatch();
    let result = match Arguments::parse().task {
        Task::Test { quick, image } => {
            let part = match image {
                Some(recipe) => Part::Image(recipe),
                None if quick => Part::Code,
                None => Part::Whole,
            };
            test::run(&part, false)
        }
        Task::Build(build) => variant::run(&build),
        Task::Release(arguments) => release::run(&arguments),
        Task::Version(arguments) => version::run(&arguments),
        Task::Image { folder, recipe } => test::image(&recipe, &folder),
        Task::Referee => test::referee(),
        Task::Proofs { folder, series } => test::proofs(&folder, &series),
        Task::Grow { folder, recipe, failures } => grow::run(&recipe, &folder, &failures),
        Task::Customise { folder, recipe } => customise::run(&recipe, &folder),
        Task::E2e { good } => e2e::run(if good { e2e::Extent::Good } else { e2e::Extent::All }),
        Task::Mutate(arguments) => mutate::run(&arguments),
        Task::User { folder } => test::user(&folder),
        Task::Reproduce { folder } => reproduce::run(folder.as_deref()),
        Task::Layouts => layouts::run(),
        Task::Ext4 { folder, recipe } => test::ext4(&recipe, &folder),
        Task::Equivalence(arguments) => equivalence::run(&arguments),
        Task::Flash { folder } => flash::run(&folder),
        Task::Dist(arguments) => dist::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Docs => docs::run(),
        Task::Documented { page } => docs::documented(&page),
        Task::Bench(bench) => bench::run(&bench),
        Task::Container(container) => {
            return container.run().unwrap_or_else(|error| {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            });
        }
        Task::Ci { full } => test::run(&Part::Whole, full),
    };
    match result {
        Ok(steps) => steps.summary(),
        Err(error) => {
            eprintln!("error: {error:#}");
            println!("test result: FAILED. could not start");
            exit::code(&error)
        }
    }
}
