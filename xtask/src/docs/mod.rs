//! The book: what of it is made from types, where its links lead, what it looks like, and whether its
//! commands do what it says.

mod book;
mod commands;
mod links;
mod markdown;
mod reference;
mod scene;
mod shown;

use anyhow::Result;

use crate::project::Project;
use crate::steps::Steps;
use crate::test::{release, test_tools};

pub(crate) use book::render;
pub(crate) use commands::check as commands;

/// Writes the generated pages, looks at everything, and renders it.
pub(crate) fn run() -> Result<Steps> {
    let project = Project::find()?;
    let mut steps = Steps::default();
    steps.run("docs: reference", || {
        Ok(((), format!("{} pages written", reference::pages(&project, true)?)))
    });
    check(&mut steps, &project);
    release(&mut steps, &project);
    let recipe = project.default_image()?.recipe;
    if let Some(tools) = test_tools(&mut steps, &project, &recipe) {
        render(&mut steps, &project, &tools);
    }
    Ok(steps)
}

/// Only the commands of the pages whose path has `name` in it.
pub(crate) fn documented(name: &str) -> Result<Steps> {
    let project = Project::find()?;
    let mut steps = Steps::default();
    release(&mut steps, &project);
    let images = project.images()?;
    commands::run(&mut steps, &project, &images, name);
    Ok(steps)
}

/// What needs neither a network nor a build: generated pages, links, chapters.
pub(crate) fn check(steps: &mut Steps, project: &Project) {
    steps.run("docs: reference as generated", || {
        Ok(((), format!("{} pages", reference::pages(project, false)?)))
    });
    let pages = steps.run("docs: links", || {
        let pages = links::Pages::read(&project.root)?;
        let (count, links) = pages.count();
        Ok((pages, format!("{links} links in {count} pages lead somewhere")))
    });
    commands::found(steps, project);
    let Some(pages) = pages else { return };
    steps.run("docs: chapters", || {
        let count = pages.chapters(&project.root)?;
        Ok(((), format!("{count}, and no file that nobody links to")))
    });
}
