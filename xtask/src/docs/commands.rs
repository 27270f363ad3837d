//! Every command of the README, the quick start and the cookbook, run as it is written.
//!
//! A page is one project, and its blocks are run in order. Where a command cannot be run here, the page
//! says why in a comment above it, and that is told; there is no third way.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::markdown::{Block, Note, blocks};
use super::scene::Scene;
use super::shown::Session;
use crate::project::{Image, Project};
use crate::steps::Steps;

/// The pages, and the folder of which all are.
const PAGES: [&str; 2] = ["README.md", "docs/quick-start.md"];
const COOKBOOK: &str = "docs/cookbook";

/// Programs of the host that pages use, and that a machine may lack.
const PROGRAMS: [&str; 3] = ["bmaptool", "git", "ssh-keygen"];

/// A page, and what is to be done in it, in order.
pub(super) struct Page {
    path: String,
    steps: Vec<Step>,
}

/// What one block asks for.
pub(super) struct Step {
    /// The block's line, and its first command.
    name: String,
    work: Work,
}

enum Work {
    /// Write this file of the project.
    Write(String, String),
    Run(Session),
    /// Nothing, for this reason.
    Skip(String),
}

/// Runs all of them, with images that are built.
pub(crate) fn check(steps: &mut Steps, project: &Project, images: &[Image]) {
    run(steps, project, images, "");
}

/// Runs those of the pages whose path has `name` in it.
pub(super) fn run(steps: &mut Steps, project: &Project, images: &[Image], name: &str) {
    let Some(pages) = found(steps, project) else { return };
    for page in pages.iter().filter(|page| page.path.contains(name)) {
        steps.within(&page.path, |steps| page.run(steps, project, images));
    }
}

/// Wants every block of the pages to be data, a file, commands, or commands with a reason.
pub(super) fn found(steps: &mut Steps, project: &Project) -> Option<Vec<Page>> {
    steps.run("docs: commands", || {
        let pages = paths(project)?.into_iter().map(|path| Page::read(project, path));
        let pages = pages.collect::<Result<Vec<Page>>>()?;
        let all = || pages.iter().flat_map(|page| &page.steps);
        let run = all().filter(|step| matches!(step.work, Work::Run(_))).count();
        let skipped = all().filter(|step| matches!(step.work, Work::Skip(_))).count();
        let text =
            format!("{} pages, {run} blocks to run, {skipped} not, with reasons", pages.len());
        Ok((pages, text))
    })
}

/// The paths of all pages.
fn paths(project: &Project) -> Result<Vec<String>> {
    let mut list = PAGES.map(str::to_owned).to_vec();
    let folder = project.root.join(COOKBOOK);
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        list.push(format!("{COOKBOOK}/{}", entry?.file_name().display()));
    }
    list.sort();
    Ok(list)
}

impl Page {
    fn read(project: &Project, path: String) -> Result<Page> {
        let text = fs::read_to_string(project.root.join(&path)).context(path.clone())?;
        let blocks = blocks(&text).context(path.clone())?;
        let steps = blocks.into_iter().map(Step::of).collect::<Result<Vec<_>>>();
        let steps = steps.context(path.clone())?.into_iter().flatten().collect();
        Ok(Page { path, steps })
    }

    /// Does all of it, up to what fails or cannot be done: what follows may need it.
    fn run(&self, steps: &mut Steps, project: &Project, images: &[Image]) {
        let name = self.path.trim_end_matches(".md").replace('/', "-");
        let scene =
            steps.run("project", || Ok((Scene::new(project, images, &name)?, String::new())));
        let Some(mut scene) = scene else { return };
        for Step { name, work } in &self.steps {
            match work {
                Work::Skip(why) => steps.skip(name, why),
                Work::Write(path, text) => {
                    if steps.run(name, || Ok((scene.put(path, text)?, String::new()))).is_none() {
                        return;
                    }
                }
                Work::Run(session) => {
                    if let Some(program) = lacks(session) {
                        steps.skip(name, &format!("this machine has no {program}"));
                        return;
                    }
                    if steps.run(name, || play(&mut scene, session)).is_none() {
                        return;
                    }
                }
            }
        }
    }
}

impl Step {
    /// What a block asks for; `None` of data.
    fn of(block: Block) -> Result<Option<Step>> {
        let line = format!("line {}", block.line);
        if let Some(Note::File(path)) = block.note {
            return Ok(Some(Step {
                name: format!("{line}: {path}"),
                work: Work::Write(path, block.text),
            }));
        }
        let Some(session) = Session::of(&block)? else {
            ensure!(block.note.is_none(), "{line}: there is nothing to run");
            return Ok(None);
        };
        let name = format!("{line}: {}", session.name());
        let work = match block.note {
            Some(Note::NoRun(why)) => Work::Skip(why),
            _ => Work::Run(session),
        };
        Ok(Some(Step { name, work }))
    }
}

/// Runs commands, and wants them to print what the page shows.
fn play(scene: &mut Scene<'_>, session: &Session) -> Result<((), String)> {
    let printed = scene.run(&session.script)?;
    if let Some(line) = session.missing(&printed) {
        bail!("the page shows a line that is not printed:\n{line}\nbut:\n{printed}");
    }
    let text = match session.shown.len() {
        0 => String::new(),
        count => format!("prints the {count} lines that the page shows"),
    };
    Ok(((), text))
}

/// A program that commands use and this machine lacks. CI has all of them.
fn lacks(session: &Session) -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there =
        |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let needed = PROGRAMS.into_iter().filter(|program| session.script.contains(program));
    let mut lacking = needed.filter(|program| !there(program));
    lacking.next().filter(|_| std::env::var_os("CI").is_none())
}
