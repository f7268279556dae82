//! A CA for tests, and certificates of every kind, right and wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};

const DAY: u64 = 86_400;

/// A CA.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key.
pub(crate) struct Cert {
    pub(crate) pem: String,
    pub(crate) key: String,
    serial: u64,
}

/// What a certificate is to be like.
#[derive(Clone, Copy)]
pub(crate) struct Kind<'a> {
    pub(crate) names: &'a [&'a str],
    /// Seconds since 1970.
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) usages: &'a [ExtendedKeyUsagePurpose],
    pub(crate) ed25519: bool,
    /// What makes it larger than it need be.
    pub(crate) padding: usize,
}

/// The seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl<'a> Kind<'a> {
    /// What is right for a node of this host.
    pub(crate) fn of(names: &'a [&'a str]) -> Self {
        let usages = &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        Self { names, from: now() - DAY, until: now() + 30 * DAY, usages, ed25519: false, padding: 0 }
    }

    pub(crate) fn expired(self) -> Self {
        Self { from: now() - 3 * DAY, until: now() - DAY, ..self }
    }

    pub(crate) fn not_yet_valid(self) -> Self {
        Self { from: now() + DAY, ..self }
    }
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Makes a certificate. Addresses stand in it as such and, for OTP 25, as names.
    pub(crate) fn cert(&self, kind: Kind<'_>) -> Cert {
        let at = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        let mut params = CertificateParams::default();
        for name in kind.names {
            if let Ok(address) = name.parse() {
                params.subject_alt_names.push(SanType::IpAddress(address));
            }
            if let Ok(name) = (*name).try_into() {
                params.subject_alt_names.push(SanType::DnsName(name));
            }
        }
        let padding = "x".repeat(kind.padding);
        if kind.padding > 0 {
            params.subject_alt_names.push(SanType::URI(padding.as_str().try_into().unwrap()));
        }
        params.distinguished_name.push(DnType::CommonName, "a node");
        (params.not_before, params.not_after) = (at(kind.from), at(kind.until));
        params.extended_key_usages = kind.usages.to_vec();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate_for(if kind.ed25519 { &PKCS_ED25519 } else { &PKCS_ECDSA_P256_SHA256 }).unwrap();
        let serial = u64::from_le_bytes(key.public_key_raw()[1..9].try_into().unwrap()) >> 1;
        params.serial_number = Some(SerialNumber::from(serial));
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Cert { pem: cert.pem(), key: key.serialize_pem(), serial }
    }

    /// Makes the list of these revoked certificates.
    pub(crate) fn crl(&self, revoked: &[&Cert]) -> String {
        let at = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        let revoked = revoked.iter().map(|cert| RevokedCertParams {
            serial_number: SerialNumber::from(cert.serial),
            revocation_time: at(now() - DAY),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: at(now() - DAY),
            next_update: at(now() + 30 * DAY),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// Makes a certificate for these names, and writes it with its key and this CA into a folder.
    pub(crate) fn folder(&self, folder: &Path, names: &[&str]) -> PathBuf {
        self.write(&self.cert(Kind::of(names)), folder)
    }

    /// Writes a certificate with its key, and this CA as that of its peers, into a folder.
    pub(crate) fn write(&self, cert: &Cert, folder: &Path) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("tls.crt"), &cert.pem).unwrap();
        fs::write(folder.join("tls.key"), &cert.key).unwrap();
        fs::write(folder.join("ca.crt"), &self.pem).unwrap();
        folder.to_owned()
    }
}
