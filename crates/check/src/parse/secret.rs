//! What secrets look like.

use regex::bytes::Regex;

/// What a pattern stands for. Its place in this list is its number.
pub(crate) const KINDS: [(Kind, &str, &str); 15] = [
    // The header, a line's end (also written as two characters), then what is encoded.
    (
        Kind::PrivateKey,
        "a private key (PEM)",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\\n|[\r\n])+(?:[A-Za-z-]+: [^\r\n]{0,200}[\r\n]+)*[\r\n]*[A-Za-z0-9+/=]{40}",
    ),
    (Kind::PrivateKey, "a private key (PuTTY)", r"PuTTY-User-Key-File-[23]: "),
    (Kind::PrivateKey, "a private key (age)", r"AGE-SECRET-KEY-1[0-9A-Z]{50}"),
    // `-----BEGIN ` in base64, in a value that is called a key.
    (
        Kind::Kubeconfig,
        "a client's key in a kubeconfig",
        r#"client-key-data:\s{0,8}["']?[A-Za-z0-9+/=]{24}"#,
    ),
    (
        Kind::Kubeconfig,
        "a token in a kubeconfig",
        r#"(?:^|\n)[ \t]{2,}token:[ \t]*["']?[A-Za-z0-9._=-]{16}"#,
    ),
    (
        Kind::Token,
        "a bootstrap token",
        r#"(?i:token)["'=:\s,\[-]{1,12}["']?[a-z0-9]{6}\.[a-z0-9]{16}\b"#,
    ),
    (
        Kind::Token,
        "a signed token (JWT)",
        r"\beyJ[A-Za-z0-9_-]{10,400}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10}",
    ),
    (
        Kind::Token,
        "a token of GitHub or GitLab",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40}|glpat-[A-Za-z0-9_-]{20})",
    ),
    (Kind::Token, "a key of a cloud", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    (Kind::Token, "a registry's password", r#""auth"\s{0,4}:\s{0,4}"[A-Za-z0-9+/=]{12}"#),
    (
        Kind::Token,
        "a password in a URL",
        r"\b(?:https?|ftp)://[A-Za-z0-9._%+-]{1,64}:[A-Za-z0-9._%+!-]{3,64}@[a-z0-9]",
    ),
    (
        Kind::Token,
        "a password of a wireless network",
        r##"(?:^|\n)[ \t]*(?:wpa-psk|psk)[ \t]*[= ][ \t]*"?[^\s"#]{8}"##,
    ),
    (Kind::Token, "a login of netrc", r"\bmachine\s+\S{1,100}\s+login\s+\S{1,100}\s+password\s+\S"),
    (Kind::PasswordHash, "a password's hash", r"\$(?:y|gy|7|6|5|1|2[aby])\$[./A-Za-z0-9$=,]{20}"),
    (
        Kind::BuildPath,
        "a folder of the machine that built it",
        r"/\.cache/osb/|/(?:debs|layers|packages|tools)-v[0-9]+/[0-9a-f]{16}",
    ),
];

/// Which rule a pattern belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    PrivateKey,
    Kubeconfig,
    Token,
    PasswordHash,
    BuildPath,
}

/// How matches end that documentation is full of: the first letter behind is the host's.
const EXAMPLES: [&[u8]; 4] = [b":password@h", b":password@e", b":pass@h", b":pass@e"];

/// All patterns, in one.
#[derive(Debug)]
pub(crate) struct Patterns {
    any: Option<Regex>,
}

impl Patterns {
    /// With texts that must not be anywhere; they count as build paths.
    pub(crate) fn new(build_paths: &[String]) -> Patterns {
        let mut groups: Vec<String> =
            KINDS.iter().map(|(_, _, pattern)| format!("({pattern})")).collect();
        // Short ones, such as `/`, are everywhere.
        let paths = build_paths.iter().filter(|path| path.len() >= 6);
        groups.extend(paths.map(|path| format!("({})", regex::escape(path))));
        Patterns { any: Regex::new(&format!("(?-u){}", groups.join("|"))).ok() }
    }

    /// Numbers and places of what is found; a number behind the list is a build path.
    pub(crate) fn find<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let all = self.any.iter().flat_map(move |any| any.captures_iter(bytes));
        all.filter_map(|found| {
            let group = (1..found.len()).find_map(|group| Some((group, found.get(group)?)));
            let (group, text) = group?;
            // libcrypt has hashes to test itself with.
            let before = &bytes[text.start().saturating_sub(32)..text.start()];
            let binary = before.iter().any(|byte| matches!(byte, 0..=8 | 14..=31));
            if binary && kind(group - 1).0 == Kind::PasswordHash {
                return None;
            }
            let example = EXAMPLES.iter().any(|end| text.as_bytes().ends_with(end));
            (!example).then_some((group - 1, text.start()))
        })
    }
}

/// What the pattern with this number stands for.
pub(crate) fn kind(pattern: usize) -> (Kind, &'static str) {
    let build_path = (Kind::BuildPath, "a folder of the machine that built it");
    KINDS.get(pattern).map_or(build_path, |(kind, name, _)| (*kind, *name))
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
            (format!("    client-key-data: {base64}"), Kind::Kubeconfig),
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
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ3 node",
            "node:!*:20000:0:99999:7:::",
            "x\0b $2a$00$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUV",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }
}
