//! Days of the proleptic Gregorian calendar, without time zones.

/// Days from the first of March to the first of each month, January at place 1.
const DAYS_FROM_MARCH: [u32; 16] = [0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 0, 0, 0];

/// Days from -0400-03-01 to 1970-01-01.
const DAYS_TO_1970: u32 = 719_468 + 146_097;

/// Days from 1970-01-01 to the given day. Years begin in March, so that a leap day is a year's last one.
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms". Shape: a day that exists, years
/// 0..=9999.
#[inline(always)]
pub(crate) fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    // The days of the Gregorian calendar are the same again after 400 years, so no number is negative.
    let year = year as u32 + 400 - u32::from(month <= 2);
    let centuries = year / 100;
    let before = year * 365 + year / 4 - centuries + centuries / 4 + DAYS_FROM_MARCH[month as usize & 15];
    (before + day - 1) as i32 - DAYS_TO_1970 as i32
}

/// Year, month and day of a number of days since 1970-01-01; `None` outside of the years 0..=9999.
/// Source: as [`days_from_civil`].
pub(crate) fn civil_from_days(days: i64) -> Option<(i64, u32, u32)> {
    // 0000-01-01 and 9999-12-31.
    if !(-719_528..=2_932_896).contains(&days) {
        return None;
    }
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    Some((era * 400 + year_of_era + i64::from(month <= 2), month, day))
}

/// Days of a month.
#[inline]
pub(crate) fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_supported_years_follows_the_one_before() {
        let mut expected = days_from_civil(1899, 12, 31);
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        for year in 1900..=2300 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    expected += 1;
                    assert_eq!(days_from_civil(year, month, day), expected);
                    assert_eq!(civil_from_days(expected.into()), Some((year.into(), month, day)));
                }
            }
        }
        assert_eq!(days_from_civil(1900, 1, 1), -25_567);
        assert_eq!((days_from_civil(0, 1, 1), days_from_civil(9999, 12, 31)), (-719_528, 2_932_896));
        assert_eq!(civil_from_days(-719_528), Some((0, 1, 1)));
        assert_eq!(civil_from_days(2_932_896), Some((9999, 12, 31)));
        assert_eq!((civil_from_days(-719_529), civil_from_days(2_932_897)), (None, None));
    }
}
