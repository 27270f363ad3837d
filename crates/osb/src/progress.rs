//! Progress as a pure state machine: events and times in, lines out. No clock, no terminal.

use std::time::Duration;

use osb_builder::Event;

use crate::format;

/// Without a terminal, a stage that takes long says so this often.
const REMINDER: Duration = Duration::from_secs(15);

/// Width of the column of stage names.
const COLUMN: usize = 18;

/// What people want to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wishes {
    /// Warnings only.
    pub(crate) quiet: bool,
    /// Details too.
    pub(crate) verbose: bool,
    /// A status line shows what is going on, so no reminders are needed.
    pub(crate) status_line: bool,
}

/// A stage under way.
#[derive(Debug)]
struct Stage {
    name: &'static str,
    began: Duration,
    total: Option<u64>,
    done: u64,
    detail: String,
    reminded: Duration,
}

/// The stages under way. Times are durations since the program's start.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    wishes: Wishes,
    /// The innermost last; stages may nest, bytes count for the innermost.
    stages: Vec<Stage>,
}

impl Progress {
    /// Nothing under way.
    pub(crate) fn new(wishes: Wishes) -> Self {
        Self { wishes, stages: Vec::new() }
    }

    /// Takes one event at time `now`; the lines to print for it.
    pub(crate) fn on_event(&mut self, now: Duration, event: &Event) -> Vec<String> {
        let mut lines = Vec::new();
        match event {
            Event::Begin { stage, total } => self.stages.push(Stage {
                name: stage,
                began: now,
                total: *total,
                done: 0,
                detail: String::new(),
                reminded: now,
            }),
            Event::Advance { bytes } => {
                if let Some(stage) = self.stages.last_mut() {
                    stage.done = stage.done.saturating_add(*bytes);
                }
                lines.extend(self.reminder(now));
            }
            Event::Detail { text } => {
                if let Some(stage) = self.stages.last_mut() {
                    stage.detail.clone_from(text);
                    if self.wishes.verbose {
                        lines.push(format!("{:COLUMN$} {text}", stage.name));
                    }
                }
                lines.extend(self.reminder(now));
            }
            Event::End { stage, summary, elapsed } => {
                let done = self.stages.iter().rposition(|s| s.name == *stage);
                let bytes = done.map_or(0, |index| self.stages.remove(index).done);
                if !self.wishes.quiet {
                    lines.push(finished(stage, summary, *elapsed, bytes));
                }
            }
            Event::Note(_) if self.wishes.quiet => {}
            Event::Note(text) => lines.push(text.clone()),
            Event::Warning(text) => lines.push(format!("warning: {text}")),
        }
        lines
    }

    /// One line about the innermost stage, for a terminal.
    pub(crate) fn status(&self, now: Duration) -> Option<String> {
        if self.wishes.quiet {
            return None;
        }
        self.stages.last().map(|stage| stage.line(now))
    }

    /// The innermost stage with its bytes: name, done, total.
    pub(crate) fn current(&self) -> Option<(&'static str, u64, Option<u64>)> {
        self.stages.last().map(|stage| (stage.name, stage.done, stage.total))
    }

    fn reminder(&mut self, now: Duration) -> Option<String> {
        if self.wishes.quiet || self.wishes.status_line {
            return None;
        }
        let stage = self.stages.last_mut()?;
        if now.saturating_sub(stage.reminded) < REMINDER {
            return None;
        }
        stage.reminded = now;
        Some(stage.line(now))
    }
}

impl Stage {
    /// `download  12.0 MiB of 99.1 MiB, 5.1 MiB/s, 17 s left: libc6`
    fn line(&self, now: Duration) -> String {
        let elapsed = now.saturating_sub(self.began).as_secs_f64();
        let mut parts = Vec::new();
        match self.total {
            Some(total) => {
                parts.push(format!("{} of {}", format::bytes(self.done), format::bytes(total)));
            }
            None if self.done > 0 => parts.push(format::bytes(self.done)),
            None => {}
        }
        if self.done > 0 && elapsed >= 0.5 {
            let rate = self.done as f64 / elapsed;
            parts.push(format!("{}/s", format::bytes(rate as u64)));
            if let Some(left) = self.total.and_then(|total| total.checked_sub(self.done)) {
                // Capped: a stalled download must not overflow the conversion.
                let seconds = (left as f64 / rate).min(360_000.0);
                parts.push(format!("{} left", format::time(Duration::from_secs_f64(seconds))));
            }
        }
        let mut line = format!("{:COLUMN$} {}", self.name, parts.join(", "));
        if !self.detail.is_empty() {
            line += if parts.is_empty() { "" } else { ": " };
            line += &self.detail;
        }
        line.trim_end().to_owned()
    }
}

/// `download           289 packages, 99.1 MiB                          31.2 s`
fn finished(stage: &str, summary: &str, elapsed: Duration, bytes: u64) -> String {
    let mut text = summary.to_owned();
    let seconds = elapsed.as_secs_f64();
    if bytes > 0 && seconds >= 0.5 {
        let rate = format::bytes((bytes as f64 / seconds) as u64);
        text += if text.is_empty() { "" } else { ", " };
        text += &format!("{rate}/s");
    }
    format!("{stage:COLUMN$} {text:<50} {:>12}", format::time(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn begin(stage: &'static str, total: Option<u64>) -> Event {
        Event::Begin { stage, total }
    }

    fn end(stage: &'static str) -> Event {
        Event::End { stage, summary: "done".into(), elapsed: 2 * SECOND }
    }

    #[test]
    fn a_stage_shows_bytes_rate_and_time_left() {
        let mut progress = Progress::new(Wishes { status_line: true, ..Wishes::default() });
        assert!(progress.on_event(SECOND, &begin("download", Some(100 << 20))).is_empty());
        progress.on_event(2 * SECOND, &Event::Detail { text: "libc6".into() });
        progress.on_event(3 * SECOND, &Event::Advance { bytes: 20 << 20 });
        let status = progress.status(3 * SECOND).unwrap();
        assert!(
            status.ends_with("20.0 MiB of 100.0 MiB, 10.0 MiB/s, 8.00 s left: libc6"),
            "{status}"
        );
        assert_eq!(progress.current(), Some(("download", 20 << 20, Some(100 << 20))));
    }

    #[test]
    fn an_ended_stage_leaves_one_line() {
        let mut progress = Progress::new(Wishes::default());
        progress.on_event(SECOND, &begin("write", None));
        progress.on_event(SECOND, &Event::Advance { bytes: 4 << 20 });
        let lines = progress.on_event(3 * SECOND, &end("write"));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("write "), "{}", lines[0]);
        assert!(lines[0].contains("done, 2.0 MiB/s"), "{}", lines[0]);
        assert!(lines[0].ends_with("2.00 s"), "{}", lines[0]);
        assert_eq!(progress.status(3 * SECOND), None);
    }

    #[test]
    fn nested_stages_end_in_any_order() {
        let mut progress = Progress::new(Wishes::default());
        progress.on_event(SECOND, &begin("outer", None));
        progress.on_event(SECOND, &begin("inner", None));
        progress.on_event(SECOND, &end("outer"));
        assert_eq!(progress.current().map(|current| current.0), Some("inner"));
        progress.on_event(SECOND, &end("inner"));
        assert_eq!(progress.current(), None);
    }

    #[test]
    fn without_a_terminal_a_long_stage_reminds_now_and_then() {
        let mut progress = Progress::new(Wishes::default());
        progress.on_event(Duration::ZERO, &begin("write", Some(1000)));
        let mut lines = 0;
        for tenth in 1..=400 {
            let now = Duration::from_millis(100 * tenth);
            lines += progress.on_event(now, &Event::Advance { bytes: 1 }).len();
        }
        assert_eq!(lines, 2, "40 seconds, one reminder each 15");
    }

    #[test]
    fn quiet_keeps_warnings_only() {
        let mut progress = Progress::new(Wishes { quiet: true, ..Wishes::default() });
        progress.on_event(SECOND, &begin("write", None));
        assert_eq!(progress.status(SECOND), None);
        assert!(progress.on_event(SECOND, &end("write")).is_empty());
        assert!(progress.on_event(SECOND, &Event::Note("n".into())).is_empty());
        let lines = progress.on_event(SECOND, &Event::Warning("w".into()));
        assert_eq!(lines, ["warning: w"]);
    }

    #[test]
    fn events_outside_a_stage_do_no_harm() {
        let mut progress = Progress::new(Wishes::default());
        progress.on_event(SECOND, &Event::Advance { bytes: u64::MAX });
        progress.on_event(SECOND, &Event::Detail { text: "x".into() });
        assert_eq!(progress.on_event(SECOND, &end("never begun")).len(), 1);
    }
}
