//! Signatures of both kinds: what is signed is verified, what was changed is not, and the tools
//! whose formats these are agree.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // in helpers, too

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use osb_sign::made::pair;
use osb_sign::{KeyError, Keys, Kind, SecretKey, SignatureError};
use proptest::prelude::*;

const MESSAGE: &[u8] = b"0123  disk.img\n";

fn signed(kind: Kind, seed: u8) -> String {
    let key = SecretKey::read(&pair(kind, seed, None).secret, None).unwrap();
    key.sign(MESSAGE, "timestamp:5\tfile:SHA256SUMS").unwrap()
}

fn keys(kind: Kind, seed: u8) -> Keys {
    Keys::read(&pair(kind, seed, None).public).unwrap()
}

#[test]
fn what_is_signed_is_verified_and_names_its_signer() {
    for kind in Kind::ALL {
        let keys = keys(kind, 1);
        assert_eq!((keys.kind(), Kind::of(&signed(kind, 1)).unwrap()), (kind, kind));
        let signer = keys.verify(MESSAGE, &signed(kind, 1)).unwrap();
        assert_eq!((signer.kind, signer.key), (kind, keys.names()));
        let comment = match kind {
            Kind::Minisign => "timestamp:5\tfile:SHA256SUMS",
            Kind::Ssh => "made for a test",
        };
        assert_eq!(signer.comment, comment);
    }
}

#[test]
fn encrypted_keys_need_their_password() {
    for kind in Kind::ALL {
        let secret = pair(kind, 1, Some(b"open sesame")).secret;
        assert!(SecretKey::is_encrypted(&secret).unwrap());
        assert_eq!(SecretKey::read(&secret, None).unwrap_err(), KeyError::Encrypted);
        assert_eq!(SecretKey::read(&secret, Some(b"x")).unwrap_err(), KeyError::Password);
        let key = SecretKey::read(&secret, Some(b"open sesame")).unwrap();
        assert_eq!(key.id(), keys(kind, 1).names());
        keys(kind, 1).verify(MESSAGE, &key.sign(MESSAGE, "").unwrap()).unwrap();
    }
}

#[test]
fn other_bytes_other_keys_and_other_tools_show_nothing() {
    for kind in Kind::ALL {
        let text = signed(kind, 1);
        let error = keys(kind, 1).verify(b"0123  disk.img", &text).unwrap_err();
        assert!(matches!(error, SignatureError::Wrong { .. }), "{error}");
        let error = keys(kind, 2).verify(MESSAGE, &text).unwrap_err();
        assert!(matches!(error, SignatureError::OtherKey { .. }), "{error}");
    }
    let error = keys(Kind::Ssh, 1).verify(MESSAGE, &signed(Kind::Minisign, 1)).unwrap_err();
    assert!(error.to_string().contains("of another tool (minisign)"), "{error}");
    for text in ["", "x", "-----BEGIN SSH SIGNATURE-----", "untrusted comment: x\nRUQ=\n"] {
        for kind in Kind::ALL {
            let error = keys(kind, 1).verify(MESSAGE, text).unwrap_err();
            let damaged = matches!(error, SignatureError::Malformed(_));
            assert!(damaged || matches!(error, SignatureError::OtherKey { .. }), "{text}: {error}");
        }
    }
}

#[test]
fn the_comment_is_signed() {
    let text = signed(Kind::Minisign, 1).replace("timestamp:5", "timestamp:6");
    let error = keys(Kind::Minisign, 1).verify(MESSAGE, &text).unwrap_err();
    assert!(matches!(error, SignatureError::Comment { .. }), "{error}");
}

#[test]
fn keys_in_the_wrong_place_are_told_apart() {
    for kind in Kind::ALL {
        let pair = pair(kind, 1, None);
        assert_eq!(Keys::read(&pair.secret), Err(KeyError::Secret));
        assert_eq!(SecretKey::read(&pair.public, None).unwrap_err(), KeyError::Public);
        assert!(Keys::is_literal(pair.public.lines().last().unwrap()));
    }
    // Public ones of other algorithms, too.
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC3 me";
    assert_eq!(SecretKey::read(rsa, None).unwrap_err(), KeyError::Public);
    assert!(Keys::is_literal("ecdsa-sha2-nistp256 AAAA") && !Keys::is_literal("ssh-key of mine"));
    for text in ["", "x", "untrusted comment: x", "ssh-ed25519", "ssh-ed25519 AAAA", "\n\n# no"] {
        assert!(Keys::read(text).is_err(), "{text:?}");
        assert!(SecretKey::read(text, None).is_err(), "{text:?}");
    }
    assert!(!Keys::is_literal("release.pub"));
}

#[test]
fn allowed_signers_are_those_for_files() {
    let line = |seed| {
        let public = pair(Kind::Ssh, seed, None).public;
        public.rsplit_once(" made").unwrap().0.to_owned()
    };
    let text = format!(
        "# who releases\na@example.org namespaces=\"git\" {}\nb@example.org,c@example.org \
         namespaces=\"git,file\" {}\n\"d e\" {}\n",
        line(1),
        line(2),
        line(3)
    );
    let keys = Keys::read(&text).unwrap();
    let owner = |seed| keys.verify(MESSAGE, &signed(Kind::Ssh, seed)).map(|signer| signer.comment);
    assert!(matches!(owner(1), Err(SignatureError::OtherKey { .. })));
    assert_eq!(owner(2).unwrap(), "b@example.org,c@example.org");
    assert_eq!(owner(3).unwrap(), "\"d e\"");
    for option in
        ["cert-authority", "valid-before=\"20200101\"", "namespaces=\"file\",valid-after=\"2\""]
    {
        let error = Keys::read(&format!("a@example.org {option} {}", line(1))).unwrap_err();
        assert!(error.to_string().contains("not supported"), "{error}");
    }
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC3";
    assert!(Keys::read(rsa).is_err());
    // A name that looks a little like an algorithm.
    assert!(Keys::read(&format!("sk-admin {}", line(1))).is_ok());
}

#[test]
fn namespaces_are_lists_of_patterns() {
    let public = pair(Kind::Ssh, 1, None).public;
    let read = |options: &str| Keys::read(&format!("me {options} {public}"));
    for (list, good) in [("*,!file", false), ("f*", true), ("!git,*", true), ("g?t", false)] {
        assert_eq!(read(&format!("namespaces=\"{list}\"")).is_ok(), good, "{list}");
    }
    let error = read("namespaces=\"git\",namespaces=\"file\"").unwrap_err().to_string();
    assert!(error.contains("a second option namespaces"), "{error}");
    // ssh-keygen wants the quotes, too.
    assert!(read("namespaces=file").unwrap_err().to_string().contains("not supported"));
}

#[test]
fn options_without_names_are_not_taken_for_names() {
    let public = pair(Kind::Ssh, 1, None).public;
    for options in [
        "cert-authority",
        "CERT-AUTHORITY",
        "valid-before=\"20200101\"",
        "restrict,pty",
        "restrict,command=\"a b\"",
        "namespaces=\"git\"",
        "namespaces=\"git\" namespaces=\"file\"",
        "@revoked",
        "@cert-authority",
    ] {
        let error = Keys::read(&format!("{options} {public}")).unwrap_err().to_string();
        assert!(error.contains("an option, and not the name"), "{options}: {error}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let _ = Keys::read(&text);
        for kind in Kind::ALL {
            let keys = keys(kind, 1);
            prop_assert!(keys.verify(MESSAGE, &text).is_err());
            let mut changed = signed(kind, 1).into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            // What still verifies says the same.
            if let Ok(text) = String::from_utf8(changed) && let Ok(signer) = keys.verify(MESSAGE, &text) {
                prop_assert_eq!(signer.key, keys.names());
            }
        }
    }
}

/// A program that these tests can do without.
fn missing(program: &str) -> bool {
    let found = Command::new("which").arg(program).stdout(Stdio::null()).status();
    let missing = !found.is_ok_and(|status| status.success());
    if missing {
        eprintln!("SKIPPED: there is no {program} to compare with");
    }
    missing
}

fn run(command: &mut Command, input: &[u8]) -> bool {
    use std::io::Write;
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait().unwrap().success()
}

fn put(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn minisign_agrees() {
    if missing("minisign") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (pair, file) = (pair(Kind::Minisign, 1, None), put(dir.path(), "SHA256SUMS", MESSAGE));
    let public = put(dir.path(), "a.pub", &pair.public);
    let signature = put(dir.path(), "SHA256SUMS.minisig", signed(Kind::Minisign, 1));
    let verify = || {
        let mut command = Command::new("minisign");
        run(command.arg("-Vm").arg(&file).arg("-p").arg(&public), b"")
    };
    assert!(verify());
    fs::write(&signature, signed(Kind::Minisign, 1).replace("timestamp:5", "timestamp:6")).unwrap();
    assert!(!verify());

    // Keys of its own, one encrypted as it encrypts (which takes a gigabyte, and seconds).
    for (password, options) in [(None, &["-GW"][..]), (Some("open sesame"), &["-G"])] {
        let (public, secret) = (dir.path().join("own.pub"), dir.path().join("own.key"));
        let typed = password.map(|word| format!("{word}\n{word}\n")).unwrap_or_default();
        let mut command = Command::new("minisign");
        let made = command.args(options).arg("-f").arg("-p").arg(&public).arg("-s").arg(&secret);
        if !run(made, typed.as_bytes()) {
            eprintln!("SKIPPED: this minisign does not make keys with {options:?}");
            continue;
        }
        let (public_text, secret_text) =
            (fs::read_to_string(&public).unwrap(), fs::read_to_string(&secret).unwrap());
        let key = SecretKey::read(&secret_text, password.map(str::as_bytes)).unwrap();
        let keys = Keys::read(&public_text).unwrap();
        keys.verify(MESSAGE, &key.sign(MESSAGE, "").unwrap()).unwrap();
        let typed = password.map(|word| format!("{word}\n")).unwrap_or_default();
        let mut command = Command::new("minisign");
        let sign = command.arg("-Sm").arg(&file).arg("-s").arg(&secret);
        assert!(run(sign, typed.as_bytes()));
        let signer = keys.verify(MESSAGE, &fs::read_to_string(&signature).unwrap()).unwrap();
        assert!(signer.comment.starts_with("timestamp:"), "{signer:?}");
    }
}

#[test]
fn ssh_keygen_agrees() {
    if missing("ssh-keygen") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let public = pair(Kind::Ssh, 1, None).public;
    let allowed = put(dir.path(), "allowed", format!("me@example.org {public}"));
    let signature = put(dir.path(), "SHA256SUMS.sig", signed(Kind::Ssh, 1));
    let verify = |message: &[u8]| {
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "verify", "-n", "file", "-I", "me@example.org", "-f"]).arg(&allowed);
        run(command.arg("-s").arg(&signature), message)
    };
    assert!(verify(MESSAGE));
    assert!(!verify(b"something else"));

    for password in ["", "open sesame"] {
        let secret = dir.path().join(format!("own{}", password.len()));
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-C", "me", "-N", password, "-f"]);
        assert!(run(command.arg(&secret), b""));
        let text = fs::read_to_string(&secret).unwrap();
        let keys = Keys::read(&fs::read_to_string(secret.with_extension("pub")).unwrap()).unwrap();
        let key = SecretKey::read(&text, Some(password.as_bytes())).unwrap();
        keys.verify(MESSAGE, &key.sign(MESSAGE, "").unwrap()).unwrap();
        if password.is_empty() {
            for (purpose, good) in [("file", true), ("git", false)] {
                let file = put(dir.path(), purpose, MESSAGE);
                let mut command = Command::new("ssh-keygen");
                command.args(["-q", "-Y", "sign", "-n", purpose, "-f"]).arg(&secret);
                assert!(run(command.arg(&file), b""));
                let text = fs::read_to_string(file.with_extension("sig")).unwrap();
                assert_eq!(keys.verify(MESSAGE, &text).is_ok(), good, "{purpose}");
            }
        }
    }
}
