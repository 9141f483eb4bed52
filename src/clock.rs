//! Time, always UTC: epoch seconds for instants, days since the epoch for days.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};

/// Seconds in an hour.
pub const HOUR: i64 = 3_600;
/// Seconds in a day.
pub const DAY: i64 = 86_400;

/// A date or an RFC 3339 time, in epoch seconds. A time without a zone is UTC.
pub fn parse(text: &str) -> Result<i64, String> {
    let text = text.trim();
    // Athena prints `2026-11-03 05:00:00.000 UTC`.
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(i64::from(date_to_day(date)) * DAY);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp());
    }
    if let Ok(time) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z") {
        return Ok(time.timestamp());
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Ok(time.and_utc().timestamp());
        }
    }
    Err(format!("`{text}` is neither a date (2026-11-22) nor a time (2026-11-22T12:00:00Z)"))
}

/// The time in an HTTP header, `Sun, 22 Nov 2026 12:00:00 GMT`, in epoch seconds.
pub fn parse_http(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|time| time.timestamp())
}

/// Now; the only place that asks the machine.
pub fn now() -> i64 {
    Utc::now().timestamp()
}

/// The day that holds an instant.
pub fn day_of(instant: i64) -> i32 {
    instant.div_euclid(DAY) as i32
}

fn date_to_day(date: NaiveDate) -> i32 {
    date.signed_duration_since(NaiveDate::default()).num_days() as i32
}

/// The calendar date of a day number.
pub fn date(day: i32) -> NaiveDate {
    NaiveDate::default().checked_add_signed(chrono::Duration::days(i64::from(day))).unwrap_or_default()
}

/// A day as `YYYY-MM-DD`.
pub fn day_text(day: i32) -> String {
    date(day).format("%Y-%m-%d").to_string()
}

/// An instant as `YYYY-MM-DDTHH:MM:SSZ`.
pub fn instant_text(instant: i64) -> String {
    DateTime::from_timestamp(instant, 0)
        .map_or_else(|| instant.to_string(), |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The month of a day, `YYYY-MM`.
pub fn month_of(day: i32) -> String {
    date(day).format("%Y-%m").to_string()
}

/// Monday is 1.
pub fn weekday(day: i32) -> i64 {
    i64::from(date(day).weekday().number_from_monday())
}

/// Day of the month, from 1.
pub fn day_of_month(day: i32) -> i64 {
    i64::from(date(day).day())
}

/// First day of a month `YYYY-MM` and first day of the next.
pub fn month_range(month: &str) -> Option<(i32, i32)> {
    let first = NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").ok()?;
    let next = first.checked_add_months(chrono::Months::new(1))?;
    Some((date_to_day(first), date_to_day(next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_in_utc() {
        assert_eq!(parse("1970-01-02"), Ok(DAY));
        assert_eq!(parse("1970-01-01T02:00:00+02:00"), Ok(0));
        assert_eq!(parse("1970-01-01T00:00:01"), Ok(1));
        assert!(parse("yesterday").is_err());
    }

    #[test]
    fn the_time_of_an_http_header_is_read() {
        assert_eq!(parse_http("Sun, 22 Nov 2026 12:00:00 GMT"), parse("2026-11-22T12:00:00Z").ok());
        assert_eq!(parse_http("soon"), None);
    }

    #[test]
    fn days_months_and_weekdays_agree() {
        let day = day_of(parse("2026-11-22T12:00:00Z").expect("a time"));
        assert_eq!(day_text(day), "2026-11-22");
        assert_eq!(month_of(day), "2026-11");
        assert_eq!(weekday(day), 7);
        let (first, next) = month_range("2026-12").expect("a month");
        assert_eq!((day_text(first), day_text(next)), ("2026-12-01".into(), "2027-01-01".into()));
    }
}
