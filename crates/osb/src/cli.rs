//! The command line, as data. `docs/cli.md` describes it for people.

mod cache;
mod flash;
#[cfg(test)]
mod generated;
mod image;
mod nodes;
mod release;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use cache::{Cache, CacheAction, Prune, Verify};
pub(crate) use flash::Flash;
pub(crate) use image::{Check, Diff, Inspect, What};
pub(crate) use nodes::{Nodes, NodesAction, NodesAdd, NodesList, NodesShow, NodesValidate};
pub(crate) use release::{Sign, Split, VerifyRelease};

/// From signed Debian packages to a disk that boots.
#[derive(Debug, Parser)]
#[command(version = env!("OSB_VERSION"), propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  osb build                    build the default recipe, or ./osb.toml, into ./out/
  osb plan                     what a build would do now, and how long it would take
  osb boot                     boot ./out/disk.img in QEMU
  osb devices                  which disks there are, and which are in use
  osb flash /dev/sda           write ./out to a disk, and prove it
  osb doctor                   see whether this machine can build

Exit codes: 0 done, 1 failed, 2 bad usage or input, 3 refused for safety,
4 verification failed, 5 this machine cannot do it, 130 interrupted.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Print one JSON object a line on standard output; text for people goes to standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print warnings and errors only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print what each stage is doing
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Folder for everything that can be made again [default: the user's cache folder]
    #[arg(long, global = true, env = "OSB_CACHE_DIR", value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the image in every form
    Build(Build),
    /// Tell what a build would do: what is cached, what is built, bytes and seconds
    Plan(Plan),
    /// Tell why a layer is built anew, a package is installed, or where a path comes from
    Why(Why),
    /// Choose exact packages and write them to the lock, or move them to newer versions
    Lock(Lock),
    /// Keep everything that the lock names, for builds without the archive
    Vault(Vault),
    /// Boot an image in QEMU with UEFI firmware; the image stays untouched unless asked
    Boot(Boot),
    /// List the disks of this machine, and why one must not be written
    #[command(visible_alias = "disks")]
    Devices(Devices),
    /// Write an image to disks, read it back, and give each disk its own identifiers
    Flash(Flash),
    /// Sign the files of a build, so that others can tell whose they are
    Sign(Sign),
    /// Follow the chain from a signature over SHA256SUMS to every file, here or on a server
    Verify(VerifyRelease),
    /// Cut files that are too large for a server into parts
    Split(Split),
    /// Write the scripts that a node runs at its first boot, to begin with
    Init(Init),
    /// Check, list, ask or extend the inventory of a cluster's nodes
    Nodes(Nodes),
    /// Tell whether this machine can build, and what is missing
    Doctor(Doctor),
    /// List what the cache holds, or remove what is not needed
    Cache(Cache),
    /// Hold an image against what firmware, kernel and kubelet need, and what must not be in it
    Check(Check),
    /// Look into an image: tables, file systems, packages, files; nothing is mounted or unpacked
    Inspect(Inspect),
    /// Explain what differs between two images, output folders or layers
    Diff(Diff),
    /// Print what makes a shell complete commands, options and file names
    Completions(Completions),
    /// Unpack a locked tool set and print its folder
    #[command(hide = true)]
    Tools(Tools),
}

/// Which recipe, with which changes, from where.
#[derive(Debug, Args)]
pub(crate) struct Project {
    /// The recipe: a file, or a name: ./NAME.toml, else a built-in one (rpi5-node, amd64-node)
    /// [default: ./osb.toml, else rpi5-node]
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) recipe: Option<PathBuf>,
    /// The image's architecture [default: the recipe's]
    #[arg(long, value_name = "ARCH", value_parser = ["arm64", "amd64"])]
    pub(crate) arch: Option<String>,
    /// Change one value of the recipe, such as kubernetes.upstream=1.36 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Debian mirror, ending in /debian [default: the one this machine's apt uses]
    #[arg(long, env = "OSB_MIRROR", value_name = "URL")]
    pub(crate) mirror: Option<String>,
    /// Use no network; everything must be in the cache
    #[arg(long)]
    pub(crate) offline: bool,
    /// Threads and parallel downloads [default: the number of processors]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// One form of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Build and check the tree, write nothing
    Tree,
    /// disk.img
    Disk,
    /// rootfs.tar.gz
    Rootfs,
    /// sd.img.zst
    Sd,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb build                                the default recipe into ./out/
  osb build --recipe amd64-node            the built-in recipe for PCs and virtual machines
  osb build --only disk -o /srv/images     disk.img only, elsewhere
  osb build --set kubernetes.upstream=1.36 with kubeadm and kubelet of that series
  osb build --locked                       fail if the lock would change (for CI)
  osb build --only tree --timings          where the time goes; only what is built anew is measured
  osb build --json | jq .                  one JSON object a line

SOURCE_DATE_EPOCH sets the image's clock; by default it is the newest Release date in the lock.")]
pub(crate) struct Build {
    #[command(flatten)]
    pub(crate) project: Project,
    /// Folder for the artifacts
    #[arg(long, short, default_value = "out", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Write one form of the image only
    #[arg(long, value_enum)]
    pub(crate) only: Option<Form>,
    /// Fail if the lock would change
    #[arg(long)]
    pub(crate) locked: bool,
    /// Give the image its name without the rules of `osb check`
    #[arg(long)]
    pub(crate) no_check: bool,
    /// Report how long each stage took, and which programs of the image ran, how, and how long
    #[arg(long)]
    pub(crate) timings: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb plan                     what `osb build` would do now
  osb plan --only disk --json  the same for disk.img, for programs

Nothing is changed. Seconds are those that a step took when it was last done.")]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) project: Project,
    /// Folder for the artifacts
    #[arg(long, short, default_value = "out", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// One form of the image only
    #[arg(long, value_enum)]
    pub(crate) only: Option<Form>,
    /// For a build with --no-check
    #[arg(long)]
    pub(crate) no_check: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb why k8s-prereq           what changed in this layer since the last build
  osb why conntrack            which layer asked for this package, and the chain of dependencies
  osb why /etc/crictl.yaml     which layer and package this path comes from

What has a slash is a path; else layers come before packages.")]
pub(crate) struct Why {
    /// A layer, a package, or a path of the image
    #[arg(value_name = "LAYER|PACKAGE|PATH")]
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) project: Project,
    /// The output folder of the build to compare with
    #[arg(long, short, default_value = "out", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// The form that build was for, if it was for one
    #[arg(long, value_enum)]
    pub(crate) only: Option<Form>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb lock                       make the lock, or make it fit a recipe that changed
  osb lock --update              move all packages to the newest versions, and tell what moved
  osb lock --update curl openssl move these, and what they force to move
  osb lock --update --dry-run    tell what would move
  osb lock --locked              fail if the lock does not fit the recipe (for CI)

A lock that fits stays as it is: without --update nothing moves that need not. When a layer's
packages change, all others stay at their versions as far as they can still be had; when the
recipe's sources change, all are chosen anew.")]
pub(crate) struct Lock {
    #[command(flatten)]
    pub(crate) project: Project,
    /// Move to the newest versions: all packages, or those named and what they force to move
    #[arg(long, short, num_args = 0.., value_name = "PACKAGE", conflicts_with = "locked")]
    pub(crate) update: Option<Vec<String>>,
    /// Tell what would change, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Fail if the lock would change
    #[arg(long)]
    pub(crate) locked: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb vault export node-2026.tar    all that the lock names, in one file
  osb vault verify node-2026.tar    is every file what the index says?
  osb vault import node-2026.tar    into the cache; then: osb build --offline --locked")]
pub(crate) struct Vault {
    #[command(subcommand)]
    pub(crate) action: VaultAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VaultAction {
    /// Write all locked packages and artifacts, with an index, into a new folder or tar
    Export(VaultExport),
    /// Check a vault and bring its files into the cache
    Import(VaultImport),
    /// Check every file of a vault against its index
    Verify(VaultVerify),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb vault export vault               into the new folder ./vault
  osb vault export vault.tar           into one file
  osb vault export vault --all-hosts   with tools for building on amd64 and on arm64
  osb vault export vault --dry-run     tell how many files and bytes

The lock must be there and fit the recipe. What the cache lacks is downloaded.")]
pub(crate) struct VaultExport {
    /// A folder that is not there yet, or a file ending in .tar
    #[arg(value_name = "DEST")]
    pub(crate) destination: PathBuf,
    /// With tools for building machines of all architectures, not only of this one
    #[arg(long)]
    pub(crate) all_hosts: bool,
    /// Tell what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) project: Project,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb vault import vault.tar
  osb vault import vault --lock osb.lock   and write the lock, where it got lost

Every file is checked by its digest on its way into the cache. The project's lock decides what is
built; that of the vault is only written where there is none.")]
pub(crate) struct VaultImport {
    /// The vault: a folder or a tar
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
    /// Write the vault's lock to this file, which must not be there
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb vault verify vault.tar")]
pub(crate) struct VaultVerify {
    /// The vault: a folder or a tar
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb boot                                        ./out/disk.img with a console (Ctrl-A x quits)
  osb boot --until 'login:' --timeout 600         does it reach a login prompt?
  osb boot --forward 2222:22 \\
    --credential \"ssh.authorized_keys.node=$(cat ~/.ssh/id_ed25519.pub)\"
                                                  then: ssh -p 2222 node@127.0.0.1")]
pub(crate) struct Boot {
    /// The raw disk image
    #[arg(default_value = "out/disk.img")]
    pub(crate) image: PathBuf,
    /// Keep what the guest writes: IMAGE is its disk, not a copy
    #[arg(long)]
    pub(crate) write: bool,
    /// Stop, successfully, when a console line matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) until: Option<regex::bytes::Regex>,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
    /// Hand a systemd credential to the guest (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) credential: Vec<(String, String)>,
    /// Connect a TCP port of 127.0.0.1 to one of the guest (repeatable)
    #[arg(long, value_name = "HOST:GUEST", value_parser = ports)]
    pub(crate) forward: Vec<(u16, u16)>,
    /// The guest's memory in MiB
    #[arg(long, default_value_t = 2048, value_name = "MIB",
          value_parser = clap::value_parser!(u32).range(256..))]
    pub(crate) memory: u32,
    /// The guest's processors [default: this machine's, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) cpus: Option<u32>,
    /// Use QEMU and firmware from this folder of unpacked packages, not from the lock
    #[arg(long, value_name = "DIR")]
    pub(crate) tools: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) project: Project,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb devices                    every disk, with what is on it and who uses it
  osb devices --json | jq -r 'select(.refusals == []) | .path'")]
pub(crate) struct Devices {}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb init --bootstrap bootstrap    then: cd bootstrap && git init && less README.md

docs/first-boot.md says how a node gets them.")]
pub(crate) struct Init {
    /// Write a bootstrap repository into this folder, which must be new or empty
    #[arg(long, value_name = "DIR")]
    pub(crate) bootstrap: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb doctor
  osb doctor --arch amd64 --output /srv/images")]
pub(crate) struct Doctor {
    /// The image's architecture
    #[arg(long, value_name = "ARCH", default_value = "arm64", value_parser = ["arm64", "amd64"])]
    pub(crate) arch: String,
    /// Folder for the artifacts
    #[arg(long, short, default_value = "out", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Debian mirror, ending in /debian [default: the one this machine's apt uses]
    #[arg(long, env = "OSB_MIRROR", value_name = "URL")]
    pub(crate) mirror: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb completions bash > ~/.local/share/bash-completion/completions/osb
  osb completions zsh > ~/.zfunc/_osb      with ~/.zfunc in $fpath before compinit
  osb completions fish > ~/.config/fish/completions/osb.fish

The Debian package of osb brings them along.")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// A shell that osb can be completed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

#[derive(Debug, Args)]
pub(crate) struct Tools {
    /// The set: build, boot, peer or test
    #[arg(value_name = "SET")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) project: Project,
}

/// `NAME=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// `HOST:GUEST`.
fn ports(text: &str) -> Result<(u16, u16), String> {
    let (host, guest) = text.split_once(':').ok_or("expected HOST:GUEST, such as 2222:22")?;
    let port = |text: &str| match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("\"{text}\" is not a port (1 to 65535)")),
    };
    Ok((port(host)?, port(guest)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_visible_command_has_examples() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }

    #[test]
    fn credentials_keep_equals_signs_of_the_value() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("a").is_err());
        assert!(pair("=b").is_err());
    }

    #[test]
    fn ports_are_checked() {
        assert_eq!(ports("2222:22"), Ok((2222, 22)));
        for bad in ["22", "0:22", "a:1", "1:70000", "1:2:3"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}
