//! Why a server was not believed to be who it says, and what to do about it.

use std::error::Error as _;
use std::io;

use postgres::Error;
use rustls::CertificateError;

const SIGNED: &str = "name the file of the authority that signed it with sslrootcert";
const NAMED: &str = "write the host as its certificate does, have it certified under the name that you write, or do with sslmode=verify-ca";
const UNNAMED: &str =
    "have the certificate name the host as its subjectAltName, or do with sslmode=verify-ca";
const DATED: &str = "have the certificate renewed, or the clock of this machine set";
const MADE: &str = "have the certificate made as of version 3, as `openssl x509 -req -extfile` does of a file that says subjectAltName=DNS:the.host";
const SPOKEN: &str = "have the server speak TLS 1.2 or 1.3 with ciphers of today";

/// What was wrong with the certificate of a server, or with what it spoke, and the cure; `None` where that was not it.
pub(super) fn reason(error: &Error) -> Option<(String, &'static str)> {
    let error = error.source()?.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(problem) = error else {
        return Some((format!("no way was found to encrypt: {error}"), SPOKEN));
    };
    let told = |problem: &str| format!("the certificate of the server {problem}");
    Some(match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            ("no authority that is trusted has signed the certificate of the server".to_owned(), SIGNED)
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            (told("names no host"), UNNAMED)
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            (told(&format!("is for {}, and not for {}", names.join(" and "), expected.to_str())), NAMED)
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (told("has expired"), DATED),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (told("is of a time to come"), DATED)
        }
        CertificateError::Other(problem) if problem.to_string().contains("UnsupportedCertVersion") => {
            (told("is of a version that is too old to be verified"), MADE)
        }
        CertificateError::Other(problem) if problem.to_string().contains("CaUsedAsEndEntity") => {
            (told("is that of an authority which is not trusted"), SIGNED)
        }
        problem => (told(&format!("cannot be verified: {problem}")), MADE),
    })
}

/// A name out of `DnsName("db.example")` or `IpAddress(10.0.0.1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner.trim_end_matches(')'));
    inner.trim_matches('"')
}
