//! Every command of the README, the quick start and the cookbook, run as it is written.
//!
//! A page is one project, and its blocks are run in order. Where a command cannot be run here, the page
//! says why in a comment above it, and that is told; there is no third way.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::markdown::{Note, blocks};
use super::scene::Scene;
use super::shown::Session;
use crate::project::{Image, Project};
use crate::steps::Steps;

/// The pages, and the folder of which all are.
const PAGES: [&str; 2] = ["README.md", "docs/quick-start.md"];
const COOKBOOK: &str = "docs/cookbook";

/// Programs of the host that pages use, and that a machine may lack.
const PROGRAMS: [&str; 3] = ["bmaptool", "git", "ssh-keygen"];

/// Runs all of them, with images that are built.
pub(crate) fn check(steps: &mut Steps, project: &Project, images: &[Image]) {
    pages(steps, project, images, "");
}

/// Runs those whose path has `name` in it.
pub(super) fn pages(steps: &mut Steps, project: &Project, images: &[Image], name: &str) {
    let list = steps.run("documented commands", || {
        let list = list(project)?;
        let text = format!("{} pages", list.len());
        Ok((list, text))
    });
    for path in list.into_iter().flatten().filter(|path| path.contains(name)) {
        steps.within(&path, |steps| page(steps, project, images, &path));
    }
}

/// The paths of all pages.
fn list(project: &Project) -> Result<Vec<String>> {
    let mut list = PAGES.map(str::to_owned).to_vec();
    let folder = project.root.join(COOKBOOK);
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        list.push(format!("{COOKBOOK}/{}", entry?.file_name().display()));
    }
    list.sort();
    Ok(list)
}

/// Runs one page.
fn page(steps: &mut Steps, project: &Project, images: &[Image], path: &str) {
    let begun = steps.run("project", || {
        let text = fs::read_to_string(project.root.join(path)).context(path.to_owned())?;
        let blocks = blocks(&text)?;
        let name = path.trim_end_matches(".md").replace('/', "-");
        let scene = Scene::new(project, images, &name)?;
        Ok(((blocks, scene), String::new()))
    });
    let Some((blocks, mut scene)) = begun else { return };
    for block in &blocks {
        let place = format!("line {}", block.line);
        if let Some(Note::File(file)) = &block.note {
            if steps.run(&place, || Ok((scene.put(file, &block.text)?, file.clone()))).is_none() {
                return;
            }
            continue;
        }
        let Some(session) = Session::of(block) else { continue };
        let place = format!("{place}: {}", session.name());
        if let Some(Note::NoRun(why)) = &block.note {
            steps.skip(&place, why);
            continue;
        }
        let lacks = PROGRAMS.iter().find(|name| session.script.contains(*name) && !there(name));
        if let Some(program) = lacks
            && std::env::var_os("CI").is_none()
        {
            steps.skip(&place, &format!("this machine has no {program}"));
            return;
        }
        let ran = steps.run(&place, || {
            let printed = scene.run(&session.script)?;
            if let Some(line) = session.missing(&printed) {
                ensure!(
                    false,
                    "the page shows a line that is not printed:\n{line}\nbut:\n{printed}"
                );
            }
            let shown = match session.shown.len() {
                0 => String::new(),
                count => format!("prints the {count} lines that the page shows"),
            };
            Ok(((), shown))
        });
        // What follows may need it.
        if ran.is_none() {
            return;
        }
    }
}

/// Whether the host has a program.
fn there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
