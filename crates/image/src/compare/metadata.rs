//! What the descriptions of two builds say.

use std::collections::{BTreeMap, BTreeSet};

use osb_metadata::{LayerInfo, Metadata};

use super::Fact;

/// Name, version, clock, sources, and the first layer key that differs.
pub(super) fn build(a: &Metadata, b: &Metadata) -> Vec<Fact> {
    let mut found = Vec::new();
    let mut fact = |subject: &str, value: fn(&Metadata) -> String| {
        found.extend(Fact::of(subject, Some(value(a)), Some(value(b))));
    };
    fact("name", |each| each.name.clone());
    fact("version", |each| each.version.clone());
    fact("architecture", |each| each.arch.clone());
    fact("board", |each| each.board.clone());
    fact("Kubernetes", |each| each.kubernetes.clone().unwrap_or_else(|| "none".to_owned()));
    fact("clock (source_date_epoch)", |each| each.source_date_epoch.to_string());
    fact("osb", |each| each.osb_version.clone());
    fact("layers", |each| {
        each.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>().join(" ")
    });
    found.extend(first_key(&a.layers, &b.layers));
    let sources = |each: &Metadata| -> BTreeMap<String, String> {
        let named = each.sources.iter().map(|source| {
            let digest = source.release_sha256.get(..12).unwrap_or_default();
            (source.name.clone(), format!("{} of {} ({digest}…)", source.suite, source.date))
        });
        named.collect()
    };
    found.extend(by_name("source ", &sources(a), &sources(b)));
    found
}

/// The first of all keys that differs: each covers the one before, so those behind it say nothing.
/// All package keys come first, then all dressings, as layers are built.
fn first_key(a: &[LayerInfo], b: &[LayerInfo]) -> Option<Fact> {
    let short = |key: &str| key.get(..16).unwrap_or(key).to_owned();
    let pairs = || a.iter().zip(b);
    let packages = pairs().map(|(a, b)| (a, &a.package_key, &b.package_key, "package"));
    let dressings = pairs().map(|(a, b)| (a, &a.dressing_key, &b.dressing_key, "dressing"));
    let (layer, a, b, half) = packages.chain(dressings).find(|(_, a, b, _)| a != b)?;
    let subject = format!("layer {}: the first key that differs is its {half} key", layer.name);
    Fact::of(&subject, Some(short(a)), Some(short(b)))
}

/// Packages that were added, removed, or have another version or digest.
pub(super) fn packages(a: &Metadata, b: &Metadata) -> Vec<Fact> {
    let listed = |each: &Metadata| -> BTreeMap<String, (String, String)> {
        let mut listed = BTreeMap::new();
        for package in &each.packages {
            let version = format!("{} {}", package.version, package.architecture);
            // The first of several architectures is called as one alone would be.
            let name = match listed.contains_key(&package.name) {
                true => format!("{}:{}", package.name, package.architecture),
                false => package.name.clone(),
            };
            listed.insert(name, (version, package.sha256.clone()));
        }
        listed
    };
    let (a, b) = (listed(a), listed(b));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differ = names.into_iter().filter(|name| a.get(*name) != b.get(*name));
    let text = |side: &BTreeMap<String, (String, String)>,
                other: &BTreeMap<_, (String, String)>,
                name: &String| {
        let (version, digest) = side.get(name)?;
        // The same version with other bytes: only the digest tells.
        let same = other.get(name).is_some_and(|(other, _)| other == version);
        let digest = digest.get(..12).unwrap_or_default();
        Some(if same { format!("{version} ({digest}…)") } else { version.clone() })
    };
    differ
        .map(|name| Fact { subject: name.clone(), a: text(&a, &b, name), b: text(&b, &a, name) })
        .collect()
}

/// Named values that differ.
pub(super) fn by_name(
    prefix: &str,
    a: &BTreeMap<String, String>,
    b: &BTreeMap<String, String>,
) -> Vec<Fact> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let facts = names
        .into_iter()
        .filter_map(|name| Fact::of(&format!("{prefix}{name}"), a.get(name), b.get(name)));
    facts.collect()
}
