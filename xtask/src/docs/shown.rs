//! A block of commands as a page shows it: what is typed, and what is printed.

use anyhow::{Result, bail, ensure};

use super::markdown::Block;

/// Languages of blocks in which there are no commands.
const DATA: [&str; 4] = ["json", "text", "toml", "yaml"];

/// What a block says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// What bash is given.
    pub(super) script: String,
    /// The lines that are printed, as far as the page shows them.
    pub(super) shown: Vec<String>,
}

impl Session {
    /// Of a `console` block, where commands begin with `$ ` or `# ` and what is printed does not, or a
    /// `sh` block, which is a script; `None` of data. Nothing else is in a page whose commands are run,
    /// so that none hides.
    pub(super) fn of(block: &Block) -> Result<Option<Session>> {
        let Block { line, language, text, .. } = block;
        match language.as_str() {
            "sh" => Ok(Some(Session { script: text.clone(), shown: Vec::new() })),
            "console" => Ok(Some(Self::console(text))),
            other if DATA.contains(&other) => {
                let typed = text.lines().any(|line| line.starts_with("$ "));
                ensure!(!typed, "line {line}: there are commands in a block of {other}");
                Ok(None)
            }
            other => bail!(
                "line {line}: a block of {other:?} is neither commands (console, sh) nor data ({})",
                DATA.join(", ")
            ),
        }
    }

    fn console(text: &str) -> Session {
        let mut session = Session { script: String::new(), shown: Vec::new() };
        let mut continued = false;
        for line in text.lines() {
            let typed = line.strip_prefix("$ ").or(line.strip_prefix("# "));
            match typed.or(continued.then_some(line)) {
                Some(command) => {
                    continued = command.ends_with('\\');
                    session.script.push_str(command);
                    session.script.push('\n');
                }
                None => session.shown.push(line.to_owned()),
            }
        }
        session
    }

    /// The first command, to call the block by.
    pub(super) fn name(&self) -> &str {
        let mut lines = self.script.lines().map(|line| {
            let command = line.split("  #").next().unwrap_or(line);
            command.trim_end_matches('\\').trim()
        });
        lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or("nothing")
    }

    /// The first line that the page shows and that was not printed.
    ///
    /// Figures, versions, digests and paths differ from run to run, so lines are compared by their
    /// words alone. A page leaves lines out as it likes.
    pub(super) fn missing(&self, printed: &str) -> Option<&str> {
        let printed: Vec<Vec<&str>> = printed.lines().map(words).collect();
        let lost = |line: &&String| {
            let words = words(line);
            !words.is_empty() && !printed.contains(&words)
        };
        self.shown.iter().find(lost).map(String::as_str)
    }
}

/// Units: what a figure is followed by depends on the figure.
const UNITS: [&str; 11] =
    ["s", "ms", "min", "h", "days", "B", "KiB", "MiB", "GiB", "KiB/s", "MiB/s"];

/// The words of a line that every run prints.
fn words(line: &str) -> Vec<&str> {
    let bare = |word: &str| -> bool {
        let core = word.trim_matches([',', ';', ':', '(', ')']);
        core.contains(|char: char| char.is_ascii_digit() || char == '…')
            || core.starts_with('/')
            || UNITS.contains(&core)
    };
    line.split_whitespace().filter(|word| !bare(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(language: &str, text: &str) -> Result<Option<Session>> {
        let (language, text) = (language.to_owned(), text.to_owned());
        Session::of(&Block { line: 1, language, text, note: None })
    }

    fn session(language: &str, text: &str) -> Session {
        of(language, text).unwrap().unwrap()
    }

    #[test]
    fn commands_are_told_from_what_they_print() {
        let text = "$ osb build  # all forms\n  out/disk.img  2.5 GiB\n# osb flash /dev/sda \\\n    --yes\ndone\n";
        let found = session("console", text);
        assert_eq!(found.script, "osb build  # all forms\nosb flash /dev/sda \\\n    --yes\n");
        assert_eq!(found.shown, ["  out/disk.img  2.5 GiB", "done"]);
        assert_eq!(found.name(), "osb build");
        assert_eq!(session("sh", "# first\ncd x \\\n").name(), "cd x");
    }

    #[test]
    fn no_command_hides_in_another_block() {
        assert_eq!(of("toml", "a = 1\n").unwrap(), None);
        for (language, text) in [("bash", "x\n"), ("", "x\n"), ("text", "a\n$ x\n")] {
            assert!(of(language, text).is_err(), "{language}");
        }
    }

    #[test]
    fn figures_do_not_matter_and_words_do() {
        let found = session("console", "$ x\nin 45.1 s, 1 min 01 s of work\n…\nat /a/b: 3 files\n");
        assert_eq!(found.missing("other\nin 3.2 s, 900 ms of work\nat /c: 11 files\n"), None);
        assert_eq!(
            found.missing("in 3 s of sleep\nat /c: 1 files\n"),
            Some("in 45.1 s, 1 min 01 s of work")
        );
    }
}
