//! Commands that look into images, as data.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb diff old/ out/                       two output folders of osb build
  osb diff out/disk.img /dev/shm/disk.img  two disks, down to the first byte that differs
  osb diff out/disk.img out/rootfs.tar.gz  do both hold the same files?
  osb diff 3f2a 91bc                       two layers of the cache, by the beginning of their keys
  osb diff old/ out/ --limit 0 --json      every difference, one JSON object a line

Each side is an output folder, disk.img, sd.img.zst, rootfs.tar.gz, a file system, a layer of the
cache (its folder or key), or any folder. Nothing is mounted, and no rights are needed.

Exit codes: 0 nothing differs, 1 something differs, 2 one side cannot be read.")]
pub(crate) struct Diff {
    /// How it was
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// How it is
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    /// Lines in each section; 0 for all [default: 100, with --json all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb check                                  the image in ./out/
  osb check /srv/images/disk.img             any disk.img, sd.img.zst, rootfs.tar.gz, or folder
  osb check --rule no-private-keys           one rule only (repeatable)
  osb check --allow setuid-known:/usr/bin/x  a finding that is wanted
  osb check --recipe osb.toml                with what the recipe's [check] allows
  osb check --list                           all rules: what they say, why, and who says so
  osb check --json | jq 'select(.outcome == \"found\")'

Nothing is mounted, changed or run, and no rights are needed.

Exit codes: 0 no rule of severity error is broken, 2 the image cannot be read, 4 one is. A rule that
could not look everywhere is \"not proven\", and does not change the exit code.")]
pub(crate) struct Check {
    /// The image, or an output folder
    #[arg(default_value = "out", value_name = "IMAGE|DIR")]
    pub(crate) image: PathBuf,
    /// Hold it against this rule only (repeatable)
    #[arg(long, value_name = "ID", value_parser = rule())]
    pub(crate) rule: Vec<String>,
    /// Leave this rule out (repeatable)
    #[arg(long, value_name = "ID", value_parser = rule())]
    pub(crate) skip: Vec<String>,
    /// Findings that are wanted: a path on the node (`*`, `**`), or a word of what is told (repeatable)
    #[arg(long, value_name = "RULE[:SUBJECT]", value_parser = allow)]
    pub(crate) allow: Vec<osb_check::Allow>,
    /// A host that nodes reach, though only one network knows it, as apt writes it (repeatable)
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) mirror: Vec<String>,
    /// Allow what this recipe and its layers allow
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) recipe: Option<PathBuf>,
    /// List the rules, and look at no image
    #[arg(long, conflicts_with_all = ["rule", "skip", "allow", "mirror", "recipe"])]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb inspect out/disk.img                          partitions, file systems, system, kernel
  osb inspect out/sd.img.zst cat /etc/os-release    a file, without decompressing the rest
  osb inspect out/disk.img ls /boot/firmware        the boot partition lies where it is mounted
  osb inspect out/disk.img --partition 1 tree       or by its number
  osb inspect out/rootfs.tar.gz packages --json     what dpkg has installed

The image is disk.img, sd.img.zst, rootfs.tar.gz, an output folder, a file system (ext2 to ext4,
FAT), any disk of those, or any folder. No rights are needed.")]
pub(crate) struct Inspect {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
    /// Look into this partition only, as it is
    #[arg(long, value_name = "N", global = true)]
    pub(crate) partition: Option<u32>,
    #[command(subcommand)]
    pub(crate) what: Option<What>,
}

/// What of an image to look at.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// List a folder, or tell about a file
    Ls {
        /// Its path
        #[arg(default_value = "/")]
        path: OsString,
    },
    /// Write files to standard output, as they are
    Cat {
        /// Their paths
        #[arg(required = true)]
        paths: Vec<OsString>,
    },
    /// List a folder and everything below it
    Tree {
        /// Its path
        #[arg(default_value = "/")]
        path: OsString,
        /// So many levels only
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        depth: Option<u16>,
    },
    /// List the partitions
    Partitions,
    /// List the packages that are installed
    Packages,
}

/// The name of a rule.
fn rule() -> clap::builder::PossibleValuesParser {
    osb_check::RULES.iter().map(|rule| rule.id).collect::<Vec<_>>().into()
}

fn allow(text: &str) -> Result<osb_check::Allow, String> {
    osb_check::Allow::parse(text).map_err(|error| error.to_string())
}
