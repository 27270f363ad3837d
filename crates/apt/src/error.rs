//! What can go wrong between a repository and the cache, one variant a cause.

use std::path::PathBuf;

use crate::deb822::Deb822Error;
use crate::lock::LockError;
use crate::openpgp::SignatureError;
use crate::resolve::ResolveError;

/// A failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AptError {
    /// A repository's signature is missing, broken, or by nobody who was named.
    #[error("source {name:?}: {url} is not signed by a key that the source names")]
    Signature {
        /// The source's name.
        name: String,
        /// What was checked.
        url: String,
        /// The keys and the signatures, with the reason for each refusal.
        #[source]
        error: SignatureError,
    },
    /// `Valid-Until` has passed: the repository is abandoned or somebody replays an old state.
    #[error(
        "source {name:?}: {url} was valid until {valid_until}, which is over (choose a mirror that is up to date, and check this machine's clock)"
    )]
    Expired {
        /// The source's name.
        name: String,
        /// What was checked.
        url: String,
        /// The field as written.
        valid_until: String,
    },
    /// `Date` lies more than a day in the future.
    #[error(
        "source {name:?}: {url} is dated {date}, more than a day in the future (check this machine's clock)"
    )]
    FromTheFuture {
        /// The source's name.
        name: String,
        /// What was checked.
        url: String,
        /// The field as written.
        date: String,
    },
    /// The Release is older than one that was seen at the same URL: its signature is good, but
    /// somebody may be hiding security updates.
    #[error("source {name:?}: {url} is dated {offered}, but it has been seen of {seen}")]
    Older {
        /// The source's name.
        name: String,
        /// What was checked.
        url: String,
        /// `Date` of what the server offers.
        offered: String,
        /// `Date` of what it has offered before.
        seen: String,
    },
    /// The server answered with another suite than the one asked for.
    #[error(
        "source {name:?}: asked for the suite {asked:?}, but {url} describes suite {suite:?}, codename {codename:?}"
    )]
    WrongSuite {
        /// The source's name.
        name: String,
        /// What was checked.
        url: String,
        /// The suite of the source.
        asked: String,
        /// `Suite` of the Release file.
        suite: String,
        /// `Codename` of the Release file.
        codename: String,
    },
    /// The bytes differ from what was signed or locked.
    #[error("{what} from {url} has SHA-256 {actual}, but {expected} was signed or locked")]
    Digest {
        /// What it should be.
        what: String,
        /// Where it came from.
        url: String,
        /// The digest that was promised, in hexadecimal.
        expected: String,
        /// The digest of what came.
        actual: String,
    },
    /// There are more or fewer bytes than were signed or locked.
    #[error("{what} from {url} has {actual}, but {expected} bytes were signed or locked")]
    Size {
        /// What it should be.
        what: String,
        /// Where it came from.
        url: String,
        /// The size that was promised, in bytes.
        expected: u64,
        /// What came, in words ("1,234 bytes", "more").
        actual: String,
    },
    /// The signed Release does not vouch for what is wanted.
    #[error("source {name:?} has no {kind} {wanted:?}; its Release offers: {offered}")]
    NotOffered {
        /// The source's name.
        name: String,
        /// "component", "architecture" or "index".
        kind: &'static str,
        /// What was wanted.
        wanted: String,
        /// What there is.
        offered: String,
    },
    /// The server says that there is no such file.
    #[error("{url} does not exist (checked: the URL, the suite and the mirror of the source)")]
    NotFound {
        /// The URL.
        url: String,
    },
    /// A package that was resolved or locked is no longer in the archive.
    #[error(
        "the package {name} has vanished from the archive: {url} does not exist; `osb lock --update` chooses its successor"
    )]
    Vanished {
        /// The package.
        name: String,
        /// Where it was.
        url: String,
    },
    /// It is needed, not cached, and the network must not be used.
    #[error("{what} is not in the cache, and --offline forbids fetching {url}")]
    Offline {
        /// What is missing.
        what: String,
        /// Where it would come from.
        url: String,
    },
    /// The transfer failed, after all retries.
    #[error("fetching {url} failed after {attempts} {}: {reason}", if *attempts == 1 { "attempt" } else { "attempts" })]
    Network {
        /// The URL.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        reason: String,
    },
    /// A page for people came in place of the file.
    #[error(
        "{url} gives a web page in place of the file: the error page of a proxy, or the login page of this network"
    )]
    WebPage {
        /// The URL.
        url: String,
    },
    /// A URL that this crate cannot fetch.
    #[error("{url:?} is not a URL that osb can fetch: {reason}")]
    BadUrl {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A control file breaks the rules of its format.
    #[error("{file} is broken")]
    Syntax {
        /// Which file.
        file: String,
        /// Where and how.
        #[source]
        error: Deb822Error,
    },
    /// A field of a control file is missing or has an impossible value.
    #[error("{file}, line {line}: field {field}: {problem}")]
    Field {
        /// Which file.
        file: String,
        /// The line, from 1; 0 when the field is missing from the whole file.
        line: usize,
        /// The field's name.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Compressed data that cannot be decompressed, or decompresses to something else.
    #[error("{url} cannot be decompressed: {problem}")]
    Compression {
        /// The file.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// The set of packages cannot be had.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A package that no index describes cannot be read.
    #[error(transparent)]
    Deb(#[from] crate::deb::DebError),
    /// A package that a layer pins is for another architecture.
    #[error("{url} is a package for {architecture}, but the image is for {wanted}")]
    OtherArchitecture {
        /// The package.
        url: String,
        /// Its architecture.
        architecture: String,
        /// The image's.
        wanted: String,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The user interrupted the work.
    #[error("interrupted")]
    Cancelled,
    /// The local file system failed.
    #[error("{action} {path}")]
    Io {
        /// What was being done ("writing", "renaming", ...).
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        error: std::io::Error,
    },
}

/// The families of failures that callers treat differently, for exit codes and remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A signature, a digest, a size or a date is not what it must be.
    Verification,
    /// Something that was named does not exist.
    NotFound,
    /// The network failed.
    Network,
    /// Input does not follow its format.
    Format,
    /// A package cannot be chosen.
    Resolution,
    /// Interrupted by the user.
    Cancelled,
    /// A locked package is gone: locking anew helps.
    Vanished,
    /// `--offline`, and something is not cached.
    Offline,
    /// The local file system failed.
    Io,
}

impl AptError {
    /// The family this failure belongs to.
    pub fn kind(&self) -> Kind {
        match self {
            AptError::Signature { .. }
            | AptError::Expired { .. }
            | AptError::FromTheFuture { .. }
            | AptError::Older { .. }
            | AptError::WrongSuite { .. }
            | AptError::Digest { .. }
            | AptError::Size { .. } => Kind::Verification,
            AptError::NotOffered { .. } | AptError::NotFound { .. } => Kind::NotFound,
            AptError::Network { .. } | AptError::WebPage { .. } => Kind::Network,
            AptError::BadUrl { .. }
            | AptError::Syntax { .. }
            | AptError::Field { .. }
            | AptError::Compression { .. }
            | AptError::Deb(_)
            | AptError::OtherArchitecture { .. }
            | AptError::Lock(_) => Kind::Format,
            AptError::Resolve(_) => Kind::Resolution,
            AptError::Cancelled => Kind::Cancelled,
            AptError::Vanished { .. } => Kind::Vanished,
            AptError::Offline { .. } => Kind::Offline,
            AptError::Io { .. } => Kind::Io,
        }
    }
}

/// Adds the action and the path to an I/O error: `file.sync_all().map_err(io("writing", &path))`.
pub(crate) fn io<'a>(
    action: &'static str,
    path: &'a std::path::Path,
) -> impl FnOnce(std::io::Error) -> AptError + 'a {
    move |error| AptError::Io { action, path: path.to_owned(), error }
}
