//! The only module that prints.
//!
//! Results go to standard output; progress, notes, warnings and errors to standard error. With
//! `--json` standard output carries one JSON object a line and nothing else.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod secret;

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use osb_builder::Event;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::exit::{FAILED, Failure};
use crate::progress::{Progress, Wishes};

pub(crate) use secret::Answer;

/// How often the status line, or a JSON `progress` object, is renewed.
const REFRESH: Duration = Duration::from_millis(200);

/// Where text, progress and JSON go. Shared between threads; clones share one status line.
#[derive(Clone)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    started: Instant,
    state: Arc<Mutex<State>>,
    /// Why standard output did not take something, the first time.
    lost: Arc<OnceLock<std::io::Error>>,
}

struct State {
    progress: Progress,
    /// The status line; absent without a terminal.
    bar: Option<ProgressBar>,
    refreshed: Duration,
}

impl Output {
    /// Prints as the global options say.
    pub(crate) fn new(global: &Global) -> Self {
        let status_line = !global.quiet && std::io::stderr().is_terminal();
        let wishes = Wishes { quiet: global.quiet, verbose: global.verbose, status_line };
        Self {
            json: global.json,
            quiet: global.quiet,
            started: Instant::now(),
            state: Arc::new(Mutex::new(State {
                progress: Progress::new(wishes),
                bar: status_line.then(hidden_bar),
                refreshed: Duration::ZERO,
            })),
            lost: Arc::default(),
        }
    }

    /// Whether `--json` was given.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Shows one event of a library.
    pub(crate) fn event(&self, event: &Event) {
        let now = self.started.elapsed();
        let mut state = self.lock();
        let lines = state.progress.on_event(now, event);
        let routine = matches!(event, Event::Advance { .. } | Event::Detail { .. });
        let due = !routine || now.saturating_sub(state.refreshed) >= REFRESH;
        if due {
            state.refreshed = now;
        }
        match &state.bar {
            Some(bar) => bar.suspend(|| lines.iter().for_each(|line| complain(line))),
            None => lines.iter().for_each(|line| complain(line)),
        }
        if due {
            state.refresh(now, event);
            if self.json {
                self.print_json(&describe(event, &state.progress));
            }
        } else if self.json && matches!(event, Event::Detail { .. }) {
            self.print_json(&describe(event, &state.progress));
        }
    }

    /// Whether there is a status line.
    pub(crate) fn has_status_line(&self) -> bool {
        self.lock().bar.is_some()
    }

    /// Shows how far something is that is no stage of a build; an empty text takes the line away.
    pub(crate) fn status(&self, text: String) {
        let mut state = self.lock();
        let Some(bar) = &mut state.bar else { return };
        match text.as_str() {
            "" => bar.finish_and_clear(),
            _ if bar.is_finished() || bar.is_hidden() => {
                *bar = visible_bar();
                bar.set_message(text);
            }
            _ => bar.set_message(text),
        }
    }

    /// A line for people about work under way.
    pub(crate) fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        match &self.lock().bar {
            Some(bar) => bar.suspend(|| complain(text)),
            None => complain(text),
        }
    }

    /// An object for programs about work under way.
    pub(crate) fn object(&self, value: &Value) {
        if self.json {
            self.print_json(value);
        }
    }

    /// Asks for a line from the terminal; `None` if nobody is there.
    pub(crate) fn ask(&self, question: &str) -> Option<String> {
        self.clear();
        if !std::io::stdin().is_terminal() {
            return None;
        }
        let mut terminal = std::io::stderr().lock();
        let _ = write!(terminal, "{question} ").and_then(|()| terminal.flush());
        drop(terminal);
        let mut answer = String::new();
        // The end of the input is no answer.
        match std::io::stdin().read_line(&mut answer) {
            Ok(1..) => Some(answer),
            Ok(0) | Err(_) => None,
        }
    }

    /// Asks for a password on the terminal, which does not show it.
    pub(crate) fn ask_secret(&self, question: &str) -> Answer {
        self.clear();
        secret::ask(question)
    }

    /// Prints a result: `text` for people, or `value` for programs.
    pub(crate) fn result(&self, value: &Value, text: &str) {
        self.clear();
        if self.json {
            self.print_json(value);
        } else if !self.quiet && !text.is_empty() {
            self.print_text(text);
        }
    }

    /// Prints a result that is asked for by name, even when quiet.
    pub(crate) fn answer(&self, value: &Value, text: &str) {
        self.clear();
        if self.json {
            self.print_json(value);
        } else {
            self.print_text(text);
        }
    }

    /// Bytes that are asked for, as they are.
    ///
    /// # Errors
    /// If they cannot be read; a reader of the output that went away is none.
    pub(crate) fn bytes(&self, reader: &mut dyn std::io::Read) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let length = match reader.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let written = match length {
                0 => out.flush(),
                _ => out.write_all(&buffer[..length]),
            };
            match written {
                Ok(()) if length == 0 => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
        }
    }

    /// A remark for people.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet {
            complain(text);
        }
    }

    /// Bytes of a guest's console, as they are.
    pub(crate) fn console(&self, bytes: &[u8]) {
        // A closed terminal or pipe must not stop the guest: the outcome is what counts.
        if self.json || self.quiet {
            let _ = std::io::stderr().write_all(bytes);
        } else {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(bytes).and_then(|()| out.flush());
        }
    }

    /// An error with its causes and its hint.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.clear();
        let mut messages = failure.messages.iter();
        if let Some(first) = messages.next() {
            complain(&format!("error: {first}"));
        }
        for cause in messages {
            complain(&format!("  caused by: {cause}"));
        }
        if let Some(hint) = &failure.hint {
            complain(&format!("hint: {hint}"));
        }
        if self.json {
            self.print_json(&json!({
                "event": "error",
                "message": failure.messages.first(),
                "causes": failure.messages.get(1..).unwrap_or_default(),
                "hint": failure.hint,
                "exit_code": failure.code,
                "details": failure.details,
            }));
        }
    }

    /// Fails if standard output did not take all that was printed: a full disk must not look like
    /// success. A reader that went away (`osb ... | head`) has what it wanted.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        match self.lost.get() {
            Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::new(FAILED, format!("writing to standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    fn print_json(&self, value: &Value) {
        self.print_text(&value.to_string());
    }

    fn print_text(&self, text: &str) {
        self.print(format!("{}\n", text.trim_end_matches('\n')).as_bytes());
    }

    /// Work that is under way goes on if nobody takes the bytes; [`Output::finish`] tells it.
    fn print(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
            // Only the first one counts.
            let _ = self.lost.set(error);
        }
    }

    /// Takes the status line away.
    fn clear(&self) {
        if let Some(bar) = &self.lock().bar {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Printing goes on after a panic elsewhere: the state is only cosmetic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Brings the status line up to date.
    fn refresh(&mut self, now: Duration, event: &Event) {
        let Some(bar) = &mut self.bar else { return };
        match self.progress.status(now) {
            Some(line) => {
                if matches!(event, Event::Begin { .. }) {
                    *bar = visible_bar();
                }
                bar.set_message(line);
            }
            None => bar.finish_and_clear(),
        }
    }
}

fn hidden_bar() -> ProgressBar {
    ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
}

/// A line with a turning sign and the stage's running time, renewed even while nothing is told.
fn visible_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(REFRESH);
    bar
}

/// One event as a JSON object.
fn describe(event: &Event, progress: &Progress) -> Value {
    match event {
        Event::Begin { stage, total } => json!({"event": "begin", "stage": stage, "total": total}),
        Event::Advance { .. } => {
            let (stage, done, total) = progress.current().unwrap_or_default();
            json!({"event": "progress", "stage": stage, "bytes": done, "total": total})
        }
        Event::Detail { text } => {
            let stage = progress.current().map(|current| current.0);
            json!({"event": "detail", "stage": stage, "text": text})
        }
        Event::End { stage, summary, elapsed } => json!({
            "event": "end", "stage": stage, "summary": summary,
            "seconds": elapsed.as_secs_f64(),
        }),
        Event::Note(text) => json!({"event": "note", "text": text}),
        Event::Warning(text) => json!({"event": "warning", "text": text}),
    }
}

/// A line for people. Who reads the log may have gone: work that is under way goes on.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_cumulative_in_json() {
        let mut progress = Progress::new(Wishes::default());
        progress.on_event(Duration::ZERO, &Event::Begin { stage: "download", total: Some(10) });
        for _ in 0..2 {
            progress.on_event(Duration::ZERO, &Event::Advance { bytes: 3 });
        }
        let value = describe(&Event::Advance { bytes: 3 }, &progress);
        assert_eq!(
            value,
            json!({"event": "progress", "stage": "download", "bytes": 6, "total": 10})
        );
    }

    #[test]
    fn every_event_names_itself() {
        let progress = Progress::new(Wishes::default());
        let events = [
            Event::Begin { stage: "s", total: None },
            Event::Advance { bytes: 1 },
            Event::Detail { text: "t".into() },
            Event::End { stage: "s", summary: String::new(), elapsed: Duration::ZERO },
            Event::Note("n".into()),
            Event::Warning("w".into()),
        ];
        let names: Vec<_> =
            events.iter().map(|event| describe(event, &progress)["event"].clone()).collect();
        assert_eq!(names, ["begin", "progress", "detail", "end", "note", "warning"]);
    }
}
