//! Errors of the operating system in plain words.

use std::io::{self, ErrorKind};

/// The reason of an error in plain words, as the end of a sentence. An error that has its own text keeps it.
pub fn system_words(error: &io::Error) -> String {
    let text = error.to_string();
    let words = match error.kind() {
        _ if error.get_ref().is_some() => return without_system_text(text),
        ErrorKind::NotFound => "no such file or folder; check the path",
        ErrorKind::PermissionDenied => {
            "permission denied; check the permissions of the file or folder"
        }
        ErrorKind::AlreadyExists => "a file or folder of this name exists already",
        ErrorKind::IsADirectory => "it is a folder, not a file",
        ErrorKind::NotADirectory => "a part of the path is a file, not a folder",
        ErrorKind::DirectoryNotEmpty => "the folder is not empty",
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::QuotaExceeded => "your disk quota is used up",
        ErrorKind::ReadOnlyFilesystem => "the disk is read-only",
        ErrorKind::FileTooLarge => "the file is too large for this disk",
        ErrorKind::InvalidFilename => "the name is too long or not valid",
        ErrorKind::CrossesDevices => "the files are on different disks",
        ErrorKind::AddrInUse => "another program uses this address",
        ErrorKind::AddrNotAvailable => "this machine does not have this address",
        ErrorKind::BrokenPipe => "the reader has closed the connection",
        ErrorKind::ConnectionRefused => "the connection was refused",
        ErrorKind::ConnectionReset => "the connection was closed",
        ErrorKind::TimedOut => "it took too long",
        ErrorKind::OutOfMemory => "there is not enough memory",
        ErrorKind::InvalidData => "it is not text in UTF-8",
        ErrorKind::UnexpectedEof => "the file ends too early",
        _ => {
            let words = text.split(" (os error").next().unwrap_or_default();
            return words.to_lowercase();
        }
    };
    words.into()
}

/// The text with the errors of the operating system in it (`No such file or directory (os error 2)`) in plain words.
pub fn without_system_text(mut text: String) -> String {
    const CODE: &str = " (os error ";
    while let Some((_, rest)) = text.split_once(CODE) {
        let code = rest.split_once(')').and_then(|(code, _)| code.parse().ok());
        let Some(error) = code.map(io::Error::from_raw_os_error) else {
            break;
        };
        let system = error.to_string();
        if !text.contains(&system) {
            break;
        }
        text = text.replace(&system, &system_words(&error));
    }
    // The crate tempfile adds the path of its file.
    if let Some((before, rest)) = text.split_once(" at path \"")
        && let Some((_, after)) = rest.split_once('"')
    {
        text = format!("{before}{after}");
    }
    let texts = [
        ("failed to fill whole buffer", ErrorKind::UnexpectedEof),
        ("stream did not contain valid UTF-8", ErrorKind::InvalidData),
    ];
    texts.iter().fold(text, |text, &(from, kind)| {
        text.replace(from, &system_words(&kind.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_operating_system_are_in_plain_words() {
        for code in 1..=133 {
            let error = io::Error::from_raw_os_error(code);
            let text = without_system_text(format!("a.png: cannot be read: {error}; {error}"));
            assert!(!text.contains("os error"), "{text}");
            assert!(!system_words(&error).contains("os error"));
        }
        assert_eq!(system_words(&io::Error::other("disk full")), "disk full");
        let temporary = "not allowed at path \"/x/.dvm-1.part\"; try again".to_owned();
        assert_eq!(without_system_text(temporary), "not allowed; try again");
        let foreign = "it has a (os error x)";
        assert_eq!(without_system_text(foreign.into()), foreign);
    }
}
