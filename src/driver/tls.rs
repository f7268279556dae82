//! What a node shows and asks for over TLS: its certificate, the CA of its peers, and which versions.

mod cryptography;

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, InconsistentKeys, PeerIncompatible, RootCertStore, ServerConfig, SupportedProtocolVersion,
    version,
};

use super::net::failed;
use crate::error::{Date, Result, TlsFault};
use cryptography::provider;

/// The versions of TLS that a node speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TlsVersions {
    /// 1.3, and 1.2 with whoever does not speak that. OTP 25 to 28 are of these unless their optfile says otherwise.
    #[default]
    Both,
    /// 1.3 alone, which is what a cluster should have in the end: an Erlang that speaks 1.2 renegotiates after 2^28 records, which this node
    /// refuses, and then the connection ends.
    Tls13,
    /// 1.2 alone.
    Tls12,
}

impl TlsVersions {
    fn all(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Both => vec![&version::TLS13, &version::TLS12],
            Self::Tls13 => vec![&version::TLS13],
            Self::Tls12 => vec![&version::TLS12],
        }
    }
}

/// The files, in PEM, that a node needs for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The node's certificate, and behind it those that lead from it to its CA, if there are any.
    pub cert: PathBuf,
    /// The key of the certificate: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
    /// The certificates of the CA that the peers' are to be of. Several are taken, as while one CA takes the place of another.
    pub ca: PathBuf,
    /// Lists of the certificates that the CA has revoked.
    pub crl: Option<PathBuf>,
}

impl TlsFiles {
    /// Names the files `tls.crt`, `tls.key` and `ca.crt` of a folder, as in a TLS secret of Kubernetes, and `crl.pem` if it is there.
    pub fn in_folder(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let crl = folder.join("crl.pem");
        Self {
            cert: folder.join("tls.crt"),
            key: folder.join("tls.key"),
            ca: folder.join("ca.crt"),
            crl: crl.exists().then_some(crl),
        }
    }
}

/// What stands in the files of [`TlsFiles`].
#[derive(Clone, Copy)]
pub struct TlsPem<'a> {
    /// The node's certificate, and those that lead to its CA.
    pub cert: &'a [u8],
    /// Its key.
    pub key: &'a [u8],
    /// The CA.
    pub ca: &'a [u8],
    /// What the CA has revoked.
    pub crl: Option<&'a [u8]>,
}

impl core::fmt::Debug for TlsPem<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TlsPem").finish_non_exhaustive()
    }
}

/// Mutual TLS for the connections of a node, as between nodes started with `erl -proto_dist inet_tls`.
///
/// Both sides show a certificate, and a peer whose certificate is not of the CA is refused before it can say anything. Behind that stands the
/// cookie, as without TLS. The node that connects also asks that the peer's certificate is for the host part of the name that it called: a DNS
/// name of the certificate or, where the host is an address, one of its addresses. The one that is connected to asks that of the caller
/// only with [`Tls::check_names`], as no Erlang does by itself.
///
/// [`Driver::set_tls`](crate::Driver::set_tls) puts it in force for the connections from then on. It allocates, as the rest of the driver does
/// not: 8 KiB for each connection, up to 60 while a peer sends the largest records, as Erlang does, and nobody reads them; and one allocation
/// for each record that is sent or received. A handshake of more than 28 KiB, which takes a great many certificates, is refused.
///
/// ```no_run
/// # use beamless::{Config, Driver, DriverOptions, Node, NodeStorage, Tls, TlsFiles};
/// # let mut storage = NodeStorage::<4, 8, 16_384>::new();
/// # let mut node = Node::new(Config::hidden("edge1@nuc1", "secret")?, &mut storage);
/// let tls = Tls::from_files(&TlsFiles::in_folder("/etc/beamless/tls"), Default::default())?;
/// let mut driver = Driver::new(DriverOptions::from_env()?, &mut node)?;
/// driver.set_tls(tls);
/// # Ok::<(), beamless::Error>(())
/// ```
#[derive(Clone)]
pub struct Tls {
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
    pub(super) check_names: bool,
    valid: (u64, u64),
    names: Vec<String>,
    /// The last line about the names of a peer's certificate, which is not to be repeated with each attempt.
    pub(super) told: Arc<Mutex<String>>,
}

impl core::fmt::Debug for Tls {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tls").field("names", &self.names).field("check_names", &self.check_names).finish_non_exhaustive()
    }
}

/// Says whose the certificate is, and until when it is valid.
impl core::fmt::Display for Tls {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "certificate for {}, valid until {}", self.names.join(", "), Date(self.valid.1))
    }
}

impl Tls {
    /// Reads the files. They are read together: whoever replaces them one by one, so that for a moment certificate and key do not fit
    /// each other, gets an error for that moment.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) names the file, what is wrong with it, and what to do. A certificate that is no longer valid, or that
    /// peers with the same CA would refuse, is none: a warning in the log tells.
    pub fn from_files(files: &TlsFiles, versions: TlsVersions) -> Result<Self> {
        let read = |path: &Path| std::fs::read(path).map_err(|e| failed(&format!("TLS: {}", path.display()), e));
        let (cert, key, ca) = (read(&files.cert)?, read(&files.key)?, read(&files.ca)?);
        let crl = files.crl.as_deref().map(read).transpose()?;
        Self::new(&TlsPem { cert: &cert, key: &key, ca: &ca, crl: crl.as_deref() }, Some(files), versions)
    }

    /// Does what [`Tls::from_files`] does, with what stands in the files.
    ///
    /// # Errors
    /// As [`Tls::from_files`].
    pub fn from_pem(pem: &TlsPem<'_>, versions: TlsVersions) -> Result<Self> {
        Self::new(pem, None, versions)
    }

    /// Sets whether the host part of a caller's name must be one of the names or addresses of its certificate. Without it, whoever has a
    /// certificate of the CA may give any name, as with Erlang.
    #[must_use]
    pub fn check_names(self, check_names: bool) -> Self {
        Self { check_names, ..self }
    }

    /// Returns the time from which the node's own certificate is valid.
    pub fn valid_from(&self) -> SystemTime {
        at(self.valid.0)
    }

    /// Returns the time until which the node's own certificate is valid.
    pub fn valid_until(&self) -> SystemTime {
        at(self.valid.1)
    }

    /// Returns that time as people read it, in UTC: `2026-11-27T05:05:46Z`.
    pub fn end(&self) -> impl core::fmt::Display + use<> {
        Date(self.valid.1)
    }

    /// Returns the DNS names and addresses in the node's own certificate.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn new(pem: &TlsPem<'_>, files: Option<&TlsFiles>, versions: TlsVersions) -> Result<Self> {
        let wrong = |path: fn(&TlsFiles) -> &Path, what: &str, why: &str| {
            let doing = files.map_or_else(|| format!("TLS: the {what}"), |files| format!("TLS: {}", path(files).display()));
            failed(&doing, io::Error::new(ErrorKind::InvalidData, why))
        };
        let cert_wrong = |why: &str| wrong(|files| &files.cert, "certificate", why);
        let key_wrong = |why: &str| wrong(|files| &files.key, "key", why);
        let ca_wrong = |why: &str| wrong(|files| &files.ca, "CA", why);
        let crl_wrong = |why: &str| wrong(|files| files.crl.as_deref().unwrap_or(Path::new("")), "CRL", why);

        let chain: Vec<CertificateDer<'static>> = all(pem.cert).map_err(|why| cert_wrong(&why))?;
        let Some((own, intermediates)) = chain.split_first() else {
            return Err(cert_wrong("no certificate in it; it takes one in PEM, -----BEGIN CERTIFICATE-----"));
        };
        let key = PrivateKeyDer::from_pem_slice(pem.key).map_err(|e| {
            key_wrong(&match e {
                pem::Error::NoItemsFound => "no key in it that can be read; it takes one in PEM that is not encrypted".to_owned(),
                e => e.to_string(),
            })
        })?;
        let mut roots = RootCertStore::empty();
        for root in all::<CertificateDer<'static>>(pem.ca).map_err(|why| ca_wrong(&why))? {
            roots.add(root).map_err(|e| ca_wrong(&e.to_string()))?;
        }
        if roots.is_empty() {
            return Err(ca_wrong("no certificate in it; it takes those of the CA in PEM"));
        }
        let crls: Vec<CertificateRevocationListDer<'static>> =
            pem.crl.map(all).transpose().map_err(|why| crl_wrong(&why))?.unwrap_or_default();

        let (roots, provider) = (Arc::new(roots), Arc::new(provider()));
        let invalid = |e: VerifierBuilderError| match e {
            e @ VerifierBuilderError::InvalidCrl(_) => crl_wrong(&e.to_string()),
            e => ca_wrong(&e.to_string()),
        };
        // a certificate whose issuer's list is not in the file is taken: what is known is what counts
        let callers = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .with_crls(crls.clone())
            .allow_unknown_revocation_status()
            .build()
            .map_err(invalid)?;
        let called = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .with_crls(crls)
            .allow_unknown_revocation_status()
            .build()
            .map_err(invalid)?;

        let valid = validity(&*callers, own, intermediates).map_err(cert_wrong)?;
        let names = names(own).map_err(cert_wrong)?;
        doubt(&callers, &called, own, intermediates);

        let misfit = |e: rustls::Error| match e {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                key_wrong("it is not the key of the certificate: one of the two is newer than the other")
            }
            e => key_wrong(&e.to_string()),
        };
        let (client, server) = configs(&provider, versions, (callers, called), chain.clone(), &key).map_err(misfit)?;
        Ok(Self { client: Arc::new(client), server: Arc::new(server), check_names: false, valid, names, told: Arc::default() })
    }
}

/// Returns the time that is so many seconds after the beginning of 1970.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

/// Reads everything of a kind from PEM.
fn all<T: PemObject>(pem: &[u8]) -> core::result::Result<Vec<T>, String> {
    T::pem_slice_iter(pem).collect::<core::result::Result<_, _>>().map_err(|e| e.to_string())
}

fn configs(
    provider: &Arc<CryptoProvider>,
    versions: TlsVersions,
    (callers, called): (Arc<dyn ClientCertVerifier>, Arc<WebPkiServerVerifier>),
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> core::result::Result<(ClientConfig, ServerConfig), rustls::Error> {
    let mut client = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&versions.all())?
        .with_webpki_verifier(called)
        .with_client_auth_cert(chain.clone(), key.clone_key())?;
    let mut server = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&versions.all())?
        .with_client_cert_verifier(callers)
        .with_single_cert(chain, key.clone_key())?;
    // no session is resumed, as none is by Erlang's nodes
    client.resumption = Resumption::disabled();
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Ok((client, server))
}

/// Returns the first and the last second in which a certificate is valid. What checks certificates tells, when it is asked about a time
/// before, and one after: no other code that reads them is needed.
fn validity(
    verifier: &dyn ClientCertVerifier,
    own: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> core::result::Result<(u64, u64), &'static str> {
    // the last second of the year 9999 stands for a certificate without an end
    const FOREVER: u64 = 253_402_300_800;
    let at = |seconds| verifier.verify_client_cert(own, intermediates, UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
    let from = match at(0) {
        Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => not_before.as_secs(),
        Err(rustls::Error::InvalidCertificate(CertificateError::BadEncoding)) => return Err("a certificate that cannot be read"),
        _ => 0,
    };
    let until = match at(FOREVER) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => not_after.as_secs(),
        _ => FOREVER,
    };
    Ok((from, until))
}

/// Returns the names in a certificate, told by what checks them when it is asked for one that no certificate has.
fn names(own: &CertificateDer<'_>) -> core::result::Result<Vec<String>, &'static str> {
    const NOBODY: &str = "nobody.invalid";
    let parsed = ParsedCertificate::try_from(own).map_err(|_| "a certificate that cannot be read")?;
    let nobody = ServerName::try_from(NOBODY).map_err(|_| NOBODY)?;
    Ok(match verify_server_name(&parsed, &nobody) {
        Err(rustls::Error::InvalidCertificate(e)) => presented(&e),
        _ => Vec::new(),
    })
}

/// Returns the names of the certificate that is not for the one that was asked for.
pub(super) fn presented(e: &CertificateError) -> Vec<String> {
    let CertificateError::NotValidForNameContext { presented, .. } = e else { return Vec::new() };
    // such as DnsName("nuc3") and IpAddress(10.0.0.7)
    let plain = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest.strip_suffix(')').unwrap_or(rest));
        let inner = inner.trim_matches('"');
        inner.parse::<IpAddr>().map_or_else(|_| inner.to_owned(), |address| address.to_string())
    };
    // an address may be there as a name as well, for OTP 25
    presented.iter().map(plain).fold(Vec::new(), |mut names, name| {
        if !names.contains(&name) {
            names.push(name);
        }
        names
    })
}

/// Logs whether our own peers would refuse our own certificate.
fn doubt(
    callers: &Arc<dyn ClientCertVerifier>,
    called: &Arc<WebPkiServerVerifier>,
    own: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
) {
    let now = UnixTime::now();
    let as_caller = callers.verify_client_cert(own, others, now).err();
    let nobody = ServerName::IpAddress(IpAddr::from([0, 0, 0, 0]).into());
    let as_called = called.verify_server_cert(own, others, &nobody, &[], now).err();
    let is_name = |e: &rustls::Error| {
        matches!(
            e,
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            )
        )
    };
    // when it ends, the program can tell by itself
    let has_ended = |e: &rustls::Error| matches!(e, rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { .. }));
    if let Some(e) = as_caller.or(as_called.filter(|e| !is_name(e))).filter(|e| !has_ended(e)) {
        log::warn!("TLS: peers with the same CA will refuse this node: {}", TlsFault::of(&e));
    }
}

impl TlsFault {
    /// Returns the fault that an error of the library's tells of. What of it cannot be told otherwise goes to the log, at level debug.
    pub(super) fn of(e: &rustls::Error) -> Self {
        use CertificateError as C;
        use rustls::Error as E;
        log::debug!("TLS: {e}");
        match e {
            E::NoCertificatesPresented => Self::NoCertificate,
            E::AlertReceived(alert) => Self::of_alert(u8::from(*alert)),
            E::InvalidMessage(rustls::InvalidMessage::InvalidContentType | rustls::InvalidMessage::UnknownProtocolVersion) => {
                Self::NotTls
            }
            E::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => Self::Versions,
            E::PeerIncompatible(_) => Self::NothingInCommon,
            E::InvalidCertificate(e) => match e {
                C::ExpiredContext { not_after, .. } => Self::Expired { until: not_after.as_secs() },
                C::NotValidYetContext { time, not_before } => {
                    Self::NotYetValid { from: not_before.as_secs(), now: time.as_secs() }
                }
                C::Revoked => Self::Revoked,
                C::UnknownIssuer => Self::OtherCa,
                C::NotValidForName | C::NotValidForNameContext { .. } => Self::OtherHost,
                C::InvalidPurpose | C::InvalidPurposeContext { .. } => Self::Purpose,
                _ => Self::BadCertificate,
            },
            // of the library's own words for it
            E::General(words) if words.contains("signing key") => Self::NothingInCommon,
            E::FailedToGetCurrentTime | E::FailedToGetRandomBytes | E::General(_) | E::Other(_) | E::EncryptError => {
                log::error!("TLS: {e}");
                Self::Internal
            }
            _ => Self::Broken,
        }
    }
}
