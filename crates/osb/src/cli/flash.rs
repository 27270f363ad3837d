//! `osb flash`, as data.

use std::path::PathBuf;

use clap::Args;
use osb_checksum::{Digest, parse_hex};

use super::pair;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb devices                                     which disks there are
  osb flash /dev/sda                              ./out onto it; asks for its serial number first
  osb flash /dev/sda --dry-run                    what would be done
  osb flash /dev/disk/by-id/nvme-… --yes --receipt r.json
                                                  unattended, by a name that no other disk can have
  osb flash /dev/sda --hostname edge-1 --ssh-key ~/.ssh/id_ed25519.pub
  osb flash /dev/sda --node edge-1 --nodes config/nodes.yaml
  osb flash /dev/sda /dev/sdb /dev/sdc            three disks; the image is read once
  osb flash /dev/sda --image https://example.org/images/rpi5/ --key release.pub
  osb flash /dev/sda --resume                     go on after the cable was pulled

Whatever fails before the end leaves the disk without a partition table: it does not start.

Exit codes: 0 every disk is written and verified, 1 reading or writing failed, 2 bad usage or image,
3 refused, 4 a disk or the image is not what it should be, 130 interrupted.")]
pub(crate) struct Flash {
    /// The whole disks to write, such as /dev/sda or /dev/disk/by-id/usb-…
    #[arg(required = true, value_name = "DEVICE")]
    pub(crate) devices: Vec<PathBuf>,
    /// The image: a file (raw, .zst, .gz, .xz), a folder that `osb build` wrote, or a URL of either
    #[arg(long, default_value = "out", value_name = "PATH|DIR|URL")]
    pub(crate) image: String,
    /// SHA-256 of the image's file, where nothing beside it says what it should be
    #[arg(long, value_name = "HEX", value_parser = digest)]
    pub(crate) sha256: Option<Digest>,
    /// Who must have signed its SHA256SUMS: a public key of minisign or OpenSSH, its file, or an
    /// allowed_signers file
    #[arg(long, value_name = "KEY|FILE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) key: Option<String>,
    /// Do not ask; a device must be a /dev/disk/by-id name, a loop device, or have a --serial
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// The disk must have this serial number (repeatable, one for each device)
    #[arg(long, value_name = "S", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) serial: Vec<String>,
    /// Show the plan and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write only what is not on the disk already
    #[arg(long, conflicts_with = "resume")]
    pub(crate) changed_only: bool,
    /// Go on where an interrupted run of the same image stopped
    #[arg(long)]
    pub(crate) resume: bool,
    /// Leave the identifiers of disk and partitions as they are in the image
    #[arg(long)]
    pub(crate) keep_ids: bool,
    /// Give new identifiers to the disk of an image that is not osb's, too
    #[arg(long, conflicts_with = "keep_ids")]
    pub(crate) new_ids: bool,
    /// Write what was done, and how it ended, to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) node: Node,
}

/// What goes into `osb/node.toml` on the boot partition.
#[derive(Debug, Args)]
#[command(next_help_heading = "What the node is told")]
pub(crate) struct Node {
    /// The node's name
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// A file of public keys that may log in (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_key: Vec<PathBuf>,
    /// Take the node of this name from the inventory
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// The inventory
    #[arg(long, default_value = "nodes.yaml", value_name = "FILE")]
    pub(crate) nodes: PathBuf,
    /// A setting for what runs at the first boot (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
    /// A file that the node gets (repeatable)
    #[arg(long, value_name = "SRC:DEST")]
    pub(crate) file: Vec<String>,
}

fn digest(text: &str) -> Result<Digest, String> {
    parse_hex(text).map_err(|error| error.to_string())
}
