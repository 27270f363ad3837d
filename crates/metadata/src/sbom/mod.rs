//! `sbom.cdx.json`: what an image consists of, as CycloneDX 1.6.
//!
//! A bill of materials for programs that look for known vulnerabilities and licences. It says no more
//! than [`Metadata`] and the packages themselves do, and is as reproducible: its time is the build's
//! SOURCE_DATE_EPOCH, its serial number derives from the image's key.
//!
//! Specifications: <https://cyclonedx.org/docs/1.6/json/>, and for the names of packages
//! <https://github.com/package-url/purl-spec>.

mod copyright;
mod licence;
mod model;
mod purl;

use std::collections::BTreeMap;

pub use copyright::licences;
pub use model::Sbom;

use crate::model::{LayerInfo, Metadata, PackageInfo, PinnedInfo};
use crate::time::rfc3339;
use model::{Component, Dependency, ExternalReference, Hash, MetadataBlock, Property, Tools};

/// What a package says of itself, beside its entry in [`Metadata::packages`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageOrigin {
    /// Who publishes it: `debian`, or the name of another source.
    pub vendor: String,
    /// The source package that it was built from, and its version.
    pub source: (String, String),
    /// The short names of its licences, as its copyright file has them; `None` if that is not
    /// machine-readable, or not there.
    pub licences: Option<Vec<String>>,
}

/// What a bill of materials is made of.
#[derive(Debug, Clone)]
pub struct SbomInput<'a> {
    /// The description of the build.
    pub metadata: &'a Metadata,
    /// The packages that are installed, by name; others of the description are left out.
    pub origins: &'a BTreeMap<String, PackageOrigin>,
    /// `VERSION_ID` of the image's `/etc/os-release`, such as `13`.
    pub release: Option<String>,
    /// Sixteen bytes that only this image has.
    pub identifier: [u8; 16],
}

impl Sbom {
    /// The bill of materials of an image.
    pub fn new(input: &SbomInput) -> Sbom {
        let metadata = input.metadata;
        let installed = |package: &&PackageInfo| input.origins.contains_key(&package.name);
        let packages: Vec<(&PackageInfo, Component)> = metadata
            .packages
            .iter()
            .filter(installed)
            .map(|package| (package, self::package(package, input)))
            .collect();
        let image = image(metadata);
        let dependencies = graph(&image.bom_ref, metadata, &packages);
        let layers = metadata.layers.iter().map(layer);
        let pinned = metadata.pinned.iter().map(self::pinned);
        let components = layers.chain(packages.into_iter().map(|(_, c)| c)).chain(pinned).collect();
        Sbom {
            bom_format: "CycloneDX",
            spec_version: "1.6",
            serial_number: format!("urn:uuid:{}", uuid(input.identifier)),
            version: 1,
            metadata: MetadataBlock {
                timestamp: rfc3339(metadata.source_date_epoch),
                tools: Tools { components: vec![tool(metadata)] },
                component: image,
            },
            components,
            dependencies,
        }
    }

    /// The document as text, with a newline at its end.
    pub fn to_json(&self) -> String {
        // Text, numbers and lists always have a JSON form.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// The image itself, with the digests of what was built of it.
fn image(metadata: &Metadata) -> Component {
    let property = |name: &str, value: &str| Property::new(name, value);
    Component {
        version: Some(metadata.version.clone()),
        properties: [
            property("osb:architecture", &metadata.arch),
            property("osb:board", &metadata.board),
        ]
        .into_iter()
        .chain(metadata.kubernetes.iter().map(|version| property("osb:kubernetes", version)))
        .collect(),
        ..Component::new("operating-system", &format!("image:{}", metadata.name), &metadata.name)
    }
}

/// What made the document.
fn tool(metadata: &Metadata) -> Component {
    let version = Some(metadata.osb_version.clone());
    Component { version, ..Component::new("application", "tool:osb", "osb") }
}

fn layer_ref(name: &str) -> String {
    format!("layer:{name}")
}

fn layer(layer: &LayerInfo) -> Component {
    Component {
        properties: vec![
            Property::new("osb:package-key", &layer.package_key),
            Property::new("osb:dressing-key", &layer.dressing_key),
        ],
        ..Component::new("platform", &layer_ref(&layer.name), &layer.name)
    }
}

fn package(package: &PackageInfo, input: &SbomInput) -> Component {
    let unknown = PackageOrigin::default();
    let origin = input.origins.get(&package.name).unwrap_or(&unknown);
    let distro = match (origin.vendor.as_str(), &input.release) {
        ("debian", Some(release)) => Some(format!("debian-{release}")),
        _ => None,
    };
    let purl = purl::deb(
        &origin.vendor,
        &package.name,
        &package.version,
        &package.architecture,
        distro.as_deref(),
    );
    let (source, source_version) = &origin.source;
    let mut properties = vec![
        Property::new("osb:layer", &package.layer),
        Property::new("osb:apt-source", &package.source),
        Property::new("osb:source-package", source),
        Property::new("osb:source-version", source_version),
    ];
    if origin.licences.is_none() {
        properties.push(Property::new("osb:licences", "no machine-readable copyright file"));
    }
    Component {
        version: Some(package.version.clone()),
        hashes: vec![Hash::sha256(&package.sha256)],
        licenses: origin.licences.iter().flatten().map(|name| licence::choice(name)).collect(),
        purl: Some(purl.clone()),
        properties,
        ..Component::new("library", &purl, &package.name)
    }
}

fn pinned(file: &PinnedInfo) -> Component {
    let name = file.url.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(&file.url);
    Component {
        hashes: vec![Hash::sha256(&file.sha256)],
        external_references: vec![ExternalReference::distribution(&file.url)],
        properties: vec![Property::new("osb:layer", &file.layer)],
        ..Component::new("file", &pinned_ref(file), name)
    }
}

/// With the address: a layer may take the same bytes from two.
fn pinned_ref(file: &PinnedInfo) -> String {
    format!("pinned:{}:{}:{}", file.layer, file.sha256, file.url)
}

/// What contains what: the image its layers, each layer its packages and pinned files.
fn graph(
    image: &str,
    metadata: &Metadata,
    packages: &[(&PackageInfo, Component)],
) -> Vec<Dependency> {
    let layers = metadata.layers.iter().map(|layer| layer_ref(&layer.name)).collect();
    let mut graph = vec![Dependency { bom_ref: image.to_owned(), depends_on: layers }];
    for layer in &metadata.layers {
        let own = packages.iter().filter(|(package, _)| package.layer == layer.name);
        let own = own.map(|(_, component)| component.bom_ref.clone());
        let pinned = metadata.pinned.iter().filter(|file| file.layer == layer.name).map(pinned_ref);
        let mut depends_on: Vec<String> = own.chain(pinned).collect();
        depends_on.sort();
        depends_on.dedup();
        graph.push(Dependency { bom_ref: layer_ref(&layer.name), depends_on });
    }
    graph
}

/// A UUID of version 8 (RFC 9562: the bits are whoever makes it's) of these bytes.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
