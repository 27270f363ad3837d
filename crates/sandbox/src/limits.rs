//! How much a command may use, and what it exceeded.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// What each command of a session may use. How long it may run is [`crate::Command::timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes that it and its children may write to standard output and standard error.
    pub output: u64,
    /// Processes and threads at one time.
    pub processes: u32,
    /// Bytes that must stay free on the file system of [`crate::Spec::upper`].
    pub free_space: u64,
    /// How long the processes that it started may go on after it has ended.
    pub grace: Duration,
}

impl Default for Limits {
    /// Far more than any package's script needs, and less than what hurts a small machine.
    fn default() -> Self {
        Self {
            output: 256 * MIB,
            processes: 4096,
            free_space: 512 * MIB,
            grace: Duration::from_secs(5),
        }
    }
}

/// Which limit a command exceeded; it was killed with everything that it had started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Excess {
    /// It ran longer than this.
    Time(Duration),
    /// It wrote more than so many bytes.
    Output(u64),
    /// It had more processes and threads than so many at one time.
    Processes(u32),
    /// It did not leave enough free space.
    Space {
        /// Bytes that were free.
        free: u64,
        /// Bytes that must stay free.
        reserve: u64,
    },
    /// It ended well but left processes behind, which were still there so long after it.
    LeftBehind(Duration),
}

/// A process that was there when its command had to be ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id inside.
    pub pid: u32,
    /// Its arguments, joined by spaces; its name in brackets if it has none.
    pub command: String,
    /// The variables that it was started with.
    pub environment: Vec<(String, String)>,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(limit) => write!(f, "it ran longer than {} s", limit.as_secs_f32()),
            Self::Output(limit) => write!(f, "it printed more than {}", size(*limit)),
            Self::Processes(limit) => {
                write!(f, "it had more than {limit} processes and threads at once")
            }
            Self::Space { free, reserve } => {
                write!(f, "it left {} of free space, and {} must stay", size(*free), size(*reserve))
            }
            Self::LeftBehind(grace) => write!(
                f,
                "it left processes behind that were still there {} s after its end",
                grace.as_secs_f32()
            ),
        }
    }
}

fn size(bytes: u64) -> String {
    if bytes < MIB { format!("{bytes} bytes") } else { format!("{} MiB", bytes / MIB) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_excess_says_its_limit() {
        let second = Duration::from_secs(1);
        let texts = [
            (Excess::Time(90 * second), "90 s"),
            (Excess::Output(256 << 20), "256 MiB"),
            (Excess::Processes(4096), "4096 processes"),
            (Excess::Space { free: 1000, reserve: 512 << 20 }, "left 1000 bytes of free space"),
            (Excess::LeftBehind(5 * second), "5 s after its end"),
        ];
        for (excess, part) in texts {
            assert!(excess.to_string().contains(part), "{excess}");
        }
    }
}
