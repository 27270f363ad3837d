//! Dates as Release files have them.

/// Seconds since 1970 as `Sat, 12 Sep 2026 07:55:41 UTC`.
pub fn release_date(unix: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (mut day, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    let weekday = DAYS[day.rem_euclid(7) as usize];
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{weekday}, {:02} {} {year} {hour:02}:{minute:02}:{:02} UTC",
        day + 1,
        MONTHS[month],
        second % 60
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_dates() {
        assert_eq!(super::release_date(0), "Thu, 01 Jan 1970 00:00:00 UTC");
        assert_eq!(super::release_date(1_789_199_741), "Sat, 12 Sep 2026 07:55:41 UTC");
        assert_eq!(super::release_date(951_825_600), "Tue, 29 Feb 2000 12:00:00 UTC");
    }
}
