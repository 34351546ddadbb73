//! The binary data extension of V2: numbers and files after the JSON.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName};

use crate::server::Problem;

/// The header with the length of the JSON.
pub const LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// Splits a body into JSON and binary data.
///
/// # Errors
/// 400 for a header that is not a length within the body.
pub fn split(headers: &HeaderMap, mut body: Bytes) -> Result<(Bytes, Bytes), Problem> {
    let Some(length) = headers.get(LENGTH) else {
        return Ok((body, Bytes::new()));
    };
    let length: Option<usize> = length.to_str().ok().and_then(|text| text.parse().ok());
    let length = length.filter(|&length| length <= body.len());
    let length = length.ok_or_else(|| {
        let message = format!("the header {LENGTH} must be the length of the JSON in the body");
        Problem::request(message)
    })?;
    let binary = body.split_off(length);
    Ok((body, binary))
}

/// 32-bit numbers, little-endian.
///
/// # Errors
/// 400 for another number of bytes.
pub fn floats(bytes: &[u8]) -> Result<Vec<f32>, Problem> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Problem::request("FP32 needs 4 bytes for each number"));
    }
    Ok(numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect())
}

/// At most `most` texts, each after its length in 4 bytes, little-endian.
///
/// # Errors
/// 400 for lengths that do not fit the bytes.
pub fn texts(mut bytes: &[u8], most: usize) -> Result<Vec<Vec<u8>>, Problem> {
    let mut all = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((text, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if all.len() == most {
            return Err(Problem::request(format!(
                "there are too many elements; the limit is {most}"
            )));
        }
        all.push(text.to_vec());
        bytes = rest;
    }
    if !bytes.is_empty() {
        let message = "BYTES needs the length of each element in 4 bytes before it, but the lengths do not fit the data";
        return Err(Problem::request(message));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_read() {
        assert_eq!(floats(&[0, 0, 128, 63, 0, 0, 0, 192]).unwrap(), [1.0, -2.0]);
        assert!(floats(&[0, 0, 128]).is_err());
        let bytes = [2, 0, 0, 0, 7, 8, 0, 0, 0, 0, 1, 0, 0, 0, 9];
        assert_eq!(texts(&bytes, 3).unwrap(), [vec![7, 8], vec![], vec![9]]);
        assert!(texts(&bytes, 2).is_err());
        for wrong in [&bytes[..14], &[1, 0, 0], &[255, 255, 255, 255, 1]] {
            assert!(texts(wrong, 9).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_wrong_length_of_the_json_is_an_error() {
        let body = Bytes::from_static(b"{}abc");
        let with = |length: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LENGTH, length.parse().unwrap());
            split(&headers, body.clone())
        };
        assert_eq!(with("2").unwrap(), ("{}".into(), "abc".into()));
        for wrong in ["6", "-1", "x", "99999999999999999999999"] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            split(&HeaderMap::new(), body.clone()).unwrap(),
            (body, Bytes::new())
        );
    }
}
