//! The head of an HTTP response.

use std::time::Duration;

use ureq::http::{HeaderMap, HeaderName, StatusCode, header};

use crate::sha256::whole;

/// The status and the headers that are used here.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    pub status: u16,
    /// `Content-Length`.
    pub length: Option<u64>,
    /// `Content-Range`.
    pub range: Option<Range>,
    /// The strong `ETag`.
    pub tag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
    /// The URL that a redirect leads to.
    pub location: Option<String>,
    /// Whether the body is a web page.
    pub is_page: bool,
    /// Whether the body is compressed; dvm does not request that.
    pub is_encoded: bool,
    /// `Retry-After`, in seconds.
    pub pause: Option<Duration>,
    /// SHA-256 and size of the file that the hub announces when it redirects to its storage.
    pub linked: Announced,
}

/// `Content-Range: bytes FIRST-LAST/TOTAL`, or `bytes */TOTAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: Option<u64>,
    pub total: Option<u64>,
}

/// SHA-256 and size of a file, from the hub's headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    pub sha256: Option<String>,
    pub bytes: Option<u64>,
}

const LINKED_TAG: HeaderName = HeaderName::from_static("x-linked-etag");
const LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");

impl ResponseHead {
    /// Reads the headers.
    pub fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
        let number = |name: HeaderName| text(name)?.parse::<u64>().ok();
        let kind = text(header::CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let encoding = text(header::CONTENT_ENCODING).unwrap_or("identity");
        Self {
            status: status.as_u16(),
            length: number(header::CONTENT_LENGTH),
            range: text(header::CONTENT_RANGE).and_then(Range::parse),
            tag: text(header::ETAG)
                .filter(|tag| tag.starts_with('"'))
                .map(Into::into),
            modified: text(header::LAST_MODIFIED).map(Into::into),
            location: text(header::LOCATION).map(Into::into),
            is_page: ["text/html", "application/xhtml+xml"]
                .iter()
                .any(|page| kind.eq_ignore_ascii_case(page)),
            is_encoded: !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"),
            pause: number(header::RETRY_AFTER).map(Duration::from_secs),
            linked: Announced {
                sha256: text(LINKED_TAG).and_then(|tag| whole(unquoted(tag))),
                bytes: number(LINKED_SIZE),
            },
        }
    }

    /// Whether it is a redirect.
    pub fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }

    /// The tag or date for a conditional request.
    pub fn validator(&self) -> Option<String> {
        self.tag.clone().or_else(|| self.modified.clone())
    }

    /// The `ETag`, if it is a SHA-256, as mirrors of the hub send it.
    pub fn tag_as_sha256(&self) -> Option<String> {
        whole(unquoted(self.tag.as_deref()?))
    }
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes")?.trim().split_once('/')?;
        let first = range.split_once('-').map(|(first, _)| first.trim());
        Some(Self {
            first: first.and_then(|first| first.parse().ok()),
            total: total.trim().parse().ok(),
        })
    }
}

fn unquoted(tag: &str) -> &str {
    tag.trim_matches('"')
}

/// What a status probably means.
pub fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => " (not allowed): the publisher or the mirror requires a login",
        404 | 410 => " (not found): the file was moved, or the mirror does not have it",
        407 => " (the proxy requires a name and a password)",
        429 => " (too many requests): try again later",
        500..=599 => " (an error of the server): try again later",
        _ => "",
    }
}

/// Whether the same request may succeed a little later.
pub fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&'static str, &str)]) -> ResponseHead {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, value.parse().unwrap())
        });
        ResponseHead::of(StatusCode::OK, &headers.collect())
    }

    #[test]
    fn ranges_may_lack_the_start_or_the_total() {
        let range = |text: &str| answer(&[("content-range", text)]).range;
        let of = |first, total| Some(Range { first, total });
        assert_eq!(range("bytes 5-9/10"), of(Some(5), Some(10)));
        assert_eq!(range("bytes 5-9/*"), of(Some(5), None));
        assert_eq!(range("bytes */10"), of(None, Some(10)));
        assert_eq!(range("lines 1-2/3"), None);
    }

    #[test]
    fn weak_tags_are_ignored() {
        assert_eq!(answer(&[("etag", "W/\"a\"")]).validator(), None);
        assert_eq!(answer(&[("etag", "\"a\"")]).validator().unwrap(), "\"a\"");
        let modified = answer(&[("etag", "W/\"a\""), ("last-modified", "Monday")]);
        assert_eq!(modified.validator().unwrap(), "Monday");
    }

    #[test]
    fn the_hub_announces_checksum_and_size() {
        let sum = "ab".repeat(32);
        let linked = answer(&[
            ("x-linked-etag", &format!("\"{sum}\"")),
            ("x-linked-size", "46830571"),
        ])
        .linked;
        assert_eq!(linked.sha256.as_deref(), Some(&sum[..]));
        assert_eq!(linked.bytes, Some(46_830_571));
        // Small files have a Git hash instead.
        let git = answer(&[(
            "x-linked-etag",
            "\"0123456789abcdef0123456789abcdef01234567\"",
        )]);
        assert_eq!(git.linked.sha256, None);
        let mirrored = answer(&[("etag", &format!("\"{sum}\""))]);
        assert_eq!(mirrored.tag_as_sha256(), Some(sum));
    }

    #[test]
    fn web_pages_and_compression_are_recognised() {
        assert!(answer(&[("content-type", "Text/HTML; charset=utf-8")]).is_page);
        assert!(!answer(&[("content-type", "application/octet-stream")]).is_page);
        assert!(answer(&[("content-encoding", "gzip")]).is_encoded);
        assert!(!answer(&[("content-encoding", "identity")]).is_encoded);
    }
}
