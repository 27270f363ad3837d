//! The chain of layer keys, and what of it is in the cache.
//!
//! A layer has two halves. All *package* halves come first, then all *dressings* (files, units,
//! users, scripts), then one *seal* (image settings). So a changed file in any layer re-runs no
//! dpkg, and no dressing is overwritten by a later package. Each key covers its parent's key: same
//! key, same tree. The initramfs, made once between dressings and seal, has a key of its own, see
//! initramfs.rs.

use std::path::PathBuf;

use osb_apt::{Lock, LockedPackage};
use osb_recipe::Layer;
use sha2::{Digest, Sha256};

use crate::error::BuildError;
use crate::job::Job;
use crate::tools;

/// Raised when the same inputs would give another tree.
pub(crate) const FORMAT: &str = "osb-layer 3";

/// Everything that will be done, in order.
pub(crate) struct Plan<'a> {
    /// Clock of the image, seconds since 1970.
    pub(crate) epoch: i64,
    /// The layers, lowest first.
    pub(crate) layers: Vec<PlannedLayer<'a>>,
    /// Key of the seal.
    pub(crate) seal_key: String,
    /// The seal's key and what else tells images of one tree apart (name, version, board, layout);
    /// identifiers derive from it.
    image_key: String,
    /// Digest of the tools tree, shortened.
    maker: String,
    /// Locked packages of the image, as the lock sorts them.
    pub(crate) packages: Vec<&'a LockedPackage>,
}

/// One layer and its two keys.
pub(crate) struct PlannedLayer<'a> {
    pub(crate) layer: &'a Layer,
    pub(crate) packages: Vec<&'a LockedPackage>,
    pub(crate) package_key: String,
    pub(crate) dressing_key: String,
}

/// One half of a layer, or the seal, which belongs to no layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// The packages of the layer with this index.
    Packages(usize),
    /// Its files, users, units and scripts.
    Dressing(usize),
    /// The image's settings.
    Seal,
}

impl Plan<'_> {
    /// All halves, lowest first.
    pub(crate) fn halves(&self) -> Vec<Half> {
        let count = self.layers.len();
        let packages = (0..count).map(Half::Packages);
        packages.chain((0..count).map(Half::Dressing)).chain([Half::Seal]).collect()
    }

    /// What a half is the same by.
    pub(crate) fn key(&self, half: Half) -> &str {
        match half {
            Half::Packages(index) => &self.layers[index].package_key,
            Half::Dressing(index) => &self.layers[index].dressing_key,
            Half::Seal => &self.seal_key,
        }
    }

    /// The stage that builds a half, and the layer that it is of.
    pub(crate) fn stage(&self, half: Half) -> (&'static str, &str) {
        match half {
            Half::Packages(index) => ("install", &self.layers[index].layer.name),
            Half::Dressing(index) => ("dress", &self.layers[index].layer.name),
            Half::Seal => ("seal", "image"),
        }
    }

    /// The cache folder of one half.
    pub(crate) fn folder(&self, job: &Job, half: Half) -> PathBuf {
        job.cache.layer(&self.made(self.key(half)))
    }

    /// The name of what was made under `key`. Besides the key it is named by who made it: the tools
    /// tree is no part of the key, since it must not change the tree, but a tree that other tools
    /// made is not taken for this one's.
    pub(crate) fn made(&self, key: &str) -> String {
        format!("{key}-{}", self.maker)
    }

    /// What tells images of one tree apart; the tree included.
    pub(crate) fn image_key(&self) -> &str {
        &self.image_key
    }

    /// Names the tools that layers are made with.
    pub(crate) fn maker(&self) -> &str {
        &self.maker
    }

    /// Sixteen bytes that only this image has, for the identifier called `name`.
    pub(crate) fn identifier(&self, name: &str) -> [u8; 16] {
        let digest = Sha256::digest(format!("{} {name}", self.image_key));
        let mut identifier = [0; 16];
        identifier.copy_from_slice(&digest[..16]);
        identifier
    }
}

/// Computes all keys.
pub(crate) fn plan<'a>(job: &'a Job, lock: &'a Lock) -> Result<Plan<'a>, BuildError> {
    let project = &job.options.project;
    let epoch = job.options.source_date_epoch.unwrap_or_else(|| lock.newest_date());
    let recipe = &project.recipe;
    let trim = recipe.trim.dpkg_excludes().join("\n");
    let mut parent = key(&[FORMAT, recipe.image.arch.as_str(), &epoch.to_string(), &trim]);
    let mut layers = Vec::new();
    for layer in &project.layers {
        let packages: Vec<&LockedPackage> =
            lock.packages.iter().filter(|package| package.layer == layer.name).collect();
        let listing: String =
            packages.iter().map(|package| format!("{}\n", package.sha256)).collect();
        parent = key(&["packages", &parent, &listing]);
        layers.push(PlannedLayer {
            layer,
            packages,
            package_key: parent.clone(),
            dressing_key: String::new(),
        });
    }
    for planned in &mut layers {
        let artifacts: String = planned
            .layer
            .artifacts
            .iter()
            .map(|a| format!("{} {}\n", a.sha256, a.unpack_to))
            .collect();
        parent = key(&["dressing", &parent, &hex::encode(planned.layer.digest), &artifacts]);
        planned.dressing_key.clone_from(&parent);
    }
    let mut settings = Vec::new();
    for (path, mode, bytes) in crate::settings::files(recipe) {
        settings.push(format!("{path} {mode:o} {}", hex::encode(Sha256::digest(bytes))));
    }
    let seal_key = key(&["seal", &parent, &settings.join("\n")]);
    let tools: String =
        tools::for_layers(job, lock).iter().map(|tool| format!("{}\n", tool.sha256)).collect();
    let maker = key(&["tools", tools::host(), &tools])[..16].to_owned();
    let image = &recipe.image;
    let layout = format!("{} {:?}", recipe.disk, project.command_line());
    let image_key = key(&["image", &seal_key, &image.name, &image.version, &image.board, &layout]);
    Ok(Plan { epoch, layers, seal_key, image_key, maker, packages: lock.packages.iter().collect() })
}

/// The digest of `parts`, hexadecimal.
pub(crate) fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}
