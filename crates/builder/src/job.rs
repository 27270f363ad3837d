//! One run: its options, its stages and their times.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use osb_sandbox::{Program, Stats};

use crate::cache::Cache;
use crate::cache::entry::{self, Found};
use crate::cache::lease::{Claim, Lease, Patience};
use crate::error::BuildError;
use crate::event::{Event, StageTime};
use crate::options::Options;

/// Carries the options and the caller's ear through the stages.
pub(crate) struct Job<'a> {
    pub(crate) options: &'a Options,
    pub(crate) cache: Cache,
    events: &'a (dyn Fn(Event) + Sync),
    stages: Mutex<Vec<StageTime>>,
    /// What ran in sandboxes since the last stage ended.
    programs: Mutex<Vec<Program>>,
}

impl<'a> Job<'a> {
    pub(crate) fn new(
        options: &'a Options,
        events: &'a (dyn Fn(Event) + Sync),
    ) -> Result<Self, BuildError> {
        let tell = |text| events(Event::Note(text));
        let patience = Patience { cancel: &options.cancel, tell: &tell, wait: true };
        let cache = Cache::open(&options.cache, &patience)?;
        Ok(Job { options, cache, events, stages: Mutex::default(), programs: Mutex::default() })
    }

    pub(crate) fn emit(&self, event: Event) {
        (self.events)(event);
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note(text.into()));
    }

    pub(crate) fn warn(&self, text: impl Into<String>) {
        self.emit(Event::Warning(text.into()));
    }

    pub(crate) fn detail(&self, text: impl Into<String>) {
        self.emit(Event::Detail { text: text.into() });
    }

    pub(crate) fn advance(&self, bytes: u64) {
        self.emit(Event::Advance { bytes });
    }

    /// Fails if the caller asked to stop.
    pub(crate) fn go_on(&self) -> Result<(), BuildError> {
        if self.options.cancel.load(Ordering::Relaxed) {
            return Err(BuildError::Cancelled);
        }
        Ok(())
    }

    /// The result of the whole run: whatever a stage made of it, the reason of a failure is that it
    /// was asked to stop, if it was.
    pub(crate) fn stoppable<T>(&self, result: Result<T, BuildError>) -> Result<T, BuildError> {
        result.or_else(|error| self.go_on().and(Err(error)))
    }

    /// Takes a lock on a folder for this run alone; `busy` says who else may have it.
    pub(crate) fn claim(&self, folder: &Path, busy: &str) -> Result<Lease, BuildError> {
        // Its lock is this run's already, shared: it would wait for itself.
        if folder.canonicalize().is_ok_and(|folder| folder == self.cache.root) {
            return Err(BuildError::NoCache(folder.to_owned()));
        }
        let tell = |text| self.note(text);
        let patience = Patience { cancel: &self.options.cancel, tell: &tell, wait: true };
        Lease::take(folder, Claim::Alone, busy, &patience)
    }

    /// Takes a damaged entry away, unless another run has made it anew meanwhile.
    pub(crate) fn discard(&self, entry: &Path) -> Result<(), BuildError> {
        let tell = |text| self.note(text);
        let patience = Patience { cancel: &self.options.cancel, tell: &tell, wait: true };
        self.cache.discard(entry, &patience, || {
            Ok(matches!(entry::verify(entry, &|| self.go_on())?, Found::Damaged(_)))
        })
    }

    /// Keeps what ran in a sandbox for the report of the current stage.
    pub(crate) fn ran(&self, stats: Stats) {
        let mut programs = lock(&self.programs);
        for program in stats.programs {
            let same =
                |known: &&mut Program| (known.kind, &known.path) == (program.kind, &program.path);
            match programs.iter_mut().find(same) {
                Some(known) => {
                    known.starts += program.starts;
                    known.cpu += program.cpu;
                }
                None => programs.push(program),
            }
        }
        programs.sort_by_key(|program| std::cmp::Reverse(program.cpu));
    }

    /// Runs one stage between its `Begin` and `End`; `work` returns its result and a summary.
    pub(crate) fn stage<T>(
        &self,
        stage: &'static str,
        total: Option<u64>,
        work: impl FnOnce() -> Result<(T, String), BuildError>,
    ) -> Result<T, BuildError> {
        self.timed(stage, None, total, work)
    }

    /// Runs one stage that builds a half of `layer`; `work` returns a summary.
    pub(crate) fn layer_stage(
        &self,
        stage: &'static str,
        layer: &str,
        work: impl FnOnce() -> Result<String, BuildError>,
    ) -> Result<(), BuildError> {
        self.timed(stage, Some(layer), None, || Ok(((), format!("{layer}: {}", work()?))))
    }

    fn timed<T>(
        &self,
        stage: &'static str,
        layer: Option<&str>,
        total: Option<u64>,
        work: impl FnOnce() -> Result<(T, String), BuildError>,
    ) -> Result<T, BuildError> {
        self.go_on()?;
        self.emit(Event::Begin { stage, total });
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let (value, summary) = work()?;
        let elapsed = start.elapsed();
        self.emit(Event::End { stage, summary, elapsed });
        lock(&self.stages).push(StageTime {
            name: stage,
            layer: layer.map(str::to_owned),
            wall: elapsed.as_secs_f64(),
            cpu: cpu_seconds() - cpu,
            programs: std::mem::take(&mut lock(&self.programs)),
        });
        Ok(value)
    }

    /// The stages that have ended so far.
    pub(crate) fn stages(&self) -> MutexGuard<'_, Vec<StageTime>> {
        lock(&self.stages)
    }

    pub(crate) fn into_stages(self) -> Vec<StageTime> {
        self.stages.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The times are for people: they are told even after a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// CPU time of this process and of its finished children, in seconds.
fn cpu_seconds() -> f64 {
    // cutime and cstime are fields 16 and 17 of /proc/self/stat, utime and stime 14 and 15, in
    // clock ticks (proc_pid_stat(5)); the fields are counted behind the parenthesised name.
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let Some((_, fields)) = stat.rsplit_once(") ") else { return 0.0 };
    let ticks: f64 =
        fields.split(' ').skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}
