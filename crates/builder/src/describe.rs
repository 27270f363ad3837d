//! What was built: `metadata.json`, `sbom.cdx.json`, `SHA256SUMS`, and the artifacts under their final names.

use std::fs;
use std::path::Path;

use osb_apt::Lock;
use osb_checksum::{Digest, Sums, to_hex};
use osb_metadata::{
    ArtifactInfo, BlockMapInfo, LayerInfo, Metadata, PackageInfo, PartitionInfo, PartitionTable,
    PinnedInfo, SCHEMA_VERSION, SourceInfo,
};
use osb_partition::Format;
use osb_release::is_of;
use osb_tree::Tree;

use crate::bill;
use crate::disk::Disk;
use crate::emit::{self, Written};
use crate::error::BuildError;
use crate::event::{Artifact, Report};
use crate::job::Job;
use crate::partial;
use crate::plan::Plan;

/// Version of the kubelet in the image: what makes it a Kubernetes node.
fn kubernetes(plan: &Plan) -> Option<String> {
    let kubelet = plan.packages.iter().find(|package| package.name == "kubelet")?;
    Some(kubelet.version.split('-').next().unwrap_or(&kubelet.version).to_owned())
}

/// What a build of this plan that wrote these files tells.
pub(crate) fn report(job: &Job, plan: &Plan, artifacts: Vec<Artifact>) -> Report {
    let image = &job.options.project.recipe.image;
    Report {
        unchanged: false,
        artifacts,
        stages: Vec::new(),
        packages: plan.packages.len(),
        name: image.name.clone(),
        version: image.version.clone(),
        architecture: image.arch.as_str().to_owned(),
        kubernetes: kubernetes(plan),
    }
}

/// The description of this build; a function of the lock and the recipe alone.
fn metadata(job: &Job, lock: &Lock, plan: &Plan, disk: &Disk, written: &Written) -> Metadata {
    let recipe = &job.options.project.recipe;
    Metadata {
        schema_version: SCHEMA_VERSION,
        name: recipe.image.name.clone(),
        version: recipe.image.version.clone(),
        arch: recipe.image.arch.as_str().to_owned(),
        board: recipe.image.board.clone(),
        kubernetes: kubernetes(plan),
        source_date_epoch: plan.epoch,
        osb_version: env!("CARGO_PKG_VERSION").to_owned(),
        layers: plan
            .layers
            .iter()
            .map(|planned| LayerInfo {
                name: planned.layer.name.clone(),
                package_key: planned.package_key.clone(),
                dressing_key: planned.dressing_key.clone(),
                packages: planned.packages.len() as u32,
            })
            .collect(),
        packages: plan
            .packages
            .iter()
            .map(|package| PackageInfo {
                name: package.name.clone(),
                version: package.version.clone(),
                architecture: package.architecture.clone(),
                sha256: package.sha256.clone(),
                layer: package.layer.clone(),
                source: package.source.clone(),
            })
            .collect(),
        sources: lock
            .sources
            .iter()
            .map(|source| SourceInfo {
                name: source.name.clone(),
                suite: source.suite.clone(),
                date: source.date,
                release_sha256: source.release_sha256.clone(),
            })
            .collect(),
        pinned: lock
            .artifacts
            .iter()
            .map(|artifact| PinnedInfo {
                layer: artifact.layer.clone(),
                url: artifact.url.clone(),
                sha256: artifact.sha256.clone(),
                size: artifact.size,
            })
            .collect(),
        artifacts: written
            .files
            .iter()
            .map(|file| ArtifactInfo {
                name: file.name.to_owned(),
                size: file.size,
                sha256: to_hex(&file.sha256),
                media_type: media_type(file.name).to_owned(),
                content_sha256: file.content.map(|(_, digest)| to_hex(&digest)),
                content_size: file.content.map(|(size, _)| size),
            })
            .collect(),
        partition_table: partition_table(disk),
        block_map: written.map.as_ref().map(BlockMapInfo::from),
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("zst") => "application/zstd",
        Some("gz") => "application/gzip",
        Some("bmap") => "application/xml",
        _ => "application/octet-stream",
    }
}

pub(crate) fn partition_table(disk: &Disk) -> PartitionTable {
    let Format { table, sector, .. } = disk.layout.format();
    let guid = disk.layout.disk_guid();
    let partitions = disk.layout.partitions().iter().zip(&disk.volumes).zip(1..);
    PartitionTable {
        kind: table.as_str().to_owned(),
        guid: table.disk_id(guid),
        sector_size: sector.bytes() as u32,
        partitions: partitions
            .map(|((placed, volume), number)| PartitionInfo {
                number: number as u32,
                name: placed.spec.name.clone(),
                type_guid: table.type_id(placed.spec.kind),
                guid: table.partition_id(guid, placed.spec.guid, number),
                first_lba: placed.first_lba,
                last_lba: placed.last_lba,
                filesystem: volume.file_system().as_str().to_owned(),
                uuid: volume.uuid.clone(),
                label: volume.label.clone(),
            })
            .collect(),
    }
}

/// Gives the artifacts their names, and writes what describes them. Whatever an earlier build
/// left here goes first, its sums before all: they are there only when everything they name is.
pub(crate) fn publish(
    job: &Job,
    lock: &Lock,
    plan: &Plan,
    disk: &Disk,
    tree: &Tree,
    mut written: Written,
) -> Result<Vec<Artifact>, BuildError> {
    written.files.sort_by_key(|file| file.name);
    let output = &job.options.output;
    let metadata = metadata(job, lock, plan, disk, &written);
    let bill = bill::bill(job, plan, tree, &metadata)?;
    retract(output)?;
    let mut sums = Sums::new();
    let mut artifacts = Vec::new();
    for file in written.files {
        let path = output.join(file.name);
        file.partial.rename(&path).map_err(BuildError::io("naming", &path))?;
        add(output, &mut sums, file.name, file.sha256)?;
        artifacts.push(Artifact { path, size: file.size, sha256: Some(to_hex(&file.sha256)) });
    }
    for (name, text) in [(emit::METADATA, metadata.to_json()), (emit::SBOM, bill.to_json())] {
        let path = output.join(name);
        partial::write(&path, &text)?;
        let digest = osb_checksum::sha256(text.as_bytes());
        add(output, &mut sums, name, digest)?;
        let sha256 = Some(to_hex(&digest));
        artifacts.push(Artifact { path, size: text.len() as u64, sha256 });
    }
    let text = sums.to_string();
    let path = output.join(emit::SUMS);
    partial::write(&path, &text)?;
    artifacts.push(Artifact { path, size: text.len() as u64, sha256: None });
    fs::File::open(output)
        .and_then(|folder| folder.sync_all())
        .map_err(BuildError::io("writing out", output))?;
    Ok(artifacts)
}

/// Removes what an earlier build wrote into the folder, and what was made of that: signatures, the
/// provenance of its run, parts.
fn retract(output: &Path) -> Result<(), BuildError> {
    let listed = fs::read_dir(output).map_err(BuildError::io("reading", output))?;
    let names = listed.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let parts = names.filter(|name| emit::ARTIFACTS.iter().any(|whole| is_of(whole, name)));
    let names = emit::written().into_iter().chain(emit::derived()).chain(parts);
    for path in names.map(|name| output.join(name)) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(BuildError::io("removing", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Enters a file into the sums, and writes its own `.sha256` beside it.
fn add(output: &Path, sums: &mut Sums, name: &str, digest: Digest) -> Result<(), BuildError> {
    let mut own = Sums::new();
    for sums in [&mut own, sums] {
        sums.insert(name, digest).map_err(|error| BuildError::Recipe(error.to_string()))?;
    }
    partial::write(&output.join(format!("{name}.sha256")), &own.to_string())
}
