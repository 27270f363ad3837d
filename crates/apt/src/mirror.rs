//! Where Debian's archive is, and what a package source consists of.

use std::path::Path;

use crate::deb822::Stanzas;

/// One package source: a repository, a suite, and the keys that may sign it.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// The name in the recipe and in the lock.
    pub name: String,
    /// The URL of the repository's root: http, https or file.
    pub base: String,
    /// Whether `base` is one of many mirrors of one archive: then it says nothing about what is
    /// there, and may change without a new lock.
    pub mirrored: bool,
    /// The suite below `dists/`; a flat repository's ends with `/` (`/` for the root itself).
    pub suite: String,
    /// The components; empty for a flat repository.
    pub components: Vec<String>,
    /// The certificates that may sign, each named by its full fingerprint.
    pub keys: Vec<KeySpec>,
    /// The priority of its packages, as in `apt_preferences(5)`; the ordinary one is 500.
    pub priority: i32,
    /// Priorities for single packages of this source.
    pub pins: Vec<Pin>,
}

impl SourceSpec {
    /// Whether the repository is flat, that is, without `dists/` and components.
    pub fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }

    /// The URL of the folder that holds `InRelease`, with a slash at the end.
    pub fn release_url(&self) -> String {
        let base = self.base.trim_end_matches('/');
        if self.is_flat() {
            match self.suite.trim_matches('/') {
                "" | "." => format!("{base}/"),
                path => format!("{base}/{}/", path.trim_start_matches("./")),
            }
        } else {
            format!("{base}/dists/{}/", self.suite)
        }
    }
}

/// A certificate and the fingerprint that names it.
#[derive(Clone, Debug)]
pub struct KeySpec {
    /// The full fingerprint, hexadecimal; blanks and case do not matter.
    pub fingerprint: String,
    /// Certificates, armoured or binary; others than the named one are ignored.
    pub material: Vec<u8>,
}

/// A priority for the packages of one source whose names match a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// A shell pattern for package names.
    pub pattern: String,
    /// The priority, as in `apt_preferences(5)`.
    pub priority: i32,
}

/// The base URLs of Debian's two archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrors {
    /// The main archive, without a slash at the end.
    pub debian: String,
    /// The security archive, without a slash at the end.
    pub security: String,
}

impl Mirrors {
    /// The archive that osb names when nobody names another one.
    pub const DEFAULT: &str = "http://ftp.debian.org/debian";
    /// The same for security updates.
    pub const DEFAULT_SECURITY: &str = "http://ftp.debian.org/debian-security";

    /// The mirror of the flag, else the one this host's apt uses, else the default.
    ///
    /// A flag names the main archive; the security archive beside it is found by appending
    /// `-security` where the URL ends in `/debian`, and is the host's or the default's otherwise.
    pub fn discover(flag: Option<&str>) -> Mirrors {
        Mirrors::discover_in(flag, Path::new("/etc/apt"))
    }

    /// [`Mirrors::discover`] with another folder in place of `/etc/apt`.
    pub fn discover_in(flag: Option<&str>, etc_apt: &Path) -> Mirrors {
        let urls = host_urls(etc_apt);
        let ending =
            |tail: &str| urls.iter().map(|u| u.trim_end_matches('/')).find(|u| u.ends_with(tail));
        let (host_debian, host_security) = (ending("/debian"), ending("/debian-security"));
        let debian =
            flag.map(|f| f.trim_end_matches('/')).or(host_debian).unwrap_or(Mirrors::DEFAULT);
        let beside = || debian.ends_with("/debian").then(|| format!("{debian}-security"));
        let security = match flag {
            Some(_) => beside().or_else(|| host_security.map(str::to_owned)),
            None => host_security.map(str::to_owned).or_else(beside),
        };
        Mirrors {
            debian: debian.to_owned(),
            security: security.unwrap_or_else(|| Mirrors::DEFAULT_SECURITY.to_owned()),
        }
    }
}

/// The http and https URLs of apt's sources, in the order in which apt reads them.
///
/// Unreadable or broken files are passed over: they are somebody else's, and there is a default.
fn host_urls(etc_apt: &Path) -> Vec<String> {
    let mut files = vec![etc_apt.join("sources.list")];
    if let Ok(entries) = std::fs::read_dir(etc_apt.join("sources.list.d")) {
        let mut more: Vec<_> = entries.flatten().map(|e| e.path()).collect();
        more.sort();
        files.extend(more);
    }
    let mut urls = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|e| e.to_str()) {
            Some("list") => urls.extend(one_line_urls(&text)),
            Some("sources") => urls.extend(deb822_urls(&text)),
            _ => {}
        }
    }
    urls.retain(|u| u.starts_with("http://") || u.starts_with("https://"));
    urls
}

/// URLs of `deb [options] URL suite component...` lines (`sources.list(5)`).
fn one_line_urls(text: &str) -> Vec<String> {
    let mut urls = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim_start().strip_prefix("deb") else { continue };
        // `deb-src` names sources, which are of no use here.
        if !rest.starts_with([' ', '\t']) {
            continue;
        }
        let mut rest = rest.trim_start();
        if let Some(options) = rest.strip_prefix('[') {
            let Some((_, after)) = options.split_once(']') else { continue };
            rest = after;
        }
        urls.extend(rest.split_whitespace().next().map(str::to_owned));
    }
    urls
}

/// URLs of enabled `Types: deb` stanzas (`sources.list(5)`, the deb822 format).
fn deb822_urls(text: &str) -> Vec<String> {
    let mut urls = Vec::new();
    for stanza in Stanzas::new(text).map_while(Result::ok) {
        let has_deb = stanza.get("Types").is_some_and(|t| t.split_whitespace().any(|t| t == "deb"));
        let disabled =
            stanza.get("Enabled").is_some_and(|e| matches!(e, "no" | "No" | "false" | "0"));
        if has_deb && !disabled {
            urls.extend(stanza.get("URIs").unwrap_or("").split_whitespace().map(|u| u.to_owned()));
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: &[(&str, &str)], flag: Option<&str>) -> (String, String) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let mirrors = Mirrors::discover_in(flag, dir.path());
        (mirrors.debian, mirrors.security)
    }

    fn pair(a: &str, b: &str) -> (String, String) {
        (a.to_owned(), b.to_owned())
    }

    #[test]
    fn nothing_known_gives_the_default() {
        let default = pair(Mirrors::DEFAULT, "http://ftp.debian.org/debian-security");
        assert_eq!(with(&[], None), default);
        let other = "deb https://example.org/ubuntu noble main\n#deb http://a/debian x main\n";
        assert_eq!(with(&[("sources.list", other)], None), default);
    }

    #[test]
    fn one_line_sources_with_options() {
        let text = "deb-src http://s.example/debian trixie main\n\
                    deb [arch=amd64 signed-by=/k] http://m.example/debian/ trixie main\n\
                    deb http://x.example/debian-security trixie-security main\n";
        assert_eq!(
            with(&[("sources.list", text)], None),
            pair("http://m.example/debian", "http://x.example/debian-security")
        );
    }

    #[test]
    fn deb822_sources_and_derived_security() {
        let text = "Types: deb\nEnabled: no\nURIs: http://off.example/debian\n\n\
                    Types: deb deb-src\nURIs: file:///srv/debian http://m.example/x/debian\n";
        assert_eq!(
            with(&[("sources.list.d/debian.sources", text)], None),
            pair("http://m.example/x/debian", "http://m.example/x/debian-security")
        );
    }

    #[test]
    fn a_flag_wins() {
        let text = "deb http://m.example/debian trixie main\n\
                    deb http://s.example/debian-security s main\n";
        let files = [("sources.list", text)];
        assert_eq!(
            with(&files, Some("https://f.example/debian/")),
            pair("https://f.example/debian", "https://f.example/debian-security")
        );
        assert_eq!(
            with(&files, Some("https://f.example/d")),
            pair("https://f.example/d", "http://s.example/debian-security")
        );
    }

    #[test]
    fn release_urls() {
        let url = |base: &str, suite: &str| {
            SourceSpec {
                name: String::new(),
                base: base.into(),
                mirrored: false,
                suite: suite.into(),
                components: vec![],
                keys: vec![],
                priority: 500,
                pins: vec![],
            }
            .release_url()
        };
        assert_eq!(url("http://h/debian/", "trixie"), "http://h/debian/dists/trixie/");
        assert_eq!(url("http://h/k/deb/", "/"), "http://h/k/deb/");
        assert_eq!(url("http://h/k", "./"), "http://h/k/");
        assert_eq!(url("http://h/k", "sub/dir/"), "http://h/k/sub/dir/");
    }
}
