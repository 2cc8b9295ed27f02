//! Reading bytes that nobody vouches for: every read is bounded by what is there.

use super::malformed::Malformed;

/// A position in untrusted bytes.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed::Truncated)
    }

    /// An unsigned LEB128 integer in its shortest form.
    pub(crate) fn unsigned(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for index in 0..10_u32 {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                return Err(Malformed::Integer);
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                let minimal = byte != 0 || index == 0;
                return if minimal { Ok(value) } else { Err(Malformed::Integer) };
            }
        }
        Err(Malformed::Integer)
    }

    /// A signed LEB128 integer in its shortest form.
    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let mut value = 0_i64;
        let mut before = 0_u8;
        for index in 0..10_u32 {
            let byte = self.byte()?;
            let bits = i64::from(byte & 0x7f);
            if index == 9 && byte != 0 && byte != 0x7f {
                return Err(Malformed::Integer);
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                let sign = byte & 0x40 != 0;
                // The last byte must say more than the sign of the one before it says.
                let redundant = index > 0 && (byte == 0 && before & 0x40 == 0 || byte == 0x7f && before & 0x40 != 0);
                if redundant {
                    return Err(Malformed::Integer);
                }
                if sign && index < 9 {
                    value |= -1_i64 << (7 * (index + 1));
                }
                return Ok(value);
            }
            before = byte;
        }
        Err(Malformed::Integer)
    }

    /// An unsigned integer that counts or measures something in memory, at most `limit`.
    pub(crate) fn count(&mut self, limit: usize, what: &'static str) -> Result<usize, Malformed> {
        let value = usize::try_from(self.unsigned()?).map_err(|_| Malformed::Limit(what))?;
        if value > limit { Err(Malformed::Limit(what)) } else { Ok(value) }
    }
}

pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

pub(crate) fn put_signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 && byte & 0x40 == 0 || value == -1 && byte & 0x40 != 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_survive_and_only_the_shortest_form_is_read(unsigned: u64, signed: i64) {
            let mut bytes = Vec::new();
            put_unsigned(&mut bytes, unsigned);
            prop_assert_eq!(Cursor::new(&bytes).unsigned(), Ok(unsigned));
            if bytes.len() < 10 {
                *bytes.last_mut().unwrap() |= 0x80;
                bytes.push(0);
                prop_assert_eq!(Cursor::new(&bytes).unsigned(), Err(Malformed::Integer));
            }
            let mut bytes = Vec::new();
            put_signed(&mut bytes, signed);
            prop_assert_eq!(Cursor::new(&bytes).signed(), Ok(signed));
            if bytes.len() < 10 {
                *bytes.last_mut().unwrap() |= 0x80;
                bytes.push(if signed < 0 { 0x7f } else { 0 });
                prop_assert_eq!(Cursor::new(&bytes).signed(), Err(Malformed::Integer));
            }
        }
    }

    #[test]
    fn the_extremes_of_integers() {
        for value in [0, 63, 64, -64, -65, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, value);
            assert_eq!(Cursor::new(&bytes).signed(), Ok(value));
        }
        let eleven = [0x80; 11];
        assert_eq!(Cursor::new(&eleven).unsigned(), Err(Malformed::Integer));
        assert_eq!(Cursor::new(&eleven).signed(), Err(Malformed::Integer));
        let above = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Cursor::new(&above).unsigned(), Err(Malformed::Integer));
        assert_eq!(Cursor::new(&[0x80]).unsigned(), Err(Malformed::Truncated));
    }
}
