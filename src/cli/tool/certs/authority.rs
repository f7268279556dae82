//! The CA and what it signs: P-256 everywhere, which every release of OTP takes over TLS 1.2 and 1.3, as it does not take Ed25519.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

const DAY: u64 = 86_400;

/// A certificate and its key in PEM, and the day on which it ends.
pub(super) struct Made {
    pub(super) cert: String,
    pub(super) key: String,
    pub(super) until: Day,
}

/// A day, counted from 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(u64);

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = ending(*self).not_after;
        write!(f, "{}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day())
    }
}

fn today() -> Result<Day, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "this host's clock is before 1970".to_owned())?;
    Ok(Day(now.as_secs() / DAY))
}

/// Returns what a certificate is that ends with the begin of a day.
#[expect(clippy::arithmetic_side_effects, reason = "a day is in the year 9999 at the latest")]
fn ending(day: Day) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(day.0.saturating_mul(DAY));
    params
}

/// Returns what is the same in all that is made: valid from yesterday's begin, as the clock of a box may be late, to that of the last day.
/// The serial number is the digest of the key, which is another one each time.
fn params(name: &str, until: Day) -> Result<CertificateParams, String> {
    let mut params = ending(until);
    params.not_before = ending(Day(today()?.0.saturating_sub(1))).not_after;
    // one that is longer is none; nobody looks at it but people
    params.distinguished_name.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Returns what a CA with this key is: its name comes of the key, so that two CAs are told from each other, and the key is all that it takes
/// to sign.
fn of(key: &KeyPair, until: Day) -> Result<CertificateParams, String> {
    let mut params = params("", until)?;
    let id: String = params.key_identifier(key).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name.push(DnType::CommonName, format!("beamless CA {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Makes a CA.
pub(super) fn made(days: u32) -> Result<Made, String> {
    ca(&new_key()?, days)
}

/// Makes a CA of a key that is there.
pub(super) fn made_with(key: &str, days: u32) -> Result<Made, String> {
    ca(&read_key(key)?, days)
}

fn ca(key: &KeyPair, days: u32) -> Result<Made, String> {
    let until = Day(today()?.0.saturating_add(days.into()));
    let cert = of(key, until)?.self_signed(key).map_err(|e| e.to_string())?;
    Ok(Made { cert: cert.pem(), key: key.serialize_pem(), until })
}

fn read_key(key: &str) -> Result<KeyPair, String> {
    KeyPair::from_pem(key).map_err(|e| format!("ca.key cannot be read: {e}"))
}

fn new_key() -> Result<KeyPair, String> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| format!("making a key: {e}"))
}

/// Checks that this is a host as it stands behind the @ of a node's name, or an address.
pub(super) fn check(host: &str) -> Result<(), String> {
    if let Some((_, host)) = host.split_once('@') {
        return Err(format!("what stands behind the @ of a node's name is wanted: {host} alone"));
    }
    let name = ServerName::try_from(host).ok().filter(|_| !host.ends_with('.'));
    name.map(|_| ()).ok_or_else(|| format!("{host:?} is no host name, and no address"))
}

/// A CA that is there.
pub(super) struct Authority<'a> {
    params: CertificateParams,
    key: KeyPair,
    /// Its certificate in PEM.
    pub(super) cert: &'a str,
    anchor: TrustAnchor<'static>,
    /// The day on which it ends.
    pub(super) until: Day,
}

impl<'a> Authority<'a> {
    /// Reads a CA.
    pub(super) fn new(key: &str, cert: &'a str) -> Result<Self, String> {
        let key = read_key(key)?;
        let of_cert = |e: &dyn std::fmt::Display| format!("ca.crt cannot be read: {e}");
        let der = CertificateDer::from_pem_slice(cert.as_bytes()).map_err(|e| of_cert(&e))?;
        let anchor = anchor_from_trusted_cert(&der).map_err(|e| of_cert(&e))?.to_owned();
        let until = last_day(&der, &anchor);
        if until <= today()? {
            return Err(format!("the CA ended on {until}: beamless certs init makes another one, in another folder"));
        }
        let params = of(&key, until)?;
        Ok(Self { params, key, cert, anchor, until })
    }

    /// Makes a certificate with which a node calls and is called by any of these hosts. It ends with the CA at the latest.
    pub(super) fn certificate(&self, hosts: &[String], days: u32) -> Result<Made, String> {
        let until = Day(today()?.0.saturating_add(days.into())).min(self.until);
        let mut params = params(hosts.first().map_or("", String::as_str), until)?;
        for host in hosts {
            if let Ok(address) = host.parse::<IpAddr>() {
                params.subject_alt_names.push(SanType::IpAddress(address));
            }
            // an address, too: OTP 25 looks for what stands in the node's name among these alone
            let name = host.as_str().try_into().map_err(|e: rcgen::Error| format!("{host}: {e}"))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = new_key()?;
        let cert = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).map_err(|e| e.to_string())?;
        verify(cert.der(), &self.anchor, UnixTime::now())
            .map_err(|_| "ca.crt and ca.key are not what beamless certs init made together".to_owned())?;
        Ok(Made { cert: cert.pem(), key: key.serialize_pem(), until })
    }
}

fn verify(cert: &CertificateDer<'_>, anchor: &TrustAnchor<'_>, at: UnixTime) -> Result<(), webpki::Error> {
    let (anchors, usage) = (core::slice::from_ref(anchor), KeyUsage::client_auth());
    EndEntityCert::try_from(cert)?.verify_for_usage(ALL_VERIFICATION_ALGS, anchors, &[], at, usage, None, None).map(|_| ())
}

/// Returns the day on which a certificate ends. What checks certificates tells, when it is asked about a time after that.
fn last_day(cert: &CertificateDer<'_>, anchor: &TrustAnchor<'_>) -> Day {
    // the last second of the year 9999, which no certificate goes beyond
    const FOREVER: u64 = 253_402_300_799;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(FOREVER));
    Day(match verify(cert, anchor, at) {
        Err(webpki::Error::CertExpired { not_after, .. }) => not_after.as_secs(),
        _ => FOREVER,
    } / DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_of_its_ca_and_ends_with_it() {
        let ca = made(10).unwrap();
        let authority = Authority::new(&ca.key, &ca.cert).unwrap();
        assert!(authority.until == ca.until && ca.until == Day(today().unwrap().0 + 10));
        let hosts = ["nuc7".to_owned(), "10.0.0.7".to_owned(), "fd00::7".to_owned()];
        assert!(authority.certificate(&hosts, 9).unwrap().until < ca.until);
        assert!(authority.certificate(&hosts, 400).unwrap().until == ca.until);
    }

    /// `certs init` that was ended once it had written the key.
    #[test]
    fn a_key_alone_is_gone_on_with() {
        let (ca, again) = (made(10).unwrap(), made(9).unwrap());
        let cert = made_with(&ca.key, 9).unwrap().cert;
        let host = ["nuc7".to_owned()];
        assert!(Authority::new(&ca.key, &cert).unwrap().certificate(&host, 1).is_ok());
        // whatever it was that the key had signed before is of the CA still
        let before = Authority::new(&ca.key, &ca.cert).unwrap().certificate(&host, 1).unwrap();
        let der = CertificateDer::from_pem_slice(before.cert.as_bytes()).unwrap();
        let is_of = |cert: &str| {
            let anchor = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
            verify(&der, &anchor_from_trusted_cert(&anchor).unwrap(), UnixTime::now()).is_ok()
        };
        assert!(is_of(&cert) && is_of(&ca.cert) && !is_of(&again.cert));
        assert!(made_with("", 9).err().unwrap().starts_with("ca.key cannot be read: "));
    }

    #[test]
    fn what_does_not_belong_together_is_told() {
        let (one, other) = (made(10).unwrap(), made(10).unwrap());
        let why = |key: &str, cert: &str| match Authority::new(key, cert) {
            Err(why) => why,
            Ok(authority) => authority.certificate(&["nuc7".to_owned()], 1).err().unwrap(),
        };
        assert!(why(&one.key, &other.cert).contains("not what beamless certs init made together"));
        assert!(why("", &one.cert).starts_with("ca.key cannot be read: "));
        assert!(why(&one.key, "").starts_with("ca.crt cannot be read: "));
        let key = new_key().unwrap();
        let ended = of(&key, today().unwrap()).unwrap().self_signed(&key).unwrap().pem();
        assert!(why(&key.serialize_pem(), &ended).starts_with("the CA ended on "));
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for host in ["nuc7", "nuc7.example.com", "my_box-1", "10.0.0.7", "fd00::7", "NUC7"] {
            assert_eq!(check(host), Ok(()), "{host}");
        }
        for host in ["", ".", "..", "a b", "a/b", "-a", "*.example.com", "10.0.0", "fe80::1%eth0", "nuc7.", "h\u{f6}st", "a\n"] {
            assert!(check(host).is_err(), "{host}");
        }
        assert!(check("hub@nuc3").unwrap_err().ends_with(": nuc3 alone"));
    }

    #[test]
    fn days_have_dates() {
        for (day, text) in [(0, "1970-01-01"), (11_016, "2000-02-29"), (20_784, "2026-11-27"), (47_540, "2100-02-28")] {
            assert_eq!(Day(day).to_string(), text);
        }
    }
}
