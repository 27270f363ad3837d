//! The bill of materials against CycloneDX's own schema.
//!
//! The referee is the Python package jsonschema; without it the test says that it was skipped.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use osb_metadata::{Metadata, PackageOrigin, Sbom, SbomInput, from_json};
use serde_json::Value;

fn metadata() -> Metadata {
    from_json(include_str!("golden/metadata.json")).unwrap()
}

fn origin(vendor: &str, licences: Option<&[&str]>) -> PackageOrigin {
    PackageOrigin {
        vendor: vendor.to_owned(),
        source: ("bash".to_owned(), "5.2.37-2".to_owned()),
        licences: licences.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
    }
}

fn sbom(origin: PackageOrigin) -> Sbom {
    let metadata = metadata();
    let origins = BTreeMap::from([("bash".to_owned(), origin)]);
    let release = Some("13".to_owned());
    Sbom::new(&SbomInput {
        metadata: &metadata,
        origins: &origins,
        release,
        identifier: [0xff; 16],
    })
}

fn value(sbom: &Sbom) -> Value {
    serde_json::from_str(&sbom.to_json()).unwrap()
}

#[test]
fn a_package_has_everything_that_is_known_of_it() {
    let licences: &[&str] = &["Expat", "GPL-3+", "GPL-3+ with exception"];
    let bill = value(&sbom(origin("debian", Some(licences))));
    assert_eq!(bill["serialNumber"], "urn:uuid:ffffffff-ffff-8fff-bfff-ffffffffffff");
    assert_eq!(bill["metadata"]["timestamp"], "2025-06-15T15:06:40Z");
    let all = bill["components"].as_array().unwrap();
    let bash = all.iter().find(|component| component["name"] == "bash").unwrap();
    let purl = "pkg:deb/debian/bash@5.2.37-2%2Bb5?arch=arm64&distro=debian-13";
    assert_eq!((&bash["purl"], &bash["bom-ref"]), (&purl.into(), &purl.into()));
    assert_eq!(bash["hashes"][0]["content"], "33".repeat(32));
    let licences: Vec<_> = bash["licenses"].as_array().unwrap().iter().collect();
    assert_eq!(licences[0]["license"]["id"], "MIT");
    assert_eq!(licences[1]["license"]["id"], "GPL-3.0-or-later");
    assert_eq!(licences[2]["license"]["name"], "GPL-3+ with exception");
    let graph = bill["dependencies"].as_array().unwrap();
    assert_eq!(graph[0]["dependsOn"][0], "layer:base");
    assert!(graph[1]["dependsOn"].as_array().unwrap().contains(&purl.into()), "{graph:?}");
}

#[test]
fn what_is_not_known_is_said() {
    let bill = value(&sbom(origin("kubernetes", None)));
    let text = bill.to_string();
    assert!(text.contains("pkg:deb/kubernetes/bash@5.2.37-2%2Bb5?arch=arm64\""), "{text}");
    assert!(text.contains("no machine-readable copyright file"));
    // What is not installed is not in the image.
    let metadata = metadata();
    let origins = BTreeMap::new();
    let none =
        SbomInput { metadata: &metadata, origins: &origins, release: None, identifier: [0; 16] };
    assert!(!Sbom::new(&none).to_json().contains("pkg:deb"));
}

#[test]
fn the_schema_of_cyclonedx_is_kept() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let available = Command::new("python3").args(["-c", "import jsonschema"]).output();
    if !available.is_ok_and(|told| told.status.success()) {
        eprintln!("SKIPPED: there is no python3 with jsonschema to validate with");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let validate = |text: &str| {
        let file = dir.path().join("sbom.cdx.json");
        fs::write(&file, text).unwrap();
        Command::new("python3").arg(here.join("sbom.py")).arg(&file).output().unwrap()
    };
    for origin in [
        origin("debian", Some(&["Expat", "GPL-2+ or Artistic"])),
        origin("debian", Some(&[])),
        origin("kubernetes", None),
    ] {
        let told = validate(&sbom(origin).to_json());
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    }
    // The referee can say no.
    let wrong = sbom(origin("debian", Some(&["Expat"]))).to_json().replace("\"MIT\"", "\"Expat\"");
    assert!(!validate(&wrong).status.success());
}
