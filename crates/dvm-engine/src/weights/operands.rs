//! What follows an opcode in a pickle, read in constant memory.

use std::io::{self, BufRead, Read};

/// Longest text that is remembered; names are shorter.
const REMEMBERED: usize = 256;

/// The beginning of a text, and its whole length in bytes.
pub(super) struct Text {
    pub kept: String,
    pub length: u64,
}

/// A little-endian number of `width` bytes.
pub(super) fn number(r: &mut impl Read, width: usize) -> io::Result<u64> {
    let mut bytes = [0; 8];
    r.read_exact(&mut bytes[..width])?;
    Ok(u64::from_le_bytes(bytes))
}

/// Consumes `length` bytes.
pub(super) fn skip(r: &mut impl Read, length: u64) -> io::Result<()> {
    let skipped = io::copy(&mut r.take(length), &mut io::sink())?;
    if skipped < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// A text after its length in `width` bytes.
pub(super) fn counted(r: &mut impl BufRead, width: usize) -> io::Result<Text> {
    let length = number(r, width)?;
    let mut bytes = Vec::new();
    let kept = length.min(REMEMBERED as u64);
    r.take(kept).read_to_end(&mut bytes)?;
    skip(r, length - kept)?;
    Ok(Text {
        kept: String::from_utf8_lossy(&bytes).into_owned(),
        length,
    })
}

/// A line without its end.
pub(super) fn line(r: &mut impl BufRead) -> io::Result<Text> {
    let mut kept = Vec::new();
    let mut length = 0;
    loop {
        let buffer = r.fill_buf()?;
        if buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        kept.extend_from_slice(&part[..part.len().min(REMEMBERED - kept.len())]);
        length += part.len() as u64;
        let consumed = part.len() + usize::from(end.is_some());
        r.consume(consumed);
        if end.is_some() {
            let kept = String::from_utf8_lossy(&kept);
            return Ok(Text {
                kept: kept.trim_end_matches('\r').to_owned(),
                length,
            });
        }
    }
}
