//! Named steps that are run one after the other, timed and counted.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What has been run so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// What the next steps are about; part of their names.
    subject: String,
    done: Vec<(String, Duration, Outcome)>,
}

/// How a step went, with its text.
#[derive(Debug)]
enum Outcome {
    Passed(String),
    Failed(String),
    /// It could not be run here, and nothing is known.
    Skipped(String),
}

impl Steps {
    /// The steps from here on are about `subject`.
    pub(crate) fn about(&mut self, subject: &str) {
        self.subject = format!("{subject}: ");
    }

    /// The steps from here on are about everything.
    pub(crate) fn whole(&mut self) {
        self.subject.clear();
    }

    /// The steps of `run` are about `part` of the present subject.
    pub(crate) fn within(&mut self, part: &str, run: impl FnOnce(&mut Steps)) {
        let whole = self.subject.clone();
        self.subject = format!("{whole}{part}: ");
        run(self);
        self.subject = whole;
    }

    /// Runs one step; the value it made, if it passed. A step's text says what was seen.
    pub(crate) fn run<T>(
        &mut self,
        name: &str,
        step: impl FnOnce() -> Result<(T, String)>,
    ) -> Option<T> {
        let name = format!("{}{name}", self.subject);
        eprintln!("==> {name}");
        let started = Instant::now();
        let result = step();
        let elapsed = started.elapsed();
        let (value, outcome) = match result {
            Ok((value, text)) => {
                eprintln!("    ok in {:.1} s  {text}", elapsed.as_secs_f64());
                (Some(value), Outcome::Passed(text))
            }
            Err(error) => {
                eprintln!("    FAILED after {:.1} s: {error:#}", elapsed.as_secs_f64());
                (None, Outcome::Failed(format!("{error:#}")))
            }
        };
        self.done.push((name, elapsed, outcome));
        value
    }

    /// Tells that a step cannot be run here; it counts neither as passed nor as failed.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        let name = format!("{}{name}", self.subject);
        eprintln!("==> {name}\n    SKIPPED: {why}");
        self.done.push((name, Duration::ZERO, Outcome::Skipped(why.to_owned())));
    }

    /// Whether no step has failed so far.
    pub(crate) fn all_passed(&self) -> bool {
        !self.done.iter().any(|step| matches!(step.2, Outcome::Failed(_)))
    }

    /// Prints every step and the count; fails if one failed.
    pub(crate) fn summary(&self) -> ExitCode {
        println!();
        for (name, elapsed, outcome) in &self.done {
            let (word, text) = match outcome {
                Outcome::Passed(text) => ("ok", text.as_str()),
                Outcome::Failed(text) => ("FAILED", text.lines().next().unwrap_or_default()),
                Outcome::Skipped(why) => ("SKIPPED", why.as_str()),
            };
            println!("{word:7} {:8.1} s  {name:38} {text}", elapsed.as_secs_f64());
        }
        let count = |is: fn(&Outcome) -> bool| self.done.iter().filter(|step| is(&step.2)).count();
        let passed = count(|outcome| matches!(outcome, Outcome::Passed(_)));
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let skipped = self.done.len() - passed - failed;
        let time: Duration = self.done.iter().map(|step| step.1).sum();
        let word = if failed == 0 { "ok" } else { "FAILED" };
        println!(
            "\ntest result: {word}. {passed} passed; {failed} failed; {skipped} skipped; \
             finished in {:.0} s",
            time.as_secs_f64()
        );
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs a command with its output shown.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", name(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", name(command));
    }
    Ok(())
}

/// Runs a command and returns what it printed on standard output; on failure everything it said.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {}", name(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}:\n{}{}", name(command), output.status, text, errors.trim_end());
    }
    Ok(text)
}

/// A command as one would type it.
fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let text = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    // A program of a tools tree is started through a loader with long paths: name the program.
    match text.split_once("--argv0 ") {
        Some((_, program)) => program.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_steps_are_counted_and_fail_the_run() {
        let mut steps = Steps::default();
        assert_eq!(steps.run("good", || Ok((7, String::new()))), Some(7));
        steps.skip("unknown", "it cannot be run here");
        steps.about("image");
        steps.within("part", |steps| steps.skip("inner", "it cannot be run here"));
        steps.skip("outer", "it cannot be run here");
        let names: Vec<&str> = steps.done.iter().map(|step| step.0.as_str()).collect();
        assert_eq!(names[2..], ["image: part: inner", "image: outer"]);
        assert_eq!(format!("{:?}", steps.summary()), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(steps.run::<()>("bad", || bail!("no")), None);
        assert_eq!(format!("{:?}", steps.summary()), format!("{:?}", ExitCode::FAILURE));
    }

    #[test]
    fn a_failed_command_tells_what_it_said() {
        let error = capture(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]));
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("out") && text.contains("err") && text.contains('3'), "{text}");
    }
}
