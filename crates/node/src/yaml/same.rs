//! Inventories with small mistakes everywhere: what is taken here is taken by the YAML reader of the node
//! (`to-json` of the layer bootstrap), too, and means the same.

#![allow(clippy::print_stderr, reason = "a test says that it was skipped by printing")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use super::{Content, Value, read};
use crate::inventory::Inventory;
use crate::layout::without_mark;

/// How many texts are made of each of [`GOOD`].
const TEXTS: usize = 2000;

/// What the node makes of each text of a list.
const READ: &str = r#"
import json, sys
with open(sys.argv[1]) as file:
    program = file.read().replace("\nmain()\n", "\n")
module = {"__name__": "to_json"}
exec(program, module)
def read(text):
    try:
        return {"value": module['from_yaml'](text.encode().decode("utf-8-sig"))}
    except Exception as error:
        return {"refused": str(error)}
json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
"#;

const GOOD: [&str; 4] = [
    "---\nnodes:\n  - hostname: a # the first\n    mac: d8:3a:dd:00:00:01\n    ip: 10.0.0.1\n\
     \u{20}   labels:\n      zone: x\n  # the second\n  - {hostname: b, serial: 007, ip: 'fd00::1'}\n\
     default:\n  role: worker\n",
    "nodes: [{hostname: a, serial: s1, labels: {zone: x, b: ''}}, {hostname: b, mac: '02-00-00-00-00-01'}]\n\
     default: {role: worker, auto_register: true}\n",
    "nodes:\n- serial: |-\n    1e5\n  hostname: >-\n    a\n- \"serial\": \"1\\x65\"\n  'hostname': 'b'\n\
     \u{20} ? role\n  : worker\n# end\n",
    "default:\r\n  auto_register: yes\r\n  hostname_prefix: x-\r\nnodes:\r\n  -\r\n    hostname: a\r\n\
     \u{20}   serial: s\r\n    labels: {}\r\n...\r\n",
];

/// What YAML has a meaning for, or had in one of its versions.
const SIGNS: [&str; 54] = [
    "\t", " ", "  ", "\n", "\r\n", "\r", "\n\n", ":", ": ", ":\t", "::", "?", "? ", "-", "- ",
    "--- ", "---\n", "...", "...\n", "#", " #", "# ", "\t#", "&a ", "*a", "!", "!!str ", "!x ",
    "!<x> ", "|", "|\n", "|2-\n", ">", "'", "''", "\"", "\\", "\\\n", "\\t", "[", "]", "{", "}",
    ",", ", ", "%", "@", "`", "~", "<<: ", "=", "\u{feff}", "\u{a0}", "\u{85}",
];

/// Numbers that are the same at every run (xorshift, G. Marsaglia, 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % end
    }
}

/// A text with up to three changes.
fn changed(text: &str, numbers: &mut Numbers) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(chars.len() + 1);
        let until = (at + [0, 0, 1, 2][numbers.below(4)]).min(chars.len());
        let signs = SIGNS[numbers.below(SIGNS.len())];
        let signs = if until > at && numbers.below(2) == 0 { "" } else { signs };
        chars.splice(at..until, signs.chars());
    }
    chars.into_iter().collect()
}

fn on_the_node(texts: &[String]) -> Option<Vec<Json>> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../layers/bootstrap/files/usr/lib/osb/bootstrap/to-json");
    let found = Command::new("python3").args(["-c", "import yaml"]).output();
    if !found.is_ok_and(|done| done.status.success()) {
        eprintln!("SKIPPED: no python3 with yaml; ci/prepare installs it");
        return None;
    }
    let mut child = Command::new("python3")
        .args(["-B", "-c", READ])
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(Json::from(texts).to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    Some(serde_json::from_slice(&done.stdout).unwrap())
}

fn json(value: &Value) -> Json {
    match &value.content {
        Content::Text(text) => Json::from(text.as_str()),
        Content::List { entries, .. } => entries.iter().map(json).collect(),
        Content::Table { entries, .. } => {
            entries.iter().map(|(key, value)| (key.text.clone(), json(value))).collect()
        }
    }
}

/// What is read here, if it is an inventory with nothing wrong.
fn here(text: &str) -> Option<Json> {
    Inventory::parse("nodes.yaml", text).ok()?;
    read(without_mark(text), &mut Vec::new()).ok().as_ref().map(json)
}

#[test]
fn what_is_taken_here_the_node_reads_as_the_same() {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut texts: Vec<String> = GOOD.map(str::to_owned).into();
    for text in GOOD {
        assert!(here(text).is_some(), "{text:?}");
        texts.extend((0..TEXTS).map(|_| changed(text, &mut numbers)));
    }
    texts.retain(|text| here(text).is_some());
    assert!(texts.len() > TEXTS / 20, "only {} are taken", texts.len());
    let Some(found) = on_the_node(&texts) else { return };
    let wrong =
        texts.iter().zip(&found).filter(|(text, found)| found.get("value") != here(text).as_ref());
    let wrong: Vec<String> = wrong.map(|(text, found)| format!("{text:?}: {found}")).collect();
    let shown = &wrong[..wrong.len().min(5)];
    assert!(wrong.is_empty(), "{} of {}: {}", wrong.len(), texts.len(), shown.join("\n"));
}
