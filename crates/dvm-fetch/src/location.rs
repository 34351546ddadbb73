//! URLs, and which redirects are followed.

use std::net::IpAddr;

use ureq::http::Uri;

const NO_URL: &str = "is not an http or https URL";

/// A URL of http or https with a host.
#[derive(Clone, Debug)]
pub struct Location {
    uri: Uri,
}

impl Location {
    /// Parses an absolute URL.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| NO_URL.to_owned())?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            Some(other) => {
                return Err(format!(
                    "has the scheme `{other}`; only http and https are supported"
                ));
            }
            None => return Err(NO_URL.into()),
        }
        let authority = uri.authority().ok_or("has no host")?;
        if authority.as_str().contains('@') {
            return Err("contains a user name, which dvm does not send".into());
        }
        if authority.host().is_empty() {
            return Err("has no host".into());
        }
        Ok(Self { uri })
    }

    /// The URL that a redirect from here leads to.
    ///
    /// # Errors
    /// Why it is not followed, as the end of a sentence: from https to http, or from another machine to this
    /// one.
    pub fn redirected(&self, location: &str) -> Result<Self, String> {
        let next = Self::parse(&self.joined(location))?;
        if self.is_secure() && !next.is_secure() && !self.is_loopback() {
            return Err("leads from https to http".into());
        }
        if next.is_loopback() && !self.is_loopback() {
            return Err("leads to this machine".into());
        }
        Ok(next)
    }

    /// `location` relative to this URL (RFC 3986, section 5.2, without `..`).
    fn joined(&self, location: &str) -> String {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        if has_scheme(location) {
            return location.to_owned();
        }
        if location.starts_with("//") {
            return format!("{scheme}:{location}");
        }
        if location.starts_with('/') {
            return format!("{scheme}://{authority}{location}");
        }
        let path = self.uri.path();
        let folder = &path[..=path.rfind('/').unwrap_or(0)];
        format!("{scheme}://{authority}{folder}{location}")
    }

    /// The URL of the request.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The URL for messages, without its query, which is long and may be a key.
    pub fn shown(&self) -> String {
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        let scheme = self.uri.scheme_str().unwrap_or_default();
        format!("{scheme}://{authority}{}", self.uri.path())
    }

    /// The host; an IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        bare.unwrap_or(host)
    }

    /// The port, if the URL has one.
    pub fn port(&self) -> Option<u16> {
        self.uri.port_u16()
    }

    /// Whether it is https.
    pub fn is_secure(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = host.parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// Whether the text begins with a scheme, such as `file:`.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(from: &str, to: &str) -> Result<String, String> {
        let from = Location::parse(from).unwrap();
        from.redirected(to).map(|next| next.uri().to_string())
    }

    #[test]
    fn a_redirect_may_be_absolute_or_relative() {
        let from = "https://hub.example/a/b?c=d";
        let goes = |to: &str| led(from, to).unwrap();
        assert_eq!(
            goes("https://cdn.example/x?k=v"),
            "https://cdn.example/x?k=v"
        );
        assert_eq!(goes("//cdn.example/x"), "https://cdn.example/x");
        assert_eq!(goes("/x/y"), "https://hub.example/x/y");
        assert_eq!(goes("y"), "https://hub.example/a/y");
    }

    #[test]
    fn a_redirect_from_https_to_http_is_refused() {
        let refused = led("https://hub.example/a", "http://hub.example/a");
        assert_eq!(refused.unwrap_err(), "leads from https to http");
        assert!(led("https://localhost/a", "http://localhost/a").is_ok());
        assert!(led("http://mirror.example/a", "http://cdn.example/a").is_ok());
        assert!(led("http://mirror.example/a", "https://cdn.example/a").is_ok());
    }

    #[test]
    fn a_redirect_from_another_machine_to_this_one_is_refused() {
        for here in [
            "localhost",
            "127.0.0.1",
            "127.1.2.3",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            let refused = led("http://mirror.example/a", &format!("http://{here}:80/a"));
            assert_eq!(refused.unwrap_err(), "leads to this machine", "{here}");
        }
        assert!(led("http://127.0.0.1:1/a", "http://localhost:2/a").is_ok());
    }

    #[test]
    fn other_schemes_and_invalid_urls_are_refused() {
        for to in [
            "file:///etc/passwd",
            "ftp://a/b",
            "data:text/plain,a",
            "http://",
        ] {
            assert!(led("http://127.0.0.1/a", to).is_err(), "{to}");
        }
        assert!(Location::parse("download.pytorch.org/models").is_err());
        assert!(Location::parse("https://me:secret@mirror.example").is_err());
        assert!(Location::parse("no url").is_err());
    }

    #[test]
    fn keys_are_not_shown() {
        let location = Location::parse("https://cdn.example:8443/x?key=secret").unwrap();
        assert_eq!(location.shown(), "https://cdn.example:8443/x");
    }
}
