//! How far each disk is, as a pure state machine: reports and times in, lines and objects out.

use std::time::Duration;

use osb_flash::{Bottleneck, Phase, Progress};
use serde_json::{Value, json};

use crate::format;

/// Width of the column of phases.
const COLUMN: usize = 18;
/// Without a status line, a phase that takes long says so this often; objects come more often.
const REMINDER: Duration = Duration::from_secs(15);
const REFRESH: Duration = Duration::from_millis(200);
/// A disk that has not answered for so long is worth a word.
const SILENT: Duration = Duration::from_secs(5);

/// All disks of a run.
#[derive(Debug)]
pub(super) struct Board {
    disks: Vec<Line>,
    status_line: bool,
}

/// A disk.
#[derive(Debug)]
struct Line {
    name: String,
    now: Option<Stage>,
}

/// The phase that a disk is in.
#[derive(Debug)]
struct Stage {
    last: Progress,
    began: Duration,
    told: Duration,
    reminded: Duration,
}

/// What is to be printed for a report.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    /// For people.
    pub(super) lines: Vec<String>,
    /// For programs.
    pub(super) objects: Vec<Value>,
}

impl Board {
    /// Disks of these names, of which nothing is known yet.
    pub(super) fn new(names: Vec<String>, status_line: bool) -> Board {
        let disks = names.into_iter().map(|name| Line { name, now: None }).collect();
        Board { disks, status_line }
    }

    /// Takes one report at time `now`.
    pub(super) fn on(&mut self, now: Duration, disk: usize, progress: &Progress) -> Told {
        let mut told = Told::default();
        let Some(line) = self.disks.get_mut(disk) else { return told };
        if line.now.as_ref().is_none_or(|stage| stage.last.phase != progress.phase) {
            told = line.end(now);
            let stage = Stage { last: progress.clone(), began: now, told: now, reminded: now };
            told.objects.push(json!({
                "event": "begin", "stage": progress.phase.as_str(), "total": progress.of,
                "device": line.name,
            }));
            line.now = Some(stage);
            return told;
        }
        let Some(stage) = &mut line.now else { return told };
        stage.last = progress.clone();
        if now.saturating_sub(stage.told) >= REFRESH {
            stage.told = now;
            told.objects.push(stage.object(&line.name));
        }
        if !self.status_line && now.saturating_sub(stage.reminded) >= REMINDER {
            stage.reminded = now;
            told.lines.push(format!("{}: {}", line.name, stage.text(now)));
        }
        told
    }

    /// The disk is done, or has failed.
    pub(super) fn end(&mut self, now: Duration, disk: usize) -> Told {
        self.disks.get_mut(disk).map(|line| line.end(now)).unwrap_or_default()
    }

    /// All disks on one line, for a terminal.
    pub(super) fn status(&self, now: Duration) -> String {
        let several = self.disks.len() > 1;
        let busy = self.disks.iter().filter_map(|line| Some((line, line.now.as_ref()?)));
        let texts: Vec<String> = busy
            .map(|(line, stage)| match several {
                true => format!("{} {}", line.name, stage.short()),
                false => stage.text(now),
            })
            .collect();
        texts.join("; ")
    }
}

impl Line {
    /// The phase under way has ended.
    fn end(&mut self, now: Duration) -> Told {
        let Some(stage) = self.now.take() else { return Told::default() };
        let took = now.saturating_sub(stage.began);
        let object = json!({
            "event": "end", "stage": stage.last.phase.as_str(), "summary": stage.summary(took),
            "seconds": took.as_secs_f64(), "device": self.name,
        });
        let phase = stage.last.phase.as_str();
        let text = format!("{}  {}", self.name, stage.summary(took));
        let line = format!("{phase:COLUMN$} {text:<50} {:>12}", format::time(took));
        // Phases of a moment are of no interest to people.
        let worth = matches!(stage.last.phase, Phase::Copy | Phase::Verify)
            || took >= Duration::from_secs(1);
        Told { lines: if worth { vec![line] } else { Vec::new() }, objects: vec![object] }
    }
}

impl Stage {
    /// `writing 412.0 MiB of 955.0 MiB, 120.0 MiB/s, 5.01 s left; limited by the disk`
    fn text(&self, now: Duration) -> String {
        let Progress { phase, done, of, pending, .. } = &self.last;
        let mut parts = vec![match of {
            Some(of) => format!("{phase} {} of {}", format::bytes(*done), format::bytes(*of)),
            None if *done > 0 => format!("{phase} {}", format::bytes(*done)),
            None => phase.to_string(),
        }];
        let took = now.saturating_sub(self.began).as_secs_f64();
        if *done > 0 && took >= 0.5 {
            let rate = *done as f64 / took;
            parts.push(format!("{}/s", format::bytes(rate as u64)));
            if let Some(left) = of.and_then(|of| of.checked_sub(*done)) {
                // Capped: a disk that stands still must not overflow the conversion.
                let seconds = (left as f64 / rate).min(360_000.0);
                parts.push(format!("{} left", format::time(Duration::from_secs_f64(seconds))));
            }
        }
        let mut text = parts.join(", ");
        if *pending >= SILENT {
            text += &format!("; the disk has not answered for {} s", pending.as_secs());
        } else if matches!(phase, Phase::Copy | Phase::Verify) && took >= 0.5 {
            text += &format!("; limited by {}", limit(self.last.waits.bottleneck()));
        }
        text
    }

    /// `writing 43 %`
    fn short(&self) -> String {
        let Progress { phase, done, of, .. } = &self.last;
        match of.filter(|of| *of > 0) {
            Some(of) => format!("{phase} {} %", u128::from(*done) * 100 / u128::from(of)),
            None => phase.to_string(),
        }
    }

    fn summary(&self, took: Duration) -> String {
        let done = self.last.done;
        if done == 0 {
            return String::new();
        }
        let rate = done as f64 / took.as_secs_f64().max(0.001);
        match self.last.phase {
            Phase::Copy | Phase::Verify => format!(
                "{}, {}/s, limited by {}",
                format::bytes(done),
                format::bytes(rate as u64),
                limit(self.last.waits.bottleneck())
            ),
            _ => format::bytes(done),
        }
    }

    fn object(&self, name: &str) -> Value {
        let Progress { phase, done, of, waits, pending } = &self.last;
        json!({
            "event": "progress", "stage": phase.as_str(), "bytes": done, "total": of,
            "device": name, "bottleneck": machine(waits.bottleneck()),
            "pending_seconds": pending.as_secs_f64(),
        })
    }
}

fn limit(bottleneck: Bottleneck) -> &'static str {
    match bottleneck {
        Bottleneck::Device => "the disk",
        Bottleneck::Source => "where the image comes from",
        Bottleneck::Decompression => "decompression",
        Bottleneck::Hash => "hashing",
    }
}

fn machine(bottleneck: Bottleneck) -> &'static str {
    match bottleneck {
        Bottleneck::Device => "device",
        Bottleneck::Source => "source",
        Bottleneck::Decompression => "decompression",
        Bottleneck::Hash => "hash",
    }
}

#[cfg(test)]
mod tests {
    use osb_flash::Waits;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn progress(phase: Phase, done: u64) -> Progress {
        let of = Some(100 * MIB);
        Progress { phase, done, of, waits: Waits::default(), pending: Duration::ZERO }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_disk_shows_rate_time_and_bottleneck() {
        let mut board = Board::new(vec!["/dev/sda".to_owned()], true);
        let begun = board.on(seconds(1), 0, &progress(Phase::Copy, 0));
        assert_eq!((begun.lines.len(), begun.objects[0]["event"].as_str()), (0, Some("begin")));
        let told = board.on(seconds(3), 0, &progress(Phase::Copy, 20 * MIB));
        assert_eq!(told.objects[0]["bottleneck"], "device");
        assert_eq!(
            board.status(seconds(3)),
            "writing 20.0 MiB of 100.0 MiB, 10.0 MiB/s, 8.00 s left; limited by the disk"
        );
        let told = board.on(seconds(11), 0, &progress(Phase::Verify, 0));
        assert!(told.lines[0].starts_with("copy "), "{}", told.lines[0]);
        assert!(told.lines[0].ends_with("10.0 s"), "{}", told.lines[0]);
        let events: Vec<_> = told.objects.iter().map(|object| object["event"].clone()).collect();
        assert_eq!(events, ["end", "begin"]);
        assert_eq!(board.end(seconds(12), 0).lines.len(), 1);
        assert_eq!(board.status(seconds(12)), "");
    }

    #[test]
    fn several_disks_share_the_line() {
        let mut board = Board::new(vec!["/dev/sda".to_owned(), "/dev/sdb".to_owned()], true);
        board.on(seconds(0), 0, &progress(Phase::Copy, 43 * MIB));
        board.on(seconds(0), 1, &progress(Phase::Verify, 9 * MIB));
        assert_eq!(board.status(seconds(1)), "/dev/sda writing 43 %; /dev/sdb reading back 9 %");
    }

    #[test]
    fn a_disk_that_does_not_answer_is_told() {
        let mut board = Board::new(vec!["/dev/sda".to_owned()], true);
        board.on(seconds(0), 0, &progress(Phase::Sync, 0));
        let waiting = Progress { pending: seconds(9), ..progress(Phase::Sync, 0) };
        board.on(seconds(9), 0, &waiting);
        assert!(board.status(seconds(9)).ends_with("; the disk has not answered for 9 s"));
    }

    #[test]
    fn without_a_terminal_a_long_phase_reminds_now_and_then() {
        let mut board = Board::new(vec!["/dev/sda".to_owned()], false);
        let mut lines = 0;
        for second in 0..40 {
            let told = board.on(seconds(second), 0, &progress(Phase::Copy, second * MIB));
            lines += told.lines.len();
        }
        assert_eq!(lines, 2, "40 seconds, one reminder each 15");
    }

    #[test]
    fn a_disk_that_is_not_there_does_no_harm() {
        let mut board = Board::new(Vec::new(), false);
        assert_eq!(board.on(seconds(0), 3, &progress(Phase::Copy, 0)), Told::default());
        assert_eq!(board.end(seconds(0), 3), Told::default());
    }
}
