//! What has to be locked, its digest, and how it differs from what a lock was made for.

use std::collections::BTreeSet;

use osb_checksum::{sha256, to_hex};

use crate::lock::{ARTIFACT_SOURCE, Lock, LockedArtifact, LockedLayer};
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
        let layer = |(name, wants): &(String, Vec<String>)| LockedLayer {
            name: name.clone(),
            wants: wants.clone(),
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
            found.push(match lock.tool_inputs {
                // It is the digest that tells, and no more.
                None => Drift { part: Part::Unknown, text: "it has format 1".into() },
                Some(_) => Drift { part: Part::Sources, text: "the order of the sources".into() },
            });
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
        let (ours, theirs): (Vec<_>, Vec<_>) = (
            self.layers.iter().map(|(name, _)| name).collect(),
            lock.layers.iter().map(|known| &known.name).collect(),
        );
        if ours != theirs && ours.len() == theirs.len() {
            let same = ours.iter().all(|name| theirs.contains(name));
            if same {
                add(Part::Layers, "the order of the layers".into());
            }
        }
    }

    fn drift_of_artifacts(&self, lock: &Lock, add: &mut impl FnMut(Part, String)) {
        let locked_debs = lock.packages.iter().filter(|package| package.source == ARTIFACT_SOURCE);
        let known: BTreeSet<(&str, &str, u64)> = (lock.artifacts.iter())
            .map(|file| (file.url.as_str(), file.sha256.as_str(), file.size))
            .chain(locked_debs.map(|deb| (deb.path.as_str(), deb.sha256.as_str(), deb.size)))
            .collect();
        let wanted: BTreeSet<(&str, &str, u64)> = (self.artifacts.iter().chain(&self.debs))
            .map(|file| (file.url.as_str(), file.sha256.as_str(), file.size))
            .collect();
        for (url, ..) in wanted.difference(&known) {
            let what = match known.iter().any(|(other, ..)| other == url) {
                true => "has another digest or size",
                false => "is new",
            };
            add(Part::Artifacts, format!("artifact {url} {what}"));
        }
        for (url, ..) in known.difference(&wanted) {
            if !wanted.iter().any(|(other, ..)| other == url) {
                add(Part::Artifacts, format!("artifact {url} is gone"));
            }
        }
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
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::mirror::{KeySpec, Pin};

    fn file(url: &str) -> LockedArtifact {
        LockedArtifact { layer: "base".into(), url: url.into(), sha256: "ab".repeat(32), size: 7 }
    }

    fn request() -> LockRequest {
        let source = |name: &str, base: &str, suite: &str| SourceSpec {
            name: name.into(),
            base: base.into(),
            mirrored: name == "debian",
            suite: suite.into(),
            components: vec!["main".into()],
            keys: vec![KeySpec { fingerprint: "AB CD".into(), material: vec![1] }],
            priority: 500,
            pins: vec![Pin { pattern: "linux-*".into(), priority: 990 }],
        };
        LockRequest {
            sources: vec![
                source("debian", "http://a.example/debian", "trixie"),
                source("flat", "http://a.example/v1.35/deb", "/"),
            ],
            architecture: "arm64".into(),
            layers: vec![("base".into(), vec!["apt".into(), "curl".into()])],
            artifacts: vec![file("https://a.example/x.tar.gz")],
            debs: vec![file("https://a.example/x.deb")],
            tool_sets: vec![("build".into(), vec!["dash".into()])],
            hosts: vec!["amd64".into()],
        }
    }

    #[test]
    fn mirrors_and_spelling_do_not_change_the_inputs() {
        let digest = request().inputs_digest();
        assert_eq!(digest.len(), 64);
        let mut other = request();
        other.sources[0].base = "file:///srv/mirror".into();
        other.sources[1].base.push('/');
        other.sources[0].keys[0] = KeySpec { fingerprint: "abcd".into(), material: vec![2] };
        assert_eq!(other.inputs_digest(), digest);
    }

    #[test]
    fn everything_else_changes_the_inputs() {
        let changes: [fn(&mut LockRequest); 17] = [
            |r| r.architecture = "amd64".into(),
            |r| r.sources[1].base = "http://a.example/v1.36/deb".into(),
            |r| r.sources[0].mirrored = false,
            |r| r.sources[0].suite = "sid".into(),
            |r| r.sources[0].components.clear(),
            |r| r.sources[0].keys[0].fingerprint = "EF".into(),
            |r| r.sources[0].priority = 100,
            |r| r.sources[0].pins.clear(),
            |r| r.sources.swap(0, 1),
            |r| r.layers[0].1 = vec!["aptcurl".into()],
            |r| r.layers[0].1 = vec!["apt curl".into()],
            |r| r.tool_sets[0].1.push("bash".into()),
            |r| r.hosts.push("arm64".into()),
            |r| r.artifacts.clear(),
            |r| r.artifacts[0].sha256 = "cd".repeat(32),
            |r| r.debs[0].size = 8,
            |r| std::mem::swap(&mut r.debs, &mut r.artifacts),
        ];
        let mut seen = HashSet::from([request().inputs_digest()]);
        for (number, change) in changes.iter().enumerate() {
            let mut changed = request();
            change(&mut changed);
            assert!(seen.insert(changed.inputs_digest()), "{number}");
        }
    }
}
