//! From the options of a command line to what the node is told.

use crate::model::{File, Member, Node};
use crate::{NodeError, ssh_key};

/// The options as given. What they name has been read: there are no files here.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--ssh-key`: keys, or whole files of them.
    pub ssh_keys: Vec<String>,
    /// `--set`: `KEY=VALUE`.
    pub settings: Vec<String>,
    /// `--file`, read.
    pub files: Vec<File>,
    /// `--node`, found in the inventory. Its name is the host name, unless there is another.
    pub member: Option<Member>,
}

impl Node {
    /// What these options say. Later settings and files replace earlier ones of the same name.
    ///
    /// # Errors
    /// If a value cannot be, by its option.
    pub fn from_options(options: Options) -> Result<Node, NodeError> {
        let mut node = Node::empty();
        node.hostname =
            options.hostname.or_else(|| options.member.as_ref().map(|member| member.name.clone()));
        for text in &options.ssh_keys {
            node.add_keys(text)?;
        }
        for text in &options.settings {
            let Some((key, value)) = text.split_once('=') else {
                return Err(NodeError::value("--set", format!("not KEY=VALUE: {text:?}")));
            };
            node.settings.insert(key.trim().to_owned(), value.to_owned());
        }
        for file in options.files {
            node.files.retain(|other| other.path != file.path);
            node.files.push(file);
        }
        node.node = options.member;
        // Checks all values, and the length.
        node.to_toml()?;
        Ok(node)
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Node::empty()
    }

    /// Adds the keys of a text, one a line, as in an `authorized_keys` or a `.pub` file.
    fn add_keys(&mut self, text: &str) -> Result<(), NodeError> {
        let lines = text.lines().map(str::trim);
        let mut keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
        if keys.peek().is_none() {
            return Err(NodeError::value("--ssh-key", "there is no key in it"));
        }
        for key in keys {
            ssh_key::check(key).map_err(|problem| NodeError::value("--ssh-key", problem))?;
            if !self.ssh_keys.iter().any(|known| known == key) {
                self.ssh_keys.push(key.to_owned());
            }
        }
        Ok(())
    }
}
