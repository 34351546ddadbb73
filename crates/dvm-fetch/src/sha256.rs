//! SHA-256 of files, in hexadecimal.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Bytes per read.
pub const BLOCK: usize = 64 << 10;

/// 64 lower-case hexadecimal digits.
pub fn hexadecimal(hasher: Sha256) -> String {
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

/// The SHA-256 of a file's bytes, in lower-case hexadecimal.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256_of(file: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    absorb(&mut hasher, &mut File::open(file)?)?;
    Ok(hexadecimal(hasher))
}

/// The SHA-256 of these bytes, in lower-case hexadecimal.
pub fn sha256_of_bytes(bytes: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(bytes);
    hexadecimal(hasher)
}

/// Hashes everything left to read and returns the number of bytes.
pub fn absorb(hasher: &mut Sha256, reader: &mut impl Read) -> io::Result<u64> {
    let (mut block, mut bytes) = (vec![0; BLOCK], 0);
    loop {
        let read = match reader.read(&mut block) {
            Ok(0) => return Ok(bytes),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&block[..read]);
        bytes += read as u64;
    }
}

/// The digits in lower case, if the text is a complete SHA-256.
pub fn whole(text: &str) -> Option<String> {
    let is_whole = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_whole.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_is_right() {
        // FIPS 180-2, appendix B.1.
        let mut hasher = Sha256::new();
        assert_eq!(absorb(&mut hasher, &mut &b"abc"[..]).unwrap(), 3);
        let digits = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hexadecimal(hasher), digits);
        assert_eq!(whole(&digits.to_uppercase()).as_deref(), Some(digits));
        assert_eq!(whole("ba7816bf"), None);
    }
}
