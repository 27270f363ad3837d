//! `osb nodes`, as data.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use osb_node::Role;

use super::pair;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb nodes validate config/nodes.yaml
  osb nodes list config/nodes.yaml
  osb nodes show config/nodes.yaml worker-3
  osb nodes add config/nodes.yaml --hostname worker-4 --mac d8:3a:dd:01:02:04

docs/node.md explains the file, docs/first-boot.md how a node finds its entry.")]
pub(crate) struct Nodes {
    #[command(subcommand)]
    pub(crate) action: NodesAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodesAction {
    /// Check inventories, and tell everything that is wrong, with its line
    Validate(NodesValidate),
    /// List the nodes of an inventory
    List(NodesList),
    /// Tell what a machine would be told that asks this inventory
    Show(NodesShow),
    /// Add a node to an inventory; all else stays as it is written
    Add(NodesAdd),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb nodes validate config/nodes.yaml
  osb nodes validate sites/*/nodes.yaml     exit code 2 if any of them is wrong (for CI)

What is taken here, a node takes, and reads in the same way.")]
pub(crate) struct NodesValidate {
    /// The inventories
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb nodes list config/nodes.yaml
  osb nodes list config/nodes.yaml --json | jq -r 'select(.node.role == \"worker\").node.hostname'")]
pub(crate) struct NodesList {
    /// The inventory
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb nodes show config/nodes.yaml worker-3             the entry of this name
  osb nodes show config/nodes.yaml d8:3a:dd:01:02:03    of this address, or what a new node gets
  osb nodes show config/nodes.yaml --mac d8:3a:dd:01:02:03 --serial 10000000abcdef01
                                                        a machine that has exactly these

Exit code 3: a node would refuse to join, since nobody knows it.")]
pub(crate) struct NodesShow {
    /// The inventory
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A name, MAC address or serial number of the list; a MAC address may be another one
    #[arg(value_name = "WHO", conflicts_with_all = ["mac", "serial"],
          required_unless_present_any = ["mac", "serial"])]
    pub(crate) who: Option<String>,
    /// Address of a wired interface; the first one names a node that is not in the list (repeatable)
    #[arg(long, value_name = "MAC")]
    pub(crate) mac: Vec<String>,
    /// Serial number of the board
    #[arg(long, value_name = "S")]
    pub(crate) serial: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb nodes add config/nodes.yaml --hostname worker-4 --mac d8:3a:dd:01:02:04
  osb nodes add config/nodes.yaml --hostname cp-2 --serial 10000000abcdef02 \\
    --role control-plane --ip 10.0.0.12 --label topology.kubernetes.io/zone=shelf-2
  osb nodes add nodes.yaml --hostname worker-1 --serial 10000000abcdef03 --dry-run

A file that is not there is made. A name, address or serial number that another node has is refused.")]
pub(crate) struct NodesAdd {
    /// The inventory
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The node's name
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: String,
    /// Address of its wired interface: cat /sys/class/net/end0/address
    #[arg(long, value_name = "MAC", required_unless_present = "serial")]
    pub(crate) mac: Option<String>,
    /// Serial number of its board: cat /proc/device-tree/serial-number
    #[arg(long, value_name = "S")]
    pub(crate) serial: Option<String>,
    /// What it is in its cluster [default: what the inventory's `default` says]
    #[arg(long, value_name = "ROLE", value_parser = roles())]
    pub(crate) role: Option<Role>,
    /// Its IP address
    #[arg(long, value_name = "IP")]
    pub(crate) ip: Option<IpAddr>,
    /// A label of its Kubernetes node (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) label: Vec<(String, String)>,
    /// Show what would change, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Roles by their names.
fn roles() -> impl TypedValueParser<Value = Role> {
    let names = PossibleValuesParser::new(Role::ALL.map(Role::name));
    names.try_map(|name| Role::from_name(&name).ok_or("no role"))
}
