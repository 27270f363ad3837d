//! Times as FAT stores them: a date from 1980 to 2107 and a time of day in steps of two seconds.

/// A date and a time of day, packed as in a directory entry. FAT has no time zone; this is UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DosTime {
    /// Bits 0–4 day (1–31), 5–8 month (1–12), 9–15 years since 1980.
    pub(crate) date: u16,
    /// Bits 0–4 seconds / 2, 5–10 minutes, 11–15 hours.
    pub(crate) time: u16,
}

/// 1980-01-01 00:00:00 and 2107-12-31 23:59:58, in seconds since 1970.
const FIRST: i64 = 315_532_800;
const LAST: i64 = 4_354_819_198;

impl DosTime {
    /// From seconds since 1970, rounded down to two seconds, held between 1980 and 2107.
    pub(crate) fn from_unix(seconds: i64) -> DosTime {
        let seconds = seconds.clamp(FIRST, LAST);
        let (year, month, day) = civil(seconds / 86_400);
        let second = seconds % 86_400;
        let pack = |value: i64, shift: u32| u16::try_from(value << shift).unwrap_or_default();
        DosTime {
            date: pack(year - 1980, 9) | pack(month, 5) | pack(day, 0),
            time: pack(second / 3600, 11) | pack(second / 60 % 60, 5) | pack(second % 60 / 2, 0),
        }
    }
}

/// Year, month and day of a number of days since 1970-01-01, not negative, in the Gregorian
/// calendar. Years are counted from March, so that the leap day is the last of its year (the
/// method is Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    // Days since 0000-03-01; 146097 days are 400 years.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(seconds: i64) -> (u16, u16, u16, u16, u16, u16) {
        let DosTime { date, time } = DosTime::from_unix(seconds);
        (1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2)
    }

    #[test]
    fn known_times() {
        // Each from `date -u -d @N`.
        assert_eq!(fields(951_782_400), (2000, 2, 29, 0, 0, 0));
        assert_eq!(fields(1_700_000_000), (2023, 11, 14, 22, 13, 20));
        assert_eq!(fields(1_735_689_599), (2024, 12, 31, 23, 59, 58));
        assert_eq!(fields(4_107_542_400), (2100, 3, 1, 0, 0, 0));
    }

    #[test]
    fn times_outside_are_held_at_the_ends() {
        assert_eq!(fields(0), (1980, 1, 1, 0, 0, 0));
        assert_eq!(fields(i64::MIN), (1980, 1, 1, 0, 0, 0));
        assert_eq!(fields(i64::MAX), (2107, 12, 31, 23, 59, 58));
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut last = civil(0);
        assert_eq!(last, (1970, 1, 1));
        for day in 1..60_000 {
            let next = civil(day);
            let (year, month, date) = last;
            let follows = next == (year, month, date + 1)
                || (date >= 28 && next == (year, month + 1, 1))
                || (last == (year, 12, 31) && next == (year + 1, 1, 1));
            assert!(follows, "{last:?} {next:?}");
            last = next;
        }
    }
}
