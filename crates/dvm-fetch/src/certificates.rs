//! The certificates that connections trust.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// The environment variable with a file of PEM certificates, to trust instead of the built-in ones.
const VARIABLE: &str = "SSL_CERT_FILE";

/// The trusted certificates: Mozilla's built-in list, or the file in `SSL_CERT_FILE`, as with OpenSSL and
/// curl.
///
/// # Errors
/// What is wrong with that file, as a sentence.
pub fn trusted() -> Result<TlsConfig, String> {
    let file = std::env::var_os(VARIABLE).filter(|file| !file.is_empty());
    let roots = match file {
        Some(file) => of_file(&PathBuf::from(file))?,
        None => RootCerts::WebPki,
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

fn of_file(file: &PathBuf) -> Result<RootCerts, String> {
    let fail = |why: String| format!("{} (from {VARIABLE}): {why}", file.display());
    let text = fs::read(file).map_err(|error| fail(error.to_string()))?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(fail("contains no PEM certificate".into()));
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let why = of_file(&"Cargo.toml".into()).unwrap_err();
        assert_eq!(
            why,
            "Cargo.toml (from SSL_CERT_FILE): contains no PEM certificate"
        );
        assert!(of_file(&"missing.pem".into()).is_err());
    }
}
