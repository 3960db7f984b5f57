//! Sizes, durations and rates, as people write and read them.

use std::time::Duration;

/// `4096`, `4k`, `1M`, `64GiB` are powers of 1024; `4kB`, `1MB` are powers of 1000.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "ki" | "kib" => 1 << 10,
        "m" | "mi" | "mib" => 1 << 20,
        "g" | "gi" | "gib" => 1 << 30,
        "t" | "ti" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(format!("`{unit}` is no unit of size: write 4096, 4k, 1M or 64GiB")),
    };
    let number: u64 =
        number.parse().map_err(|_| "a size is written 4096, 4k, 1M or 64GiB".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "more than 2^64 bytes".to_owned())
}

/// `10s`, `500ms`, `1.5s`, `2m`. A number alone is refused: nobody agrees on its unit.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const HOW: &str = "a duration is written 10s, 500ms or 2m";
    let (number, unit) = split(text);
    let seconds = match unit {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(HOW.to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| HOW.to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| HOW.to_owned())
}

/// The number at the beginning, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// `4 KiB`, `128 MiB`, `1000 B`: exact where that is short, else with one decimal.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut step = 0;
    let mut value = bytes as f64;
    while value >= 1024.0 && step + 1 < UNITS.len() {
        value /= 1024.0;
        step += 1;
    }
    let digits = usize::from(value.fract() != 0.0);
    format!("{value:.digits$} {}", UNITS[step])
}

/// `950`, `12.1k`, `3.42M`: three digits that count.
pub fn rate(per_second: f64) -> String {
    scaled(per_second, &["", "k", "M", "G", "T"], 1000.0)
}

/// `812ns`, `7.21us` or `7.21µs`, `1.2ms`.
pub fn nanoseconds(ns: f64, unicode: bool) -> String {
    scaled(ns, &["ns", if unicode { "µs" } else { "us" }, "ms", "s"], 1000.0)
}

/// A duration in whole units that say enough: `200 ms`, `1.5 s`, `32 s`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 10.0 && time.subsec_millis() >= 50 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}

fn scaled(value: f64, units: &[&str], factor: f64) -> String {
    let mut value = value;
    let mut step = 0;
    // 999.6 would be printed as 1000: it belongs to the next unit.
    while value >= factor - 0.5 && step + 1 < units.len() {
        value /= factor;
        step += 1;
    }
    let digits = if step == 0 && value.fract() == 0.0 || value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$}{}", units[step])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("4k", 4096),
            ("4K", 4096),
            ("4KiB", 4096),
            ("4kB", 4000),
            ("1M", 1 << 20),
            ("64GiB", 64 << 30),
            (" 2 T ", 2 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "k", "-1", "4q", "1.5M", "4 k k", "99999999999999999999", "20000000T"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5 s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "10", "s", "-1s", "1e400s", "5 apples", "."] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_printed_with_three_digits() {
        assert_eq!(rate(950.0), "950");
        assert_eq!(rate(12_100.0), "12.1k");
        assert_eq!(rate(3_421_000.0), "3.42M");
        assert_eq!(rate(99_960.0), "100k");
        assert_eq!(rate(999_700.0), "1.00M");
        assert_eq!(rate(0.0), "0");
        assert_eq!(nanoseconds(812.0, true), "812ns");
        assert_eq!(nanoseconds(7_214.0, true), "7.21µs");
        assert_eq!(nanoseconds(7_214.0, false), "7.21us");
        assert_eq!(size(4096), "4 KiB");
        assert_eq!(size(1000), "1000 B");
        assert_eq!(size(128 << 20), "128 MiB");
        assert_eq!(size(1536 << 10), "1.5 MiB");
        assert_eq!(duration(Duration::from_millis(200)), "200 ms");
        assert_eq!(duration(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(duration(Duration::from_secs(32)), "32 s");
    }
}
