//! The faults of connections over TLS.

use core::fmt;

/// The fault for which a connection over TLS ended, or was never made. Times are seconds since 1970.
///
/// Protocol: RFC 8446 and RFC 5246; "Using TLS for Erlang Distribution" in the manual of OTP's ssl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The caller speaks the protocol in the clear.
    NotTls,
    /// Nothing came back to the first message of TLS in time: whoever listens there speaks the protocol in the clear, or nothing at all.
    Silent,
    /// The peer closed in the middle of the handshake of TLS, and gave no reason.
    Closed,
    /// The host part of the node's name can stand in no certificate.
    HostName,
    /// The peer showed no certificate.
    NoCertificate,
    /// The peer's certificate is not of our CA.
    OtherCa,
    /// The peer's certificate is for other hosts than that of its name.
    OtherHost,
    /// The peer's certificate is no longer valid.
    Expired {
        /// The last second in which it was.
        until: u64,
    },
    /// The peer's certificate is not valid yet.
    NotYetValid {
        /// The first second in which it is.
        from: u64,
        /// The time by this host's clock.
        now: u64,
    },
    /// The peer's certificate stands in our list of revoked ones.
    Revoked,
    /// The peer's certificate is not for what it is used for.
    Purpose,
    /// The peer's certificate cannot be read, or its signature is wrong.
    BadCertificate,
    /// There is no version of TLS that both speak.
    Versions,
    /// There is no cipher suite, or no way to sign with the certificates there are, that both know.
    NothingInCommon,
    /// The peer refused our certificate, with this alert.
    RefusedOurs(u8),
    /// The peer ended the connection with this alert.
    Alert(u8),
    /// The peer wanted to renegotiate, which TLS 1.2 allows and this node does not.
    Renegotiation,
    /// This node has sent as many records as TLS 1.2 lets one key seal: 2^24 with AES-GCM, each of 4 KiB at most. What was not sent is lost.
    Exhausted,
    /// The peer's part of the handshake is longer than 28 KiB: it sends too many certificates, or too large ones.
    TooLong,
    /// The peer broke TLS, or somebody between the two nodes did.
    Broken,
    /// Something on this side, such as the system's generator of random numbers, failed. The log says what.
    Internal,
}

impl TlsFault {
    /// Returns the fault that an alert of the peer's tells of.
    pub(crate) fn of_alert(alert: u8) -> Self {
        match alert {
            70 => Self::Versions,
            // a certificate that is bad, of a wrong kind, revoked, expired, unknown, of an unknown CA, lacking
            42..=46 | 48 | 116 => Self::RefusedOurs(alert),
            _ => Self::Alert(alert),
        }
    }
}

impl core::error::Error for TlsFault {}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTls => "it does not speak TLS, which this node asks for: start it with `-proto_dist inet_tls`",
            Self::Silent => {
                "it did not answer in TLS: is it started with `-proto_dist inet_tls`? A node without TLS waits and says nothing"
            }
            Self::Closed => "it closed in the middle of TLS's handshake: is it started with `-proto_dist inet_tls`? Its log may say more",
            Self::HostName => "the host part of its name can stand in no certificate: it needs a name of letters, digits and hyphens",
            Self::NoCertificate => "it showed no certificate: give it one of our CA, in its optfile",
            Self::OtherCa => "its certificate is of another CA than ours",
            Self::OtherHost => {
                "its certificate is for another host than that of its name: name the host among the certificate's DNS names or addresses"
            }
            Self::Expired { until } => return write!(f, "its certificate ended on {}: give it a new one", Date(*until)),
            Self::NotYetValid { from, now } => {
                let (from, now) = (Date(*from), Date(*now));
                return write!(f, "its certificate is not valid before {from}: is this host's clock right? It says {now}");
            }
            Self::Revoked => "its certificate was revoked",
            Self::Purpose => {
                "its certificate is not for this use: with an extended key usage it needs both serverAuth and clientAuth"
            }
            Self::BadCertificate => "its certificate cannot be read, or what signed it is not what it names",
            Self::Versions => {
                "no version of TLS in common: OTP 25 to 28 offer 1.2 alone unless the optfile has {versions, ['tlsv1.3', 'tlsv1.2']}"
            }
            Self::NothingInCommon => {
                "no cipher suite or signature in common: a certificate with an Ed25519 key, say, takes TLS 1.3 with OTP"
            }
            Self::RefusedOurs(alert) => return write!(f, "it refused our certificate: {}", AlertName(*alert)),
            Self::Alert(alert) => return write!(f, "it ended TLS with an alert: {}", AlertName(*alert)),
            Self::Exhausted => "this node has sent as many records as TLS 1.2 allows over one connection: use TLS 1.3",
            Self::Renegotiation => "it wanted to renegotiate TLS 1.2, which this node does not do: use TLS 1.3",
            Self::TooLong => "its part of TLS's handshake is longer than 28 KiB: give it fewer certificates, or smaller ones",
            Self::Broken => "what came is not TLS as it should be: somebody may have changed it on the way",
            Self::Internal => "TLS failed on this side: the log says why",
        })
    }
}

/// An alert, by the name that its document gives it and what that mostly means here.
struct AlertName(u8);

impl fmt::Display for AlertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            10 => "unexpected message",
            20 => "bad record mac",
            22 => "record overflow",
            40 => "handshake failure; its log says whether that is the host in our certificate, or a signature such as Ed25519 over TLS 1.2",
            42 => "bad certificate: it may lack the host of this node's name",
            43 => "unsupported certificate: it may lack serverAuth or clientAuth",
            44 => "certificate revoked",
            45 => "certificate expired, or not valid yet by its clock",
            46 => "certificate unknown",
            47 => "illegal parameter",
            48 => "unknown CA: it trusts another CA than the one ours is of",
            49 => "access denied",
            50 => "decode error",
            51 => "decrypt error",
            71 => "insufficient security",
            80 => "internal error",
            86 => "inappropriate fallback",
            90 => "user canceled",
            100 => "no renegotiation",
            109 => "missing extension",
            110 => "unsupported extension",
            112 => "unrecognized name",
            116 => "certificate required",
            other => return write!(f, "number {other}"),
        })
    }
}

/// A time in seconds since 1970, shown as RFC 3339 has it, in UTC.
pub(crate) struct Date(pub(crate) u64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 86_400;
        let (seconds, mut days) = (self.0 % DAY, self.0 / DAY);
        // 400 years have 146,097 days
        let mut year = 1970_u64.saturating_add((days / 146_097).saturating_mul(400));
        days %= 146_097;
        let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let mut take = |span: u64| {
            let rest = days.checked_sub(span);
            days = rest.unwrap_or(days);
            rest.is_some()
        };
        while take(if is_leap(year) { 366 } else { 365 }) {
            year = year.saturating_add(1);
        }
        let february = if is_leap(year) { 29 } else { 28 };
        let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30];
        let month = months.into_iter().take_while(|span| take(*span)).count().saturating_add(1);
        let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
        write!(f, "{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{:02}Z", days.saturating_add(1), seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        // as `date -u -d @N +%FT%TZ` has them
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (978_307_199, "2000-12-31T23:59:59Z"),
            (1_795_755_946, "2026-11-27T05:05:46Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Date(seconds).to_string(), text);
        }
        let _ = Date(u64::MAX).to_string();
    }

    #[test]
    fn alerts_tell_what_they_are_about() {
        assert_eq!(TlsFault::of_alert(70), TlsFault::Versions);
        assert!(TlsFault::of_alert(48).to_string().contains("refused our certificate: unknown CA"));
        assert!(TlsFault::of_alert(80).to_string().ends_with("internal error"));
        assert!(TlsFault::of_alert(200).to_string().ends_with("number 200"));
    }
}
