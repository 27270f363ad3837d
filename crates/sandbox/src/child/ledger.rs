//! Who used the processor: bookkeeping for [`super::trace`], without any system call.
//!
//! A process has a clock that runs from its fork to its end, through every exec. At each exec and
//! at the end, what it shows more than the last time is charged to the program that ran until then.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use libc::pid_t;

use crate::spec::{Kind, Program, Stats};

/// A program: how it runs, and its path.
pub(super) type Image = (Kind, Rc<str>);

/// The books of a session.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    processes: HashMap<pid_t, Process>,
    programs: BTreeMap<Image, Use>,
}

#[derive(Debug, Default)]
struct Process {
    /// What it runs; `None` while that is not known: whatever it turns out to be is charged.
    image: Option<Image>,
    /// What its clock showed when somebody was charged last.
    charged: Duration,
}

#[derive(Debug, Default)]
struct Use {
    starts: u64,
    cpu: Duration,
}

impl Ledger {
    pub(super) fn knows(&self, pid: pid_t) -> bool {
        self.processes.contains_key(&pid)
    }

    /// `pid` was forked by `parent`, whose program it runs until it executes another.
    pub(super) fn forked(&mut self, pid: pid_t, parent: pid_t) {
        let image = self.processes.get(&parent).and_then(|parent| parent.image.clone());
        self.processes.insert(pid, Process { image, charged: Duration::ZERO });
    }

    /// `pid` was forked by somebody who is gone, while running `image`.
    pub(super) fn adopted(&mut self, pid: pid_t, image: Option<Image>) {
        self.processes.insert(pid, Process { image, charged: Duration::ZERO });
    }

    /// `pid` executes `image` from now on; its clock shows `cpu`. `None`: something that will
    /// execute the program proper at once.
    pub(super) fn executes(&mut self, pid: pid_t, image: Option<Image>, cpu: Duration) {
        self.charge(pid, cpu);
        if let Some(image) = &image {
            self.programs.entry(image.clone()).or_default().starts += 1;
        }
        self.processes.entry(pid).or_default().image = image;
    }

    /// `pid` has ended; its clock shows `cpu`.
    pub(super) fn ended(&mut self, pid: pid_t, cpu: Duration) {
        self.charge(pid, cpu);
        self.processes.remove(&pid);
    }

    fn charge(&mut self, pid: pid_t, cpu: Duration) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if let Some(image) = &process.image {
            let used = self.programs.entry(image.clone()).or_default();
            used.cpu += cpu.saturating_sub(process.charged);
            process.charged = process.charged.max(cpu);
        }
    }

    /// The sum of it all; `why` tells of an emulated program's path why it is.
    pub(super) fn close(self, why: impl Fn(&str) -> String) -> Stats {
        let mut programs: Vec<Program> = self
            .programs
            .into_iter()
            .map(|((kind, path), used)| Program {
                kind,
                starts: used.starts,
                cpu: used.cpu,
                why: (kind == Kind::Emulated).then(|| why(&path)),
                path: path.to_string(),
            })
            .collect();
        programs.sort_by(|a, b| b.cpu.cmp(&a.cpu));
        Stats { programs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn image(kind: Kind, path: &str) -> Option<Image> {
        Some((kind, path.into()))
    }

    fn close(ledger: Ledger) -> Vec<(Kind, String, u64, u64)> {
        let stats = ledger.close(|path| format!("why {path}"));
        for program in &stats.programs {
            assert_eq!(program.why.is_some(), program.kind == Kind::Emulated);
        }
        let row = |p: Program| (p.kind, p.path, p.starts, p.cpu.as_millis() as u64);
        stats.programs.into_iter().map(row).collect()
    }

    #[test]
    fn each_program_of_a_process_pays_for_itself() {
        let mut ledger = Ledger::default();
        ledger.executes(7, image(Kind::Substituted, "/usr/bin/sh"), ms(1));
        ledger.executes(7, image(Kind::Emulated, "/usr/bin/dpkg"), ms(11));
        ledger.ended(7, ms(111));
        assert_eq!(
            close(ledger),
            [
                (Kind::Emulated, "/usr/bin/dpkg".to_owned(), 1, 100),
                (Kind::Substituted, "/usr/bin/sh".to_owned(), 1, 11)
            ],
            "and the first one for the time before it"
        );
    }

    #[test]
    fn a_fork_runs_its_parents_program_and_starts_none() {
        let mut ledger = Ledger::default();
        ledger.executes(7, image(Kind::Native, "/bin/sh"), ms(0));
        ledger.forked(8, 7);
        ledger.forked(9, 8);
        ledger.ended(7, ms(1));
        ledger.ended(9, ms(30));
        ledger.executes(8, image(Kind::Native, "/bin/ls"), ms(200));
        ledger.ended(8, ms(1200));
        assert_eq!(
            close(ledger),
            [
                (Kind::Native, "/bin/ls".to_owned(), 1, 1000),
                (Kind::Native, "/bin/sh".to_owned(), 1, 231)
            ]
        );
    }

    #[test]
    fn what_only_starts_another_program_is_part_of_that() {
        let mut ledger = Ledger::default();
        ledger.executes(7, image(Kind::Substituted, "/usr/bin/make"), ms(0));
        ledger.forked(8, 7);
        ledger.executes(8, None, ms(5));
        ledger.executes(8, image(Kind::Substituted, "/usr/bin/cc"), ms(7));
        ledger.ended(8, ms(10));
        ledger.ended(7, ms(1));
        assert_eq!(
            close(ledger),
            [
                (Kind::Substituted, "/usr/bin/make".to_owned(), 1, 6),
                (Kind::Substituted, "/usr/bin/cc".to_owned(), 1, 5)
            ]
        );
    }

    #[test]
    fn strangers_and_clocks_that_fail_do_no_harm() {
        let mut ledger = Ledger::default();
        ledger.ended(1, ms(5));
        ledger.forked(2, 1);
        ledger.ended(2, ms(5));
        ledger.executes(3, image(Kind::Native, "/x"), ms(0));
        ledger.executes(3, image(Kind::Native, "/x"), ms(5));
        ledger.executes(3, image(Kind::Native, "/y"), ms(0));
        ledger.ended(3, ms(6));
        assert_eq!(
            close(ledger),
            [(Kind::Native, "/x".to_owned(), 2, 5), (Kind::Native, "/y".to_owned(), 1, 1)]
        );
    }
}
