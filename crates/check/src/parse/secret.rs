//! What secrets look like.

use regex::bytes::Regex;

/// A form that secrets have.
struct Pattern {
    kind: Kind,
    /// What it is, for people.
    name: &'static str,
    regex: &'static str,
    /// Whether what has the form is one: given are the bytes before it, and itself.
    real: fn(&[u8], &[u8]) -> bool,
}

const fn pattern(kind: Kind, name: &'static str, regex: &'static str) -> Pattern {
    Pattern { kind, name, regex, real: |_, _| true }
}

/// All forms. The place in this list is a pattern's number.
const PATTERNS: [Pattern; 20] = [
    // The header; a line's end, which in strings is written as two characters or three, with what
    // stands around strings and in front of indented lines; then what is encoded.
    pattern(
        Kind::PrivateKey,
        "a private key (PEM)",
        r#"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\\{1,4}[rn]|[\s"'+,>|])+(?:[A-Za-z-]+: [^\r\n\\]*(?:\\{1,4}[rn]|[\s"'+,>|])+)*[A-Za-z0-9+/=]{40}"#,
    ),
    // `PRIVATE KEY` in base64, at each of the three places that it may have in a group of bytes.
    pattern(
        Kind::PrivateKey,
        "a private key (PEM in base64)",
        r"(?:UFJJVkFURSBLRV|BSSVZBVEUgS0VZ|QUklWQVRFIEtFW)[A-Za-z0-9+/]{2}(?:[A-Za-z0-9+/]|\\[rn]|\s){70}",
    ),
    pattern(Kind::PrivateKey, "a private key (PuTTY)", r"PuTTY-User-Key-File-[23]: "),
    pattern(Kind::PrivateKey, "a private key (age)", r"AGE-SECRET-KEY-1[0-9A-Z]{50}"),
    pattern(
        Kind::PrivateKey,
        "a private key (WireGuard)",
        r#"(?i:PrivateKey|PresharedKey|private-key|preshared-key)["']?\s{0,8}[=:]\s{0,8}["']?[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="#,
    ),
    pattern(
        Kind::Kubeconfig,
        "a client's key in a kubeconfig",
        r#"client-key-data["']?\s{0,8}:\s{0,8}["']?[A-Za-z0-9+/=]{24}"#,
    ),
    pattern(
        Kind::Token,
        "a bootstrap token",
        r#"(?i:token)["'=:\s,\[-]{1,12}["']?[a-z0-9]{6}\.[a-z0-9]{16}\b"#,
    ),
    Pattern {
        kind: Kind::Kubeconfig,
        name: "a token in a kubeconfig",
        regex: r#"token["']?[ \t]{0,8}:[ \t]{0,8}["']?[A-Za-z0-9._=:-]{16}"#,
        real: |before, text| is_inside(before) && !is_placeholder(text),
    },
    // K10, the sum of the cluster's certificate, who, the password.
    pattern(
        Kind::Token,
        "a token of k3s",
        r"\bK10[0-9a-f]{64}::(?:[A-Za-z0-9.-]{1,64}:[!-~]{4}|[a-z0-9]{6}\.[a-z0-9]{16})",
    ),
    Pattern {
        kind: Kind::Token,
        name: "a token of k3s",
        regex: r#"\bK3S_(?:AGENT_)?TOKEN["']?[=:][ \t]{0,8}["']?[!-~]{8}"#,
        real: |_, text| !is_placeholder(text),
    },
    pattern(
        Kind::Token,
        "a signed token (JWT)",
        r"\beyJ[A-Za-z0-9_-]{10,400}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10}",
    ),
    pattern(
        Kind::Token,
        "a token of GitHub or GitLab",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40}|glpat-[A-Za-z0-9_-]{20})",
    ),
    pattern(Kind::Token, "a key of a cloud", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    pattern(Kind::Token, "a registry's password", r#""auth"\s{0,4}:\s{0,4}"[A-Za-z0-9+/=]{12}"#),
    Pattern {
        kind: Kind::Token,
        name: "a password in a URL",
        regex: r"\b(?:https?|ftp)://[A-Za-z0-9._%+-]{1,64}:[A-Za-z0-9._%+!-]{3,64}@[a-z0-9][A-Za-z0-9.-]{0,80}",
        real: |_, text| !is_example_url(text),
    },
    Pattern {
        kind: Kind::Token,
        name: "a password of a wireless network",
        regex: r##"\b(?:wpa-psk|psk|sae_password|wep_key[0-3])[ \t]{0,8}[= ][ \t]{0,8}"?[^\s"#]{8}"##,
        real: |before, text| begins_line(before) && !is_placeholder(text),
    },
    // Of netplan, NetworkManager, cloud-init, and of any other program.
    Pattern {
        kind: Kind::Token,
        name: "a password in a setting",
        regex: r#"\b(?:password|passphrase|plain_text_passwd)["']?[ \t]{0,8}[:=][ \t]{0,8}(?:"[^"\r\n]{8,128}"|'[^'\r\n]{8,128}'|[^\s"'#,]{8,128})[ \t]{0,8},?[ \t]{0,8}[\r\n]"#,
        real: |before, text| begins_line(before) && !is_placeholder(text),
    },
    pattern(
        Kind::Token,
        "a login of netrc",
        r"\bmachine\s+\S{1,100}\s+login\s+\S{1,100}\s+password\s+\S",
    ),
    Pattern {
        kind: Kind::PasswordHash,
        name: "a password's hash",
        regex: r"\$(?:y|gy|7|6|5|1|2[aby])\$[./A-Za-z0-9$=,]{20}",
        // libcrypt has hashes to test itself with.
        real: |before, _| {
            let end = &before[before.len().saturating_sub(32)..];
            !end.iter().any(|byte| matches!(byte, 0..=8 | 14..=31))
        },
    },
    pattern(
        Kind::BuildPath,
        "a folder of the machine that built it",
        r"/\.cache/osb/|/(?:debs|layers|packages|tools)-v[0-9]+/[0-9a-f]{16}",
    ),
];

/// Bytes in front of a match that its pattern is shown.
const BEFORE: usize = 80;
/// Passwords and hosts of URLs in documentation; the hosts also with `www.` and the like before.
const EXAMPLE_PASSWORDS: [&str; 3] = ["pass", "passwd", "password"];
const EXAMPLE_HOSTS: [&str; 8] = [
    "host",
    "host.com",
    "hostname",
    "hostname.com",
    "server",
    "example.com",
    "example.net",
    "example.org",
];

/// Whether nothing but spaces, a list's dash and a quote is between the line's beginning and here.
fn begins_line(before: &[u8]) -> bool {
    let line = before.rsplit(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'-' | b'"' | b'\'' | b'{'))
}

/// The same, and it is no setting of its own: in YAML it is indented, in JSON in quotes.
fn is_inside(before: &[u8]) -> bool {
    let line = before.rsplit(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    before.ends_with(b"\"")
        || line.starts_with(b"  ") && begins_line(before)
        || line.starts_with(b"\t") && begins_line(before)
}

/// Whether the value behind `:` or `=` only says where one is to be filled in.
fn is_placeholder(text: &[u8]) -> bool {
    let Some(at) = text.iter().position(|byte| matches!(byte, b':' | b'=' | b' ')) else {
        return false;
    };
    let value = text[at..].trim_ascii();
    let value = value.trim_ascii_end().iter().skip_while(|byte| b":= \t\"'".contains(byte));
    let value: Vec<u8> = value.copied().collect();
    let first = value.first().copied().unwrap_or(b'$');
    let plain = value.strip_suffix(b"\"").or(value.strip_suffix(b"'")).unwrap_or(&value);
    let quoted = plain.len() < value.len();
    // In quotes only what is closed, too: a password may begin with anything.
    let closed = |open: u8, close: u8| first == open && plain.last() == Some(&close);
    let filled_in = match quoted {
        true => {
            // A variable of a shell, by custom in capitals.
            let variable = |byte: &u8| byte.is_ascii_uppercase() || b"_{(".contains(byte);
            (first == b'$' && plain.get(1).is_none_or(variable))
                || [(b'<', b'>'), (b'{', b'}'), (b'%', b'%'), (b'@', b'@'), (b'[', b']')]
                    .iter()
                    .any(|(open, close)| closed(*open, *close))
        }
        false => b"$<{%[@&!|>".contains(&first),
    };
    filled_in || plain.iter().all(|byte| *byte == first)
}

/// Whether a URL with a name and a password is one that documentation shows: both the password
/// and the host are nobody's.
fn is_example_url(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let Some((rest, host)) = text.rsplit_once('@') else { return false };
    let password = rest.rsplit(':').next().unwrap_or_default();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let example = EXAMPLE_HOSTS.iter().any(|known| {
        host.strip_suffix(known).is_some_and(|front| front.is_empty() || front.ends_with('.'))
    });
    EXAMPLE_PASSWORDS.contains(&password) && example
}

/// Which rule a pattern belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    PrivateKey,
    Kubeconfig,
    Token,
    PasswordHash,
    BuildPath,
}

/// All patterns, in one.
#[derive(Debug)]
pub(crate) struct Patterns {
    any: Option<Regex>,
}

impl Patterns {
    /// With texts that must not be anywhere; they count as build paths.
    pub(crate) fn new(build_paths: &[String]) -> Patterns {
        let mut groups: Vec<String> =
            PATTERNS.iter().map(|pattern| format!("({})", pattern.regex)).collect();
        // Short ones, such as `/`, are everywhere.
        let paths = build_paths.iter().filter(|path| path.len() >= 6);
        groups.extend(paths.map(|path| format!("({})", regex::escape(path))));
        Patterns { any: Regex::new(&format!("(?-u){}", groups.join("|"))).ok() }
    }

    /// Numbers and places of what is found; a number behind the list is a build path.
    pub(crate) fn find<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let mut at = 0;
        std::iter::from_fn(move || {
            loop {
                let found = self.any.as_ref()?.captures_at(bytes, at)?;
                let (group, text) =
                    (1..found.len()).find_map(|group| Some((group, found.get(group)?)))?;
                let before = &bytes[text.start().saturating_sub(BEFORE)..text.start()];
                let real = PATTERNS
                    .get(group - 1)
                    .is_none_or(|pattern| (pattern.real)(before, text.as_bytes()));
                // Within what is none there may be one.
                at = if real { text.end() } else { text.start() + 1 };
                if real {
                    return Some((group - 1, text.start()));
                }
            }
        })
    }
}

/// What the pattern with this number stands for.
pub(crate) fn kind(pattern: usize) -> (Kind, &'static str) {
    let build_path = (Kind::BuildPath, "a folder of the machine that built it");
    PATTERNS.get(pattern).map_or(build_path, |pattern| (pattern.kind, pattern.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        let patterns = Patterns::new(&["/srv/build/osb".to_owned()]);
        patterns.find(text.as_bytes()).map(|(number, _)| kind(number).0).collect()
    }

    #[test]
    fn secrets_are_found() {
        let base64 = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gt";
        let jwt = "eyJhbGciOiJSUzI1NiJ9xx.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJlc2ln";
        for (text, wanted) in [
            (format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{base64}\n"), Kind::PrivateKey),
            (
                format!("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{base64}"),
                Kind::PrivateKey,
            ),
            (format!("\"-----BEGIN PRIVATE KEY-----\\n{base64}\""), Kind::PrivateKey),
            (
                format!("key: |\n    -----BEGIN EC PRIVATE KEY-----\n    {base64}\n"),
                Kind::PrivateKey,
            ),
            (format!("\"-----BEGIN PRIVATE KEY-----\\\\r\\\\n{base64}\""), Kind::PrivateKey),
            (format!("k = '-----BEGIN PRIVATE KEY-----\\n' +\n  '{base64}'"), Kind::PrivateKey),
            (format!("-----BEGIN PRIVATE KEY----- {base64}"), Kind::PrivateKey),
            (
                format!("tls.key: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ{base64}{base64}"),
                Kind::PrivateKey,
            ),
            (
                format!("x = ICAtLS0tLUJFR0lOIFBSSVZBVEUgS0VZLS0tLS0K{base64}{base64}"),
                Kind::PrivateKey,
            ),
            (
                format!(
                    "  tls.key: LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCk{}\n",
                    "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoA".repeat(6)
                ),
                Kind::PrivateKey,
            ),
            (format!("eC0tLS0tQkVHSU4gUFJJVkFURSBLRVktLS0tLQo{base64}{base64}"), Kind::PrivateKey),
            (
                "[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
                    .to_owned(),
                Kind::PrivateKey,
            ),
            (format!("    client-key-data: {base64}"), Kind::Kubeconfig),
            (format!("{{\"client-key-data\":\"{base64}\"}}"), Kind::Kubeconfig),
            ("{\"user\":{\"token\":\"0123456789abcdef\"}}".to_owned(), Kind::Kubeconfig),
            (format!("K10{}::server:0123abcd", "0a".repeat(32)), Kind::Token),
            (format!("K10{}::abcdef.0123456789abcdef", "0a".repeat(32)), Kind::Token),
            ("K3S_TOKEN=correct-horse".to_owned(), Kind::Token),
            (format!("token: {jwt}\n"), Kind::Token),
            ("      password: \"correct horse\"\n".to_owned(), Kind::Token),
            ("      sae_password=\"correct-horse\"\n".to_owned(), Kind::Token),
            ("deb http://pass:password@host.internal/ x".to_owned(), Kind::Token),
            ("https://user:password@evil.org/".to_owned(), Kind::Token),
            (format!("users:\n- user:\n    token: {jwt}"), Kind::Kubeconfig),
            ("kubeadm join --token abcdef.0123456789abcdef".to_owned(), Kind::Token),
            ("bootstrapTokens:\n- token: \"abcdef.0123456789abcdef\"".to_owned(), Kind::Token),
            (format!("x {jwt}"), Kind::Token),
            (format!("ghp_{}", "a1".repeat(18)), Kind::Token),
            ("deb https://user:secret@example.org/ x".to_owned(), Kind::Token),
            ("node:$y$j9T$abcdefghijklmnopqrstuv$x:1::".to_owned(), Kind::PasswordHash),
            ("path=/srv/build/osb/x".to_owned(), Kind::BuildPath),
        ] {
            assert!(kinds(&text).contains(&wanted), "{text}");
        }
    }

    #[test]
    fn what_only_speaks_of_secrets_is_none() {
        for text in [
            "if b'-----BEGIN PRIVATE KEY-----' in data:",
            "-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA",
            "-----BEGIN OPENSSH PRIVATE KEY-----\n...",
            "token: the join token of the cluster",
            "import python.distutilsmodules",
            "http://user:password@host.com/",
            "http://user:pass@proxy.example.com:3128/",
            "      password: ${WIFI_PASSWORD}\n",
            "      password: xxxxxxxxxxxx\n",
            "      password: the one that you chose\n",
            "# password: correct-horse\n",
            "psk=<the password of it>",
            "token: the-join-token-of-the-cluster",
            "PrivateKey = (hidden)",
            "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJJakFOQmdrcWhraUc5dzBCQVFFRkFBT0NBUTg=",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ3 node",
            "node:!*:20000:0:99999:7:::",
            "x\0b $2a$00$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUV",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }
}
