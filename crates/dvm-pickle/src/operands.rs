//! The operands of opcodes.

use std::io::{self, BufRead, Read};

/// The beginning of a text, of bytes or of a long number, and its full length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Its first bytes, at most [`Visitor::KEPT`](crate::Visitor::KEPT).
    pub bytes: Vec<u8>,
    /// Its length in the file, in bytes.
    pub length: u64,
}

impl Operand {
    /// The beginning as text, with invalid UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Whether all of it was kept.
    pub fn is_whole(&self) -> bool {
        self.bytes.len() as u64 == self.length
    }
}

/// A reader of operands that counts bytes.
pub(crate) struct Operands<'a, R> {
    reader: &'a mut R,
    /// Bytes consumed so far.
    pub at: u64,
    kept: u64,
}

impl<'a, R: BufRead> Operands<'a, R> {
    /// Of `reader`, keeping at most `kept` bytes of each operand.
    pub fn new(reader: &'a mut R, kept: u64) -> Self {
        Self {
            reader,
            at: 0,
            kept,
        }
    }

    /// `N` bytes.
    pub fn fixed<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// A little-endian number of `width` bytes, at most eight.
    pub fn number(&mut self, width: usize) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes[..width])?;
        self.at += width as u64;
        Ok(u64::from_le_bytes(bytes))
    }

    /// An operand after its length in `width` bytes. Memory grows with the bytes that exist, not with the declared length.
    pub fn counted(&mut self, width: usize) -> io::Result<Operand> {
        let length = self.number(width)?;
        let mut bytes = Vec::new();
        let kept = length.min(self.kept);
        self.reader.take(kept).read_to_end(&mut bytes)?;
        self.at += bytes.len() as u64;
        if (bytes.len() as u64) < kept {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.skip(length - kept)?;
        Ok(Operand { bytes, length })
    }

    /// A line without its end.
    pub fn line(&mut self) -> io::Result<Operand> {
        let mut bytes = Vec::new();
        let mut length = 0u64;
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = self.kept - bytes.len() as u64;
            bytes.extend_from_slice(
                &part[..part.len().min(usize::try_from(room).unwrap_or(usize::MAX))],
            );
            length += part.len() as u64;
            let consumed = part.len() + usize::from(end.is_some());
            self.reader.consume(consumed);
            self.at += consumed as u64;
            if end.is_some() {
                // Python may also write these files in text mode.
                if length == bytes.len() as u64 && bytes.last() == Some(&b'\r') {
                    bytes.pop();
                    length -= 1;
                }
                return Ok(Operand { bytes, length });
            }
        }
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.reader.take(length), &mut io::sink())?;
        self.at += skipped;
        if skipped < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}
