//! Takes a cleartext-signed message apart (RFC 9580, section 7), strictly.
//!
//! What is not covered by the signature must never be read as if it were, so there is no leniency:
//! nothing before the message, nothing after the signature, no header but `Hash`, every line that
//! begins with a dash escaped, no carriage return inside a line (a verifier may hash it as a line
//! break while a parser does not see one).

/// The parts of a message.
pub(crate) struct Cleartext<'a> {
    /// The signed text: unescaped, without blanks at line ends, a line feed after every line.
    pub(crate) text: String,
    /// The same as it is hashed: CR LF between the lines, none after the last.
    pub(crate) hashed: Vec<u8>,
    /// The armoured signatures.
    pub(crate) armor: &'a str,
}

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
pub(super) const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "-----END PGP SIGNATURE-----";

/// Blanks that a cleartext signature does not cover.
const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// Splits `message`; the error says what is wrong with it.
pub(crate) fn split(message: &[u8]) -> Result<Cleartext<'_>, String> {
    let message =
        std::str::from_utf8(message).map_err(|e| format!("it is not valid UTF-8: {e}"))?;
    let mut rest = message;
    let mut number = 0;
    let mut next = || -> Option<(&str, usize, usize)> {
        let start = message.len() - rest.len();
        let (line, after) = match rest.split_once('\n') {
            Some(pair) => pair,
            // A last line without its line feed is a truncated message, except at the very end.
            None if rest.is_empty() => return None,
            None => (rest, ""),
        };
        rest = after;
        number += 1;
        Some((line.trim_end_matches(BLANKS), start, number))
    };

    match next() {
        Some((BEGIN_MESSAGE, ..)) => {}
        _ => return Err(format!("it does not begin with {BEGIN_MESSAGE:?}")),
    }
    loop {
        match next() {
            Some(("", ..)) => break,
            Some((line, ..)) if line.starts_with("Hash: ") => {}
            Some((line, _, n)) => return Err(format!("line {n}: {line:?} is not a Hash header")),
            None => return Err("it ends inside its header".to_owned()),
        }
    }
    let mut text = String::with_capacity(message.len());
    let armor_start = loop {
        let Some((line, start, n)) = next() else {
            return Err("it ends before its signature".to_owned());
        };
        if line == BEGIN_SIGNATURE {
            break start;
        }
        let line = match line.strip_prefix('-') {
            None => line,
            Some(escaped) => match escaped.strip_prefix(' ') {
                Some(line) => line,
                // `- ` in front of an empty line loses its blank to the trimming above.
                None if escaped.is_empty() => "",
                None => return Err(format!("line {n} begins with a dash that is not escaped")),
            },
        };
        if line.contains('\r') {
            return Err(format!("line {n} has a carriage return in its middle"));
        }
        text.push_str(line);
        text.push('\n');
    };
    let armor_end = loop {
        match next() {
            Some((END_SIGNATURE, start, _)) => break start + END_SIGNATURE.len(),
            Some(_) => {}
            None => return Err("its signature is cut off".to_owned()),
        }
    };
    while let Some((line, _, n)) = next() {
        if !line.is_empty() {
            return Err(format!("line {n}: there is text after the signature"));
        }
    }
    let hashed = text.strip_suffix('\n').unwrap_or(&text).replace('\n', "\r\n").into_bytes();
    Ok(Cleartext { text, hashed, armor: &message[armor_start..armor_end] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(head: &str, body: &str, tail: &str) -> String {
        format!(
            "{head}{BEGIN_MESSAGE}\nHash: SHA256\n\n{body}\n{BEGIN_SIGNATURE}\n\nAAAA\n{END_SIGNATURE}\n{tail}"
        )
    }

    #[test]
    fn unescaped_trimmed_and_normalised() {
        let m = message("", "a: 1  \r\n- -b: 2\t\n\n- \nend", " \n\n");
        let split = split(m.as_bytes()).unwrap();
        assert_eq!(split.text, "a: 1\n-b: 2\n\n\nend\n");
        assert_eq!(split.hashed, b"a: 1\r\n-b: 2\r\n\r\n\r\nend");
        assert!(split.armor.starts_with(BEGIN_SIGNATURE) && split.armor.ends_with(END_SIGNATURE));
    }

    #[test]
    fn anything_around_or_unescaped_is_refused() {
        for bad in [
            message("x: y\n", "a", ""),
            message("\n", "a", ""),
            message("", "a", "x: y\n"),
            message("", "-a", ""),
            message("", "-----BEGIN PGP SIGNED MESSAGE-----", ""),
            message("", "a\rb", ""),
            message("", "a", "").replace("Hash: SHA256", "NotDashEscaped: yes"),
            message("", "a", "").replace(END_SIGNATURE, ""),
            message("", "a", "").replace(BEGIN_SIGNATURE, ""),
            String::new(),
            format!("{BEGIN_MESSAGE}\n"),
        ] {
            assert!(split(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = split(&bytes);
            let _ = split(message("", &String::from_utf8_lossy(&bytes), "").as_bytes());
        }
    }
}
