//! Instants and civil days as values. There is no clock here: a reading is always an argument.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, on whichever clock the field's name says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Timestamp(#[n(0)] i64);

/// Minutes east of UTC of Asia/Shanghai, the zone of every civil date of the plan.
pub const SHANGHAI_MINUTES: i32 = 8 * 60;

impl Timestamp {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The civil day at the given offset (minutes east of UTC).
    #[must_use]
    pub fn day(self, offset_minutes: i32) -> Day {
        Day::from_epoch_days((self.0 + i64::from(offset_minutes) * 60_000).div_euclid(86_400_000))
    }

    /// The civil day in UTC+08:00.
    #[must_use]
    pub fn day_in_shanghai(self) -> Day {
        self.day(SHANGHAI_MINUTES)
    }

    /// Later by so many milliseconds.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, such as `2021-12-31T15:30:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => instant.fmt(f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = DayError;

    /// RFC 3339 with an offset.
    fn from_str(text: &str) -> Result<Self, DayError> {
        jiff::Timestamp::from_str(text)
            .map(|instant| Self(instant.as_millisecond()))
            .map_err(|_| DayError(text.chars().take(40).collect()))
    }
}

/// Not a civil day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a date is YYYY-MM-DD such as 2022-12-31 (a time RFC 3339), got {0:?}")]
pub struct DayError(pub String);

/// A civil day, as documents and deadlines use it: no time, no zone. A deadline includes its day
/// to 24:00 in UTC+08:00.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(jiff::civil::Date);

impl Day {
    /// A day of the proleptic Gregorian calendar.
    #[must_use]
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        jiff::civil::Date::new(year, month, day).ok().map(Self)
    }

    /// Days since 1970-01-01, clamped to the calendar's range.
    #[must_use]
    pub fn from_epoch_days(days: i64) -> Self {
        let days = days.clamp(-700_000, 2_900_000);
        let span = jiff::Span::new().days(days);
        Self(jiff::civil::date(1970, 1, 1).checked_add(span).unwrap_or(jiff::civil::Date::MAX))
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn epoch_days(self) -> i64 {
        jiff::civil::date(1970, 1, 1).until(self.0).map_or(0, |span| i64::from(span.get_days()))
    }

    /// Days from `other` to `self` (negative when earlier).
    #[must_use]
    pub fn days_since(self, other: Self) -> i64 {
        self.epoch_days() - other.epoch_days()
    }

    /// The day so many days later.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        Self::from_epoch_days(self.epoch_days() + days)
    }

    /// Year, month, day.
    #[must_use]
    pub fn parts(self) -> (i16, i8, i8) {
        (self.0.year(), self.0.month(), self.0.day())
    }

    /// The first millisecond after the day, in UTC+08:00: "by the end of the day" is `< end()`.
    #[must_use]
    pub fn end_in_shanghai(self) -> Timestamp {
        Timestamp((self.epoch_days() + 1) * 86_400_000 - i64::from(SHANGHAI_MINUTES) * 60_000)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Day({self})")
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        text.parse().ok().filter(|_| plain).map(Self).ok_or_else(|| DayError(text.chars().take(40).collect()))
    }
}

crate::ids::serde_as_text!(Day);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_half_hour_of_the_year_is_in_time_in_shanghai() {
        let sampled: Timestamp = "2021-12-31T15:30:00Z".parse().unwrap();
        let due: Day = "2021-12-31".parse().unwrap();
        assert_eq!(sampled.day_in_shanghai(), due);
        assert!(sampled < due.end_in_shanghai());
        assert_eq!(sampled.plus_millis(30 * 60_000).day_in_shanghai(), due.plus_days(1));
    }

    #[test]
    fn days_count_over_leap_years_and_back() {
        let day = Day::new(2020, 2, 28).unwrap();
        assert_eq!(day.plus_days(2).to_string(), "2020-03-01");
        assert_eq!(Day::from_epoch_days(day.epoch_days()), day);
        assert_eq!(day.plus_days(400).days_since(day), 400);
        assert!("2020-2-28".parse::<Day>().is_err());
    }
}
