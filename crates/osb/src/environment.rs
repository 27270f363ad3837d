//! Everything that comes from outside the arguments: variables, the clock, signals, folders.
//! No other module, and no library, reads these.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::{BAD_INPUT, FAILED, Failure, INTERRUPTED};

/// Signals that ask the program to stop.
const STOPS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// A run that was asked to stop may take so long to end by itself. It looks at the flag all the
/// time, except while it waits: for a server that does not answer, for a disk.
const GRACE: Duration = Duration::from_secs(3);

/// A flag that the first Ctrl-C sets; a second one ends the program at once.
///
/// If the program is still there after a grace, it says its `last_words` and ends, too. That is
/// safe at any moment: what a run makes has no valid name until it is whole, sandboxes die with
/// the program, and the next run removes what a dead one left.
pub(crate) fn cancel_flag(
    last_words: impl FnOnce() + Send + 'static,
) -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new(STOPS).map_err(|error| Failure::from_error(FAILED, &error))?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            std::thread::sleep(GRACE);
            last_words();
            std::process::exit(i32::from(INTERRUPTED));
        }
    });
    for signal in STOPS {
        // In this order: the exit is armed by the flag that the second line sets.
        let code = i32::from(INTERRUPTED);
        signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| Failure::from_error(FAILED, &error))?;
    }
    Ok(flag)
}

/// Bytes that nobody can guess.
pub(crate) fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    let read = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    // So few bytes come whole (getrandom(2)).
    match read {
        Ok(32) => Ok(bytes),
        Ok(_) => Err(Failure::new(FAILED, "the kernel has no random numbers")),
        Err(error) => Err(Failure::from_error(FAILED, &error)),
    }
}

/// Seconds since 1970. A clock before that counts as 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A variable that the user has named.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// SOURCE_DATE_EPOCH, if it is set.
pub(crate) fn source_date_epoch() -> Result<Option<i64>, Failure> {
    parse_epoch(std::env::var_os("SOURCE_DATE_EPOCH"))
}

fn parse_epoch(value: Option<OsString>) -> Result<Option<i64>, Failure> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    match value.to_str().map(str::parse) {
        // ext4 and FAT have no room for times before 1970; 2^33 is the year 2242.
        Some(Ok(seconds)) if (0..1 << 33).contains(&seconds) => Ok(Some(seconds)),
        _ => Err(Failure::new(
            BAD_INPUT,
            format!("SOURCE_DATE_EPOCH is {value:?}, not a number of seconds since 1970"),
        )),
    }
}

/// The cache folder: the option's, else the user's.
pub(crate) fn cache_folder(option: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = choose_cache(
        option.map(Path::to_owned),
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from),
        // Not by the user's number: an ordinary user is root by now (osb_sandbox::enter).
        std::env::var_os("HOME").map(PathBuf::from),
    )?;
    std::path::absolute(&folder).map_err(|error| Failure::from_error(FAILED, &error))
}

/// A folder for large files that nobody needs afterwards: `TMPDIR`, else `/var/tmp`, which is on a
/// disk where `/tmp` may be memory.
pub(crate) fn scratch_folder() -> PathBuf {
    let named = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|path| path.is_dir());
    named
        .or_else(|| Some(PathBuf::from("/var/tmp")).filter(|path| path.is_dir()))
        .unwrap_or_else(std::env::temp_dir)
}

fn choose_cache(
    option: Option<PathBuf>,
    xdg: Option<PathBuf>,
    home: Option<PathBuf>,
) -> Result<PathBuf, Failure> {
    // The XDG base directory specification: a relative path there is to be ignored.
    option
        .or_else(|| xdg.filter(|path| path.is_absolute()).map(|path| path.join("osb")))
        .or_else(|| home.filter(|path| path.is_absolute()).map(|path| path.join(".cache/osb")))
        .ok_or_else(|| {
            Failure::new(BAD_INPUT, "there is no cache folder: HOME is not set")
                .with_hint("name one with --cache-dir or OSB_CACHE_DIR")
        })
}

/// The number of processors this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_date_epoch_is_a_number_or_an_error() {
        assert_eq!(parse_epoch(None).unwrap(), None);
        assert_eq!(parse_epoch(Some("".into())).unwrap(), None);
        assert_eq!(parse_epoch(Some("1700000000".into())).unwrap(), Some(1_700_000_000));
        for bad in ["yesterday", "-1", "1.5", "99999999999999"] {
            assert_eq!(parse_epoch(Some(bad.into())).unwrap_err().code, BAD_INPUT, "{bad}");
        }
    }

    #[test]
    fn the_cache_folder_is_the_options_else_the_users() {
        let choose = |option: &str, xdg: &str, home: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
            choose_cache(some(option), some(xdg), some(home)).map(|path| path.display().to_string())
        };
        assert_eq!(choose("c", "/x", "/h").unwrap(), "c");
        assert_eq!(choose("", "/x", "/h").unwrap(), "/x/osb");
        assert_eq!(choose("", "relative", "/h").unwrap(), "/h/.cache/osb");
        assert_eq!(choose("", "", "").unwrap_err().code, BAD_INPUT);
    }
}
