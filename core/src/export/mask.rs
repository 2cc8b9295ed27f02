//! Numbers of natural persons that ended up where they do not belong: identity cards and mobile
//! phones inside names and addresses. Units have other numbers.

/// Replaces identity-card and mobile numbers by stars.
#[must_use]
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for letter in text.chars().chain(std::iter::once('\0')) {
        if letter.is_ascii_alphanumeric() {
            run.push(letter);
            continue;
        }
        out.push_str(&masked(&run));
        run.clear();
        if letter != '\0' {
            out.push(letter);
        }
    }
    out
}

fn masked(run: &str) -> String {
    if is_identity_card(run) || is_mobile(run) { "*".repeat(run.len()) } else { run.to_owned() }
}

/// 18 characters: six digits of a place, a date of birth, three digits, a check character.
fn is_identity_card(run: &str) -> bool {
    let bytes = run.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let last = bytes[17].is_ascii_digit() || matches!(bytes[17], b'X' | b'x');
    let number = |range: std::ops::Range<usize>| run[range].parse::<i16>().unwrap_or(0);
    let (year, month, day) = (number(6..10), number(10..12), number(12..14));
    let born = i8::try_from(month).ok().zip(i8::try_from(day).ok());
    last && (1900..=2100).contains(&year)
        && born.is_some_and(|(month, day)| crate::time::Day::new(year, month, day).is_some())
}

fn is_mobile(run: &str) -> bool {
    let digits = run.bytes().all(|byte| byte.is_ascii_digit());
    run.len() == 11 && digits && run.starts_with('1') && run.as_bytes()[1] >= b'3'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_persons_are_masked_and_numbers_of_units_are_not() {
        for (text, expected) in [
            ("张某 13800138000", "张某 ***********"),
            ("张某(51190219700101123X)", "张某(******************)"),
            ("91511902MA6XXXXX0K", "91511902MA6XXXXX0K"),
            ("0827-5261234", "0827-5261234"),
            ("化成镇3组12号", "化成镇3组12号"),
            ("511902197013411234", "511902197013411234"),
        ] {
            assert_eq!(mask(text), expected);
        }
    }
}
