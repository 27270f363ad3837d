//! Watching a serial console for a line that matches.
//!
//! Firmware, boot loader and systemd colour and position their output. [`Watch`] removes escape
//! sequences (ECMA-48) and control characters, and shows every finished line to the expression, and
//! the unfinished last one too: a login prompt has no line end.

use regex::bytes::Regex;

/// A line longer than this is cut at the front: the console of a crashed guest may never send a
/// line end, and memory is bounded.
const LINE_LIMIT: usize = 8192;

/// Where in an escape sequence the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After ESC, perhaps with intermediate bytes.
    Escape,
    /// In a control sequence: ESC [ parameters, ended by a byte of 0x40..=0x7e.
    Control,
    /// In a string (OSC, DCS, APC, PM, SOS), ended by BEL or ESC \.
    String,
    /// After an ESC within a string.
    StringEscape,
}

/// Looks for an expression in the lines of a byte stream that arrives in pieces.
#[derive(Debug)]
pub struct Watch {
    until: Regex,
    line: Vec<u8>,
    state: State,
}

impl Watch {
    /// Watches for `until`.
    #[must_use]
    pub fn new(until: Regex) -> Self {
        Self { until, line: Vec::new(), state: State::Text }
    }

    /// Takes the next bytes; the first line that matches, if one does.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<String> {
        for &byte in bytes {
            if self.strip(byte) {
                if self.until.is_match(&self.line) {
                    return Some(self.take());
                }
                self.line.clear();
            }
        }
        (!self.line.is_empty() && self.until.is_match(&self.line)).then(|| self.take())
    }

    fn take(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned()
    }

    /// Adds one byte to the line unless it belongs to an escape sequence; true at a line end.
    fn strip(&mut self, byte: u8) -> bool {
        self.state = match (self.state, byte) {
            (State::Text, b'\n') => return true,
            (State::Text, 0x1b) => State::Escape,
            (State::Text, b'\t' | 0x20..=0x7e | 0x80..) => {
                if self.line.len() >= LINE_LIMIT {
                    self.line.drain(..LINE_LIMIT / 2);
                }
                self.line.push(byte);
                State::Text
            }
            (State::Text, _) => State::Text,
            (State::Escape, b'[') => State::Control,
            (State::Escape, b']' | b'P' | b'_' | b'^' | b'X') => State::String,
            // Intermediate bytes; a second ESC starts anew.
            (State::Escape, 0x20..=0x2f | 0x1b) => State::Escape,
            (State::Escape, _) => State::Text,
            (State::Control, 0x40..=0x7e) => State::Text,
            (State::Control, 0x1b) => State::Escape,
            (State::Control, _) => State::Control,
            (State::String, 0x07) => State::Text,
            (State::String, 0x1b) => State::StringEscape,
            // A torn sequence must not swallow the rest of the console.
            (State::String, b'\n') => {
                self.state = State::Text;
                return true;
            }
            (State::String, _) => State::String,
            (State::StringEscape, b'\\') => State::Text,
            (State::StringEscape, b'[') => State::Control,
            (State::StringEscape, _) => State::Text,
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(expression: &str) -> Watch {
        Watch::new(Regex::new(expression).unwrap())
    }

    #[test]
    fn a_whole_line_matches() {
        assert_eq!(watch("^two$").feed(b"one\r\ntwo\r\nthree").as_deref(), Some("two"));
    }

    #[test]
    fn an_unfinished_line_matches() {
        let mut watch = watch("login:");
        assert_eq!(watch.feed(b"\nnode log"), None);
        assert_eq!(watch.feed(b"in: ").as_deref(), Some("node login: "));
    }

    #[test]
    fn escape_sequences_are_not_seen_even_when_cut_anywhere() {
        let bytes = b"\x1b[0;1;32m  OK  \x1b[0m] Rea\x1b]8;;http://x\x07ched\x1b]0;t\x1b\\ \x1b(Btarget\x1b[?25h\x1bP+q\x1b\\ multi-user\r\n";
        for cut in 0..bytes.len() {
            let mut watch = watch(r"^  OK  \] Reached target multi-user$");
            let found = watch.feed(&bytes[..cut]).or_else(|| watch.feed(&bytes[cut..]));
            assert!(found.is_some(), "cut at {cut}");
        }
    }

    #[test]
    fn a_torn_string_sequence_ends_with_the_line() {
        assert!(watch("^after$").feed(b"\x1b]never ended\nafter\n").is_some());
    }

    #[test]
    fn an_endless_line_is_bounded_and_its_end_is_kept() {
        let mut watch = watch("needle$");
        for _ in 0..100 {
            assert_eq!(watch.feed(&[b'x'; 4096]), None);
        }
        assert!(watch.line.len() <= LINE_LIMIT);
        assert!(watch.feed(b"needle").is_some());
    }

    #[test]
    fn bytes_that_are_not_text_do_not_disturb() {
        assert!(watch("login").feed(b"\xff\xfe\0\x08login").is_some());
    }
}
