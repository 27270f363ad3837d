//! Fuzzing: every target of `crates/fuzz` under libFuzzer, for some seconds each.
//!
//! Works with the stable compiler: the coverage that libFuzzer wants is made by a pass of LLVM that
//! `-C passes` turns on, as `cargo fuzz --sanitizer none` does. The address sanitizer is left out:
//! it needs a nightly compiler, and there is next to no `unsafe` here that it could watch. What is
//! found are panics, overflows, broken properties, and too much time or memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use osb_fuzz::{FUZZED_BYTES, TARGET_VARIABLE, TARGETS, Target};

use crate::project::Project;
use crate::steps::{Steps, show};

/// What one process may use, in MiB: 256 for the input, the rest for libFuzzer's own tables.
const MEMORY: u32 = 384;
/// Seconds after which an input that does not end is a finding. Slow ones are found by their
/// processor time, see [`osb_fuzz::TIME_LIMIT`]; this is for those that hang.
const TIMEOUT: u32 = 60;

/// `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these targets (default: all)
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Targets that run at once (default: one a processor)
    #[arg(long)]
    jobs: Option<usize>,
    /// Run the target on this one input, a finding for example, and show what happens
    #[arg(long, conflicts_with_all = ["seconds", "jobs", "minimize"])]
    input: Option<PathBuf>,
    /// Afterwards write the smallest inputs with the same coverage to this folder
    #[arg(long)]
    minimize: Option<PathBuf>,
    /// List the targets
    #[arg(long)]
    list: bool,
}

/// Runs what was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<Steps> {
    let mut steps = Steps::default();
    if arguments.list {
        for target in TARGETS {
            println!("{:12} {}", target.name, target.about);
        }
        return Ok(steps);
    }
    let project = Project::find()?;
    let targets = choose(&arguments.targets)?;
    let Some(fuzzer) = steps.run("build the fuzzer", || build(&project)) else { return Ok(steps) };
    if let Some(input) = &arguments.input {
        let [target] = targets.as_slice() else { bail!("one target has to be named for --input") };
        steps.run(target.name, || {
            show(fuzzer.command(target).arg(input))?;
            Ok(((), "nothing is wrong with this input".to_owned()))
        });
        return Ok(steps);
    }
    let jobs =
        arguments.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    fuzz(&mut steps, &fuzzer, &targets, arguments.seconds, jobs);
    if let Some(folder) = &arguments.minimize {
        for target in &targets {
            steps.run(&format!("minimize {}", target.name), || fuzzer.minimize(target, folder));
        }
    }
    Ok(steps)
}

/// All targets for `seconds` each, as steps of a longer run.
pub(crate) fn smoke(steps: &mut Steps, project: &Project, seconds: u32) {
    let Some(fuzzer) = steps.run("build the fuzzer", || build(project)) else { return };
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    fuzz(steps, &fuzzer, &TARGETS.iter().collect::<Vec<_>>(), seconds, jobs);
}

fn choose(names: &[String]) -> Result<Vec<&'static Target>> {
    let find = |name: &String| {
        osb_fuzz::find(name).with_context(|| {
            let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            format!("there is no target {name:?}; there are: {}", known.join(", "))
        })
    };
    match names {
        [] => Ok(TARGETS.iter().collect()),
        names => names.iter().map(find).collect(),
    }
}

/// The libFuzzer program and its folder.
struct Fuzzer {
    program: PathBuf,
    folder: PathBuf,
    /// Committed inputs.
    corpus: PathBuf,
    /// Where targets unpack: in memory, if the host has such a place.
    scratch: tempfile::TempDir,
}

/// Compiles the program with the coverage that libFuzzer needs, beside the other builds.
fn build(project: &Project) -> Result<(Fuzzer, String)> {
    ensure!(
        Command::new("c++").arg("--version").output().is_ok(),
        "libFuzzer is C++, and there is no c++ here: install a C++ compiler (Debian: g++)"
    );
    let coverage = [
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        "-Cdebug-assertions",
        "-Coverflow-checks",
        "-Cdebuginfo=line-tables-only",
    ];
    // With a target named, the flags are not for build scripts and macros, which could not be run.
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let folder = project.work.join("fuzz");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let features = ["--package", "osb-fuzz", "--features", "libfuzzer", "--bin", "osb-fuzz"];
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--quiet", "--target", &host]).args(features);
    command.arg("--target-dir").arg(folder.join("target")).current_dir(&project.root);
    command.env("CARGO_ENCODED_RUSTFLAGS", coverage.join("\u{1f}"));
    show(&mut command)?;
    let program = folder.join(format!("target/{host}/release/osb-fuzz"));
    let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir_in(&folder));
    let scratch = scratch.context("making a folder for the targets")?;
    let corpus = project.root.join("crates/fuzz/corpus");
    let text = program.display().to_string();
    Ok((Fuzzer { program, folder, corpus, scratch }, text))
}

/// What libFuzzer says of a run, and how many inputs it has kept.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    executions: u64,
    per_second: u64,
    edges: u64,
    inputs: usize,
    /// MiB.
    memory: u64,
}

impl Report {
    /// From libFuzzer's log: lines `#N … cov: N …` and, at the end, `stat::NAME: N`.
    fn parse(log: &str) -> Report {
        let last = |name: &str| {
            let mut words = log.split_whitespace().rev().peekable();
            let mut value = 0;
            while let Some(word) = words.next() {
                if words.peek() == Some(&name) {
                    value = word.parse().unwrap_or(0);
                    break;
                }
            }
            value
        };
        Report {
            executions: last("stat::number_of_executed_units:"),
            per_second: last("stat::average_exec_per_sec:"),
            edges: last("cov:"),
            inputs: 0,
            memory: last("stat::peak_rss_mb:"),
        }
    }

    /// Fails if nothing was run, or not with the coverage that shows libFuzzer a way: whoever looks
    /// at nothing finds nothing.
    fn check(&self) -> Result<()> {
        let Report { executions, edges, .. } = self;
        ensure!(*executions > 0 && *edges > 0, "{executions} executions saw {edges} edges");
        Ok(())
    }
}

impl Fuzzer {
    fn command(&self, target: &Target) -> Command {
        let mut command = Command::new(&self.program);
        command.env(TARGET_VARIABLE, target.name).env("TMPDIR", self.scratch.path());
        command.env("RUST_BACKTRACE", "1");
        command
    }

    /// Folders and files of a target; the seeds and the dictionary are written anew.
    fn prepare(&self, target: &Target) -> Result<Place> {
        let path = |kind: &str| self.folder.join(kind).join(target.name);
        let place = Place {
            found: path("corpus"),
            seeds: path("seeds"),
            long: path("long"),
            findings: path("findings"),
            dictionary: path("seeds").with_extension("dict"),
            log: path("seeds").with_extension("log"),
        };
        for folder in [&place.found, &place.seeds, &place.long, &place.findings] {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        for (index, seed) in (target.seeds)().into_iter().enumerate() {
            let folder = if seed.len() > FUZZED_BYTES { &place.long } else { &place.seeds };
            fs::write(folder.join(format!("seed-{index}")), seed)?;
        }
        fs::write(&place.dictionary, target.dictionary())?;
        Ok(place)
    }

    /// Runs one target; the error names the finding and how to see it again.
    fn fuzz(&self, target: &Target, seconds: u32) -> Result<Report> {
        let place = self.prepare(target)?;
        for name in names(&place.long)? {
            let input = place.long.join(name);
            let mut command = self.command(target);
            command.args(limits(&place)).arg(&input);
            let (ended_well, text) = logged(&mut command, &place.log)?;
            ensure!(ended_well, "{}", finding(&text, target, &input));
        }
        let before = names(&place.findings)?;
        let mut command = self.command(target);
        command.arg(&place.found).arg(&place.seeds);
        let corpus = self.corpus.join(target.name);
        command.args(corpus.is_dir().then_some(corpus)).args(limits(&place)).args([
            format!("-max_total_time={seconds}"),
            format!("-max_len={FUZZED_BYTES}"),
            "-print_final_stats=1".to_owned(),
        ]);
        if !target.words.is_empty() {
            command.arg(format!("-dict={}", place.dictionary.display()));
        }
        let (ended_well, text) = logged(&mut command, &place.log)?;
        let mut new = names(&place.findings)?.into_iter().filter(|name| !before.contains(name));
        if let Some(name) = new.next() {
            bail!("{}", finding(&text, target, &place.findings.join(name)));
        }
        ensure!(ended_well, "it died without a trace of its input, see {}", place.log.display());
        let inputs = names(&place.found)?.len();
        let report = Report { inputs, ..Report::parse(&text) };
        report.check().with_context(|| format!("see {}", place.log.display()))?;
        Ok(report)
    }

    /// Writes the inputs that reach everything that is known, smallest first.
    fn minimize(&self, target: &Target, folder: &Path) -> Result<((), String)> {
        let place = self.prepare(target)?;
        let into = folder.join(target.name);
        fs::create_dir_all(&into).with_context(|| format!("making {}", into.display()))?;
        let mut command = self.command(target);
        command.args(["-merge=1", &format!("-max_len={FUZZED_BYTES}")]).arg(&into);
        let log = File::create(&place.log)?;
        show(command.args([&place.seeds, &place.found]).stdout(log.try_clone()?).stderr(log))?;
        Ok(((), format!("{} inputs", names(&into)?.len())))
    }
}

/// Where a target's files are.
struct Place {
    /// What fuzzing has found worth keeping, in all runs.
    found: PathBuf,
    seeds: PathBuf,
    /// Seeds that are run and not changed.
    long: PathBuf,
    findings: PathBuf,
    dictionary: PathBuf,
    log: PathBuf,
}

/// Runs the targets, `jobs` at once, and prints the table.
fn fuzz(steps: &mut Steps, fuzzer: &Fuzzer, targets: &[&Target], seconds: u32, jobs: usize) {
    let (next, reports) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, targets.len().max(1)) {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    eprintln!("    fuzzing {} for {seconds} s", target.name);
                    let report = fuzzer.fuzz(target, seconds);
                    let mut reports = reports.lock().unwrap_or_else(|lock| lock.into_inner());
                    reports.push((target.name, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(|lock| lock.into_inner());
    reports.sort_by_key(|(name, _)| *name);
    println!("target        executions   exec/s   edges  inputs  peak MiB");
    for (name, report) in reports {
        match &report {
            Ok(Report { executions, per_second, edges, inputs, memory }) => {
                println!("{name:12} {executions:11} {per_second:8} {edges:7} {inputs:7} {memory:9}")
            }
            Err(error) => println!("{name:12} FAILED {error:#}"),
        }
        steps.run(&format!("fuzz {name}"), || {
            report.map(|report| ((), format!("{} executions, nothing found", report.executions)))
        });
    }
}

/// What every run must keep to, and where its findings go.
fn limits(place: &Place) -> [String; 3] {
    [
        format!("-timeout={TIMEOUT}"),
        format!("-rss_limit_mb={MEMORY}"),
        format!("-artifact_prefix={}/", place.findings.display()),
    ]
}

/// Runs a command with its output in a file; whether it ended well, and the output.
fn logged(command: &mut Command, path: &Path) -> Result<(bool, String)> {
    let log = File::create(path).with_context(|| format!("making {}", path.display()))?;
    let status = command.stdout(log.try_clone()?).stderr(log).status()?;
    Ok((status.success(), String::from_utf8_lossy(&fs::read(path)?).into_owned()))
}

/// What is wrong, from the log, and how to see it again.
fn finding(log: &str, target: &Target, input: &Path) -> String {
    let why = log.lines().find(|line| line.contains("panicked at") || line.contains("ERROR"));
    format!(
        "{}: {}\n    see it again: cargo xtask fuzz {} --input {}",
        why.unwrap_or("it ended early").trim(),
        after(log, "panicked at"),
        target.name,
        input.display()
    )
}

/// Names in a folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// The line after the first that contains `what`: a panic's message is in the next line.
fn after<'a>(text: &'a str, what: &str) -> &'a str {
    text.lines().skip_while(|line| !line.contains(what)).nth(1).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_libfuzzer_is_read() {
        let log = "#2\tINITED cov: 3 ft: 4\n#90\tNEW    cov: 12 ft: 15 corp: 2/6b\nDone 100 runs\n\
                   stat::number_of_executed_units: 100\nstat::average_exec_per_sec:     50\n\
                   stat::peak_rss_mb:              44\n";
        let expected = Report { executions: 100, per_second: 50, edges: 12, inputs: 0, memory: 44 };
        assert_eq!(Report::parse(log), expected);
    }

    #[test]
    fn who_sees_nothing_has_not_looked() {
        let report = |executions, edges| Report { executions, edges, ..Report::default() };
        assert!(report(1, 1).check().is_ok());
        assert!(report(0, 1).check().is_err());
        assert!(report(1, 0).check().is_err());
        assert!(Report::parse("no log of libFuzzer").check().is_err());
    }

    #[test]
    fn unknown_targets_are_named_with_those_that_exist() {
        let error = choose(&["debb".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("debb") && error.contains("deb822"), "{error}");
        assert_eq!(choose(&[]).unwrap().len(), TARGETS.len());
    }
}
