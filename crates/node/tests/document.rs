//! The document as a whole: read, written, refused, described.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use osb_node::{Content, File, Inventory, MOST_BYTES, Member, Node, NodeError, Options, Role};
use proptest::prelude::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB me@here";

fn example() -> Node {
    Node {
        hostname: Some("worker-3".into()),
        ssh_keys: vec![KEY.into()],
        settings: BTreeMap::from([("bootstrap.source.ref".into(), "refs/tags/v1.2".into())]),
        node: Some(Member {
            name: "worker-3".into(),
            role: Role::Worker,
            mac: Some("d8:3a:dd:01:02:03".into()),
            serial: None,
            ip: Some([10, 0, 0, 13].into()),
            labels: BTreeMap::from([("topology.kubernetes.io/zone".into(), "shelf-2".into())]),
        }),
        files: vec![
            File::new("/etc/motd", "0644", b"Shelf 2, third from the left.\n"),
            File::new("/etc/osb/blob", "0600", b"\0\x01"),
        ],
        ..Node::empty()
    }
}

#[test]
fn the_example_of_the_docs_is_what_is_written() {
    let docs = include_str!("../../../docs/node.md");
    let start = docs.find("```toml\n").map(|at| at + 8).unwrap();
    let end = start + docs[start..].find("```").unwrap();
    let node = Node::from_toml(&docs[start..end]).unwrap();
    assert_eq!(node, example());
    let start = docs.find("```yaml\n").map(|at| at + 8).unwrap();
    let end = start + docs[start..].find("```").unwrap();
    let inventory = Inventory::parse("nodes.yaml", &docs[start..end]).unwrap();
    assert_eq!(inventory.find("worker-3"), Ok(example().node.as_ref().unwrap()));
}

#[test]
fn options_make_the_document() {
    let example = example();
    let options = Options {
        hostname: None,
        ssh_keys: vec![format!("# mine\n{KEY}\n\n{KEY}\r\n"), KEY.into()],
        settings: vec![
            "bootstrap.source.ref=refs/tags/v1.1".into(),
            "bootstrap.source.ref=refs/tags/v1.2".into(),
        ],
        files: [&[File::new("/etc/motd", "0600", b"")], &example.files[..]].concat(),
        member: example.node.clone(),
    };
    assert_eq!(Node::from_options(options).unwrap(), example);
    assert!(Node::from_options(Options::default()).unwrap().is_empty());
}

#[test]
fn options_that_cannot_be_are_told_by_their_names() {
    let said = |options: Options| Node::from_options(options).unwrap_err().to_string();
    let keys = |text: &str| said(Options { ssh_keys: vec![text.into()], ..Options::default() });
    assert_eq!(keys("\n# nothing\n"), "--ssh-key: there is no key in it");
    assert!(keys("-----BEGIN OPENSSH PRIVATE KEY-----").contains("private key"));
    let set = said(Options { settings: vec!["key".into()], ..Options::default() });
    assert_eq!(set, "--set: not KEY=VALUE: \"key\"");
    let name = said(Options { hostname: Some("A".into()), ..Options::default() });
    assert!(name.starts_with("hostname: \"A\" cannot be a host name"), "{name}");
    let large = File::new("/large", "0644", &vec![b'a'; MOST_BYTES]);
    let large = Node::from_options(Options { files: vec![large], ..Options::default() });
    assert!(matches!(large, Err(NodeError::TooLarge { .. })));
}

#[test]
fn what_is_no_document_is_refused() {
    for (text, said) in [
        ("", "missing field `version`"),
        ("version = 2", "has version 2, and this osb knows 1 only"),
        ("version = 2\nnews = 1", "has version 2"),
        ("version = 1\nhostnam = \"a\"", "unknown field `hostnam`"),
        ("version = 1\nhostname = \"A\"", "hostname: \"A\" cannot be"),
        ("version = 1\nssh-keys = [\"x\"]", "ssh-keys, key 1: not a public ssh key"),
        ("version = 1\n[settings]\n\"a b\" = \"\"", "settings: \"a b\" cannot be a key"),
        ("version = 1\n[settings]\na = 1", "invalid type"),
        ("version = 1\n[node]\nname = \"a\"\nrole = \"master\"", "unknown variant `master`"),
        ("version = 1\n[node]\nname = \"A\"\nrole = \"worker\"", "node.name: \"A\" cannot be"),
        ("version = 1\n[[files]]\npath = \"/a\"", "must have either `text` or `base64`"),
        ("version = 1\n[[files]]\npath = \"/a\"\ntext = \"\"\nbase64 = \"\"", "must have either"),
        ("version = 1\n[[files]]\npath = \"/a\"\nbase64 = \"?\"", "files, file 1: /a:"),
        ("version = 1\n[[files]]\npath = \"a\"\ntext = \"\"", "has to begin with /"),
        ("version = 1\n[[files]]\npath = \"/a\"\ntext = \"\"\nmode = \"4755\"", "is no mode"),
        ("version = 1\n[[files]]\npath = \"/a\"\ntext = \"\"\nuid = 0", "unknown field `uid`"),
        (
            "version = 1\n[[files]]\npath = \"/a\"\ntext = \"\"\n[[files]]\npath = \"/a\"\ntext = \"\"",
            "files, file 2: /a is there twice",
        ),
        ("version = ", "osb/node.toml: TOML parse error at line 1"),
    ] {
        let found = Node::from_toml(text).unwrap_err().to_string();
        assert!(found.contains(said), "{text:?}: {found}");
    }
}

#[test]
fn the_schema_is_the_one_in_the_docs() {
    let text = serde_json::to_string_pretty(&osb_node::schema()).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/node.schema.json");
    if std::env::var_os("OSB_UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "OSB_UPDATE_GOLDEN=1 cargo test -p osb-node writes {}", path.display());
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        any::<String>().prop_map(String::into_bytes),
        "[ -~\n\t\"']{0,200}".prop_map(String::into_bytes),
    ]
}

fn files() -> impl Strategy<Value = Vec<File>> {
    prop::collection::btree_map("/[a-zä .]{0,3}[a-z]", ("0[0-7]{3}", bytes()), 0..4).prop_map(
        |files| {
            let made = files.iter().map(|(path, (mode, bytes))| File::new(path, mode, bytes));
            made.collect()
        },
    )
}

/// Addresses that a node may have.
fn addresses() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c])),
        any::<[u16; 3]>().prop_map(|[a, b, c]| IpAddr::from([0xFD00, a, 0, 0, b, 0, 0, c])),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        hostname in prop::option::of("[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?"),
        settings in prop::collection::btree_map("[a-zA-Z0-9_-]{1,5}(\\.[a-z]{1,5})?", "[^\\p{Cc}]{0,30}", 0..4),
        labels in prop::collection::btree_map("[a-zA-Z0-9]{1,5}", "[a-zA-Z0-9]{0,5}", 0..3),
        ip in prop::option::of(addresses()),
        files in files(),
    ) {
        let member = Member {
            name: "a".into(), role: Role::ControlPlane, mac: None, serial: Some("1".into()), ip, labels,
        };
        let node = Node { hostname, settings, files, node: Some(member), ..Node::empty() };
        let text = node.to_toml().unwrap();
        prop_assert_eq!(&Node::from_toml(&text).unwrap(), &node, "{}", text);
    }

    #[test]
    fn a_files_bytes_stay(bytes in bytes()) {
        let file = File::new("/a", "0644", &bytes);
        prop_assert_eq!(file.bytes().unwrap(), bytes);
        let base64 = matches!(file.content, Content::Base64(_));
        prop_assert!(base64 || !file.bytes().unwrap().contains(&b'\r'));
    }
}
