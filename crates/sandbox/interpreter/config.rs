//! The interpreter's configuration: what to substitute, what to emulate, and with which additions.
//!
//! A text of lines `keyword value`, written by `src/exec_config.rs` and read here, without
//! allocation, at every program start. The same file is compiled into the crate, for its patterns.
//!
//! ```text
//! machine 62                        e_machine of the programs that run without emulation
//! tools /run/osb/tools              where the tools tree is mounted
//! loader /run/osb/tools/usr/…       its dynamic loader, links resolved
//! libraries DIR:DIR                 value of the loader's --library-path
//! emulator /run/osb/tools/usr/…     qemu-user
//! emulate PATTERN                   never substituted
//! program PATTERN                   substituted, with the lines that follow:
//! include DIRECTORY ARGUMENT          put before the program's own arguments, if the guest has
//!                                     that directory
//! variable NAME=VALUE                 set in its environment
//! unless LETTERS                      emulated after all if a leading option has one of these
//! despite PATTERN                     but not if the argument after the options matches this
//! ```
//! Of the `emulate` and `program` lines, the first whose pattern matches the program's resolved
//! path decides. A pattern with a slash is for the whole path, one without for the last component;
//! `*` stands for any characters.

/// A parsed view of the text.
#[derive(Clone, Copy, Default)]
pub struct Config<'t> {
    text: &'t [u8],
    /// `e_machine` of programs that need no emulation.
    pub machine: u16,
    /// Where the tools tree is mounted, without a trailing slash.
    pub tools: &'t [u8],
    /// The tools tree's dynamic loader; empty if it has none.
    pub loader: &'t [u8],
    /// The loader's library path.
    pub libraries: &'t [u8],
    /// The emulator for guest programs.
    pub emulator: &'t [u8],
}

/// What the configuration says about a program.
#[derive(Clone, Copy)]
pub enum Rule<'t> {
    /// Run it under the emulator whatever the tools tree has.
    Emulate,
    /// Substitute it if the tools tree has it.
    Substitute(Additions<'t>),
}

/// The lines that belong to one `program` line; empty for programs that no line names.
#[derive(Clone, Copy, Default)]
pub struct Additions<'t> {
    lines: &'t [u8],
}

impl<'t> Config<'t> {
    /// Parses the text; unknown lines are ignored, the writer is part of the same build.
    pub fn parse(text: &'t [u8]) -> Self {
        let mut config = Config { text, ..Config::default() };
        for (keyword, value) in lines(text) {
            match keyword {
                b"machine" => config.machine = number(value),
                b"tools" => config.tools = value,
                b"loader" => config.loader = value,
                b"libraries" => config.libraries = value,
                b"emulator" => config.emulator = value,
                _ => {}
            }
        }
        config
    }

    /// The rule for a program, by its path with all links resolved.
    pub fn rule(&self, path: &[u8]) -> Rule<'t> {
        let mut rest = self.text;
        while let Some((line, after)) = split_line(rest) {
            rest = after;
            match keyword(line) {
                (b"emulate", pattern) if matches(pattern, path) => return Rule::Emulate,
                (b"program", pattern) if matches(pattern, path) => {
                    return Rule::Substitute(Additions { lines: rest });
                }
                _ => {}
            }
        }
        Rule::Substitute(Additions::default())
    }
}

impl<'t> Additions<'t> {
    /// Arguments to put before the program's own, each with the directory that the guest must
    /// have for it.
    pub fn includes(&self) -> impl Iterator<Item = (&'t [u8], &'t [u8])> + use<'t> {
        self.values(b"include").filter_map(|value| {
            let space = value.iter().position(|&byte| byte == b' ')?;
            Some((&value[..space], &value[space + 1..]))
        })
    }

    /// The `NAME=VALUE` settings.
    pub fn variables(&self) -> impl Iterator<Item = &'t [u8]> + use<'t> {
        self.values(b"variable")
    }

    /// Whether one of the leading options forbids the substitution. Options end at the first
    /// argument that is not one; `-c`-like options with a separate value end them too, which is
    /// right for interpreters: what follows belongs to the script.
    pub fn forbidden_by<'a>(&self, arguments: impl Iterator<Item = &'a [u8]>) -> bool {
        let letters = self.values(b"unless").next().unwrap_or_default();
        if letters.is_empty() {
            return false;
        }
        let mut found = false;
        for argument in arguments {
            match argument {
                [b'-', options @ ..] if !options.is_empty() && options[0] != b'-' => {
                    found |= options.iter().any(|letter| letters.contains(letter));
                }
                script => {
                    return found && !self.values(b"despite").any(|p| matches(p, script));
                }
            }
        }
        found
    }

    fn values(&self, wanted: &'static [u8]) -> impl Iterator<Item = &'t [u8]> + use<'t> {
        lines(self.lines)
            .take_while(|(keyword, _)| {
                matches!(*keyword, b"include" | b"variable" | b"unless" | b"despite")
            })
            .filter(move |(keyword, _)| *keyword == wanted)
            .map(|(_, value)| value)
    }
}

/// The last component of a path.
fn basename(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// Whether a pattern matches a path.
pub fn matches(pattern: &[u8], path: &[u8]) -> bool {
    glob(pattern, if pattern.contains(&b'/') { path } else { basename(path) })
}

/// `*` matches any run of bytes. Iterative with one backtrack point, so linear in practice.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|&b| b == b'\n').map(keyword)
}

fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(|&b| b == b'\n').unwrap_or(text.len());
    Some((&text[..end], text.get(end + 1..).unwrap_or_default()))
}

/// Splits a line at its first space.
fn keyword(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|&b| b == b' ') {
        Some(space) => (&line[..space], &line[space + 1..]),
        None => (line, &[]),
    }
}

fn number(text: &[u8]) -> u16 {
    text.iter()
        .filter(|b| b.is_ascii_digit())
        .fold(0u16, |n, b| n.wrapping_mul(10).wrapping_add(u16::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(matches(b"dpkg*", b"/usr/bin/dpkg") && matches(b"dpkg*", b"/usr/bin/dpkg-query"));
        assert!(!matches(b"dpkg*", b"/usr/bin/xdpkg") && !matches(b"dpkg*", b"/usr/dpkg/cat"));
        assert!(matches(b"/usr/bin/perl*", b"/usr/bin/perl5.40"));
        assert!(!matches(b"/usr/bin/perl*", b"/opt/usr/bin/perl"));
        assert!(matches(b"/usr/lib/python3*/x.py", b"/usr/lib/python3.13/x.py"));
        assert!(matches(b"*a*b", b"aab") && matches(b"a**", b"a") && !matches(b"*a*b", b"ba"));
        assert!(matches(b"", b"") && !matches(b"", b"x"));
    }

    #[test]
    fn the_first_matching_line_decides() {
        let text = b"program a-plain\ninclude /d -x\nemulate a*\nprogram b\nvariable N=1\n";
        let config = Config::parse(text);
        let Rule::Substitute(plain) = config.rule(b"/bin/a-plain") else { panic!() };
        assert!(plain.includes().eq([(&b"/d"[..], &b"-x"[..])]));
        assert_eq!(plain.variables().count(), 0, "another program's lines");
        assert!(matches!(config.rule(b"/bin/abc"), Rule::Emulate));
        let Rule::Substitute(none) = config.rule(b"/bin/c") else { panic!() };
        assert_eq!(none.includes().count() + none.variables().count(), 0);
    }

    #[test]
    fn any_text_is_parsed() {
        for text in [&b""[..], b"\n\n", b"machine", b"machine 99999999", b"program", b"emulate"] {
            let _ = Config::parse(text).rule(b"/bin/x");
        }
    }
}
