//! Names from images, made safe for terminals.

/// A line that a terminal shows as it is: names in images are chosen by whoever made them, and
/// could move the cursor, colour what follows, or turn its direction.
pub(crate) fn printable(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for char in line.chars() {
        // Marks, embeddings, overrides and isolates of the bidirectional algorithm (Unicode, UAX 9),
        // and what else begins a line.
        let turns = matches!(char,
            '\u{61C}' | '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        match char.is_control() || turns {
            true => out.extend(char.escape_unicode()),
            false => out.push(char),
        }
    }
    out
}

/// A path, absolute, with what is not printable escaped.
pub(crate) fn path(path: &[u8], directory: bool) -> String {
    let slash = if directory && !path.is_empty() { "/" } else { "" };
    format!("/{}{slash}", path.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_text() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(path(b"etc/a\nb", false), "/etc/a\\nb");
        assert_eq!((path(b"", true), path(b"etc", true)), ("/".into(), "/etc/".into()));
    }
}
