//! Asking for what the terminal must not show.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

/// Longest answer in bytes; more is not taken.
const MOST: usize = 1024;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A line, without its end.
    Given(String),
    /// Ctrl-C, or the end of the input.
    Interrupted,
    /// There is no terminal.
    Nobody,
}

/// Asks on the terminal of this process, whatever its standard streams are.
pub(super) fn ask(question: &str) -> Answer {
    let Ok(mut terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Answer::Nobody;
    };
    let Ok(before) = tcgetattr(&terminal) else { return Answer::Nobody };
    let answer = match silent(&terminal, &before) {
        Ok(()) => converse(&mut terminal, question),
        Err(_) => Answer::Nobody,
    };
    // Nothing more can be done about it.
    let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
    let _ = terminal.write_all(b"\n");
    answer
}

/// Bytes come one by one and are not shown. Ctrl-C is one of them: a signal could end the program
/// while the terminal is like this.
fn silent(terminal: &File, before: &Termios) -> io::Result<()> {
    let mut modes = before.clone();
    modes.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(terminal, OptionalActions::Flush, &modes)?;
    Ok(())
}

fn converse(terminal: &mut (impl Read + Write), question: &str) -> Answer {
    if write!(terminal, "{question} ").and_then(|()| terminal.flush()).is_err() {
        return Answer::Nobody;
    }
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match terminal.read(&mut byte) {
            Ok(1) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(_) | Err(_) => return Answer::Interrupted,
        }
        match byte[0] {
            b'\n' | b'\r' => break,
            // Ctrl-C, Ctrl-D, Ctrl-\.
            3 | 4 | 28 => return Answer::Interrupted,
            // Backspace takes a character away, which may have several bytes.
            8 | 127 => while line.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {},
            // Ctrl-U takes all.
            21 => line.clear(),
            other if line.len() < MOST => line.push(other),
            _ => {}
        }
    }
    String::from_utf8(line).map_or(Answer::Interrupted, Answer::Given)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is typed, and what is shown.
    struct Typed(&'static [u8], Vec<u8>);

    impl Read for Typed {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Typed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_can_be_edited_and_given_up() {
        let answer = |typed| {
            let mut terminal = Typed(typed, Vec::new());
            let answer = converse(&mut terminal, "password:");
            assert_eq!(terminal.1, b"password: ", "nothing typed is shown");
            answer
        };
        assert_eq!(answer(b"open sesame\n"), Answer::Given("open sesame".into()));
        assert_eq!(
            answer("wrong\u{15}gr\u{fc}\u{7f}\u{7f}n\r".as_bytes()),
            Answer::Given("gn".into())
        );
        for given_up in [&b"open\x03\n"[..], b"open", b""] {
            assert_eq!(answer(given_up), Answer::Interrupted);
        }
    }
}
