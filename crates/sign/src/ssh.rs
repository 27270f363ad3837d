//! OpenSSH's keys and signatures (PROTOCOL.key and PROTOCOL.sshsig of its source), read and written
//! by the crate `ssh-key`; `authorized_keys` and `allowed_signers` lines are taken apart here.

use ssh_key::{Algorithm, HashAlg, LineEnding, SshSig};

use crate::error::{KeyError, SignatureError};
use crate::{Kind, Signer, pattern};

/// How a signature's text begins.
pub(crate) const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
/// What the signatures are for: `-n file`, the purpose that ssh-keygen(1) names for files.
const NAMESPACE: &str = "file";
/// Most bytes of a signature's text. One by Ed25519 has some 300.
const MOST: usize = 16 << 10;
/// The names of public keys' algorithms (`ssh -Q key`).
const ALGORITHMS: [&str; 16] = [
    "ssh-ed25519",
    "ssh-ed25519-cert-v01@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ssh-dss",
    "ssh-dss-cert-v01@openssh.com",
    "ssh-rsa",
    "ssh-rsa-cert-v01@openssh.com",
];
/// What may stand before a key in `authorized_keys` without a value (sshd(8)): a line that begins so
/// has no principals. Those with a value have a `=`.
const FLAGS: [&str; 13] = [
    "agent-forwarding",
    "cert-authority",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-pty",
    "no-touch-required",
    "no-user-rc",
    "no-x11-forwarding",
    "port-forwarding",
    "pty",
    "restrict",
    "user-rc",
    "verify-required",
];

/// A public key, and what its line says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    key: ssh_key::PublicKey,
    owner: String,
}

impl PublicKey {
    /// The digest that `ssh-keygen -l` shows.
    pub(crate) fn id(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }
}

/// Whether it is a public key itself.
pub(crate) fn is_literal(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(first, _)| is_algorithm(first))
}

/// Whether some line has a public key, of whichever algorithm, at first sight.
pub(crate) fn is_public(text: &str) -> bool {
    // All begin with the length of the algorithm's name in four bytes, which is short.
    let key = |pair: &[&str]| is_algorithm(pair[0]) && pair[1].starts_with("AAAA");
    text.lines().any(|line| words(line).windows(2).any(key))
}

/// Reads a `.pub` file, `authorized_keys` lines, or an `allowed_signers` file. None if there is
/// nothing like a key in it.
pub(crate) fn read_public(text: &str) -> Result<Vec<PublicKey>, KeyError> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<_>, _> = lines.map(read_line).collect();
    Ok(keys?.into_iter().flatten().collect())
}

/// A line with a key; none if it is a key for something else than files.
fn read_line(line: &str) -> Result<Option<PublicKey>, KeyError> {
    let unknown = || KeyError::Unknown { expected: "public key" };
    let words = words(line);
    let at = words.iter().position(|word| is_algorithm(word)).ok_or_else(unknown)?;
    let [algorithm, base64] = words.get(at..at + 2).ok_or_else(unknown)? else {
        return Err(unknown());
    };
    let (before, after) = (&words[..at], &words[at + 2..]);
    // Before the key: principals, then options (ssh-keygen(1), ALLOWED SIGNERS).
    let owner = match before {
        [] => after.join(" "),
        [principals] => names(principals)?,
        [principals, options] => match is_for_files(options)? {
            true => names(principals)?,
            false => return Ok(None),
        },
        _ => return Err(unknown()),
    };
    let key = ssh_key::PublicKey::from_openssh(&format!("{algorithm} {base64}"))
        .map_err(KeyError::malformed)?;
    match key.algorithm() {
        Algorithm::Ed25519 => Ok(Some(PublicKey { key, owner })),
        other => Err(KeyError::Algorithm(other.to_string())),
    }
}

/// Whether a word is the name of a public key's algorithm.
fn is_algorithm(word: &str) -> bool {
    ALGORITHMS.contains(&word)
}

/// The first word of a line, which must be names: options without names would go unnoticed, and so
/// would a mark of known_hosts, such as `@revoked`.
fn names(word: &str) -> Result<String, KeyError> {
    let flag =
        |part: &str| part.contains('=') || FLAGS.iter().any(|flag| part.eq_ignore_ascii_case(flag));
    if word.starts_with('@') || split(word, ',').into_iter().any(flag) {
        let problem = format!("{word:?} before it is an option, and not the name of its owner");
        return Err(KeyError::Malformed(problem));
    }
    Ok(word.to_owned())
}

/// What the options of an allowed signer say: whether the key may sign files.
fn is_for_files(options: &str) -> Result<bool, KeyError> {
    let mut namespaces = None;
    for option in split(options, ',') {
        let value = match option.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("namespaces") => {
                value.strip_prefix('"').and_then(|value| value.strip_suffix('"'))
            }
            _ => None,
        };
        // What is not understood may forbid what would be allowed here.
        let list = value.filter(|list| !list.contains(['"', '\\'])).ok_or_else(|| {
            KeyError::Malformed(format!("its option {option:?} is not supported"))
        })?;
        if namespaces.replace(list).is_some() {
            return Err(KeyError::Malformed("it has a second option namespaces".to_owned()));
        }
    }
    Ok(namespaces.is_none_or(|list| pattern::allows(list, NAMESPACE)))
}

/// The words of a line; blanks between double quotes separate nothing.
fn words(line: &str) -> Vec<&str> {
    split(line, ' ')
        .into_iter()
        .flat_map(|part| split(part, '\t'))
        .filter(|w| !w.is_empty())
        .collect()
}

fn split(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    let at = |char: char| {
        quoted ^= char == '"';
        char == separator && !quoted
    };
    text.split(at).collect()
}

/// Checks a signature's text; any of the keys may have made it.
pub(crate) fn verify(
    keys: &[PublicKey],
    message: &[u8],
    text: &str,
) -> Result<Signer, SignatureError> {
    let malformed = |error: ssh_key::Error| SignatureError::Malformed(error.to_string());
    if text.len() > MOST {
        return Err(SignatureError::Malformed(format!("it has more than {MOST} bytes")));
    }
    let signature = SshSig::from_pem(text.trim()).map_err(malformed)?;
    let Some(key) = keys.iter().find(|known| known.key.key_data() == signature.public_key()) else {
        let found = signature.public_key().fingerprint(HashAlg::Sha256).to_string();
        let wanted = keys.iter().map(PublicKey::id).collect::<Vec<_>>().join(", ");
        return Err(SignatureError::OtherKey { found, wanted });
    };
    if signature.namespace() != NAMESPACE {
        let found = signature.namespace().chars().take(80).collect();
        return Err(SignatureError::Namespace { found });
    }
    key.key
        .verify(NAMESPACE, message, &signature)
        .map_err(|_| SignatureError::Wrong { key: key.id() })?;
    Ok(Signer { kind: Kind::Ssh, key: key.id(), comment: key.owner.clone() })
}

/// A private key.
#[derive(Debug)]
pub(crate) struct SecretKey(ssh_key::PrivateKey);

impl SecretKey {
    /// Takes a file's text.
    pub(crate) fn read(text: &str, password: Option<&[u8]>) -> Result<SecretKey, KeyError> {
        if !text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
            return Err(KeyError::Malformed(
                "only OpenSSH's own format is read: ssh-keygen -p -f FILE rewrites a key in it"
                    .into(),
            ));
        }
        let key = ssh_key::PrivateKey::from_openssh(text).map_err(KeyError::malformed)?;
        match key.algorithm() {
            Algorithm::Ed25519 => {}
            other => return Err(KeyError::Algorithm(other.to_string())),
        }
        match (key.is_encrypted(), password) {
            (false, _) => Ok(SecretKey(key)),
            (true, None) => Err(KeyError::Encrypted),
            (true, Some(password)) => {
                key.decrypt(password).map(SecretKey).map_err(|_| KeyError::Password)
            }
        }
    }

    /// The digest of its public half, as `ssh-keygen -l` shows it.
    pub(crate) fn id(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The text of a signature file.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<String, KeyError> {
        let failed = |error: ssh_key::Error| KeyError::Signing(error.to_string());
        let signature = self.0.sign(NAMESPACE, HashAlg::Sha512, message).map_err(failed)?;
        signature.to_pem(LineEnding::LF).map_err(failed)
    }
}
