//! What the node is told: gathered before anything else, so that a mistake is told while every disk
//! is as it was.

use std::error::Error;
use std::path::Path;

use osb_flash::{BootVolume, BootVolumeError, Identity, Overlay, Table};
use osb_node::{File, FileOption, Inventory, Node, Options};

use crate::cli::Flash;
use crate::environment;
use crate::exit::{BAD_INPUT, Failure};
use crate::format;
use crate::input;

/// What one node is told.
#[derive(Debug)]
pub(super) struct Told {
    node: Node,
    /// The file on the boot partition; `None` if there is nothing to tell.
    text: Option<String>,
}

/// Reads what the options name.
pub(super) fn gather(arguments: &Flash) -> Result<Told, Failure> {
    let given = &arguments.node;
    let ssh_keys = given.ssh_key.iter().map(|path| input::text(path));
    let files = given.file.iter().map(|option| file(option));
    let options = Options {
        hostname: given.hostname.clone(),
        ssh_keys: ssh_keys.collect::<Result<_, _>>()?,
        settings: given.set.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        files: files.collect::<Result<_, _>>()?,
        member: match &given.node {
            Some(name) => {
                let inventory = Inventory::parse(
                    &given.nodes.display().to_string(),
                    &input::text(&given.nodes)?,
                )
                .map_err(|error| Failure::from_error(BAD_INPUT, &error))?;
                let found = inventory.find(name);
                Some(found.map_err(|text| Failure::new(BAD_INPUT, text))?.clone())
            }
            None => None,
        },
    };
    let node =
        Node::from_options(options).map_err(|error| Failure::from_error(BAD_INPUT, &error))?;
    // A second node of the same name, or key of a cluster, is never meant.
    if arguments.devices.len() > 1 && (node.hostname.is_some() || node.node.is_some()) {
        let text = "several disks would become nodes of one name: flash them one by one";
        return Err(Failure::new(BAD_INPUT, text));
    }
    let text = match node.is_empty() {
        true => None,
        false => Some(node.to_toml().map_err(|error| Failure::from_error(BAD_INPUT, &error))?),
    };
    Ok(Told { node, text })
}

impl Told {
    /// In a line, for the plan.
    pub(super) fn summary(&self) -> Option<String> {
        let Node { hostname, ssh_keys, settings, node, files, .. } = &self.node;
        let mut parts = Vec::new();
        parts.extend(hostname.as_ref().map(|name| format!("hostname {name}")));
        parts.extend(node.as_ref().map(|member| format!("{} of the inventory", member.name)));
        for (count, what) in
            [(ssh_keys.len(), "ssh key"), (settings.len(), "setting"), (files.len(), "file")]
        {
            if count > 0 {
                parts.push(format::count(count, what));
            }
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Whether there is anything to tell.
    pub(super) fn has_something_to_say(&self) -> bool {
        self.text.is_some()
    }

    /// Puts it on a disk, whose boot files get the new identifiers.
    pub(super) fn apply(
        &self,
        overlay: &mut Overlay<'_>,
        identity: &Identity,
        table: &Table,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut boot = match BootVolume::find(overlay, table, environment::now()) {
            // Of an image that starts in another way, no boot file names anything.
            Err(BootVolumeError::None) if self.text.is_none() => return Ok(()),
            found => found?,
        };
        boot.rename(identity)?;
        if let Some(text) = &self.text {
            boot.write(osb_node::PATH, text.as_bytes())?;
        }
        Ok(())
    }
}

fn file(option: &str) -> Result<File, Failure> {
    let option = FileOption::parse(option)
        .map_err(|text| Failure::new(BAD_INPUT, format!("--file: {text}")))?;
    let mode = option.mode.as_deref().unwrap_or("0644");
    Ok(File::new(&option.path, mode, &input::bytes(Path::new(&option.source))?))
}
