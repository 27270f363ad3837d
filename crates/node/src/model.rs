//! The document, one struct a table.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{NodeError, rules, ssh_key};

/// Where the file is on the boot partition.
pub const PATH: &str = "osb/node.toml";

/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 1;

/// The longest file, in bytes: it is read at every start, and a boot partition has to have room.
pub const MOST_BYTES: usize = 1 << 20;

/// What one node is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "osb/node.toml")]
pub struct Node {
    /// Version of this format. A reader refuses versions that it does not know.
    #[schemars(schema_with = "crate::schema::version")]
    pub version: u32,
    /// The node's name: one label of RFC 1123, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub hostname: Option<String>,
    /// Public ssh keys that let people in as the image's user, as in an `authorized_keys` file
    /// without options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
    /// Values for what runs on the node at its first start, by dotted key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// The node's entry of a `nodes.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Member>,
    /// Small files that are laid over the root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
}

/// What a node is in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It runs the API server and etcd.
    ControlPlane,
    /// It runs workloads.
    Worker,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 2] = [Role::ControlPlane, Role::Worker];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Role::ControlPlane => "control-plane",
            Role::Worker => "worker",
        }
    }

    /// The role that is written in this way.
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A node of a cluster: an entry of a `nodes.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Member {
    /// Its name there, which is a host name.
    pub name: String,
    /// What it is in its cluster.
    pub role: Role,
    /// Address of its wired interface, in lower case with colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Serial number of its board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Labels of its Kubernetes node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A small file that is laid over the root, root's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawFile", into = "RawFile")]
pub struct File {
    /// Where it goes: absolute, without `.`, `..` or empty parts.
    pub path: String,
    /// Permission bits, four octal digits.
    pub mode: String,
    /// What is in it.
    pub content: Content,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// Anything, in base64 with padding (RFC 4648, section 4).
    Base64(String),
}

/// A small file that is laid over the root, root's. It has either `text` or `base64`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "File")]
struct RawFile {
    /// Where it goes: absolute, without `.`, `..` or empty parts.
    path: String,
    /// Permission bits, four octal digits.
    #[serde(default = "default_mode")]
    #[schemars(regex(pattern = "^0[0-7]{3}$"))]
    mode: String,
    /// What is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// What is in it, if that is no text: base64 with padding (RFC 4648, section 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

fn default_mode() -> String {
    "0644".to_owned()
}

impl JsonSchema for File {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        RawFile::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawFile::json_schema(generator)
    }
}

impl TryFrom<RawFile> for File {
    type Error = String;

    fn try_from(raw: RawFile) -> Result<File, String> {
        let content = match (raw.text, raw.base64) {
            (Some(text), None) => Content::Text(text),
            (None, Some(base64)) => Content::Base64(base64),
            _ => return Err(format!("the file {} must have either `text` or `base64`", raw.path)),
        };
        Ok(File { path: raw.path, mode: raw.mode, content })
    }
}

impl From<File> for RawFile {
    fn from(file: File) -> RawFile {
        let (text, base64) = match file.content {
            Content::Text(text) => (Some(text), None),
            Content::Base64(base64) => (None, Some(base64)),
        };
        RawFile { path: file.path, mode: file.mode, text, base64 }
    }
}

/// The one key that is the same in all versions.
#[derive(Deserialize)]
struct Versioned {
    version: i64,
}

impl Node {
    /// A node that is told nothing.
    pub fn empty() -> Node {
        Node {
            version: VERSION,
            hostname: None,
            ssh_keys: Vec::new(),
            settings: BTreeMap::new(),
            node: None,
            files: Vec::new(),
        }
    }

    /// Reads the file. The version is looked at first, so that a file of another version is not
    /// called malformed.
    ///
    /// # Errors
    /// If it is no TOML, of another version, has keys that are not known, or values that cannot be.
    pub fn from_toml(text: &str) -> Result<Node, NodeError> {
        if text.len() > MOST_BYTES {
            return Err(NodeError::TooLarge { size: text.len() });
        }
        let Versioned { version } = toml::from_str(text)?;
        if version != i64::from(VERSION) {
            return Err(NodeError::Version { found: version });
        }
        let node: Node = toml::from_str(text)?;
        node.check()?;
        Ok(node)
    }

    /// The file.
    ///
    /// # Errors
    /// If a value cannot be, or it becomes longer than [`MOST_BYTES`].
    pub fn to_toml(&self) -> Result<String, NodeError> {
        self.check()?;
        let text = toml::to_string(self)?;
        match text.len() {
            ..=MOST_BYTES => Ok(text),
            size => Err(NodeError::TooLarge { size }),
        }
    }

    fn check(&self) -> Result<(), NodeError> {
        let at = |place: String| move |problem| NodeError::value(place, problem);
        if let Some(name) = &self.hostname {
            rules::hostname(name).map_err(at("hostname".to_owned()))?;
        }
        for (index, key) in self.ssh_keys.iter().enumerate() {
            ssh_key::check(key).map_err(at(format!("ssh-keys, key {}", index + 1)))?;
        }
        for (key, value) in &self.settings {
            rules::setting(key, value).map_err(at("settings".to_owned()))?;
        }
        if let Some(member) = &self.node {
            member
                .check()
                .map_err(|(key, problem)| NodeError::value(format!("node.{key}"), problem))?;
        }
        let mut seen = std::collections::BTreeSet::new();
        for (index, file) in self.files.iter().enumerate() {
            let place = format!("files, file {}", index + 1);
            file.check().map_err(at(place.clone()))?;
            if !seen.insert(file.path.as_str()) {
                return Err(NodeError::value(place, format!("{} is there twice", file.path)));
            }
        }
        Ok(())
    }
}

impl Member {
    /// The first value that cannot be, by its key.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        rules::hostname(&self.name).map_err(|problem| ("name", problem))?;
        if let Some(mac) = &self.mac {
            rules::mac(mac).map_err(|problem| ("mac", problem))?;
        }
        if let Some(serial) = &self.serial {
            rules::serial(serial).map_err(|problem| ("serial", problem))?;
        }
        if let Some(ip) = &self.ip {
            rules::ip(ip).map_err(|problem| ("ip", problem))?;
        }
        for (key, value) in &self.labels {
            rules::label(key, value).map_err(|problem| ("labels", problem))?;
        }
        Ok(())
    }
}
