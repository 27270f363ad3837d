//! What one suite of a repository holds and how it is signed.

use crate::{Compression, Deb, Key, NOW, Signer};

/// Which signed files a suite has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// `InRelease` only.
    Inline,
    /// `Release` and `Release.gpg` only.
    Detached,
    /// All three.
    Both,
}

/// A suite: packages by component, and the properties of its Release. Written by
/// [`crate::TestRepo::write`].
#[derive(Clone, Debug)]
pub struct Suite {
    pub(crate) name: String,
    pub(crate) suite: String,
    pub(crate) codename: String,
    pub(crate) packages: Vec<(String, Deb)>,
    pub(crate) architectures: Vec<String>,
    pub(crate) date: i64,
    pub(crate) valid_until: Option<i64>,
    pub(crate) by_hash: bool,
    pub(crate) apart: bool,
    pub(crate) compressions: Vec<Compression>,
    pub(crate) signing: Signing,
    pub(crate) signers: Vec<Signer>,
    pub(crate) extra: String,
}

impl Suite {
    /// A suite below `dists/`, for arm64 and amd64, dated a day before [`NOW`], with by-hash and
    /// `Packages`, `Packages.xz` and `Packages.gz`.
    pub fn new(name: &str) -> Suite {
        Suite {
            name: name.to_owned(),
            suite: name.to_owned(),
            codename: name.to_owned(),
            packages: Vec::new(),
            architectures: vec!["arm64".to_owned(), "amd64".to_owned()],
            date: NOW - 86_400,
            valid_until: None,
            by_hash: true,
            apart: false,
            compressions: vec![Compression::None, Compression::Xz, Compression::Gzip],
            signing: Signing::Both,
            signers: Vec::new(),
            extra: String::new(),
        }
    }

    /// A flat repository in the folder `path`, which ends with `/`; `/` is the root.
    pub fn flat(path: &str) -> Suite {
        assert!(path.ends_with('/'), "the path of a flat repository ends with a slash");
        Suite { by_hash: false, ..Suite::new(path) }
    }

    /// Adds a package to a component (any, for a flat repository).
    #[must_use]
    pub fn package(mut self, component: &str, deb: Deb) -> Suite {
        self.packages.push((component.to_owned(), deb));
        self
    }

    /// Signs with a key, a day before [`NOW`]. May be called several times.
    #[must_use]
    pub fn signed_by(self, key: &Key) -> Suite {
        self.signed(Signer::new(key))
    }

    /// Signs in a special way.
    #[must_use]
    pub fn signed(mut self, signer: Signer) -> Suite {
        self.signers.push(signer);
        self
    }

    /// Chooses the signed files.
    #[must_use]
    pub fn signing(mut self, signing: Signing) -> Suite {
        self.signing = signing;
        self
    }

    /// Sets `Suite` and `Codename`, which otherwise are the name.
    #[must_use]
    pub fn named(mut self, suite: &str, codename: &str) -> Suite {
        (self.suite, self.codename) = (suite.to_owned(), codename.to_owned());
        self
    }

    /// Sets `Date`, in seconds since 1970.
    #[must_use]
    pub fn dated(mut self, unix: i64) -> Suite {
        self.date = unix;
        self
    }

    /// Sets `Valid-Until`, in seconds since 1970.
    #[must_use]
    pub fn valid_until(mut self, unix: i64) -> Suite {
        self.valid_until = Some(unix);
        self
    }

    /// Sets the architectures.
    #[must_use]
    pub fn architectures(mut self, names: &[&str]) -> Suite {
        self.architectures = names.iter().map(|n| (*n).to_owned()).collect();
        self
    }

    /// Writes indices in these compressions only, and lists no others.
    #[must_use]
    pub fn compressions(mut self, compressions: &[Compression]) -> Suite {
        self.compressions = compressions.to_vec();
        self
    }

    /// Leaves out by-hash.
    #[must_use]
    pub fn without_by_hash(mut self) -> Suite {
        self.by_hash = false;
        self
    }

    /// Lists packages for all architectures in `binary-all` only.
    #[must_use]
    pub fn all_apart(mut self) -> Suite {
        self.apart = true;
        self
    }

    /// Adds lines to the Release file.
    #[must_use]
    pub fn release_field(mut self, name: &str, value: &str) -> Suite {
        self.extra.push_str(&format!("{name}: {value}\n"));
        self
    }

    pub(crate) fn is_flat(&self) -> bool {
        self.name.ends_with('/')
    }
}
