//! From YAML to an inventory: checks every value, and notes all that is wrong.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::error::Problem;
use crate::inventory::{Defaults, Inventory};
use crate::model::{Member, Role};
use crate::rules;
use crate::yaml::{Content, Key, Place, Value};

const DOCUMENT: [&str; 2] = ["nodes", "default"];
const MEMBER: [&str; 6] = ["hostname", "mac", "serial", "role", "ip", "labels"];
const DEFAULT: [&str; 4] = ["role", "hostname_prefix", "auto_register", "labels"];

/// What [`Reader::table`] finds.
type Table<'v> = &'v [(Key, Value)];

/// Checks values, and collects what is wrong with them.
pub(crate) struct Reader<'p> {
    problems: &'p mut Vec<Problem>,
    /// On which line a value was first, by its kind.
    seen: BTreeMap<(&'static str, String), u64>,
}

impl<'p> Reader<'p> {
    pub(crate) fn new(problems: &'p mut Vec<Problem>) -> Reader<'p> {
        Reader { problems, seen: BTreeMap::new() }
    }

    /// The inventory; what is wrong was noted, and is not in it.
    pub(crate) fn inventory(&mut self, document: &Value) -> Inventory {
        let table = self.table(document, "an inventory", &DOCUMENT).unwrap_or_default();
        let defaults = match get(table, "default") {
            Some(value) => self.defaults(value),
            None => Defaults::default(),
        };
        let nodes = match get(table, "nodes").map(|value| (value, &value.content)) {
            Some((_, Content::List { entries, .. })) => {
                entries.iter().filter_map(|entry| self.member(entry, &defaults)).collect()
            }
            Some((value, _)) => {
                self.note(value.place, "`nodes` must be a list; an empty one is []");
                Vec::new()
            }
            None => Vec::new(),
        };
        Inventory { nodes, defaults }
    }

    fn note(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(place.problem(message));
    }

    /// A table; keys that it does not know are noted.
    fn table<'v>(&mut self, value: &'v Value, what: &str, known: &[&str]) -> Option<Table<'v>> {
        let Content::Table { entries, .. } = &value.content else {
            self.note(
                value.place,
                format!("{what} must be keys with values: {}", known.join(", ")),
            );
            return None;
        };
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                let text = rules::clip(&key.text);
                let advice = match rules::nearest(&text, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("there are {}", known.join(", ")),
                };
                self.note(key.place, format!("{what} has no key {text:?}: {advice}"));
            }
        }
        Some(entries)
    }

    /// What a key's text means; nothing if the key is not there, or its value was noted as wrong.
    fn value<T>(
        &mut self,
        table: Table<'_>,
        key: &str,
        rule: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<(T, Place)> {
        let value = get(table, key)?;
        let checked = match &value.content {
            Content::Text(text) if text.is_empty() => {
                Err(format!("`{key}` has no value: write one, or remove the key"))
            }
            Content::Text(text) => rule(text),
            Content::List { .. } | Content::Table { .. } => Err(format!("`{key}` must be text")),
        };
        match checked {
            Ok(checked) => Some((checked, value.place)),
            Err(problem) => {
                self.note(value.place, problem);
                None
            }
        }
    }

    /// As [`Reader::value`], for a value that no two nodes may have; `same` is what is compared.
    fn own<T>(
        &mut self,
        table: Table<'_>,
        key: &'static str,
        rule: impl FnOnce(&str) -> Result<T, String>,
        same: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let (value, place) = self.value(table, key, rule)?;
        let same = same(&value);
        match self.seen.get(&(key, same.clone())) {
            Some(line) => {
                let message = format!("{key} {same} is on line {line}, too: each node has its own");
                self.note(place, message);
            }
            None => drop(self.seen.insert((key, same), place.line)),
        }
        Some(value)
    }

    fn member(&mut self, value: &Value, defaults: &Defaults) -> Option<Member> {
        let table = self.table(value, "a node", &MEMBER)?;
        let name = self.own(table, "hostname", whole(rules::hostname), String::clone);
        let mac = self.own(table, "mac", rules::any_mac, String::clone);
        // The node compares them without regard to case.
        let serial =
            self.own(table, "serial", whole(rules::serial), |text| text.to_ascii_lowercase());
        let ip = self.own(table, "ip", address, |ip| ip.to_canonical().to_string());
        let role = self.value(table, "role", role).map_or(defaults.role, |(role, _)| role);
        let labels = self.labels(table);
        match get(table, "hostname") {
            None => self.note(value.place, "a node needs a `hostname`"),
            Some(at)
                if name.as_ref().is_some_and(|name| defaults.may_name(name, mac.as_deref())) =>
            {
                let message = "a machine that is not in the list could get this name, too \
                               (`hostname_prefix` and six digits): choose another one";
                self.note(at.place, message);
            }
            Some(_) => {}
        }
        if get(table, "mac").is_none() && get(table, "serial").is_none() {
            self.note(value.place, "a node needs a `mac` or a `serial`, by which it is known");
        }
        Some(Member { name: name?, role, mac, serial, ip, labels })
    }

    fn defaults(&mut self, value: &Value) -> Defaults {
        let table = self.table(value, "`default`", &DEFAULT).unwrap_or_default();
        let standard = Defaults::default();
        let prefix = self.value(table, "hostname_prefix", whole(rules::prefix));
        Defaults {
            role: self.value(table, "role", role).map_or(standard.role, |(role, _)| role),
            hostname_prefix: prefix.map_or(standard.hostname_prefix, |(prefix, _)| prefix),
            auto_register: self.value(table, "auto_register", yes).is_some_and(|(yes, _)| yes),
            labels: self.labels(table),
        }
    }

    fn labels(&mut self, table: Table<'_>) -> BTreeMap<String, String> {
        let Some(value) = get(table, "labels") else { return BTreeMap::new() };
        let Content::Table { entries, .. } = &value.content else {
            self.note(value.place, "`labels` must be names with text; none at all are {}");
            return BTreeMap::new();
        };
        let mut labels = BTreeMap::new();
        for (key, value) in entries {
            let checked = match &value.content {
                Content::Text(text) => rules::label(&key.text, text).map(|()| text),
                _ => Err(format!("the label {} must be text", rules::clip(&key.text))),
            };
            match checked {
                Ok(text) => drop(labels.insert(key.text.clone(), text.clone())),
                Err(problem) => self.note(value.place, problem),
            }
        }
        labels
    }
}

fn get<'v>(table: Table<'v>, key: &str) -> Option<&'v Value> {
    table.iter().find(|(known, _)| known.text == key).map(|(_, value)| value)
}

/// The text itself, if the rule finds nothing.
fn whole(rule: fn(&str) -> Result<(), String>) -> impl FnOnce(&str) -> Result<String, String> {
    move |text| rule(text).map(|()| text.to_owned())
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| {
        format!("no role {:?}: {}", rules::clip(text), Role::ALL.map(Role::name).join(" or "))
    })
}

fn address(text: &str) -> Result<IpAddr, String> {
    let wrong = |_| format!("{:?} is no IP address (10.0.0.11)", rules::clip(text));
    let address = text.parse().map_err(wrong)?;
    rules::ip(&address).map(|()| address)
}

/// As the node reads it, for which all values are text.
fn yes(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" => Ok(true),
        "false" | "no" => Ok(false),
        _ => Err(format!("`auto_register` is true or false, not {:?}", rules::clip(text))),
    }
}
