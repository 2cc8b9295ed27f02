//! Numbers that identify a responsible party (责任主体): the unified social credit code and the
//! discharge permit built on it.

use std::fmt;
use std::str::FromStr;

/// The 31 characters of GB 32100: no I, O, S, V, Z.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// Why a number is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartyError {
    /// Not 18 characters.
    #[error("a unified social credit code has 18 characters, {got:?} has {length}")]
    Length {
        /// As given.
        got: String,
        /// Its length.
        length: usize,
    },
    /// A character that does not occur.
    #[error(
        "{character:?} at position {position} cannot occur in a unified social credit code (I, O, S, V, Z are not used)"
    )]
    Character {
        /// The character.
        character: char,
        /// Its position from 1.
        position: usize,
    },
    /// The last character does not fit the others: a typing error somewhere.
    #[error("the check character of {got} should be {expected}: one of the characters is mistyped")]
    Check {
        /// As given.
        got: String,
        /// What the other 17 characters ask for.
        expected: char,
    },
    /// Not of the shape of a permit number.
    #[error(
        "{0:?} is not a discharge permit number: 18 characters of the credit code, three digits and P, such as 91130200699229617X001P"
    )]
    Permit(String),
}

/// A unified social credit code (统一社会信用代码, GB 32100) whose check character fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uscc([u8; 18]);

impl Uscc {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII by construction")
    }
}

impl fmt::Display for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Uscc {
    type Err = PartyError;

    /// Case, full-width characters and blanks are folded; nothing else is repaired.
    fn from_str(text: &str) -> Result<Self, PartyError> {
        let folded = fold(text);
        let length = folded.chars().count();
        if length != 18 {
            return Err(PartyError::Length { got: folded, length });
        }
        let mut sum = 0;
        let mut weight = 1;
        let mut code = [0; 18];
        for (at, character) in folded.chars().enumerate() {
            let value = ALPHABET.iter().position(|known| char::from(*known) == character);
            let value = value.ok_or(PartyError::Character { character, position: at + 1 })?;
            code[at] = ALPHABET[value];
            if at < 17 {
                sum += value * weight;
                weight = weight * 3 % 31;
            }
        }
        let expected = ALPHABET[(31 - sum % 31) % 31];
        if code[17] == expected {
            Ok(Self(code))
        } else {
            Err(PartyError::Check { got: folded, expected: char::from(expected) })
        }
    }
}

/// A discharge permit number (排污许可证号): credit code, serial, and a letter, `P` for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermitNumber {
    holder: Uscc,
    serial: u16,
    letter: u8,
}

impl PermitNumber {
    /// Whose permit.
    #[must_use]
    pub fn holder(&self) -> Uscc {
        self.holder
    }

    /// Which of the holder's sites.
    #[must_use]
    pub fn serial(&self) -> u16 {
        self.serial
    }

    /// A permit; other letters are registrations and the like, kept as they are.
    #[must_use]
    pub fn is_permit(&self) -> bool {
        self.letter == b'P'
    }
}

impl fmt::Display for PermitNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:03}{}", self.holder, self.serial, char::from(self.letter))
    }
}

impl FromStr for PermitNumber {
    type Err = PartyError;

    fn from_str(text: &str) -> Result<Self, PartyError> {
        let folded = fold(text);
        let error = || PartyError::Permit(folded.clone());
        let (holder, rest) = folded.split_at_checked(18).filter(|_| folded.is_ascii()).ok_or_else(error)?;
        let [a, b, c, letter] = *rest.as_bytes() else { return Err(error()) };
        if ![a, b, c].iter().all(u8::is_ascii_digit) || !letter.is_ascii_uppercase() {
            return Err(error());
        }
        let serial = [a, b, c].iter().fold(0, |serial, digit| serial * 10 + u16::from(digit - b'0'));
        Ok(Self { holder: holder.parse()?, serial, letter })
    }
}

fn fold(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace())
        .take(40)
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            c => c,
        })
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_published_code_fits_and_typing_errors_do_not() {
        let code: Uscc = "91130200699229617X".parse().unwrap();
        assert_eq!("９１１３０２００ ６９９２２９６１７ｘ".parse::<Uscc>().unwrap(), code);
        assert_eq!(
            "91130200699229618X".parse::<Uscc>(),
            Err(PartyError::Check { got: "91130200699229618X".to_owned(), expected: '1' })
        );
        assert!(matches!("9113020069922961".parse::<Uscc>(), Err(PartyError::Length { length: 16, .. })));
        assert_eq!("9113020O699229617X".parse::<Uscc>(), Err(PartyError::Character { character: 'O', position: 8 }));
        assert!("统一社会信用代码统一社会信用代码统一".parse::<Uscc>().is_err());
    }

    #[test]
    fn a_permit_is_the_code_a_serial_and_a_letter() {
        let permit: PermitNumber = "91130200699229617X001P".parse().unwrap();
        assert_eq!((permit.serial(), permit.is_permit(), permit.holder().as_str()), (1, true, "91130200699229617X"));
        assert_eq!(permit.to_string(), "91130200699229617X001P");
        assert!(!"91130200699229617X001W".parse::<PermitNumber>().unwrap().is_permit());
        for text in
            ["", "91130200699229617X", "91130200699229617X01P", "91130200699229617X0001P", "91130200699229617X0O1P"]
        {
            assert!(matches!(text.parse::<PermitNumber>(), Err(PartyError::Permit(_))), "{text}");
        }
        assert!(matches!("91130200699229618X001P".parse::<PermitNumber>(), Err(PartyError::Check { .. })));
    }

    proptest! {
        #[test]
        fn one_wrong_character_never_passes(at in 0usize..18, with in 0usize..31) {
            let mut text = *b"91130200699229617X";
            prop_assume!(text[at] != ALPHABET[with]);
            text[at] = ALPHABET[with];
            prop_assert!(std::str::from_utf8(&text).unwrap().parse::<Uscc>().is_err());
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<Uscc>();
            let _ = text.parse::<PermitNumber>();
        }
    }
}
