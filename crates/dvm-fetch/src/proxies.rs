//! The proxy for each URL.

use ureq::Proxy;

use crate::location::Location;

/// The proxies in the usual environment variables: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`,
/// or the same in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For https: `http://host:port`, `https://…`, `socks5://…`.
    pub https: Option<String>,
    /// For http.
    pub http: Option<String>,
    /// For https and http without a proxy of their own.
    pub all: Option<String>,
    /// Hosts that need no proxy, separated by commas: `example.org` with its subdomains, `192.168.1.7`,
    /// `host:8080`, `*`.
    pub except: String,
}

impl Proxies {
    /// Reads the environment variables.
    pub fn from_environment() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| {
            [name.to_ascii_lowercase(), name.to_owned()]
                .iter()
                .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        };
        Self {
            https: read("HTTPS_PROXY"),
            http: read("HTTP_PROXY"),
            all: read("ALL_PROXY"),
            except: read("NO_PROXY").unwrap_or_default(),
        }
    }

    /// The proxy for this URL; none for servers on this machine.
    ///
    /// # Errors
    /// A sentence if the proxy's URL is invalid. It does not repeat the URL, which may contain a password.
    pub(crate) fn of(&self, location: &Location) -> Result<Option<Proxy>, String> {
        let (name, own) = match location.is_secure() {
            true => ("HTTPS_PROXY", &self.https),
            false => ("HTTP_PROXY", &self.http),
        };
        let (name, proxy) = match (own, &self.all) {
            (Some(own), _) => (name, own),
            (None, Some(all)) => ("ALL_PROXY", all),
            (None, None) => return Ok(None),
        };
        if location.is_loopback() || self.excepts(location) {
            return Ok(None);
        }
        let proxy = Proxy::new(proxy).map_err(|_| {
            format!("{name} is not the URL of a proxy, such as http://proxy.example.org:3128")
        })?;
        Ok(Some(proxy))
    }

    fn excepts(&self, location: &Location) -> bool {
        let host = location.host().to_ascii_lowercase();
        let separators = |c: char| c == ',' || c.is_whitespace();
        self.except.split(separators).any(|entry| {
            let entry = entry.to_ascii_lowercase();
            if entry == "*" {
                return true;
            }
            let (name, port) = match entry.rsplit_once(':') {
                Some((name, port)) if !name.contains(':') => match port.parse::<u16>() {
                    Ok(port) => (name, Some(port)),
                    Err(_) => return false,
                },
                _ => (&entry[..], None),
            };
            let name = name.trim_start_matches("*.").trim_start_matches('.');
            let name = name.trim_matches(['[', ']']);
            let below = host.strip_suffix(name);
            !name.is_empty()
                && below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                && (port.is_none() || port == location.port())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        Proxies {
            https: Some("http://secure.example:3128".into()),
            http: None,
            all: Some("socks5://all.example".into()),
            except: "inside.example, .dots.example,10.0.0.7,port.example:8080".into(),
        }
    }

    fn host(proxies: &Proxies, url: &str) -> Option<String> {
        let proxy = proxies.of(&Location::parse(url).unwrap()).unwrap();
        proxy.map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn a_scheme_uses_its_own_proxy_or_the_one_for_all() {
        let proxies = proxies();
        assert_eq!(
            host(&proxies, "https://a.example").unwrap(),
            "secure.example"
        );
        assert_eq!(host(&proxies, "http://a.example").unwrap(), "all.example");
        assert_eq!(host(&Proxies::default(), "https://a.example"), None);
    }

    #[test]
    fn exceptions_and_this_machine_need_no_proxy() {
        let proxies = proxies();
        for direct in [
            "https://inside.example",
            "https://deep.inside.example",
            "https://x.dots.example",
            "https://10.0.0.7",
            "https://port.example:8080",
            "http://127.0.0.1:9",
            "http://localhost",
        ] {
            assert_eq!(host(&proxies, direct), None, "{direct}");
        }
        for proxied in ["https://notinside.example", "https://port.example"] {
            assert!(host(&proxies, proxied).is_some(), "{proxied}");
        }
        let none = Proxies {
            except: "*".into(),
            ..proxies
        };
        assert_eq!(host(&none, "https://a.example"), None);
    }

    #[test]
    fn lower_case_variables_win_as_with_curl() {
        let read = Proxies::read(|name| match name {
            "https_proxy" => Some("http://small".into()),
            "HTTPS_PROXY" => Some("http://large".into()),
            "NO_PROXY" => Some("a.example".into()),
            "all_proxy" => Some(String::new()),
            _ => None,
        });
        let expected = Proxies {
            https: Some("http://small".into()),
            except: "a.example".into(),
            ..Proxies::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn an_invalid_proxy_is_an_error_without_the_password() {
        let proxies = Proxies {
            all: Some("gopher://me:secret@proxy".into()),
            ..Proxies::default()
        };
        let location = Location::parse("https://a.example").unwrap();
        let why = proxies.of(&location).unwrap_err();
        assert!(why.starts_with("ALL_PROXY is not the URL"), "{why}");
        assert!(!why.contains("secret"), "{why}");
    }
}
