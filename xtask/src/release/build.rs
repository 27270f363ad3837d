//! One image of a release, built twice from nothing but the lock.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::project::{Image, Project};
use crate::reproduce::Variation;
use crate::steps::{Steps, capture, show};
use crate::test::clear;
use crate::user::link;
use crate::variant::{NONE, Variant};
use crate::version::CURRENT;

/// What a build downloads. Every file of it is held against the lock when it is used.
const DOWNLOADS: [&str; 4] = ["debs-v1", "artifacts-v1", "indices-v1", "releases-v1"];

/// Builds an image into a folder of its own below `output`, with its lock.
pub(crate) fn image(
    steps: &mut Steps,
    project: &Project,
    variant: &Variant,
    output: &Path,
    limit: &str,
) -> Option<()> {
    let place = project.work.join("release");
    let first = Project {
        root: project.root.clone(),
        work: place.clone(),
        osb: project.osb.clone(),
        cache: place.join("cache"),
    };
    let name = variant.name(project).ok()?;
    steps.about(&name);
    let (image, settings) = steps.run("lock", || {
        clear(&place)?;
        let (recipe, settings) = variant.place(project, &place.join("project"))?;
        cold(&first.cache, &project.cache)?;
        let mut lock = first.osb(&["lock", "--quiet", "--recipe"]);
        lock.arg(&recipe).args(&settings);
        if variant.kubernetes == NONE {
            // The repository's own lock is what is released.
            lock.arg("--locked");
        }
        show(&mut lock)?;
        let out = output.join(format!("{name}-{CURRENT}"));
        Ok(((Image { name: name.clone(), recipe, out }, settings), String::new()))
    })?;
    steps.run("build", || {
        let mut build = first.osb(&["build", "--locked", "--quiet", "--recipe"]);
        show(build.arg(&image.recipe).args(&settings).arg("--output").arg(&image.out))?;
        fs::copy(image.recipe.with_extension("lock"), image.out.join("osb.lock"))?;
        Ok(((), sizes(&image.out)?))
    })?;
    steps.run("osb check", || {
        let text = capture(first.osb(&["check", "--recipe"]).arg(&image.recipe).arg(&image.out))?;
        Ok(((), text.lines().last().unwrap_or_default().to_owned()))
    })?;
    steps.run("built again, the same bytes", || {
        let again = place.join("Another pläce");
        let (recipe, _) = variant.place(project, &again)?;
        fs::copy(image.recipe.with_extension("lock"), recipe.with_extension("lock"))?;
        let cache = place.join("cache-2");
        cold(&cache, &first.cache)?;
        // There is no room for the folders of both.
        clear(&first.cache)?;
        let arguments: Vec<&str> =
            ["--jobs", "1"].into_iter().chain(settings.iter().map(String::as_str)).collect();
        let variation = Variation {
            osb: &project.osb,
            recipe,
            cache: &cache,
            out: place.join("out-2"),
            arguments: &arguments,
            environment: &[("LC_ALL", "de_DE.UTF-8"), ("TZ", "Pacific/Kiritimati")],
            umask: "077",
            host_name: "elsewhere",
        };
        let name = variation.build(&image, project)?;
        Ok(((), format!("another folder, a cold cache, --jobs 1, time zone, umask 077, {name}")))
    })?;
    // The list of sums stays that of the whole files.
    steps.run("osb split", || {
        let text = capture(first.osb(&["split", "--limit", limit]).arg(&image.out))?;
        Ok(((), text.trim().replace('\n', ", ")))
    })?;
    clear(&place).ok()
}

/// A cache with nothing but what was downloaded to another one.
fn cold(cache: &Path, from: &Path) -> Result<()> {
    clear(cache)?;
    fs::create_dir_all(cache).with_context(|| cache.display().to_string())?;
    for bucket in DOWNLOADS.iter().filter(|bucket| from.join(bucket).exists()) {
        link(&from.join(bucket), &cache.join(bucket))?;
    }
    Ok(())
}

/// What the artifacts take, in words.
fn sizes(folder: &Path) -> Result<String> {
    let mut sizes = Vec::new();
    for name in ["disk.img", "sd.img.zst", "rootfs.tar.gz"] {
        sizes.push(format!("{name} {} MiB", folder.join(name).metadata()?.len() >> 20));
    }
    Ok(sizes.join(", "))
}
