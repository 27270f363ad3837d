//! Locks on folders, and waiting for them.
//!
//! A lock is `flock(2)` on the folder itself: it leaves no file behind, and ends with the process
//! that holds it, however that ends. Network file systems may lack it; an overlay, and so a build,
//! works on none of them.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::BuildError;

/// How often a lock is asked for while somebody else has it.
const PAUSE: Duration = Duration::from_millis(50);

/// What a lock is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Beside others that share it.
    Shared,
    /// With nobody beside.
    Alone,
}

/// How to wait for a lock.
pub(crate) struct Patience<'a> {
    /// Ends the wait.
    pub(crate) cancel: &'a AtomicBool,
    /// Is told once what is waited for.
    pub(crate) tell: &'a dyn Fn(String),
    /// Whether to wait at all.
    pub(crate) wait: bool,
}

/// A lock that is held as long as this lives.
#[derive(Debug)]
pub struct Lease {
    _folder: File,
}

impl Lease {
    /// Locks `folder`. `busy` says who has it and what that means, for the one who waits.
    pub(crate) fn take(
        folder: &Path,
        claim: Claim,
        busy: &str,
        patience: &Patience,
    ) -> Result<Lease, BuildError> {
        let mut told = false;
        loop {
            if let Some(lease) = Lease::try_take(folder, claim)? {
                return Ok(lease);
            }
            if !patience.wait {
                return Err(BuildError::Busy(busy.to_owned()));
            }
            if patience.cancel.load(Ordering::Relaxed) {
                return Err(BuildError::Cancelled);
            }
            if !told {
                (patience.tell)(format!("waiting: {busy}"));
                told = true;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Locks `folder` unless somebody else has it.
    pub(crate) fn try_take(folder: &Path, claim: Claim) -> Result<Option<Lease>, BuildError> {
        let file = File::open(folder).map_err(BuildError::io("opening", folder))?;
        let result = match claim {
            Claim::Shared => file.try_lock_shared(),
            Claim::Alone => file.try_lock(),
        };
        match result {
            Ok(()) => Ok(Some(Lease { _folder: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(BuildError::io("locking", folder)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn who_waits_is_told_once_and_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let (cancel, told) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let tell = |text| {
            told.lock().unwrap().push(text);
            cancel.store(true, Ordering::Relaxed);
        };
        let mut patience = Patience { cancel: &cancel, tell: &tell, wait: true };
        let first = Lease::take(dir.path(), Claim::Shared, "", &patience).unwrap();
        let second = Lease::take(dir.path(), Claim::Shared, "", &patience).unwrap();
        let take = |patience: &Patience| Lease::take(dir.path(), Claim::Alone, "so", patience);
        assert!(matches!(take(&patience), Err(BuildError::Cancelled)));
        assert_eq!(*told.lock().unwrap(), ["waiting: so"]);
        patience.wait = false;
        assert!(matches!(take(&patience), Err(BuildError::Busy(text)) if text == "so"));
        drop((first, second));
        assert!(take(&patience).is_ok());
    }
}
