//! What a node is told: `osb/node.toml` and `nodes.yaml`.

use osb_node::{AddError, Entry, Inventory, Machine, Node};

use crate::Target;
use crate::seeds::{long, texts};

/// The page that has an example of both.
const DOCS: &str = include_str!("../../../../docs/node.md");

pub(crate) const NODE: Target = Target {
    name: "node",
    about: "osb/node.toml; what is written is read back",
    run: |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let Ok(node) = Node::from_toml(text) else { return };
        let Ok(written) = node.to_toml() else {
            // Written anew it may be longer, and too long.
            return;
        };
        assert_eq!(Node::from_toml(&written).unwrap(), node);
        node.files.iter().for_each(|file| drop(file.bytes().unwrap()));
    },
    seeds: || {
        let mut seeds = texts(["version = 1\n", example("toml")]);
        seeds.push(long("version = 1\nhostname = ", "[", ""));
        seeds.push(long("version = 1\n[settings]\n", "a# = \"\"\n", ""));
        seeds.push(long("version = 1\n", "[[files]]\npath = \"/#\"\ntext = \"\"\n", ""));
        seeds
    },
    words: &["version = 1\n", "[[files]]\n", "base64 = ", "ssh-keys = [", "ssh-ed25519 AAAA"],
};

pub(crate) const NODES: Target = Target {
    name: "nodes",
    about: "nodes.yaml; what is read makes a node.toml, and takes one more entry",
    run: |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        match Inventory::parse("nodes.yaml", text) {
            Err(error) => assert!(!error.problems.is_empty() && !error.to_string().is_empty()),
            Ok(inventory) => {
                match newcomer().add_to("nodes.yaml", text) {
                    Ok(after) => {
                        let after = Inventory::parse("nodes.yaml", &after).unwrap();
                        assert_eq!(after.nodes[..inventory.nodes.len()], inventory.nodes);
                    }
                    Err(AddError::Inventory(error)) => panic!("it was taken: {error}"),
                    Err(AddError::Entry { .. } | AddError::Layout { .. }) => {}
                }
                for member in inventory.nodes.iter().take(3) {
                    assert!(inventory.find(&member.name).is_ok());
                    drop(inventory.decide(&Machine::of(member)));
                    let node = Node { node: Some(member.clone()), ..Node::empty() };
                    assert_eq!(Node::from_toml(&node.to_toml().unwrap()).unwrap(), node);
                }
            }
        }
    },
    seeds: || {
        let mut seeds = texts(["nodes: []\n", example("yaml")]);
        seeds.push(long("nodes:\n", "  - {hostname: a#, serial: s#}\n", ""));
        seeds.push(long("nodes: ", "[", ""));
        seeds.push(long("a: &a [x]\nb: [", "*a, ", "]\n"));
        seeds
    },
    words: &[
        "nodes:\n  - ",
        "hostname: ",
        "mac: ",
        "serial: ",
        "role: worker",
        "&a ",
        "*a",
        "<<: ",
    ],
};

fn newcomer() -> Entry {
    Entry { hostname: "new".to_owned(), serial: Some("0new".to_owned()), ..Entry::default() }
}

/// The first example of a language.
fn example(language: &str) -> &'static str {
    let fence = format!("```{language}\n");
    let start = DOCS.find(&fence).unwrap() + fence.len();
    &DOCS[start..start + DOCS[start..].find("```").unwrap()]
}
