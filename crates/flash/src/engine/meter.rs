//! Counts and times what is done to one disk, and tells the observer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::engine::{Observer, Phase, Progress, Waits};

/// The time that reading the image took, for all disks.
#[derive(Default)]
pub(crate) struct ReadTime {
    all: AtomicU64,
    /// Of that, waiting for compressed bytes; `u64::MAX` if nobody knows.
    input: AtomicU64,
}

impl ReadTime {
    /// Another call took so long; of all calls together, `input` was waiting.
    pub(crate) fn add(&self, time: Duration, input: Option<Duration>) {
        self.all.fetch_add(nanos(time), Ordering::Relaxed);
        self.input.store(input.map_or(u64::MAX, nanos), Ordering::Relaxed);
    }

    fn waited(&self) -> Option<(Duration, Duration)> {
        let [all, input] = [&self.all, &self.input].map(|time| time.load(Ordering::Relaxed));
        (input != u64::MAX).then(|| (Duration::from_nanos(input), Duration::from_nanos(all)))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What was done to a disk, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) written: u64,
    pub(crate) punched: u64,
    pub(crate) unchanged: u64,
    pub(crate) verified: u64,
}

/// One disk's phase, and how far it is.
pub(crate) struct Meter<'a> {
    target: usize,
    observer: &'a dyn Observer,
    reading: &'a ReadTime,
    phase: Phase,
    begun: Instant,
    done: u64,
    of: Option<u64>,
    waits: Waits,
    pub(crate) counts: Counts,
    pub(crate) seconds: BTreeMap<&'static str, f64>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(target: usize, observer: &'a dyn Observer, reading: &'a ReadTime) -> Self {
        Meter {
            target,
            observer,
            reading,
            phase: Phase::Check,
            begun: Instant::now(),
            done: 0,
            of: None,
            waits: Waits::default(),
            counts: Counts::default(),
            seconds: BTreeMap::new(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// The next phase begins, of so many bytes.
    pub(crate) fn begin(&mut self, phase: Phase, of: Option<u64>) {
        let now = Instant::now();
        *self.seconds.entry(self.phase.as_str()).or_default() +=
            now.duration_since(self.begun).as_secs_f64();
        (self.phase, self.begun, self.done, self.of) = (phase, now, 0, of);
        self.waits = Waits::default();
        self.tell(Duration::ZERO);
    }

    /// The last phase is over.
    pub(crate) fn end(&mut self) {
        self.begin(self.phase, self.of);
    }

    pub(crate) fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        self.tell(Duration::ZERO);
    }

    pub(crate) fn waited_for_device(&mut self, time: Duration) {
        self.waits.device += time;
    }

    pub(crate) fn waited_for_source(&mut self, time: Duration) {
        self.waits.source += time;
    }

    pub(crate) fn waited_for_hash(&mut self, time: Duration) {
        self.waits.hash += time;
    }

    /// Tells how far it is; the request under way takes so long already.
    pub(crate) fn tell(&mut self, pending: Duration) {
        self.waits.input = self.reading.waited();
        let Meter { phase, done, of, waits, .. } = *self;
        self.observer.progress(self.target, &Progress { phase, done, of, waits, pending });
    }
}
