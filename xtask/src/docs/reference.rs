//! Pages that are made from the JSON schemas, which are made from the Rust types.
//!
//! Tests of the crates that own the types hold the schemas against them; this holds the pages against
//! the schemas. So a doc comment in Rust is what the book says of a key.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::project::Project;

/// A page, and what it is made from.
struct Source {
    /// Of the page and of the schema: `docs/reference/NAME.md`, `docs/NAME.schema.json`.
    name: &'static str,
    /// The file that it describes.
    file: &'static str,
    /// Where the explanation is, beside `docs/reference`.
    explained: &'static str,
    /// How a key of a key is written: `[image] name`, or `artifacts[].name`.
    style: Style,
}

/// What kind of file a schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Toml,
    Json,
}

const SOURCES: [Source; 4] = [
    Source { name: "recipe", file: "osb.toml", explained: "recipe.md", style: Style::Toml },
    Source { name: "layer", file: "layer.toml", explained: "layers.md", style: Style::Toml },
    Source { name: "node", file: "osb/node.toml", explained: "node.md", style: Style::Toml },
    Source {
        name: "metadata",
        file: "metadata.json",
        explained: "metadata.md",
        style: Style::Json,
    },
];

/// Writes the pages, or with `write` false wants them to be as they would be written; how many.
pub(super) fn pages(project: &Project, write: bool) -> Result<usize> {
    for source in &SOURCES {
        let schema = format!("docs/{}.schema.json", source.name);
        let text = fs::read_to_string(project.root.join(&schema)).context(schema.clone())?;
        let page = page(source, &serde_json::from_str(&text)?).context(schema)?;
        let path = project.root.join(format!("docs/reference/{}.md", source.name));
        if write {
            fs::create_dir_all(path.parent().context("a page lies in a folder")?)?;
            fs::write(&path, page)?;
        } else {
            let found = fs::read_to_string(&path).unwrap_or_default();
            ensure!(
                found == page,
                "docs/reference/{}.md is not what the schema says: run `cargo xtask docs`",
                source.name
            );
        }
    }
    Ok(SOURCES.len())
}

/// A whole page.
fn page(source: &Source, schema: &Value) -> Result<String> {
    let Source { name, file, explained, .. } = source;
    let mut text = format!(
        "# Keys of `{file}`\n\n\
         <!-- Made by `cargo xtask docs` from ../{name}.schema.json: change the types in Rust. -->\n\n\
         {} Explained in [{explained}](../{explained}); for editors and programs there is the \
         [JSON schema](../{name}.schema.json).\n",
        description(schema)
    );
    let mut tables = Tables { schema, style: source.style, text: &mut text };
    tables.object(schema, "")?;
    Ok(text)
}

/// Writes one table after the other.
struct Tables<'a> {
    schema: &'a Value,
    style: Style,
    text: &'a mut String,
}

impl<'a> Tables<'a> {
    /// The table of an object at `path`, then those of the objects in it.
    fn object(&mut self, object: &'a Value, path: &str) -> Result<()> {
        let properties = object["properties"].as_object().into_iter().flatten();
        let required: Vec<&str> =
            object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (inner, plain): (Vec<_>, Vec<_>) =
            properties.partition(|(_, value)| self.table(value).is_some());
        if !plain.is_empty() {
            self.text.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
        }
        for (key, value) in plain {
            let default = match (required.contains(&key.as_str()), value.get("default")) {
                (true, _) => "required".to_owned(),
                (false, None | Some(Value::Null)) => String::new(),
                (false, Some(default)) => format!("`{default}`"),
            };
            let kind = self.kind(value)?;
            let meaning = self.meaning(value)?;
            writeln!(self.text, "| `{key}` | {kind} | {default} | {meaning} |")?;
        }
        for (key, value) in inner {
            let Some((target, many)) = self.table(value) else { continue };
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let title = match (self.style, many) {
                (Style::Toml, true) => format!("[[{path}]]"),
                (Style::Toml, false) => format!("[{path}]"),
                (Style::Json, true) => format!("{path}[]"),
                (Style::Json, false) => path.clone(),
            };
            let must = if required.contains(&key.as_str()) { "Required. " } else { "" };
            write!(self.text, "\n## `{title}`\n\n{must}{}\n", self.meaning(value)?)?;
            self.object(target, &path)?;
        }
        Ok(())
    }

    /// The object that a value is, or is a list of (`true`), if it is one.
    fn table(&self, value: &'a Value) -> Option<(&'a Value, bool)> {
        let (value, many) = match value.get("items") {
            Some(items) => (items, true),
            None => (value, false),
        };
        let target = self.resolve(value);
        target.get("properties").is_some().then_some((target, many))
    }

    /// The schema that a value refers to, or itself.
    fn resolve(&self, value: &'a Value) -> &'a Value {
        let inner = |key: &str| value.get(key).and_then(Value::as_array);
        // `allOf` with one member and `anyOf` with null: a reference with a description beside it.
        let one = inner("allOf").or(inner("anyOf")).and_then(|list| list.first()).unwrap_or(value);
        let pointer = one["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
        pointer.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(one)
    }

    /// The type in a word or two.
    fn kind(&self, value: &'a Value) -> Result<String> {
        let target = self.resolve(value);
        if let Some(variants) = target["oneOf"].as_array() {
            let names: Vec<String> =
                variants.iter().map(|one| format!("`{}`", one["const"])).collect();
            return Ok(names.join(", ").replace('"', ""));
        }
        let names: Vec<&str> = match &target["type"] {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            other => anyhow::bail!("a key has the type {other}"),
        };
        let word = |name: &str| -> Result<String> {
            Ok(match name {
                "array" => format!("list of {}", self.kind(&target["items"])?),
                "object" => match target.get("additionalProperties") {
                    Some(inner @ Value::Object(_)) => format!("table of {}", self.kind(inner)?),
                    _ => "table".to_owned(),
                },
                "null" if self.style == Style::Json => "null".to_owned(),
                other => other.to_owned(),
            })
        };
        // In TOML what may be null may be left out.
        let shown = names.iter().filter(|name| self.style == Style::Json || **name != "null");
        let kind = shown.map(|name| word(name)).collect::<Result<Vec<_>>>()?.join(" or ");
        let or_null = self.style == Style::Json && value.get("anyOf").is_some();
        Ok(if or_null { format!("{kind} or null") } else { kind })
    }

    /// The description, in one line, with those of its variants.
    fn meaning(&self, value: &'a Value) -> Result<String> {
        let target = self.resolve(value);
        let own = description(value);
        let mut text = if own.is_empty() { description(target) } else { own };
        for variant in target["oneOf"].as_array().into_iter().flatten() {
            let name = variant["const"].as_str().context("a variant has a name")?;
            // Most descriptions of keys tell their variants already.
            if !text.contains(&format!("`{name}`")) {
                write!(text, " `{name}`: {}", description(variant))?;
            }
        }
        Ok(text.replace('|', "\\|"))
    }
}

/// The description of a schema as one line.
fn description(value: &Value) -> String {
    value["description"]
        .as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_becomes_tables() {
        let schema = serde_json::json!({
            "description": "A thing.",
            "properties": {
                "name": { "type": "string", "description": "Its name:\na | b." },
                "kind": { "$ref": "#/$defs/Kind" },
                "size": { "type": ["integer", "null"], "default": 7, "description": "Bytes." },
                "part": { "items": { "$ref": "#/$defs/Part" }, "type": "array", "description": "Parts." },
            },
            "required": ["name"],
            "$defs": {
                "Kind": { "description": "What.", "oneOf": [{ "const": "a", "description": "First." }] },
                "Part": { "properties": { "n": { "type": "integer", "description": "No." } } },
            },
        });
        let text = page(&SOURCES[0], &schema).unwrap();
        for line in [
            "| `name` | string | required | Its name: a \\| b. |",
            "| `kind` | `a` |  | What. `a`: First. |",
            "| `size` | integer | `7` | Bytes. |",
            "## `[[part]]`",
            "| `n` | integer |  | No. |",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line}:\n{text}");
        }
        let json = page(&SOURCES[3], &schema).unwrap();
        assert!(json.contains("## `part[]`") && json.contains("| integer or null |"), "{json}");
    }
}
