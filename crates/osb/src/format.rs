//! Figures for people: sizes, times, rates.

use std::time::Duration;

/// A number of bytes in binary units.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be printed as 1024.0.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `1 package`, `2 packages`.
pub(crate) fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A duration with as much detail as helps: `0.42 s`, `31.2 s`, `2 min 05 s`, `1 h 02 min`.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let whole = seconds.round() as u64;
    if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 59.95 {
        format!("{seconds:.1} s")
    } else if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole % 3600 / 60)
    }
}

/// How long ago something was, in the largest unit of which there are two: `90 s`, `3 h`, `12 d`.
pub(crate) fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// [`time`] for a number of seconds. Negative or endless ones do not come from a clock.
pub(crate) fn seconds(value: f64) -> String {
    time(Duration::try_from_secs_f64(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(bytes(1536 * 1024 * 1024), "1.5 GiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
    }

    #[test]
    fn ages() {
        let shown = [-5, 90, 120, 7199, 7200, 172_799, 172_800].map(age);
        assert_eq!(shown, ["0 s", "90 s", "2 min", "119 min", "2 h", "47 h", "2 d"]);
    }

    #[test]
    fn times() {
        assert_eq!(time(Duration::from_millis(420)), "0.42 s");
        assert_eq!(time(Duration::from_millis(9999)), "10.0 s");
        assert_eq!(time(Duration::from_millis(59_990)), "1 min 00 s");
        assert_eq!(time(Duration::from_secs(125)), "2 min 05 s");
        assert_eq!(time(Duration::from_secs(3720)), "1 h 02 min");
    }
}
