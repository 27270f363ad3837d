//! `osb cache`, as data.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb cache                              what there is, and how much room it takes
  osb cache prune                        remove what this version of osb cannot use
  osb cache prune --older-than 30d       and what no run has used for 30 days
  osb cache prune --all --dry-run        tell what would go
  osb cache verify                       read all of it: is it what was put there?")]
pub(crate) struct Cache {
    #[command(subcommand)]
    pub(crate) action: Option<CacheAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheAction {
    /// List what the cache holds (the default)
    List,
    /// Remove what no run needs: folders of former versions, what killed runs left, and more
    Prune(Prune),
    /// Read everything that the cache holds, and tell what is damaged
    Verify(Verify),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb cache verify             exit code 4 if anything is damaged
  osb cache verify --remove    and the next build makes it anew

A build looks at what it uses, and makes anew what is damaged. This looks at all of it, and reads
the contents of files, too, that only programs in the sandbox read.")]
pub(crate) struct Verify {
    /// Take damaged entries away
    #[arg(long)]
    pub(crate) remove: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  osb cache prune --older-than 30d       what no run has made or used for 30 days, too
  osb cache prune --keep-size 5G         what was not used for longest, until the rest fits
  osb cache prune --layers               every built layer, and no download
  osb cache prune --all                  everything; the next build downloads it again
  osb cache prune --all --dry-run        tell what would go

Everything in the cache can be made again. Runs that use the cache lose nothing: prune waits until
they have ended, and runs that begin wait while it takes entries away, which is a moment.")]
pub(crate) struct Prune {
    /// Remove entries that no run has made or used for so many days, too
    #[arg(long, value_name = "DAYS", value_parser = days, conflicts_with = "all")]
    pub(crate) older_than: Option<u32>,
    /// Remove the entries that were not used for longest, until the rest takes no more than this
    /// (500M, 5G), too
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "all")]
    pub(crate) keep_size: Option<u64>,
    /// Remove built layers only: all, or those that the other two options tell
    #[arg(long, conflicts_with = "all")]
    pub(crate) layers: bool,
    /// Remove every entry
    #[arg(long)]
    pub(crate) all: bool,
    /// Tell what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Fail, and do not wait, if other runs use the cache
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// `30` or `30d`.
fn days(text: &str) -> Result<u32, String> {
    text.strip_suffix('d')
        .unwrap_or(text)
        .parse()
        .map_err(|_| "expected a number of days, such as 30 or 30d".to_owned())
}

/// `500M`: binary units, as `osb cache` prints them; bytes without one.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|char: char| !char.is_ascii_digit());
    let shift = match &text[digits.len()..] {
        "" => Some(0),
        "K" | "KiB" => Some(10),
        "M" | "MiB" => Some(20),
        "G" | "GiB" => Some(30),
        "T" | "TiB" => Some(40),
        _ => None,
    };
    let value = digits.parse::<u64>().ok().zip(shift);
    value
        .and_then(|(number, shift)| number.checked_mul(1 << shift))
        .ok_or_else(|| "expected a size, such as 500M or 5G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_numbers() {
        assert_eq!((days("30"), days("0d")), (Ok(30), Ok(0)));
        for bad in ["", "d", "-1", "1h", "1.5", "30dd"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }
}
