//! An image as a whole: its table, its file systems, the system in it.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use osb_image::{Image, Space, Table, TableKind, Volume, installed};
use osb_tree::{Content, Inode, Tree};
use serde_json::{Value, json};

use crate::exit::{BAD_INPUT, Failure};
use crate::format::bytes;
use crate::output::Output;
use crate::printable::printable;

/// Packages whose versions say most about a node.
const NOTABLE: [&str; 8] =
    ["containerd", "containerd.io", "cri-o", "kubeadm", "kubectl", "kubelet", "runc", "systemd"];
/// Most bytes of os-release that are read.
const OS_RELEASE: u64 = 64 << 10;
/// Most bytes of metadata.json that are read.
const METADATA: u64 = 16 << 20;

/// Everything in short.
pub(super) fn tell(path: &Path, image: &Image, output: &Output) -> Result<(), Failure> {
    let root = image.root().map(|volume| &volume.tree);
    let packages = installed(root);
    let name = root.and_then(name);
    let kernels = root.map(kernels).unwrap_or_default();
    let notable: Vec<(&str, &str)> = NOTABLE
        .iter()
        .filter_map(|name| Some((*name, packages.get(*name)?.version.as_str())))
        .collect();
    let built = beside(path);
    let volumes: Vec<Value> = image.volumes.iter().map(object).collect::<Result<_, _>>()?;
    let value = json!({
        "event": "image",
        "form": image.form.name(),
        "compressed": image.compressed,
        "size": image.size(),
        "table": image.table.as_ref().map(table_object),
        "volumes": volumes,
        "system": name,
        "kernels": kernels,
        "packages": packages.len(),
        "versions": notable.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
        "built": built.as_ref().map(|(name, version)| json!({"name": name, "version": version})),
    });
    let packed = if image.compressed { ", compressed" } else { "" };
    let size = image.size().map(|size| format!(", {}", bytes(size))).unwrap_or_default();
    let mut text = format!("{}: {}{size}{packed}\n", path.display(), image.form.name());
    if let Some((name, version)) = built {
        text += &format!("built as {name} {version} (metadata.json)\n");
    }
    text += &people(image)?;
    let facts = [
        ("system", name.unwrap_or_default()),
        ("kernel", kernels.join(", ")),
        ("packages", if packages.is_empty() { String::new() } else { packages.len().to_string() }),
    ];
    let versions = notable.iter().map(|(name, version)| (*name, (*version).to_owned()));
    for (name, value) in facts.into_iter().chain(versions).filter(|(_, value)| !value.is_empty()) {
        text += &format!("{name:10} {value}\n");
    }
    output.answer(&value, &lines(&text));
    Ok(())
}

/// The partitions alone.
pub(super) fn partitions(image: &Image, output: &Output) -> Result<(), Failure> {
    let Some(table) = &image.table else {
        let message = format!("this is no disk, but a {}", image.form.name());
        return Err(Failure::new(BAD_INPUT, message));
    };
    if !output.is_json() {
        output.answer(&Value::Null, &lines(&people(image)?));
        return Ok(());
    }
    for value in partition_objects(table) {
        let number = value["number"].as_u64();
        let volume = image.volumes.iter().find(|each| each.partition.map(u64::from) == number);
        let volume = volume.map(object).transpose()?;
        let mut value = value;
        value["volume"] = volume.unwrap_or_default();
        output.answer(&value, "");
    }
    Ok(())
}

/// Each line as terminals can show it.
fn lines(text: &str) -> String {
    text.lines().map(|line| printable(line) + "\n").collect()
}

/// The table and the file systems, for people.
fn people(image: &Image) -> Result<String, Failure> {
    let mut text = String::new();
    let Some(table) = &image.table else {
        for volume in &image.volumes {
            text += &format!("{}\n", volume_text(volume)?);
        }
        return Ok(text);
    };
    // Writing to a String cannot fail.
    let kind = match table.kind {
        TableKind::Gpt => "GPT",
        TableKind::Mbr => "MBR",
    };
    let _ = writeln!(text, "{kind} {}, sectors of {} bytes", table.id, table.sector_size);
    for partition in &table.partitions {
        let (start, size) = table.place(partition).unwrap_or_default();
        let _ = writeln!(
            text,
            "  {:>2} {:12} at {:>10}, {:>10}  {}",
            partition.number,
            partition.name,
            bytes(start),
            bytes(size),
            partition.id
        );
        let mut volumes = image.volumes.iter();
        match volumes.find(|volume| volume.partition == Some(partition.number)) {
            Some(volume) => text += &format!("     {}\n", volume_text(volume)?),
            None => text += "     no file system that osb knows\n",
        }
    }
    Ok(text)
}

fn volume_text(volume: &Volume) -> Result<String, Failure> {
    let mut text = volume.system.name().to_owned();
    for (name, value) in [("label", &volume.label), ("UUID", &volume.uuid)] {
        if !value.is_empty() {
            text += &format!(", {name} {value}");
        }
    }
    if let Some(space) = space(volume)? {
        text += &format!(", {} of {} free", bytes(space.free), bytes(space.total));
    }
    Ok(text + &format!(", {} paths", volume.tree.len() - 1))
}

fn space(volume: &Volume) -> Result<Option<Space>, Failure> {
    volume.space().map_err(|fault| Failure::from_error(BAD_INPUT, &fault))
}

fn object(volume: &Volume) -> Result<Value, Failure> {
    let space = space(volume)?;
    Ok(json!({
        "partition": volume.partition,
        "system": volume.system.name(),
        "label": volume.label,
        "uuid": volume.uuid,
        "paths": volume.tree.len() - 1,
        "size": space.map(|space| space.total),
        "free": space.map(|space| space.free),
    }))
}

fn table_object(table: &Table) -> Value {
    json!({
        "kind": format!("{:?}", table.kind).to_lowercase(),
        "id": table.id,
        "sector_size": table.sector_size,
        "partitions": partition_objects(table),
    })
}

fn partition_objects(table: &Table) -> Vec<Value> {
    let object = |partition: &osb_image::Partition| {
        let place = table.place(partition);
        json!({
            "number": partition.number,
            "name": partition.name,
            "type": partition.kind,
            "id": partition.id,
            "start": place.map(|place| place.0),
            "size": place.map(|place| place.1),
            "flags": partition.flags,
        })
    };
    table.partitions.iter().map(object).collect()
}

/// `PRETTY_NAME` of os-release(5).
fn name(tree: &Tree) -> Option<String> {
    let path =
        tree.resolve("etc/os-release").or_else(|_| tree.resolve("usr/lib/os-release")).ok()?;
    let content = tree.get(path).and_then(Inode::content)?;
    let text = String::from_utf8(small(content)?).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches('"').to_owned())
}

fn small(content: &Content) -> Option<Vec<u8>> {
    (content.size() <= OS_RELEASE).then(|| content.read().ok()).flatten()
}

/// Versions that have modules.
fn kernels(tree: &Tree) -> Vec<String> {
    let folders = tree.children(b"usr/lib/modules").chain(tree.children(b"lib/modules"));
    let folders = folders.filter(|(_, id)| tree.inode(*id).is_directory());
    folders.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Name and version by the metadata.json beside an artifact. Another file is no fault of the image.
fn beside(path: &Path) -> Option<(String, String)> {
    let file = std::fs::File::open(path.with_file_name("metadata.json")).ok()?;
    let mut text = String::new();
    file.take(METADATA).read_to_string(&mut text).ok()?;
    let metadata = osb_metadata::from_json(&text).ok()?;
    let file = path.file_name()?.to_str()?;
    let known = metadata.artifacts.iter().any(|artifact| artifact.name == file);
    known.then_some((metadata.name, metadata.version))
}
