//! CSV and other separated text in any encoding that spreadsheets write.
//!
//! The encoding is the mapping's, or the mark at the beginning of the file, or UTF-16 by its zero
//! bytes, or UTF-8 if the whole file is, or what `chardetng` takes it for among the Chinese ones.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use encoding_rs::{Encoding, GBK, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;
use outlet_core::import::{Cell, SourceRow};

use super::{ReadError, ReadOptions, Sink, Table};

/// How much of a file is looked at to tell its encoding, where it is not UTF-8.
const SAMPLE: usize = 1 << 20;
/// Longest line that is looked at for the separator.
const FIRST_LINE: usize = 64 << 10;
/// Most columns.
const COLUMNS: usize = 2_000;

pub(super) fn read(path: &Path, options: &ReadOptions, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let encoding = encoding(path, options)?;
    let separator = separator(path, encoding)?;
    let mut table = Table::new(path, options, sink);
    table.note(format!("encoding {}, separator {:?}", encoding.name(), char::from(separator)))?;
    let file = File::open(path).map_err(ReadError::io(path))?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(decoded(file, encoding));
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(ReadError::form(path, error)),
        }
        if record.len() > COLUMNS {
            return Err(ReadError::form(path, format!("{} columns, at most {COLUMNS} are read", record.len())));
        }
        let line = record.position().map_or(0, csv::Position::line);
        table.row(SourceRow { line, cells: record.iter().map(Cell::of_text).collect() })?;
    }
    table.end()
}

fn decoded(file: File, encoding: &'static Encoding) -> impl std::io::Read {
    // The mark is taken off; what cannot be decoded becomes U+FFFD and is found cell by cell.
    let decoder = DecodeReaderBytesBuilder::new().encoding(Some(encoding)).bom_override(true).build(file);
    BufReader::with_capacity(64 << 10, decoder)
}

/// Which encoding a file is in.
fn encoding(path: &Path, options: &ReadOptions) -> Result<&'static Encoding, ReadError> {
    if let Some(label) = &options.encoding {
        return Encoding::for_label(label.trim().as_bytes()).ok_or_else(|| {
            ReadError::form(path, format!("there is no encoding {label:?}: write gbk, gb18030, utf-8 or utf-16le"))
        });
    }
    let mut file = File::open(path).map_err(ReadError::io(path))?;
    let mut sample = Vec::new();
    file.by_ref().take(SAMPLE as u64).read_to_end(&mut sample).map_err(ReadError::io(path))?;
    if let Some((encoding, _)) = Encoding::for_bom(&sample) {
        return Ok(encoding);
    }
    if let Some(encoding) = utf_16(&sample) {
        return Ok(encoding);
    }
    file.seek(SeekFrom::Start(0)).map_err(ReadError::io(path))?;
    if is_utf_8(&mut file).map_err(ReadError::io(path))? {
        return Ok(UTF_8);
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(&sample, true);
    let guess = detector.guess(Some(b"cn"), chardetng::Utf8Detection::Deny);
    // Of a few Chinese characters the guess may be any East Asian one: this is a Chinese system.
    Ok(if guess.is_single_byte() || guess.name() != "Big5" { GBK } else { guess })
}

/// UTF-16 without a mark: in a table of digits and separators every other byte is zero.
fn utf_16(sample: &[u8]) -> Option<&'static Encoding> {
    let head = &sample[..sample.len().min(4096)];
    let zeros = |from: usize| head.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let many = head.len() / 10;
    match (even > many, odd > many) {
        (false, true) => Some(UTF_16LE),
        (true, false) => Some(UTF_16BE),
        _ => None,
    }
}

/// Is the whole file UTF-8? Reads it once in blocks.
fn is_utf_8(file: &mut File) -> std::io::Result<bool> {
    let mut block = vec![0; 64 << 10];
    let mut kept = 0;
    loop {
        let read = file.read(&mut block[kept..])?;
        if read == 0 {
            return Ok(kept == 0);
        }
        let filled = kept + read;
        kept = match std::str::from_utf8(&block[..filled]) {
            Ok(_) => 0,
            Err(error) if error.error_len().is_none() => {
                let good = error.valid_up_to();
                block.copy_within(good..filled, 0);
                filled - good
            }
            Err(_) => return Ok(false),
        };
    }
}

/// The character that the first line with text has most of.
fn separator(path: &Path, encoding: &'static Encoding) -> Result<u8, ReadError> {
    let file = File::open(path).map_err(ReadError::io(path))?;
    let mut head = Vec::new();
    decoded(file, encoding).take(FIRST_LINE as u64).read_to_end(&mut head).map_err(ReadError::io(path))?;
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().max_by_key(|line| line.matches([',', '\t', ';']).count()).unwrap_or_default();
    let count = |separator: u8| line.bytes().filter(|byte| *byte == separator).count();
    Ok([b',', b'\t', b';'].into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(b','))
}
