//! What a node is told when its disk is flashed.
//!
//! All of it stands in one file of the boot partition, [`PATH`]: a [`Node`], in TOML. `osb flash`
//! writes it; the base layer's `osb-node.service` reads it at every start, and so does what comes
//! later on the node. The format is a public interface: `docs/node.md` says what it means and what
//! may change, `docs/node.schema.json` is made from the types here.
//!
//! An [`Inventory`] is a `nodes.yaml`, the list of a cluster's nodes, from which one is taken. It
//! [decides](Inventory::decide) as a node does, and an [`Entry`] is added to it without changing
//! the rest of the file.
//!
//! ```
//! use osb_node::{Node, Options};
//! let node = Node::from_options(Options {
//!     hostname: Some("worker-3".to_owned()),
//!     settings: vec!["bootstrap.source.ref=refs/tags/v1.2".to_owned()],
//!     ..Options::default()
//! })?;
//! let text = node.to_toml()?;
//! assert_eq!(Node::from_toml(&text)?, node);
//! # Ok::<(), osb_node::NodeError>(())
//! ```
//!
//! Invariants: what is read was checked, every value of it; what is written is read back as it was;
//! no clock, no file system, no network.

mod decide;
mod edit;
mod error;
mod file;
mod inventory;
mod layout;
mod model;
mod options;
mod reader;
mod rules;
mod schema;
mod ssh_key;
mod yaml;

pub use decide::{Ambiguous, Answer, Decision, Machine, Told};
pub use edit::{AddError, Entry};
pub use error::{InventoryError, NodeError, Problem};
pub use file::FileOption;
pub use inventory::{Defaults, Inventory};
pub use model::{Content, File, MOST_BYTES, Member, Node, PATH, Role, VERSION};
pub use options::Options;
pub use schema::schema;
