//! Lists of patterns, as OpenSSH has them (ssh_config(5), PATTERNS; `match.c` of its source).

/// Whether a list allows `text`: one of its patterns matches, and none behind a `!` does.
pub(crate) fn allows(list: &str, text: &str) -> bool {
    let mut allowed = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, text) => return false,
            Some(_) => {}
            None => allowed |= matches(pattern, text),
        }
    }
    allowed
}

/// Whether all of `text` fits: `*` is any characters, also none; `?` is one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // Where the last `*` stands, and how far the text went that it does not cover.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[read] => (at, read) = (at + 1, read + 1),
            // The last `*` takes one more.
            _ => match star {
                Some((position, covered)) => {
                    star = Some((position, covered + 1));
                    (at, read) = (position + 1, covered + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_openssh() {
        for (list, good) in [
            ("file", true),
            ("git,file", true),
            ("*", true),
            ("f*", true),
            ("fi?e", true),
            ("*l*", true),
            ("*file*", true),
            ("?*?", true),
            ("File", false),
            ("fil", false),
            ("file?", false),
            ("*x*", false),
            ("", false),
            ("git, file", false),
            // What is forbidden stays so, in whichever order.
            ("*,!file", false),
            ("!file,*", false),
            ("!f*,file", false),
            ("!git,*", true),
            // Not forbidden is not allowed.
            ("!git", false),
        ] {
            assert_eq!(allows(list, "file"), good, "{list:?}");
        }
    }
}
