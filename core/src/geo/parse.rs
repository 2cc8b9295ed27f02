//! Reads coordinates as people type, paste and dictate them: decimal degrees, degrees-minutes-seconds,
//! full-width digits, Chinese words. It never guesses a value; what is ambiguous is refused.

use super::{Bounds, GeoError};

/// Longest text that is looked at; longer ones are not coordinates.
const LONGEST: usize = 200;

/// Which axis a part names by a letter or word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    Lon,
    Lat,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    /// Value, and whether it was written with decimals.
    Number(f64, bool),
    Degree,
    Minute,
    Second,
    Colon,
    Minus,
    Letter(Axis, f64),
    Separator,
}

/// Reads one angle in degrees: `106.769215`, `106°46′09.2″`, `106:46:09.2`, `东经106度46分9.2秒`,
/// `１０６．７６９`, `E106.769`.
///
/// # Errors
/// [`GeoError::Unreadable`] or [`GeoError::Sexagesimal`].
pub fn parse_degrees(text: &str) -> Result<f64, GeoError> {
    let tokens = tokens(text)?;
    angle(&tokens, text).map(|(value, _)| value)
}

/// Reads a pair as (longitude, latitude). Without letters the order is longitude first; a pair the
/// wrong way round is [`GeoError::Swapped`]. With letters or words any order will do.
///
/// # Errors
/// [`GeoError`], naming the part that is wrong.
pub fn parse_pair(text: &str) -> Result<(f64, f64), GeoError> {
    let not_a_pair = || GeoError::NotAPair(shorten(text));
    let tokens = tokens(text)?;
    let (first, second) = halves(&tokens).ok_or_else(not_a_pair)?;
    let (first, second) = (angle(first, text)?, angle(second, text)?);
    let (lon, lat) = match (first.1, second.1) {
        (Some(Axis::Lat), Some(Axis::Lon) | None) | (None, Some(Axis::Lon)) => (second.0, first.0),
        (Some(Axis::Lon), Some(Axis::Lat) | None) | (None, Some(Axis::Lat) | None) => (first.0, second.0),
        _ => return Err(not_a_pair()),
    };
    if !Bounds::CHINA.contains(lon, lat) && Bounds::CHINA.contains(lat, lon) {
        return Err(GeoError::Swapped { lon, lat });
    }
    Ok((lon, lat))
}

/// Splits at the one separator, else between two equal counts of numbers.
fn halves(tokens: &[Token]) -> Option<(&[Token], &[Token])> {
    let mut separators = tokens.iter().enumerate().filter(|(_, token)| **token == Token::Separator).map(|(at, _)| at);
    if let Some(at) = separators.next() {
        return separators.next().is_none().then(|| (&tokens[..at], &tokens[at + 1..]));
    }
    let numbers: Vec<usize> =
        tokens.iter().enumerate().filter(|(_, token)| matches!(token, Token::Number(..))).map(|(at, _)| at).collect();
    if numbers.is_empty() || !numbers.len().is_multiple_of(2) {
        return None;
    }
    let mut at = numbers[numbers.len() / 2];
    let leading = matches!(tokens.first(), Some(Token::Letter(..)));
    while at > 0 && (tokens[at - 1] == Token::Minus || (leading && matches!(tokens[at - 1], Token::Letter(..)))) {
        at -= 1;
    }
    Some(tokens.split_at(at))
}

/// One angle from its tokens: the value, and the axis if a letter names it.
fn angle(tokens: &[Token], text: &str) -> Result<(f64, Option<Axis>), GeoError> {
    let unreadable = || GeoError::Unreadable(shorten(text));
    let mut axis = None;
    let mut sign = 1.0;
    let mut parts: Vec<(f64, bool)> = Vec::new();
    // Which unit the last number got: a unit may only close the part it belongs to.
    for token in tokens {
        match *token {
            Token::Letter(named, direction) if axis.is_none() => {
                axis = Some(named);
                sign *= direction;
            }
            Token::Minus if parts.is_empty() => sign = -sign,
            Token::Number(value, decimals) if parts.len() < 3 => parts.push((value, decimals)),
            Token::Degree if parts.len() == 1 => {}
            Token::Minute if parts.len() == 2 => {}
            Token::Second if parts.len() == 3 => {}
            Token::Colon if matches!(parts.len(), 1 | 2) => {}
            _ => return Err(unreadable()),
        }
    }
    let (Some((degrees, _)), rest) = (parts.first().copied(), parts.get(1..).unwrap_or_default()) else {
        return Err(unreadable());
    };
    let early_fraction = parts.iter().rev().skip(1).any(|(_, decimals)| *decimals);
    if early_fraction || rest.iter().any(|(value, _)| *value >= 60.0) {
        return Err(GeoError::Sexagesimal(shorten(text)));
    }
    let fraction: f64 = rest.iter().zip([60.0, 3600.0]).map(|((value, _), unit)| value / unit).sum();
    Ok((sign * (degrees + fraction), axis))
}

fn tokens(text: &str) -> Result<Vec<Token>, GeoError> {
    let unreadable = || GeoError::Unreadable(shorten(text));
    if text.chars().count() > LONGEST {
        return Err(unreadable());
    }
    let plain = spell_out(text);
    let mut tokens = Vec::new();
    let mut rest = plain.as_str();
    while let Some(c) = rest.chars().next() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        if digits > 0 {
            let (number, tail) = rest.split_at(digits);
            tokens.push(Token::Number(number.parse().map_err(|_| unreadable())?, number.contains('.')));
            rest = tail;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        tokens.push(match c {
            ' ' => continue,
            '+' => continue,
            '-' => Token::Minus,
            'd' => Token::Degree,
            'm' => Token::Minute,
            's' => Token::Second,
            ':' => Token::Colon,
            ',' => Token::Separator,
            'E' => Token::Letter(Axis::Lon, 1.0),
            'W' => Token::Letter(Axis::Lon, -1.0),
            'N' => Token::Letter(Axis::Lat, 1.0),
            'S' => Token::Letter(Axis::Lat, -1.0),
            _ => return Err(unreadable()),
        });
    }
    Ok(tokens)
}

/// Maps full-width forms, signs and words to a small ASCII alphabet: digits, `.`, `-`, `:`, `,`,
/// `d m s` for the units, `E W N S` for the axes.
fn spell_out(text: &str) -> String {
    const WORDS: [(&str, &str); 14] = [
        ("东经", "E"),
        ("西经", "W"),
        ("北纬", "N"),
        ("南纬", "S"),
        ("经度", "E"),
        ("纬度", "N"),
        ("longitude", "E"),
        ("latitude", "N"),
        ("long", "E"),
        ("lng", "E"),
        ("lon", "E"),
        ("lat", "N"),
        ("''", "s"),
        ("′′", "s"),
    ];
    let narrow: String = text.chars().map(narrow).flat_map(char::to_lowercase).collect();
    // `s` is both "second" and "south": letters become capitals before units become small letters.
    let mut plain = narrow.replace('e', "E").replace('w', "W").replace('n', "N").replace('s', "S");
    for (word, sign) in WORDS {
        let word = word.replace('e', "E").replace('w', "W").replace('n', "N").replace('s', "S");
        plain = plain.replace(&word, sign);
    }
    // A name may be followed by a colon or an equals sign: `lon=106.7`, `经度：106.7`.
    for axis in ["E", "W", "N", "S"] {
        plain = plain.replace(&format!("{axis}:"), axis).replace(&format!("{axis}="), axis);
    }
    plain
        .chars()
        .map(|c| match c {
            '°' | 'º' | '˚' | '度' => 'd',
            '′' | '\'' | '’' | '‘' | '‵' | '´' | '分' => 'm',
            '″' | '"' | '”' | '“' | '秒' => 's',
            '、' | ';' | '，' | '；' | '\n' | '\t' | '/' | '|' => ',',
            '东' => 'E',
            '西' => 'W',
            '北' => 'N',
            '南' => 'S',
            '−' | '－' | '–' => '-',
            c if c.is_whitespace() => ' ',
            c => c,
        })
        .collect::<String>()
        .trim_matches([' ', ',', '(', ')', '[', ']'])
        .to_owned()
}

/// Full-width forms (U+FF01–U+FF5E) and the ideographic space and full stop, as phones' keyboards enter them.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        '。' => '.',
        c => c,
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn reads(text: &str, expected: f64) {
        let value = parse_degrees(text).unwrap();
        assert!((value - expected).abs() < 1e-9, "{text}: {value}");
    }

    #[test]
    fn one_angle_in_all_its_spellings() {
        for text in [
            "106.769222222222",
            "106°46′09.2″",
            "106°46'9.2\"",
            "106° 46' 9.2'' E",
            "E106°46′9.2″",
            "东经106度46分9.2秒",
            "106:46:09.2",
            "106 46 9.2",
            "１０６．７６９２２２２２２２２２",
            "１０６°４６′９．２″",
            "lon=106.769222222222",
            "经度：106。769222222222",
        ] {
            reads(text, 106.0 + 46.0 / 60.0 + 9.2 / 3600.0);
        }
        reads("106°46.5′", 106.775);
        reads("-31.5", -31.5);
        reads("31.5S", -31.5);
    }

    #[test]
    fn what_is_not_an_angle_is_refused() {
        for text in ["", " ", "abc", "106.7.6", "1 2 3 4", "106′46°", "°", "106E E", "106,7", "--", "١٠٦"] {
            assert!(matches!(parse_degrees(text), Err(GeoError::Unreadable(_))), "{text:?}");
        }
        for text in ["106°60′", "106°46′60″", "106.5°30′", "106 46.5 3"] {
            assert!(matches!(parse_degrees(text), Err(GeoError::Sexagesimal(_))), "{text:?}");
        }
        assert!(parse_degrees(&"1".repeat(1000)).is_err());
    }

    #[test]
    fn pairs_in_any_order_when_named_and_longitude_first_otherwise() {
        for text in [
            "106.769,31.851",
            "106.769, 31.851",
            "106.769 31.851",
            "106.769，31.851",
            "106.769、31.851",
            "(106.769, 31.851)",
            "31.851N 106.769E",
            "N31.851 E106.769",
            "北纬31.851，东经106.769",
            "lat: 31.851, lon: 106.769",
            "106.769E,31.851",
            "１０６．７６９，３１．８５１",
            "106°46′8.4″E 31°51′3.6″N",
            "106 46 8.4 31 51 3.6",
        ] {
            let (lon, lat) = parse_pair(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!((lon - 106.769).abs() < 1e-9 && (lat - 31.851).abs() < 1e-9, "{text}: {lon} {lat}");
        }
        assert_eq!(parse_pair("31.851,106.769"), Err(GeoError::Swapped { lon: 31.851, lat: 106.769 }));
        for text in ["106.769", "1,2,3", "106.769E,31.851E", "106 46 31"] {
            assert!(matches!(parse_pair(text), Err(GeoError::NotAPair(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn decimals_and_sexagesimals_come_back(lon in 73.1..135.9f64, lat in 3.1..53.9f64) {
            let text = format!("{lon:.6},{lat:.6}");
            let (x, y) = parse_pair(&text).unwrap();
            prop_assert!((x - lon).abs() < 1e-6 && (y - lat).abs() < 1e-6);
            let minutes = lon.fract() * 60.0;
            let seconds = (minutes.fract() * 60.0).min(59.9999);
            let text = format!("{}°{}′{seconds:.4}″", lon.trunc(), minutes.trunc());
            let back = parse_degrees(&text);
            // Rounding may write 60.0000 seconds, which is refused rather than guessed.
            prop_assert!(matches!(back, Err(GeoError::Sexagesimal(_))) || (back.unwrap() - lon).abs() < 1e-7);
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_pair(&text);
            let _ = parse_degrees(&text);
        }
    }
}
