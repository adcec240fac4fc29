//! Units as people write them: durations and sizes on the command line, bytes and ages in tables.

use std::time::Duration;

use bytesize::ByteSize;

/// Parses a duration: `250ms`, `5s`, `1m30s`; a bare number means seconds, as with `sleep` and `timeout`.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && let Ok(seconds) = text.parse::<f64>()
    {
        return Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text} seconds are too many"));
    }
    humantime::parse_duration(text).map_err(|_| "write a time such as 250ms, 5s or 1m30s".to_owned())
}

/// Parses a size in bytes: `4096`, `64KiB`, `1GiB` (powers of 1024) or `1GB` (powers of 1000).
pub fn size(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>()
        .map(|size| size.0)
        .map_err(|_| "write a size such as 65536, 64KiB, 256MiB or 1GiB".to_owned())
}

/// Parses file permissions as `chmod` takes them: octal, `0600` or `660`.
pub fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("write octal permissions such as 0600 or 0660".to_owned()),
    }
}

/// Formats bytes for people: `0 B`, `512 B`, `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    ByteSize(count).display().iec().to_string()
}

/// Formats a short time for people, to three digits: `96 ns`, `1.54 µs`, `12.3 ms`, `2.05 s`.
pub fn nanoseconds(count: u64) -> String {
    let (value, unit) = match count {
        0..1_000 => return format!("{count} ns"),
        1_000..1_000_000 => (count as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (count as f64 / 1e6, "ms"),
        _ => (count as f64 / 1e9, "s"),
    };
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {unit}")
}

/// Formats a span of time for people, to the second and at most two units: `0s`, `3m 5s`, `2h 10m`.
pub fn age(span: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(span.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_or_mean_seconds() {
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", ".", "-1", "5 parsecs", "1.2.3", "99999999999999999999999"] {
            assert!(duration(wrong).is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn sizes_are_binary_with_an_i_and_decimal_without() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("64 KiB"), Ok(65536));
        assert_eq!(size("1GB"), Ok(1_000_000_000));
        for wrong in ["", "many", "-1", "1XB"] {
            assert!(size(wrong).is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn modes_are_octal_permissions() {
        assert_eq!(mode("0600"), Ok(0o600));
        assert_eq!(mode("660"), Ok(0o660));
        for wrong in ["", "rw", "0800", "7777", "-600"] {
            assert!(mode(wrong).is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn people_read_short_times() {
        let times = [96, 1_536, 24_576, 12_340_000, 104_000_000, 2_050_000_000];
        assert_eq!(times.map(nanoseconds), ["96 ns", "1.54 µs", "24.6 µs", "12.3 ms", "104 ms", "2.05 s"]);
    }

    #[test]
    fn people_read_bytes_and_ages() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(age(Duration::from_millis(400)), "0s");
        assert_eq!(age(Duration::from_secs(185)), "3m 5s");
        assert_eq!(age(Duration::from_secs(90_061)), "1day 1h");
    }
}
