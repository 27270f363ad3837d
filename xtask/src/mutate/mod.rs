//! The proof that `osb check` notices: a good image is changed in every way that matters, and each
//! change must be caught, or stand on the list of harmless ones with its reason.
//!
//! A mutant is the image's trees and table with one change; contents stay in the image, so that a
//! mutant costs what its rules cost. They go through the same rules as any image.

mod contents;
mod disk;
mod harmless;
mod mutants;
mod secrets;
mod settings;
mod spot;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use osb_check::{Context, Memo, Outcome, Report, Severity, Subject, check};
use osb_image::{Limits, Options};

use crate::project::{DEFAULT, Image, Project};
use crate::random::Random;
use crate::steps::Steps;
use crate::test::{release, test_tools};
use mutants::Mutant;

/// Files of packages that are deleted, one a mutant, if nothing else is said.
const FILES: usize = 100;

/// Which mutants there are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// The folder that `osb build` wrote to, or a disk.img
    #[arg(default_value = "out")]
    image: PathBuf,
    /// Delete so many files of packages, chosen at random
    #[arg(long, default_value_t = FILES, value_name = "N")]
    files: usize,
    /// Where the choice comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only mutants with this in their names or groups
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Print every mutant, and what caught it
    #[arg(long)]
    list: bool,
    /// Start ten of them, too: five that are fatal must not come up, five that are harmless must
    #[arg(long)]
    boot: bool,
}

/// What came of a mutant.
enum Fate {
    /// These rules of severity error told it.
    Fatal(BTreeSet<&'static str>),
    /// These warned.
    Warned(BTreeSet<&'static str>),
    /// Nothing was told, and the list says why that is right.
    Harmless,
    /// Nothing was told.
    Escaped,
}

/// Makes the mutants of an image and holds each against the rules.
pub(crate) fn run(arguments: &Arguments) -> Result<Steps> {
    let project = Project::find()?;
    let mut steps = Steps::default();
    let image = match arguments.boot {
        true => Some(project.image(DEFAULT, &arguments.image)?),
        false => None,
    };
    if image.is_some() {
        release(&mut steps, &project);
    }
    all(&mut steps, &project, arguments, image.as_ref());
    Ok(steps)
}

/// The same for an image that is there, as a part of all proofs.
pub(crate) fn prove(steps: &mut Steps, project: &Project, image: &Image) {
    let folder = image.out.clone();
    let arguments = Arguments {
        image: folder,
        files: FILES,
        seed: 1,
        only: Vec::new(),
        list: false,
        boot: true,
    };
    all(steps, project, &arguments, Some(image));
}

/// `boots` is the image that is started.
fn all(steps: &mut Steps, project: &Project, arguments: &Arguments, boots: Option<&Image>) {
    let path = match arguments.image.is_dir() {
        true => arguments.image.join("disk.img"),
        false => arguments.image.clone(),
    };
    let memo = Memo::default();
    let base = steps.run("the unchanged image", || base(project, &path, &memo));
    let Some((subject, told)) = base else { return };
    let mut random = Random(arguments.seed);
    let judged = steps.run("mutants", || {
        let started = Instant::now();
        let mut mutants = mutants::all(&subject, arguments.files, &mut random)?;
        let only = &arguments.only;
        let is_wanted = |mutant: &Mutant, text: &String| {
            mutant.name.contains(text) || mutant.group.contains(text)
        };
        mutants.retain(|mutant| only.is_empty() || only.iter().any(|text| is_wanted(mutant, text)));
        ensure!(!mutants.is_empty(), "no mutant is called so");
        let fates = judge(&subject, &mutants, &told, &memo);
        let text = report(&mutants, &fates, arguments)?;
        let each = started.elapsed().as_secs_f64() * 1000.0 / mutants.len() as f64;
        let judged: Vec<_> = mutants.into_iter().zip(fates).collect();
        Ok((judged, format!("{text}, {each:.0} ms each")))
    });
    let (Some(judged), Some(image)) = (judged, boots) else { return };
    let Some(tools) = test_tools(steps, project, &image.recipe) else { return };
    let site = spot::Site { project, tools: &tools, image };
    spot::check(steps, &site, &subject, &judged, &mut random);
}

/// The image, which must have no error, and what is told of it all the same.
fn base(
    project: &Project,
    path: &Path,
    memo: &Memo,
) -> Result<((Subject, BTreeSet<Told>), String)> {
    let options = Options { scratch: &project.work, limits: Limits::default() };
    let image = osb_image::open(path, &options)?;
    let subject = Subject::of(&image)?;
    let report = check(&subject, &Context::default(), memo);
    let told = told(&report);
    ensure!(report.count(Severity::Error) == 0, "it has errors already: {told:?}");
    let text = format!("{}: {} findings", path.display(), told.len());
    Ok(((subject, told), text))
}

/// A finding, so that two reports can be compared.
type Told = (Severity, &'static str, Option<Vec<u8>>, String);

fn told(report: &Report) -> BTreeSet<Told> {
    let mut all = BTreeSet::new();
    for result in &report.results {
        if let Outcome::Found { findings, .. } = &result.outcome {
            let rule = result.rule;
            all.extend(findings.iter().map(|finding| {
                (rule.severity, rule.id, finding.path.clone(), finding.text.clone())
            }));
        }
    }
    all
}

/// What comes of each mutant, on all processors.
fn judge(subject: &Subject, mutants: &[Mutant], base: &BTreeSet<Told>, memo: &Memo) -> Vec<Fate> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let share = mutants.len().div_ceil(jobs).max(1);
    let context = Context { jobs: 1, ..Context::default() };
    let one = |mutant: &Mutant| {
        let mut changed = subject.clone();
        (mutant.change)(&mut changed);
        let report = check(&changed, &context, memo);
        let new: Vec<Told> = told(&report).difference(base).cloned().collect();
        let of = |severity| -> BTreeSet<&'static str> {
            new.iter().filter(|told| told.0 == severity).map(|told| told.1).collect()
        };
        match (of(Severity::Error), of(Severity::Warning)) {
            (errors, _) if !errors.is_empty() => Fate::Fatal(errors),
            (_, warnings) if !warnings.is_empty() => Fate::Warned(warnings),
            _ if harmless::reason(&mutant.name).is_some() => Fate::Harmless,
            _ => Fate::Escaped,
        }
    };
    std::thread::scope(|scope| {
        let shares = mutants.chunks(share);
        let running: Vec<_> = shares
            .map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<_>>()))
            .collect();
        let joined = running.into_iter().map(|thread| thread.join());
        joined
            .flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Prints the score by group; fails if a mutant escaped, or the list names one that is caught or
/// not made at all.
fn report(mutants: &[Mutant], fates: &[Fate], arguments: &Arguments) -> Result<String> {
    let mut groups: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let (mut escaped, mut caught_by, mut used) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    for (mutant, fate) in mutants.iter().zip(fates) {
        let counts = groups.entry(mutant.group).or_default();
        let (column, text) = match fate {
            Fate::Fatal(rules) | Fate::Warned(rules) => {
                for rule in rules {
                    *caught_by.entry(*rule).or_insert(0_usize) += 1;
                }
                let names: Vec<&str> = rules.iter().copied().collect();
                (usize::from(matches!(fate, Fate::Warned(_))), names.join(", "))
            }
            Fate::Harmless => {
                used.insert(mutant.name.as_str());
                (2, harmless::reason(&mutant.name).unwrap_or_default().to_owned())
            }
            Fate::Escaped => {
                escaped.push(mutant.name.as_str());
                (3, "ESCAPED".to_owned())
            }
        };
        counts[column] += 1;
        if arguments.list {
            println!(
                "{:9} {}: {text}",
                ["error", "warning", "harmless", "ESCAPED"][column],
                mutant.name
            );
        }
    }
    println!(
        "\n{:24} {:>6} {:>8} {:>9} {:>8}",
        "mutants", "error", "warning", "harmless", "escaped"
    );
    for (group, [fatal, warned, harmless, escaped]) in &groups {
        println!("{group:24} {fatal:>6} {warned:>8} {harmless:>9} {escaped:>8}");
    }
    println!("\nrules that caught something: {}", caught_by.len());
    let stale: Vec<&str> = harmless::names().filter(|name| !used.contains(name)).collect();
    let sum = |column: usize| groups.values().map(|counts| counts[column]).sum::<usize>();
    let caught = sum(0) + sum(1);
    if !escaped.is_empty() {
        bail!("{} of {} mutants escaped: {}", escaped.len(), mutants.len(), escaped.join("; "));
    }
    if !stale.is_empty() && arguments.only.is_empty() {
        bail!("listed as harmless, and caught or not made: {}", stale.join("; "));
    }
    Ok(format!("{} mutants: {caught} caught, {} harmless, none escaped", mutants.len(), sum(2)))
}

/// A tree that has to be there.
pub(super) fn tree<'a>(tree: &'a Option<osb_tree::Tree>, what: &str) -> Result<&'a osb_tree::Tree> {
    tree.as_ref().with_context(|| format!("the image has no {what}"))
}
