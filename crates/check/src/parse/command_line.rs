//! The kernel's command line.

/// The arguments, in order; quotes keep what has spaces together (Linux, lib/cmdline.c).
pub(crate) fn arguments(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut argument, mut quoted) = (String::new(), false);
    for char in line.chars() {
        match char {
            '"' => quoted = !quoted,
            char if char.is_ascii_whitespace() && !quoted => {
                if !argument.is_empty() {
                    found.push(std::mem::take(&mut argument));
                }
            }
            char => argument.push(char),
        }
    }
    if !argument.is_empty() {
        found.push(argument);
    }
    found
}

/// The last value of `key`, which is the one that counts.
pub(crate) fn value<'a>(arguments: &'a [String], key: &str) -> Option<&'a str> {
    arguments.iter().rev().find_map(|argument| argument.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_words_unless_quoted() {
        let line = arguments("root=PARTUUID=a  dyndbg=\"file x +p\" ro root=b\n");
        assert_eq!(line, ["root=PARTUUID=a", "dyndbg=file x +p", "ro", "root=b"]);
        assert_eq!(value(&line, "root"), Some("b"));
        assert_eq!(value(&line, "ro"), None);
    }
}
