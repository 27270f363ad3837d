//! Checks of single values. Each gives a sentence, or nothing if the value is fine.

/// A name of a package as Debian allows it (Policy 5.6.1), with an optional version.
pub(crate) fn package(text: &str) -> Option<String> {
    if text.contains('|') {
        return Some(format!("alternatives are not possible here: {text:?}"));
    }
    let (name, version) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
    let name_ok = name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    let version_ok = version.is_none_or(|version| {
        !version.is_empty()
            && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-:~".contains(&b))
    });
    (!name_ok || !version_ok).then(|| format!("not a package name: {text:?}"))
}

/// A pattern of package names: `*` and `?` stand for characters.
pub(crate) fn package_pattern(text: &str) -> Option<String> {
    let ok = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.*?".contains(&b));
    (!ok).then(|| format!("not a pattern of package names: {text:?}"))
}

/// A name of a user or group as useradd(8) recommends.
pub(crate) fn account(text: &str) -> Option<String> {
    let ok = text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
    (!ok).then(|| format!("not a user or group name: {text:?}"))
}

/// A name of an image or layer; it becomes a file name and part of the loader's menu.
pub(crate) fn name(text: &str) -> Option<String> {
    let ok = !text.is_empty()
        && text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    (!ok).then(|| format!("not a name (lower-case letters, digits, `-`, `.`): {text:?}"))
}

/// A version of an image.
pub(crate) fn version(text: &str) -> Option<String> {
    let ok = !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.+~_".contains(&b));
    (!ok).then(|| format!("not a version (letters, digits, `.+~_-`): {text:?}"))
}

/// A path relative to the root of the image.
pub(crate) fn path(text: &str) -> Option<String> {
    let ok = !text.contains('\0') && text.split('/').all(|part| !matches!(part, "" | "." | ".."));
    (!ok).then(|| format!("not a path relative to the image's root: {text:?}"))
}

/// A systemd unit with its type, `ssh.service`; templates need an instance.
pub(crate) fn unit(text: &str) -> Option<String> {
    const TYPES: &[&str] =
        &["service", "socket", "target", "timer", "mount", "automount", "path", "slice", "swap"];
    let ok = text.rsplit_once('.').is_some_and(|(stem, kind)| {
        !stem.is_empty()
            && TYPES.contains(&kind)
            && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b))
    });
    (!ok).then(|| format!("not a systemd unit (name.service, name.timer, ...): {text:?}"))
}

/// A name of a kernel module.
pub(crate) fn module(text: &str) -> Option<String> {
    let ok =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    (!ok).then(|| format!("not a kernel module: {text:?}"))
}

/// One argument of the kernel command line.
pub(crate) fn kernel_argument(text: &str) -> Option<String> {
    let ok = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    (!ok).then(|| format!("not one argument of a kernel command line: {text:?}"))
}

/// Text that goes into one line of a configuration file.
pub(crate) fn one_line(text: &str) -> Option<String> {
    text.chars().any(char::is_control).then(|| format!("more than one line: {text:?}"))
}

/// A URL of a scheme that osb fetches.
pub(crate) fn url(text: &str) -> Option<String> {
    let ok = ["https://", "http://", "file:///"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic()))
    });
    (!ok).then(|| format!("not a URL with https://, http:// or file:///: {text:?}"))
}

/// A public ssh key, as in `authorized_keys` without options before it.
pub(crate) fn ssh_key(text: &str) -> Option<String> {
    let mut words = text.split(' ');
    let kind = words.next().unwrap_or("");
    let known = ["ssh-", "ecdsa-sha2-", "sk-"].iter().any(|prefix| kind.starts_with(prefix));
    // Every key begins with the length of its type's name, so base64 begins with AAAA.
    let body = words.next().unwrap_or("");
    let base64 = body.starts_with("AAAA")
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    if text.contains("PRIVATE KEY") {
        return Some("this is a private key; it must not be in a recipe".to_owned());
    }
    (!known || !base64 || one_line(text).is_some())
        .then(|| format!("not a public ssh key (TYPE BASE64 COMMENT): {:?}", clip(text)))
}

/// The first 40 characters, for messages.
fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Permission bits in octal.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    let digits = text.len() == 4 && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if digits => Ok(mode),
        _ => Err(format!("not a mode (four octal digits, \"0755\"): {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_values_pass() {
        assert_eq!(package("g++"), None);
        assert_eq!(package("kubelet=1:1.36.2-1.1~x"), None);
        assert_eq!(package_pattern("linux-image-*"), None);
        assert_eq!(account("_apt"), None);
        assert_eq!(name("rpi5-node"), None);
        assert_eq!(path("etc/sudoers.d/x y"), None);
        assert_eq!(unit("getty@tty1.service"), None);
        assert_eq!(url("file:///srv/repo"), None);
        assert_eq!(ssh_key("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@here"), None);
        assert_eq!(mode("0440"), Ok(0o440));
    }

    #[test]
    fn bad_values_do_not() {
        for bad in ["a | b", "A", "x", "", "name=", "a b"] {
            assert!(package(bad).is_some(), "{bad:?}");
        }
        for bad in ["", "Root", "1a", "a b", "a:b"] {
            assert!(account(bad).is_some(), "{bad:?}");
        }
        for bad in ["/etc", "etc/", "../x", "a/./b", "", "a//b", "a\0b"] {
            assert!(path(bad).is_some(), "{bad:?}");
        }
        for bad in ["ssh", ".service", "ssh.servic", "a b.service"] {
            assert!(unit(bad).is_some(), "{bad:?}");
        }
        for bad in ["755", "0888", "00755", "+755", "rwx"] {
            assert!(mode(bad).is_err(), "{bad:?}");
        }
        for bad in ["ftp://x/", "https://", "https://a b/", "/srv"] {
            assert!(url(bad).is_some(), "{bad:?}");
        }
        for bad in ["", "ssh-ed25519", "ssh-ed25519 xyz", "ssh-rsa AAAA\nssh-rsa AAAA"] {
            assert!(ssh_key(bad).is_some(), "{bad:?}");
        }
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----";
        assert!(ssh_key(private).unwrap().contains("private key"));
    }
}
