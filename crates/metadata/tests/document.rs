//! The document and its schema against the files that readers rely on.
//!
//! `OSB_UPDATE_GOLDEN=1 cargo test -p osb-metadata` writes the files anew; what changes in them
//! is a change of a public interface (docs/metadata.md).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use osb_metadata::{
    ArtifactInfo, BlockMapInfo, LayerInfo, Metadata, MetadataError, PackageInfo, PartitionInfo,
    PartitionTable, PinnedInfo, RangeInfo, RangeState, SCHEMA_VERSION, SourceInfo, from_json,
    schema,
};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn golden(path: &str, text: &str) {
    let path = here(path);
    if std::env::var_os("OSB_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(&path, text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "{} is not up to date: OSB_UPDATE_GOLDEN=1 cargo test -p osb-metadata rewrites it",
        path.display()
    );
}

fn range(offset: u64, length: u64, state: RangeState) -> RangeInfo {
    let sha256 = (state == RangeState::Data).then(|| "88".repeat(32));
    RangeInfo { offset, length, state, sha256 }
}

fn example() -> Metadata {
    Metadata {
        schema_version: SCHEMA_VERSION,
        name: "rpi5-node".into(),
        version: "0.1.0".into(),
        arch: "arm64".into(),
        board: "rpi5".into(),
        kubernetes: None,
        source_date_epoch: 1_750_000_000,
        osb_version: "0.1.0".into(),
        layers: vec![LayerInfo {
            name: "base".into(),
            package_key: "11".repeat(32),
            dressing_key: "22".repeat(32),
            packages: 1,
        }],
        packages: vec![PackageInfo {
            name: "bash".into(),
            version: "5.2.37-2+b5".into(),
            architecture: "arm64".into(),
            sha256: "33".repeat(32),
            layer: "base".into(),
            source: "debian".into(),
        }],
        sources: vec![SourceInfo {
            name: "debian".into(),
            suite: "trixie".into(),
            date: 1_750_000_000,
            release_sha256: "44".repeat(32),
        }],
        pinned: vec![PinnedInfo {
            layer: "base".to_owned(),
            url: "https://example.org/x.tar.gz".to_owned(),
            sha256: "ef".repeat(32),
            size: 7,
        }],
        artifacts: vec![
            ArtifactInfo {
                name: "disk.img".into(),
                size: 3 << 30,
                sha256: "55".repeat(32),
                media_type: "application/octet-stream".into(),
                content_sha256: None,
                content_size: None,
            },
            ArtifactInfo {
                name: "disk.img.bmap".into(),
                size: 600,
                sha256: "77".repeat(32),
                media_type: "application/xml".into(),
                content_sha256: None,
                content_size: None,
            },
            ArtifactInfo {
                name: "sd.img.zst".into(),
                size: 400_000_000,
                sha256: "66".repeat(32),
                media_type: "application/zstd".into(),
                content_sha256: Some("55".repeat(32)),
                content_size: Some(3 << 30),
            },
        ],
        partition_table: PartitionTable {
            kind: "gpt".into(),
            guid: "01234567-89AB-4DEF-8123-456789ABCDEF".into(),
            sector_size: 512,
            partitions: vec![PartitionInfo {
                number: 1,
                name: "boot".into(),
                type_guid: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B".into(),
                guid: "11234567-89AB-4DEF-8123-456789ABCDEF".into(),
                first_lba: 2048,
                last_lba: 1_050_623,
                filesystem: "vfat".into(),
                uuid: "89AB-CDEF".into(),
                label: "BOOT".into(),
            }],
        },
        block_map: Some(BlockMapInfo {
            size: 3 << 30,
            block_size: 4096,
            ranges: vec![
                range(0, 4 << 20, RangeState::Data),
                range(4 << 20, 1 << 20, RangeState::Zero),
                range(5 << 20, (3 << 30) - (5 << 20), RangeState::Unused),
            ],
        }),
    }
}

#[test]
fn the_schema_is_the_documented_one() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    golden("../../docs/metadata.schema.json", &text);
}

#[test]
fn the_text_is_the_golden_one() {
    golden("tests/golden/metadata.json", &example().to_json());
    assert_eq!(from_json(&example().to_json()).unwrap(), example());
}

#[test]
fn the_schema_requires_every_field_that_is_written() {
    let schema = schema();
    let value: serde_json::Value = serde_json::from_str(&example().to_json()).unwrap();
    let mut checked = 0;
    let mut objects = vec![(&value, &schema)];
    while let Some((object, description)) = objects.pop() {
        let required = description["required"].as_array().unwrap();
        let properties = description["properties"].as_object().unwrap();
        for (name, field) in object.as_object().unwrap() {
            checked += 1;
            // The only field that is not written if there is nothing to say.
            let required = name == "pinned" || required.iter().any(|each| each == name);
            assert!(required, "{name} is required");
            let property = &properties[name];
            assert!(name == "schema_version" || property["description"].is_string(), "{name}");
            let places =
                [&property["$ref"], &property["items"]["$ref"], &property["anyOf"][0]["$ref"]];
            let reference = places.into_iter().find_map(|place| place.as_str());
            if let Some(reference) = reference {
                let description = schema.pointer(reference.strip_prefix('#').unwrap()).unwrap();
                match field.as_array() {
                    Some(items) => objects.extend(items.iter().map(|item| (item, description))),
                    None => objects.push((field, description)),
                }
            }
        }
        assert_eq!(properties.len(), object.as_object().unwrap().len());
    }
    assert!(checked > 50, "{checked} fields seen");
}

#[test]
fn a_block_map_is_read_back_as_the_map_that_it_was() {
    let info = example().block_map.unwrap();
    assert_eq!(BlockMapInfo::from(&info.to_map().unwrap()), info);
}

#[test]
fn documents_without_a_block_map_are_read() {
    let without = Metadata { block_map: None, ..example() };
    assert!(without.to_json().contains("\"block_map\": null"));
    assert_eq!(from_json(&without.to_json()).unwrap(), without);
    // As osb wrote them before there were any.
    let mut older: serde_json::Value = serde_json::from_str(&without.to_json()).unwrap();
    older.as_object_mut().unwrap().remove("block_map");
    assert_eq!(from_json(&older.to_string()).unwrap(), without);
}

#[test]
fn block_maps_that_cannot_be_are_refused() {
    let refuse = |change: fn(&mut BlockMapInfo), part: &str| {
        let mut metadata = example();
        change(metadata.block_map.as_mut().unwrap());
        let error = from_json(&metadata.to_json()).unwrap_err().to_string();
        assert!(error.contains("block_map") && error.contains(part), "{error}");
    };
    refuse(|map| map.size += 1, "the disk has 3221225473");
    refuse(|map| map.block_size = 512, "blocks have 512 bytes");
    refuse(|map| drop(map.ranges.remove(1)), "range 1 begins at byte 5242880");
    refuse(|map| map.ranges.swap(0, 2), "range 0 begins at byte 5242880");
    refuse(|map| map.ranges[2].length = u64::MAX, "range 2 has 18446744073709551615 bytes");
    refuse(|map| map.ranges[0].sha256 = None, "range 0 has no SHA-256");
    refuse(|map| map.ranges[0].sha256 = Some("88".into()), "range 0 has no SHA-256");
    refuse(|map| map.ranges[1].sha256 = Some("88".repeat(32)), "range 1 has no SHA-256");
    refuse(|map| map.ranges[1].state = RangeState::Data, "range 1 has no SHA-256");
    let text = example().to_json().replace("\"unused\"", "\"hole\"");
    assert!(from_json(&text).unwrap_err().to_string().contains("hole"));
}

#[test]
fn another_version_is_refused_by_its_number() {
    let error = from_json(r#"{"schema_version": 2, "all": "else"}"#).unwrap_err();
    assert!(matches!(error, MetadataError::Version { found: 2 }));
    assert!(error.to_string().contains("schema_version 2"));
}

#[test]
fn later_fields_are_ignored_and_missing_ones_named() {
    let text = example().to_json();
    let more = text.replacen('{', "{ \"later\": [1],", 1);
    assert_eq!(from_json(&more).unwrap(), example());
    let less = text.replace("\"board\": \"rpi5\",", "");
    assert!(from_json(&less).unwrap_err().to_string().contains("board"));
    assert!(matches!(from_json("nonsense"), Err(MetadataError::Json(_))));
}
