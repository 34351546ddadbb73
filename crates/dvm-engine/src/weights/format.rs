//! The format of a file, recognised by its first bytes.

use std::fmt;

/// How many bytes of a file [`Format::of`] reads.
pub(super) const HEAD: u64 = 1024;

/// A container of weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Format {
    /// <https://github.com/huggingface/safetensors#format>
    Safetensors,
    /// `torch.save` since 1.6: a zip archive.
    Zip,
    /// `torch.save` from 0.1.10 to 1.5: pickles, then the raw values.
    Legacy,
    /// `torch.save` before 0.1.10: a tar archive.
    Tar,
    /// A single pickle without an archive.
    Pickle,
}

/// A format that holds no weights, recognised by its first bytes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ForeignFormat {
    /// An empty file.
    Empty,
    /// A web page, usually saved in place of the download it links to.
    Html,
    /// A placeholder of Git LFS for a file that was not fetched.
    LfsPointer,
    /// Any other text, with its first line.
    Text(String),
    /// A known binary format: its name and advice.
    Known(&'static str, &'static str),
    /// An unknown format, with its first bytes in hexadecimal.
    Unknown(String),
}

impl Format {
    /// The format of the file that begins with `head` (its first [`HEAD`] bytes, or all).
    pub fn of(head: &[u8]) -> Result<Self, ForeignFormat> {
        if head.is_empty() {
            Err(ForeignFormat::Empty)
        } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            Ok(Self::Zip)
        } else if begins_like_safetensors(head) {
            Ok(Self::Safetensors)
        } else if head.get(257..262) == Some(b"ustar") {
            Ok(Self::Tar)
        } else if holds_legacy_magic(head) {
            Ok(Self::Legacy)
        } else if head[0] == 0x80 {
            Ok(Self::Pickle)
        } else {
            Err(ForeignFormat::of(head))
        }
    }
}

impl ForeignFormat {
    fn of(head: &[u8]) -> Self {
        if let Some((_, name, advice)) = KNOWN.iter().find(|(magic, ..)| head.starts_with(magic)) {
            return Self::Known(name, advice);
        }
        let Some(text) = text(head) else {
            let hex: Vec<String> = head.iter().take(8).map(|b| format!("{b:02x}")).collect();
            return Self::Unknown(hex.join(" "));
        };
        let start = text.trim_start_matches('\u{feff}').trim_start();
        if start.starts_with("version https://git-lfs") {
            return Self::LfsPointer;
        }
        let lower = start.to_ascii_lowercase();
        if ["<!doctype html", "<html", "<head", "<body"]
            .iter()
            .any(|tag| lower.starts_with(tag))
        {
            return Self::Html;
        }
        Self::Text(
            start
                .lines()
                .next()
                .unwrap_or("")
                .chars()
                .take(60)
                .collect(),
        )
    }
}

impl fmt::Display for ForeignFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the file is empty: fetch or save it again"),
            Self::Html => write!(
                f,
                "this is a web page, not weights: the file was saved from the address of a page; fetch it \
                 from the download link of that page"
            ),
            Self::LfsPointer => write!(
                f,
                "this is a Git LFS pointer, not the weights: run `git lfs pull` in the repository \
                 it comes from"
            ),
            Self::Text(beginning) => write!(
                f,
                "this is a text file beginning with {beginning:?}, not weights: give a \
                 .safetensors or .pth file"
            ),
            Self::Known(name, advice) => write!(f, "this is {name}, not weights: {advice}"),
            Self::Unknown(bytes) => write!(
                f,
                "no known format of weights begins with the bytes {bytes}: give a .safetensors \
                 or .pth file"
            ),
        }
    }
}

/// Other formats: first bytes, name, advice.
const KNOWN: &[(&[u8], &str, &str)] = &[
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file (Keras)",
        "convert it to .safetensors",
    ),
    (b"\x1f\x8b", "a gzip archive", "decompress it first"),
    (b"BZh", "a bzip2 archive", "decompress it first"),
    (b"\xfd7zXZ\0", "an xz archive", "decompress it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "decompress it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "decompress it first"),
    (
        b"\x93NUMPY",
        "a NumPy array",
        "give a .safetensors or .pth file",
    ),
    (
        b"\x89PNG",
        "a PNG picture",
        "give a .safetensors or .pth file",
    ),
    (
        b"\xff\xd8\xff",
        "a JPEG picture",
        "give a .safetensors or .pth file",
    ),
];

/// A little-endian u64, the length of the header, then the header's opening brace.
fn begins_like_safetensors(head: &[u8]) -> bool {
    let plausible = |length: &[u8; 8]| u64::from_le_bytes(*length) < 1 << 32;
    head.first_chunk().is_some_and(plausible) && head.get(8) == Some(&b'{')
}

/// The number 0x1950a86a20f9469cfc6c that begins a legacy file: as bytes, or in decimal when the
/// pickle is of protocol 0 or 1.
fn holds_legacy_magic(head: &[u8]) -> bool {
    let start = &head[..head.len().min(64)];
    [
        &b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"[..],
        b"119547037146038801333356",
    ]
    .iter()
    .any(|magic| start.windows(magic.len()).any(|bytes| bytes == *magic))
}

/// `head` as text if it is UTF-8 (cut at any byte) without control characters.
fn text(head: &[u8]) -> Option<&str> {
    let text = match str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let prints = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x0c');
    (!text.is_empty() && text.chars().all(prints)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_recognised_by_their_first_bytes() {
        let safetensors = b"\x80\0\0\0\0\0\0\0{\"a\":";
        let legacy = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
        let mut tar = vec![b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (head, format) in [
            (&safetensors[..], Format::Safetensors),
            (legacy, Format::Legacy),
            (b"L119547037146038801333356L\n.", Format::Legacy),
            (&tar, Format::Tar),
            (b"PK\x03\x04rest", Format::Zip),
            (b"\x80\x04}.", Format::Pickle),
        ] {
            assert_eq!(Format::of(head), Ok(format));
        }
    }

    #[test]
    fn a_foreign_format_is_named() {
        for (head, foreign) in [
            (&b""[..], ForeignFormat::Empty),
            (b"\n <!DOCTYPE HTML><html>", ForeignFormat::Html),
            (
                b"version https://git-lfs.github.com/spec/v1\noid",
                ForeignFormat::LfsPointer,
            ),
            (b"epoch,loss\n1,2", ForeignFormat::Text("epoch,loss".into())),
            (
                b"\x1f\x8b\x08",
                ForeignFormat::Known("a gzip archive", "decompress it first"),
            ),
            (b"\x00\x01\xff", ForeignFormat::Unknown("00 01 ff".into())),
        ] {
            assert_eq!(Format::of(head), Err(foreign));
        }
    }

    #[test]
    fn text_may_be_cut_within_a_character() {
        assert_eq!(
            Format::of("poids: é".as_bytes().split_last().unwrap().1),
            Err(ForeignFormat::Text("poids: ".into()))
        );
    }
}
