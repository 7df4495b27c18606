//! Keeping a connection from others: what the modes of PostgreSQL's own programs ask for.

use std::path::PathBuf;
use std::sync::Arc;

use postgres::config::SslMode;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Whether a connection is encrypted, and what the server has to prove.
#[derive(Clone, Debug)]
pub(super) struct Encryption {
    mode: SslMode,
    proof: Proof,
    /// The authorities that are trusted, if not those of the system.
    roots: Option<PathBuf>,
}

/// What a server has to prove by its certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proof {
    Nothing,
    /// That an authority has signed it.
    Authority,
    /// That, and that it is the host that was asked for.
    Host,
}

impl Encryption {
    /// By the name of a mode, in the words of PostgreSQL's own programs.
    pub(super) fn of(mode: Option<&str>, roots: Option<PathBuf>) -> Result<Self, String> {
        // This file is none: whoever is trusted by a machine has signed for everybody, under their names.
        let is_system = roots.as_ref().is_some_and(|file| file.as_os_str() == "system");
        let roots = roots.filter(|_| !is_system);
        let (mode, proof) = match mode.unwrap_or(if is_system { "verify-full" } else { "prefer" }) {
            mode if is_system && mode != "verify-full" => {
                return Err(format!("sslrootcert=system needs sslmode=verify-full, and not {mode}"));
            }
            "disable" => (SslMode::Disable, Proof::Nothing),
            "allow" | "prefer" => (SslMode::Prefer, Proof::Nothing),
            // Whoever names the authorities wants them to have signed.
            "require" if roots.is_some() => (SslMode::Require, Proof::Authority),
            "require" => (SslMode::Require, Proof::Nothing),
            "verify-ca" => (SslMode::Require, Proof::Authority),
            "verify-full" => (SslMode::Require, Proof::Host),
            other => {
                return Err(format!(
                    "sslmode is `{other}`, and not one of disable, prefer, require, verify-ca and verify-full"
                ));
            }
        };
        Ok(Self { mode, proof, roots })
    }

    /// What the server is asked for.
    pub(super) fn mode(&self) -> SslMode {
        self.mode
    }

    /// Encrypts connections. Fails, with the problem, where the trusted authorities cannot be read.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, String> {
        let provider = Arc::new(ring::default_provider());
        let chain = match self.proof {
            Proof::Nothing => None,
            Proof::Authority | Proof::Host => Some(self.chain(&provider)?),
        };
        let verifier = Verifier { provider: Arc::clone(&provider), chain, proof: self.proof };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = config.with_no_client_auth();
        // Servers that are spoken to without being asked first want to hear this.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(MakeRustlsConnect::new(config))
    }

    fn chain(&self, provider: &Arc<CryptoProvider>) -> Result<Chain, String> {
        let certificates = match &self.roots {
            Some(file) => CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| format!("cannot read the certificates in {}: {error}", file.display()))?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let mut roots = RootCertStore::empty();
        if roots.add_parsable_certificates(certificates.iter().cloned()).0 == 0 {
            return Err(match &self.roots {
                Some(file) => format!("{} holds no certificate", file.display()),
                None => "this machine trusts no authority: name a file of certificates with sslrootcert"
                    .to_owned(),
            });
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        Ok(Chain { verifier: verifier.map_err(|error| error.to_string())?, certificates })
    }
}

/// Those who are trusted.
#[derive(Debug)]
struct Chain {
    verifier: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

/// Looks at a server's certificate as far as the mode says.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    chain: Option<Chain>,
    proof: Proof,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verifier.verify_server_cert(certificate, others, host, ocsp, now) {
            // A server that signed for itself is an authority in the eyes of the standard, and proves nothing by the
            // chain of one. Who has this very certificate and trusts it knows the server by it.
            Err(rustls::Error::InvalidCertificate(_)) if chain.certificates.contains(certificate) => {
                if self.proof == Proof::Host {
                    verify_server_name(&ParsedCertificate::try_from(certificate)?, host)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            // The name is looked at last, so the authority is one that is trusted.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.proof == Proof::Authority => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // From a server that need prove nothing, certificates are taken that cannot even be read.
        if self.chain.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // From a server that need prove nothing, certificates are taken that cannot even be read.
        if self.chain.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
