//! Requests, their digests, and what differs between them.

use std::collections::HashSet;

use super::*;
use crate::lock::{LOCK_VERSION, LockedSource};
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

/// A lock for a request, as far as differences are told from it.
fn locked(request: &LockRequest) -> Lock {
    let source = |source: &SourceSpec| LockedSource {
        name: source.name.clone(),
        suite: source.suite.clone(),
        inputs: Some(source_inputs(source)),
        release_sha256: "cd".repeat(32),
        date: 0,
    };
    let package = |deb: &LockedArtifact| LockedPackage {
        name: "x".into(),
        version: "1".into(),
        architecture: "all".into(),
        sha256: deb.sha256.clone(),
        size: deb.size,
        path: deb.url.clone(),
        source: ARTIFACT_SOURCE.into(),
        // An earlier layer than the one that pins it may need it.
        layer: "first".into(),
    };
    Lock {
        version: LOCK_VERSION,
        architecture: request.architecture.clone(),
        inputs: request.inputs_digest(),
        tool_inputs: Some(request.tool_inputs()),
        layers: request.wants(),
        sources: request.sources.iter().map(source).collect(),
        packages: request.debs.iter().map(package).collect(),
        artifacts: request.artifacts.clone(),
        tools: Vec::new(),
    }
}

#[test]
fn what_differs_is_told_as_what_it_is() {
    let mut request = request();
    request.layers.push(("top".into(), Vec::new()));
    let lock = locked(&request);
    assert_eq!(request.drift(&lock), []);
    type Case = (fn(&mut LockRequest), Part, &'static str);
    let (tar, deb) = ("artifact https://a.example/x.tar.gz", "artifact https://a.example/x.deb");
    let cases: [Case; 9] = [
        (|r| r.artifacts[0].layer = "top".into(), Part::Artifacts, "moved from layer base to"),
        (|r| r.debs[0].layer = "top".into(), Part::Artifacts, "moved from layer base to top"),
        (|r| r.debs.append(&mut r.artifacts), Part::Artifacts, "has another format"),
        (|r| r.artifacts.append(&mut r.debs), Part::Artifacts, "has another format"),
        (|r| r.artifacts[0].size = 8, Part::Artifacts, "has another digest or size"),
        (|r| r.debs.clear(), Part::Artifacts, "is gone from layer base"),
        (|r| r.sources.swap(0, 1), Part::Sources, "the order of the sources"),
        (|r| r.layers.swap(0, 1), Part::Layers, "the order of the layers"),
        (|r| r.layers[0].1.push("jq".into()), Part::Layers, "layer base: +jq"),
    ];
    for (number, (change, part, text)) in cases.into_iter().enumerate() {
        let mut changed = request.clone();
        change(&mut changed);
        let drift = changed.drift(&lock);
        assert_eq!(drift.len(), 1, "{number}: {drift:?}");
        assert_eq!(drift[0].part, part, "{number}");
        assert!(drift[0].text.contains(text), "{number}: {drift:?}");
        let about = [tar, deb].iter().any(|artifact| drift[0].text.starts_with(artifact));
        assert_eq!(about, part == Part::Artifacts, "{number}: {drift:?}");
    }
    // One more layer with the same file, two changes at once, and what nobody can tell.
    let mut changed = request.clone();
    changed
        .artifacts
        .push(LockedArtifact { layer: "top".into(), ..file(&request.artifacts[0].url) });
    assert_eq!(changed.drift(&lock)[0].text, format!("{tar} is also in layer top"));
    let mut changed = request.clone();
    changed.sources.swap(0, 1);
    changed.layers[0].1.push("jq".into());
    let parts: Vec<Part> = changed.drift(&lock).iter().map(|drift| drift.part).collect();
    assert_eq!(parts, [Part::Sources, Part::Layers]);
    let other = Lock { inputs: "00".repeat(32), ..lock };
    assert_eq!(request.drift(&other)[0].part, Part::Unknown);
}
