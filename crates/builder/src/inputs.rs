//! What an image is made from, as names and values: what `osb why` compares.
//!
//! Everything that reaches a key of the [plan](crate::plan) is here under a name that people know.
//! A layer is taken apart as the value that its digest is made over, so a new property of layers
//! appears here by itself.

use std::collections::BTreeMap;

use osb_recipe::Layer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::job::Job;
use crate::plan::{Half, Plan};

/// Names and values.
pub(crate) type Values = BTreeMap<String, String>;

/// What the image is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    /// What all halves are made with.
    pub(crate) common: Values,
    /// The layers, lowest first.
    pub(crate) layers: Vec<LayerInputs>,
    /// Settings of the recipe that become files.
    pub(crate) settings: Values,
    /// What tells images of one tree apart.
    pub(crate) image: Values,
}

/// What one layer is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerInputs {
    /// Its name.
    pub(crate) name: String,
    /// Its packages, with versions and digests.
    pub(crate) packages: Values,
    /// Everything else.
    pub(crate) dressing: Values,
}

impl Inputs {
    /// Those of this plan.
    pub(crate) fn of(job: &Job, plan: &Plan) -> Self {
        let project = &job.options.project;
        let recipe = &project.recipe;
        let trim = recipe.trim.dpkg_excludes().join(" ");
        let image = &recipe.image;
        let names: Vec<&str> =
            plan.layers.iter().map(|planned| planned.layer.name.as_str()).collect();
        Inputs {
            common: values([
                ("architecture", image.arch.as_str().to_owned()),
                ("clock (seconds since 1970)", plan.epoch.to_string()),
                ("format of layers", crate::plan::FORMAT.to_owned()),
                ("layers", names.join(", ")),
                ("files left out", trim),
                ("tools", plan.maker().to_owned()),
            ]),
            layers: plan
                .layers
                .iter()
                .map(|planned| LayerInputs {
                    name: planned.layer.name.clone(),
                    packages: planned
                        .packages
                        .iter()
                        .map(|package| {
                            let digest = package.sha256.get(..12).unwrap_or_default();
                            (package.name.clone(), format!("{} ({digest})", package.version))
                        })
                        .collect(),
                    dressing: dressing(planned.layer),
                })
                .collect(),
            settings: crate::settings::files(recipe)
                .into_iter()
                .map(|(path, mode, bytes)| {
                    (path, format!("{mode:04o} {}", short(&hex::encode(Sha256::digest(bytes)))))
                })
                .collect(),
            image: values([
                ("name", image.name.clone()),
                ("version", image.version.clone()),
                ("board", image.board.clone()),
                ("disk", recipe.disk.to_string()),
                ("kernel command line", project.command_line().join(" ")),
            ]),
        }
    }

    /// Those of one half.
    pub(crate) fn half(&self, plan: &Plan, half: Half) -> Values {
        let layer = |index: usize| {
            let name = &plan.layers[index].layer.name;
            self.layers.iter().find(|layer| layer.name == *name).cloned().unwrap_or_default()
        };
        match half {
            Half::Packages(index) => layer(index).packages,
            Half::Dressing(index) => layer(index).dressing,
            Half::Seal => self.settings.clone(),
        }
    }
}

fn values<const N: usize>(pairs: [(&str, String); N]) -> Values {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The layer without its packages, which the lock has chosen.
fn dressing(layer: &Layer) -> Values {
    let mut found = Values::new();
    // Strings, numbers and maps with string keys always have a JSON form.
    let mut value = serde_json::to_value(layer).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.remove("name");
    }
    flatten("", &value, &mut found);
    found
}

/// Names every part of a value: fields by their names, elements by what they are called or are.
fn flatten(name: &str, value: &Value, found: &mut Values) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&name, value, found);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                match element {
                    Value::Object(fields) => {
                        let called = ["path", "name", "url"]
                            .into_iter()
                            .find_map(|key| fields.get(key)?.as_str());
                        let called = called.map_or_else(|| index.to_string(), str::to_owned);
                        let mut part = format!("{name} {called}");
                        // One file may be laid twice.
                        if found.keys().any(|known| known.starts_with(&format!("{part}."))) {
                            part += &format!(" ({})", index + 1);
                        }
                        flatten(&part, element, found);
                    }
                    Value::String(text) => {
                        found.insert(format!("{name} {text}"), format!("number {}", index + 1));
                    }
                    other => flatten(&format!("{name} {index}"), other, found),
                }
            }
        }
        Value::Null => {}
        Value::String(text) => {
            found.insert(name.to_owned(), short(text).to_owned());
        }
        other => {
            let mode = other.as_u64().filter(|_| name.ends_with(".mode"));
            let text = mode.map_or_else(|| other.to_string(), |mode| format!("{mode:04o}"));
            found.insert(name.to_owned(), text);
        }
    }
}

/// A digest's beginning, which is enough to tell it from another; other texts are left as they are.
fn short(text: &str) -> &str {
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { &text[..12] } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_part_has_a_name() {
        let mut found = Values::new();
        let value = json!({
            "units": {"enable": ["a.service", "b.service"]},
            "files": [{"path": "etc/x", "mode": 420, "content": {"Bytes": "ab".repeat(32)}}],
            "nothing": null,
        });
        flatten("", &value, &mut found);
        let expected = [
            ("files etc/x.content.Bytes", "abababababab"),
            ("files etc/x.mode", "0644"),
            ("files etc/x.path", "etc/x"),
            ("units.enable a.service", "number 1"),
            ("units.enable b.service", "number 2"),
        ];
        assert_eq!(found, values(expected.map(|(name, value)| (name, value.to_owned()))));
    }
}
