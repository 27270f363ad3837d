//! A container's image, made of the root that was built: an archive in the OCI layout
//! (<https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md>), as `ctr images import`
//! takes it.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use osb_image::{Options, System};
use osb_tree::{Inode, Kind, Tree};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The name under which it is imported.
pub(super) const NAME: &str = "localhost/osb/e2e:1";
/// What the container finds in `/etc/e2e`.
pub(super) const GREETING: &str = "made-of-the-root";
/// What is taken of the root; what is a link brings its target. All of these need the C library only.
const TAKEN: [&str; 11] = [
    "bin",
    "lib",
    "bin/sh",
    "bin/cat",
    "bin/head",
    "bin/sleep",
    "bin/tail",
    "bin/true",
    "bin/uname",
    "lib/ld-linux-aarch64.so.1",
    "lib/aarch64-linux-gnu/libc.so.6",
];

/// The archive, from the root of `disk`.
pub(super) fn archive(disk: &Path) -> Result<Vec<u8>> {
    let scratch = disk.parent().context("the disk lies in a folder")?;
    let image = osb_image::open(disk, &Options { scratch, limits: Default::default() })?;
    let root = image.volumes.iter().find(|volume| volume.system == System::Ext4);
    let tree = container(&root.context("the disk has no root")?.tree)?;
    let layer = osb_archive::tar(&tree, Vec::new())?;
    layout(&layer)
}

/// The tree that the container sees.
fn container(root: &Tree) -> Result<Tree> {
    let mut tree = Tree::new();
    for folder in ["dev", "etc", "proc", "run", "sys", "tmp"] {
        tree.insert(folder, Inode::directory(0o755))?;
    }
    tree.insert("etc/e2e", Inode::file(0o644, format!("{GREETING}\n").into_bytes()))?;
    for path in TAKEN {
        take(root, &mut tree, path).with_context(|| format!("/{path} of the root"))?;
    }
    Ok(tree)
}

/// Copies what lies at `path`, with the folders above it; of a link also what it leads to.
fn take(root: &Tree, tree: &mut Tree, path: &str) -> Result<()> {
    let place = root.resolve_parent(path)?;
    let parts: Vec<&[u8]> = place.split(|byte| *byte == b'/').collect();
    for count in 1..=parts.len() {
        let part = parts[..count].join(&b'/');
        let inode = root.get(&part).context("it is not there")?;
        if tree.get(&part).is_none() {
            tree.insert(&part, inode.clone())?;
        }
    }
    let Some(Kind::Symlink(target)) = root.get(&place).map(|inode| &inode.kind) else {
        return Ok(());
    };
    let target = str::from_utf8(target)?;
    match (target.strip_prefix('/'), str::from_utf8(&place)?.rsplit_once('/')) {
        (Some(target), _) => take(root, tree, target),
        (None, Some((folder, _))) => take(root, tree, &format!("{folder}/{target}")),
        (None, None) => take(root, tree, target),
    }
}

/// An archive with one image of one layer.
fn layout(layer: &[u8]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let config = json!({
        "architecture": "arm64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
    });
    let layer = blob(&mut archive, "application/vnd.oci.image.layer.v1.tar", layer)?;
    let config = blob(
        &mut archive,
        "application/vnd.oci.image.config.v1+json",
        &serde_json::to_vec(&config)?,
    )?;
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let mut manifest = blob(&mut archive, kind, &serde_json::to_vec(&manifest)?)?;
    manifest["annotations"] = json!({"io.containerd.image.name": NAME});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    append(&mut archive, "index.json", &serde_json::to_vec(&index)?)?;
    append(&mut archive, "oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#)?;
    Ok(archive.into_inner()?)
}

/// Adds a blob; its descriptor.
fn blob(archive: &mut tar::Builder<Vec<u8>>, kind: &str, bytes: &[u8]) -> Result<Value> {
    let digest = digest(bytes);
    append(archive, &format!("blobs/{}", digest.replace(':', "/")), bytes)?;
    Ok(json!({"mediaType": kind, "digest": digest, "size": bytes.len()}))
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append_data(&mut header, path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_bring_what_they_lead_to() {
        let mut root = Tree::new();
        for folder in ["usr", "usr/bin", "etc", "etc/alternatives"] {
            root.insert(folder, Inode::directory(0o755)).unwrap();
        }
        root.insert("bin", Inode::symlink("usr/bin")).unwrap();
        root.insert("usr/bin/sh", Inode::symlink("/etc/alternatives/sh")).unwrap();
        root.insert("etc/alternatives/sh", Inode::symlink("../../bin/dash")).unwrap();
        root.insert("usr/bin/dash", Inode::file(0o755, b"dash".to_vec())).unwrap();
        let mut tree = Tree::new();
        take(&root, &mut tree, "bin").unwrap();
        take(&root, &mut tree, "bin/sh").unwrap();
        assert_eq!(tree.resolve("bin/sh").unwrap(), b"usr/bin/dash");
        // Eight, and the root.
        assert_eq!(tree.len(), 9);
        assert!(take(&root, &mut tree, "bin/none").is_err());
    }
}
