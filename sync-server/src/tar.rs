//! The little of tar (POSIX ustar) that a backup needs, so that `tar t` reads it: plain files with
//! short names. Reading takes nothing else: no links, no absolute names, no `..`.

use std::io::{self, Read, Write};

const BLOCK: usize = 512;

/// Writes a file's header; its bytes follow in [`append`].
fn header(name: &str, size: u64, mode: u32) -> io::Result<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    if name.len() > 100 || size >= 1 << 33 {
        return Err(io::Error::other(format!("{name} does not fit a tar header")));
    }
    block[..name.len()].copy_from_slice(name.as_bytes());
    put(&mut block[100..108], &format!("{mode:07o}"));
    put(&mut block[108..116], "0000000");
    put(&mut block[116..124], "0000000");
    put(&mut block[124..136], &format!("{size:011o}"));
    put(&mut block[136..148], "00000000000");
    block[148..156].copy_from_slice(b"        ");
    block[156] = b'0';
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum = checksum(&block);
    put(&mut block[148..155], &format!("{sum:06o}"));
    block[155] = b' ';
    Ok(block)
}

fn put(field: &mut [u8], text: &str) {
    field[..text.len()].copy_from_slice(text.as_bytes());
    field[text.len()..].fill(0);
}

fn checksum(block: &[u8; BLOCK]) -> u32 {
    let byte = |(index, byte): (usize, &u8)| u32::from(if (148..156).contains(&index) { b' ' } else { *byte });
    block.iter().enumerate().map(byte).sum()
}

/// Appends a file of a known size.
///
/// # Errors
/// When reading or writing fails, or the file has another size.
pub(crate) fn append(out: &mut impl Write, name: &str, size: u64, mode: u32, bytes: &mut impl Read) -> io::Result<()> {
    out.write_all(&header(name, size, mode)?)?;
    let copied = io::copy(&mut bytes.take(size), out)?;
    if copied != size {
        return Err(io::Error::other(format!("{name} became shorter while it was copied")));
    }
    let rest = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if rest > 0 {
        out.write_all(&[0; BLOCK][rest..])?;
    }
    Ok(())
}

/// The two empty blocks at the end.
///
/// # Errors
/// When writing fails.
pub(crate) fn finish(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; BLOCK * 2])
}

/// Hands each file to `file`, which must read it to its end or leave it.
///
/// # Errors
/// When the archive is cut short or is none, a name leads out of the folder, or `file` fails.
pub(crate) fn read(
    input: &mut impl Read,
    mut file: impl FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let broken = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not a complete backup: {why}"));
    loop {
        let mut block = [0; BLOCK];
        input.read_exact(&mut block)?;
        if block == [0; BLOCK] {
            return Ok(());
        }
        let octal = |field: &[u8]| {
            let text = std::str::from_utf8(field).ok()?.trim_matches(|c: char| c == '\0' || c == ' ');
            u64::from_str_radix(text, 8).ok()
        };
        if octal(&block[148..156]) != Some(u64::from(checksum(&block))) || block[156] != b'0' {
            return Err(broken("a header is damaged"));
        }
        let end = block[..100].iter().position(|byte| *byte == 0).unwrap_or(100);
        let name = std::str::from_utf8(&block[..end]).map_err(|_| broken("a name is not text"))?;
        if !is_plain(name) {
            return Err(broken("a name leads out of the folder"));
        }
        let size = octal(&block[124..136]).ok_or_else(|| broken("a size is no number"))?;
        let mut bytes = input.take(size);
        file(name, &mut bytes)?;
        io::copy(&mut bytes, &mut io::sink())?;
        if bytes.limit() > 0 {
            return Err(broken("it ends inside a file"));
        }
        let rest = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        if rest > 0 {
            input.read_exact(&mut block[rest..])?;
        }
    }
}

/// Relative, and every part an ordinary name.
fn is_plain(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':']);
    name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, bytes) in files {
            append(&mut out, name, bytes.len() as u64, 0o600, &mut &bytes[..]).unwrap();
        }
        finish(&mut out).unwrap();
        out
    }

    fn names(bytes: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut found = Vec::new();
        read(&mut &bytes[..], |name, file| {
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            found.push((name.to_owned(), content));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn files_survive_and_every_cut_is_noticed() {
        let bytes = archive(&[("a", b"one"), ("dir/b", &[7; 1024]), ("c", b"")]);
        let expected = vec![("a".into(), b"one".to_vec()), ("dir/b".into(), vec![7; 1024]), ("c".into(), Vec::new())];
        assert_eq!(names(&bytes).unwrap(), expected);
        for end in (0..bytes.len() - 1024).step_by(97) {
            assert!(names(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["../x", "/etc/passwd", "a/../../b", "a//b", ".", "c:\\x"] {
            assert!(names(&archive(&[(name, b"x")])).is_err(), "{name}");
        }
    }
}
