//! What has to be locked, its digest, and how it differs from what a lock was made for.

use std::collections::BTreeSet;

use osb_checksum::{sha256, to_hex};

use crate::lock::{ARTIFACT_SOURCE, Lock, LockedArtifact, LockedLayer, LockedPackage};
use crate::mirror::SourceSpec;

/// What has to be locked.
#[derive(Clone, Debug)]
pub struct LockRequest {
    /// The sources; of equal packages those of the first one are taken.
    pub sources: Vec<SourceSpec>,
    /// The image's Debian architecture.
    pub architecture: String,
    /// Layers by name with their packages, parents first. The first one also gets everything that
    /// is `Essential: yes`; each keeps what those before it chose.
    pub layers: Vec<(String, Vec<String>)>,
    /// Files that layers pin by URL and digest.
    pub artifacts: Vec<LockedArtifact>,
    /// Packages that layers pin in the same way; each is installed by its layer.
    pub debs: Vec<LockedArtifact>,
    /// Sets of tools by name, with their packages.
    pub tool_sets: Vec<(String, Vec<String>)>,
    /// The Debian architectures of building machines, for which tools are locked.
    pub hosts: Vec<String>,
}

impl LockRequest {
    /// A digest over everything that decides what a lock holds, in hexadecimal: a lock with another
    /// one was made for another request.
    ///
    /// Mirrors do not count ([`SourceSpec::mirrored`]); other URLs do: one key may sign several
    /// repositories with suites of one name.
    pub fn inputs_digest(&self) -> String {
        let mut text = Canonical(String::from("osb lock inputs 1\n"));
        text.item("architecture", [&self.architecture]);
        for source in &self.sources {
            text.source(source);
        }
        for (name, packages) in &self.layers {
            text.item("layer", [name]);
            text.item("packages", packages);
        }
        for (kind, files) in [("artifact", &self.artifacts), ("deb", &self.debs)] {
            for file in files {
                let LockedArtifact { layer, url, sha256, size } = file;
                text.item(kind, [layer, url, sha256, &size.to_string()]);
            }
        }
        text.tools(self);
        text.digest()
    }

    /// The same for the tool sets and hosts alone.
    pub(crate) fn tool_inputs(&self) -> String {
        let mut text = Canonical(String::from("osb lock tools 1\n"));
        text.tools(self);
        text.digest()
    }

    /// What each layer asks for, as a lock records it.
    pub(crate) fn wants(&self) -> Vec<LockedLayer> {
        let layer = |(name, wants): &(String, Vec<String>)| {
            let own = self.debs.iter().filter(|deb| deb.layer == *name);
            let debs: BTreeSet<String> = own.map(|deb| deb.url.clone()).collect();
            let (name, wants) = (name.clone(), wants.clone());
            LockedLayer { name, wants, debs: debs.into_iter().collect() }
        };
        self.layers.iter().map(layer).collect()
    }

    /// How this request differs from the one that `lock` was made for; nothing if the lock fits.
    pub fn drift(&self, lock: &Lock) -> Vec<Drift> {
        if lock.inputs == self.inputs_digest() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut add = |part, text: String| found.push(Drift { part, text });
        if lock.architecture != self.architecture {
            let (from, to) = (&lock.architecture, &self.architecture);
            add(Part::Architecture, format!("the architecture: {from} → {to}"));
        }
        if lock.tool_inputs.is_some() {
            self.drift_of_sources(lock, &mut add);
            self.drift_of_layers(lock, &mut add);
            self.drift_of_artifacts(lock, &mut add);
            if lock.tool_inputs.as_ref() != Some(&self.tool_inputs()) {
                add(Part::Tools, "the tools that osb needs (it is another osb)".into());
            }
        }
        if found.is_empty() {
            // It is the digest that tells, and no more.
            let text = match lock.tool_inputs {
                None => "it has format 1, which does not tell what differs",
                Some(_) => "it cannot be told what: the digest of its inputs is another one",
            };
            found.push(Drift { part: Part::Unknown, text: text.into() });
        }
        found
    }

    fn drift_of_sources(&self, lock: &Lock, add: &mut impl FnMut(Part, String)) {
        for source in &self.sources {
            let name = &source.name;
            match lock.sources.iter().find(|known| known.name == *name) {
                None => add(Part::Sources, format!("source {name} is new")),
                Some(known) if known.inputs.as_ref() != Some(&source_inputs(source)) => {
                    let what = "its URL, suite, components, keys, priority or pins";
                    add(Part::Sources, format!("source {name}: {what}"));
                }
                Some(_) => {}
            }
        }
        for known in &lock.sources {
            if !self.sources.iter().any(|source| source.name == known.name) {
                add(Part::Sources, format!("source {} is gone", known.name));
            }
        }
        let ours = self.sources.iter().map(|source| &source.name);
        let theirs = lock.sources.iter().map(|known| &known.name);
        if reordered(ours, theirs) {
            add(Part::Sources, "the order of the sources".into());
        }
    }

    fn drift_of_layers(&self, lock: &Lock, add: &mut impl FnMut(Part, String)) {
        for (name, wants) in &self.layers {
            let Some(known) = lock.layers.iter().find(|known| known.name == *name) else {
                add(Part::Layers, format!("layer {name} is new"));
                continue;
            };
            let new = wants.iter().filter(|want| !known.wants.contains(want));
            let gone = known.wants.iter().filter(|want| !wants.contains(want));
            let signed: Vec<String> = (new.map(|want| format!("+{want}")))
                .chain(gone.map(|want| format!("-{want}")))
                .collect();
            match (signed.is_empty(), *wants == known.wants) {
                (false, _) => add(Part::Layers, format!("layer {name}: {}", signed.join(" "))),
                (true, false) => {
                    add(Part::Layers, format!("layer {name}: the order of its packages"));
                }
                (true, true) => {}
            }
        }
        for known in &lock.layers {
            if !self.layers.iter().any(|(name, _)| *name == known.name) {
                add(Part::Layers, format!("layer {} is gone", known.name));
            }
        }
        let ours = self.layers.iter().map(|(name, _)| name);
        let theirs = lock.layers.iter().map(|known| &known.name);
        if reordered(ours, theirs) {
            add(Part::Layers, "the order of the layers".into());
        }
    }

    fn drift_of_artifacts(&self, lock: &Lock, add: &mut impl FnMut(Part, String)) {
        let known: BTreeSet<Pinned> = (lock.artifacts.iter())
            .map(|file| Pinned::of(false, file))
            .chain(lock.layers.iter().flat_map(|layer| Pinned::debs(layer, lock)))
            .collect();
        let wanted: BTreeSet<Pinned> = (self.artifacts.iter().map(|file| Pinned::of(false, file)))
            .chain(self.debs.iter().map(|file| Pinned::of(true, file)))
            .collect();
        for file in wanted.difference(&known) {
            let mut others = known.difference(&wanted).filter(|other| other.url == file.url);
            let what = match others.next() {
                None if known.iter().any(|other| other.url == file.url) => {
                    format!("is also in layer {}", file.layer)
                }
                None => "is new".to_owned(),
                Some(other) if (&other.sha256, other.size) != (&file.sha256, file.size) => {
                    "has another digest or size".to_owned()
                }
                Some(other) if other.layer != file.layer => {
                    format!("moved from layer {} to {}", other.layer, file.layer)
                }
                Some(_) => "has another format".to_owned(),
            };
            add(Part::Artifacts, format!("artifact {} {what}", file.url));
        }
        for file in known.difference(&wanted) {
            let mut others = wanted.difference(&known);
            if !others.any(|other| other.url == file.url) {
                let Pinned { url, layer, .. } = file;
                add(Part::Artifacts, format!("artifact {url} is gone from layer {layer}"));
            }
        }
    }
}

/// Whether two lists have the same names in another order.
fn reordered<'a>(
    ours: impl Iterator<Item = &'a String>,
    theirs: impl Iterator<Item = &'a String>,
) -> bool {
    let (mut ours, mut theirs): (Vec<_>, Vec<_>) = (ours.collect(), theirs.collect());
    if ours == theirs {
        return false;
    }
    ours.sort_unstable();
    theirs.sort_unstable();
    ours == theirs
}

/// A file that a layer pins, as a recipe and a lock both know it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pinned<'a> {
    /// Whether it is a package to install, and not a file to lay.
    deb: bool,
    layer: &'a str,
    url: &'a str,
    sha256: &'a str,
    size: u64,
}

impl<'a> Pinned<'a> {
    fn of(deb: bool, file: &'a LockedArtifact) -> Pinned<'a> {
        let LockedArtifact { layer, url, sha256, size } = file;
        Pinned { deb, layer, url, sha256, size: *size }
    }

    /// The packages that a locked layer pins; the package's own layer may be an earlier one, which
    /// needed it already.
    fn debs(layer: &'a LockedLayer, lock: &'a Lock) -> impl Iterator<Item = Pinned<'a>> {
        layer.debs.iter().filter_map(move |url| {
            let is_it = |p: &&LockedPackage| p.source == ARTIFACT_SOURCE && p.path == *url;
            let package = lock.packages.iter().find(is_it)?;
            let LockedPackage { sha256, size, .. } = package;
            Some(Pinned { deb: true, layer: &layer.name, url, sha256, size: *size })
        })
    }
}

/// One difference between a request and the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Which part of the request it is in.
    pub part: Part,
    /// It, in words.
    pub text: String,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The image's architecture.
    Architecture,
    /// Sources: where packages come from, and which are preferred.
    Sources,
    /// What layers ask for.
    Layers,
    /// Files that layers pin.
    Artifacts,
    /// Tools of the building machine.
    Tools,
    /// It cannot be told.
    Unknown,
}

/// What a recipe says of a source, as a digest.
pub(crate) fn source_inputs(source: &SourceSpec) -> String {
    let mut text = Canonical(String::from("osb lock source 1\n"));
    text.source(source);
    text.digest()
}

/// Text in which different lists never look alike: every word carries its length.
struct Canonical(String);

impl Canonical {
    fn item(&mut self, name: &str, words: impl IntoIterator<Item = impl AsRef<str>>) {
        self.0.push_str(name);
        for word in words {
            let word = word.as_ref();
            self.0.push_str(&format!(" {}:{word}", word.len()));
        }
        self.0.push('\n');
    }

    fn source(&mut self, source: &SourceSpec) {
        self.item("source", [&source.name, &source.suite]);
        if !source.mirrored {
            self.item("base", [source.base.trim_end_matches('/')]);
        }
        self.item("components", &source.components);
        // The certificate may be fetched anew with other signatures; the fingerprint stays.
        let spelled = |fingerprint: &str| -> String {
            fingerprint.split_whitespace().collect::<String>().to_ascii_uppercase()
        };
        let keys: BTreeSet<String> =
            source.keys.iter().map(|key| spelled(&key.fingerprint)).collect();
        self.item("keys", &keys);
        self.item("priority", [source.priority.to_string()]);
        for pin in &source.pins {
            self.item("pin", [&pin.pattern, &pin.priority.to_string()]);
        }
    }

    fn tools(&mut self, request: &LockRequest) {
        for (name, packages) in &request.tool_sets {
            self.item("tools", [name]);
            self.item("packages", packages);
        }
        self.item("hosts", &request.hosts);
    }

    fn digest(&self) -> String {
        to_hex(&sha256(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests;
