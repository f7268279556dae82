//! Two nodes over TLS: what is refused and why, what it costs, and what strangers can do. `tests/erlang/tls.rs` has the same against Erlang.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use allocation_counter::measure;
use beamless::{
    Config, Driver, DriverOptions, Epmd, EpmdSettings, Event, Mailbox, OwnedNode, Reason, Sizes, Tls, TlsFault, TlsPem,
    TlsVersions,
};
use mio::net::TcpStream;
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::pki::{Ca, Cert, Kind, now};

pub(crate) const HOME: &str = "home@127.0.0.1";
pub(crate) const HERE: &[&str] = &["127.0.0.1"];

/// A node over TLS, or without it.
pub(crate) struct Side {
    pub(crate) node: OwnedNode,
    pub(crate) driver: Driver,
    pub(crate) inbox: Mailbox,
}

pub(crate) fn tls(ca: &Ca, cert: &Cert, versions: TlsVersions) -> Tls {
    with_crl(ca, cert, versions, None)
}

fn with_crl(ca: &Ca, cert: &Cert, versions: TlsVersions, crl: Option<&str>) -> Tls {
    let pem = TlsPem { cert: cert.pem.as_bytes(), key: cert.key.as_bytes(), ca: ca.pem.as_bytes(), crl: crl.map(str::as_bytes) };
    Tls::from_pem(&pem, versions).unwrap()
}

impl Side {
    pub(crate) fn new(name: &str, tls: Option<Tls>) -> Self {
        let config = Config::hidden(name, "secret").unwrap().setup_time(Duration::from_secs(120)).unwrap();
        let mut node = OwnedNode::new(config, Sizes::new(4, 1, 16_384)).unwrap();
        let inbox = node.register("inbox").unwrap();
        let options = DriverOptions::default().epmd(Epmd::None).epmd_settings(EpmdSettings::new(1));
        let mut driver = Driver::new(options.listen(["127.0.0.1:0".parse().unwrap()]), &mut node).unwrap();
        if let Some(tls) = tls {
            driver.set_tls(tls);
        }
        Self { node, driver, inbox }
    }

    pub(crate) fn dial(&mut self, home: &Self) {
        let name = home.node.name().unwrap().to_string();
        self.driver.set_port(&name, home.driver.local_addr().unwrap().port()).unwrap();
        self.node.connect(&name).unwrap();
    }

    pub(crate) fn turn(&mut self) {
        self.driver.poll(&mut self.node, Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn is_up(&self) -> bool {
        self.node.peers().next().is_some()
    }

    pub(crate) fn send(&mut self, to: &str, number: i64) -> bool {
        self.node.outbox(self.inbox).unwrap().send(("inbox", to), |t| t.int(number)).is_ok()
    }

    pub(crate) fn read(&mut self, next: &mut i64) {
        while let Some((message, _)) = self.node.recv(self.inbox) {
            assert_eq!(message.term().as_i64(), Some(*next));
            *next += 1;
        }
    }

    /// Returns the reason of the first connection that failed, in either direction.
    fn refused(&mut self) -> Option<Reason> {
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::ConnectFailed { reason, .. } | Event::Refused { reason, .. } | Event::NodeDown { reason, .. } => {
                    return Some(reason);
                }
                _ => {}
            }
        }
        None
    }
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(240);
    while !done() {
        assert!(Instant::now() < end, "waited in vain: {what}");
    }
}

/// Two nodes that are connected.
fn connected(ours: Tls, theirs: Tls) -> (Side, Side) {
    let (mut home, mut guest) = (Side::new(HOME, Some(ours)), Side::new("guest@127.0.0.1", Some(theirs)));
    guest.dial(&home);
    until("both to be up", || {
        home.turn();
        guest.turn();
        assert_eq!((home.refused(), guest.refused()), (None, None));
        home.is_up() && guest.is_up()
    });
    (home, guest)
}

fn pair(versions: TlsVersions) -> (Side, Side) {
    let ca = Ca::new("test");
    let made = || tls(&ca, &ca.cert(Kind::of(HERE)), versions);
    connected(made(), made())
}

#[test]
fn one_allocation_for_a_record_that_is_sent_and_one_for_one_that_is_read() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let (mut home, mut guest) = pair(versions);
        let (mut asked, mut answered) = (0, 0);
        let mut session = |messages: i64| {
            for _ in 0..messages {
                let next = answered + 1;
                assert!(guest.send(HOME, asked));
                until("an answer", || {
                    guest.turn();
                    home.turn();
                    let (before, mut read) = (asked, asked);
                    home.read(&mut read);
                    if read > before {
                        asked = read;
                        assert!(home.send("guest@127.0.0.1", answered));
                    }
                    guest.read(&mut answered);
                    answered == next
                });
            }
        };
        session(100);
        let counted = measure(|| session(10_000));
        // a message and its answer: two records, each sent and each read
        assert!(counted.count_total <= 40_000, "{versions:?}: {counted:?}");
        assert!(counted.count_current <= 0, "{versions:?}: {counted:?}");
    }
}

#[test]
fn who_does_not_read_holds_up_who_sends_and_nothing_is_lost() {
    let (mut home, mut guest) = pair(TlsVersions::Both);
    let (mut sent, mut read, mut held) = (0, 0, 0);
    // until the network has no room either
    until("the sender to be held up", || {
        let before = sent;
        while guest.send(HOME, sent) {
            sent += 1;
        }
        guest.turn();
        home.turn();
        held = if sent == before { held + 1 } else { 0 };
        held == 200
    });
    until("all to be read", || {
        while sent < 200_000 && guest.send(HOME, sent) {
            sent += 1;
        }
        guest.turn();
        home.turn();
        home.read(&mut read);
        read >= 200_000 && read == sent
    });
}

/// Whoever dials, and what both say of it: the caller, and the one who is called.
fn outcome(called: Option<Tls>, caller: Option<Tls>) -> (Reason, Option<Reason>) {
    let (mut home, mut guest) = (Side::new(HOME, called), Side::new("guest@127.0.0.1", caller));
    guest.dial(&home);
    let mut why = None;
    until("the caller to be refused", || {
        home.turn();
        guest.turn();
        assert!(!guest.is_up() && !home.is_up());
        why = guest.refused();
        why.is_some()
    });
    // what the other has to say comes in the next turns
    let other = (0..100).find_map(|_| {
        home.turn();
        home.refused()
    });
    (why.unwrap(), other)
}

#[test]
fn refusals() {
    use TlsFault as F;
    use TlsVersions as V;
    let (ca, other) = (Ca::new("test"), Ca::new("other"));
    let good = |versions| Some(tls(&ca, &ca.cert(Kind::of(HERE)), versions));
    let bad = |kind: Kind<'_>| Some(tls(&ca, &ca.cert(kind), V::Both));
    let of = Kind::of(HERE);
    // of another CA, which does know ours: what is refused is its certificate
    let stranger = {
        let cert = other.cert(of);
        let pem = TlsPem { cert: cert.pem.as_bytes(), key: cert.key.as_bytes(), ca: ca.pem.as_bytes(), crl: None };
        Tls::from_pem(&pem, V::Both).unwrap()
    };
    let revoked = ca.cert(of);
    let list = ca.crl(&[&revoked]);
    let knows = |versions| Some(with_crl(&ca, &ca.cert(of), versions, Some(&list)));
    let tomorrow = of.not_yet_valid();
    let expired = of.expired();

    let is = |reason: Reason, wanted: F| match (reason, wanted) {
        (Reason::Tls(F::NotYetValid { from, now: at }), F::NotYetValid { .. }) => from == tomorrow.from && at <= now(),
        (Reason::Tls(fault), wanted) => fault == wanted,
        _ => false,
    };
    // what the certificate of one side is, and what both make of it, when it is called and when it calls
    for (what, tls, checking, fault, alert) in [
        ("another CA", Some(stranger), good(V::Both), F::OtherCa, F::RefusedOurs(48)),
        ("expired", bad(expired), good(V::Both), F::Expired { until: expired.until }, F::RefusedOurs(45)),
        ("not yet", bad(tomorrow), good(V::Both), F::NotYetValid { from: 0, now: 0 }, F::RefusedOurs(45)),
        ("revoked", Some(with_crl(&ca, &revoked, V::Both, None)), knows(V::Both), F::Revoked, F::RefusedOurs(44)),
    ] {
        let (caller, called) = outcome(tls.clone(), checking.clone());
        assert!(is(caller, fault) && is(called.unwrap(), alert), "called, {what}: {caller:?} {called:?}");
        let (caller, called) = outcome(checking, tls);
        assert!(is(caller, alert) && is(called.unwrap(), fault), "calling, {what}: {caller:?} {called:?}");
    }
    // it is the other's use that a certificate has to be for
    let (caller, called) = outcome(bad(Kind { usages: &[ClientAuth], ..of }), good(V::Both));
    assert_eq!((caller, called), (Reason::Tls(F::Purpose), Some(Reason::Tls(F::RefusedOurs(43)))));
    let (caller, called) = outcome(good(V::Both), bad(Kind { usages: &[ServerAuth], ..of }));
    assert_eq!((caller, called), (Reason::Tls(F::RefusedOurs(43)), Some(Reason::Tls(F::Purpose))));
    // only whoever calls looks at the host
    let (caller, called) = outcome(bad(Kind::of(&["nuc7"])), good(V::Both));
    assert_eq!((caller, called), (Reason::Tls(F::OtherHost), Some(Reason::Tls(F::RefusedOurs(42)))));
    let (caller, called) = outcome(good(V::Tls12), good(V::Tls13));
    assert_eq!((caller, called), (Reason::Tls(F::Versions), Some(Reason::Tls(F::Versions))));
    let (caller, called) = outcome(good(V::Tls13), good(V::Tls12));
    assert_eq!((caller, called), (Reason::Tls(F::Versions), Some(Reason::Tls(F::Versions))));
    // without TLS on one side
    let (caller, called) = outcome(None, good(V::Both));
    assert_eq!((caller, called), (Reason::Tls(F::Closed), Some(Reason::PeerSpeaksTls)));
    let (_, called) = outcome(good(V::Both), None);
    assert_eq!(called, Some(Reason::Tls(F::NotTls)));
}

#[test]
fn a_caller_is_who_its_certificate_says_if_that_is_asked_for() {
    let ca = Ca::new("test");
    let tls_for = |names| tls(&ca, &ca.cert(Kind::of(names)), TlsVersions::Both);
    // as with Erlang, whoever has a certificate of the CA may give any name
    connected(tls_for(HERE), tls_for(&["nuc7"]));
    connected(tls_for(HERE).check_names(true), tls_for(&["nuc7", "127.0.0.1"]));
    let (caller, called) = outcome(Some(tls_for(HERE).check_names(true)), Some(tls_for(&["nuc7"])));
    assert_eq!(called, Some(Reason::Tls(TlsFault::OtherHost)), "{caller:?}");
}

#[test]
fn both_may_call_at_once() {
    let ca = Ca::new("test");
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let made = || Some(tls(&ca, &ca.cert(Kind::of(HERE)), versions));
        for round in 0..50 {
            let (mut home, mut guest) = (Side::new(HOME, made()), Side::new("guest@127.0.0.1", made()));
            guest.dial(&home);
            for _ in 0..round % 10 {
                guest.turn();
            }
            home.dial(&guest);
            let (mut sent, mut read) = (0, 0);
            until("them to agree", || {
                home.turn();
                guest.turn();
                if home.is_up() && guest.is_up() && sent == 0 {
                    sent += i64::from(guest.send(HOME, 0));
                }
                home.read(&mut read);
                read == 1
            });
        }
    }
}

#[test]
fn a_new_certificate_is_for_the_connections_from_then_on() {
    let ca = Ca::new("test");
    let made = || tls(&ca, &ca.cert(Kind::of(HERE)), TlsVersions::Both);
    let (mut home, mut guest) = connected(made(), made());
    let next = Ca::new("next");
    home.driver.set_tls(tls(&next, &next.cert(Kind::of(HERE)), TlsVersions::Both));
    let mut late = Side::new("late@127.0.0.1", Some(made()));
    late.dial(&home);
    let mut why = None;
    until("the one of the CA before to be refused", || {
        home.turn();
        late.turn();
        why = late.refused();
        why.is_some()
    });
    assert_eq!(why, Some(Reason::Tls(TlsFault::OtherCa)));
    let mut read = 0;
    assert!(guest.send(HOME, 0));
    until("the one that is up to be heard", || {
        home.turn();
        guest.turn();
        home.read(&mut read);
        read == 1
    });
}

/// What a stranger does with a connection in each turn.
type Deed = Box<dyn FnMut(&mut TcpStream)>;

/// A client of TLS that is no node, with a certificate of the CA.
pub(crate) fn client(ca: &Ca, cert: &Cert) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(cert.pem.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(cert.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

/// Moves what there is to be moved, as far as the socket goes along.
fn move_on(tls: &mut ClientConnection, stream: &mut TcpStream) {
    while tls.wants_write() && tls.write_tls(stream).is_ok() {}
    while tls.read_tls(stream).is_ok_and(|read| read > 0) {
        if tls.process_new_packets().is_err() {
            return;
        }
    }
}

/// The first flight of a client, of which the first `len` bytes are real.
fn hello(ca: &Ca, cert: &Cert) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(ca, cert).write_tls(&mut bytes).unwrap();
    bytes
}

/// While strangers do what they do, an honest node connects, and each of its messages is answered.
fn served_beside(name: &str, home: &mut Side, guest_tls: Tls, mut strangers: Vec<(Option<TcpStream>, Deed)>) {
    let mut guest = Side::new("guest@127.0.0.1", Some(guest_tls));
    guest.dial(home);
    let address = home.driver.local_addr().unwrap();
    let (mut sent, mut read) = (0, 0);
    until(name, || {
        for (stream, deed) in &mut strangers {
            let open = stream.get_or_insert_with(|| TcpStream::connect(address).unwrap());
            deed(open);
            let is_there = |e: ErrorKind| matches!(e, ErrorKind::WouldBlock | ErrorKind::NotConnected);
            if !open.peek(&mut [0]).map_or_else(|e| is_there(e.kind()), |read| read > 0) {
                *stream = None;
            }
        }
        home.turn();
        guest.turn();
        if guest.refused().is_some() {
            guest.dial(home);
        }
        if guest.is_up() && home.is_up() && sent == read {
            sent += i64::from(guest.send(HOME, sent));
        }
        home.read(&mut read);
        while home.node.poll_event().is_some() {}
        read == 200
    });
}

#[test]
fn strangers_keep_nobody_from_being_served() {
    let ca = Ca::new("test");
    let cert = ca.cert(Kind::of(HERE));
    let made = || tls(&ca, &ca.cert(Kind::of(HERE)), TlsVersions::Both);
    let mut home = Side::new(HOME, Some(made()));
    let first = hello(&ca, &cert);
    let all = |count: usize, deed: &dyn Fn() -> Deed| (0..count).map(|_| (None, deed())).collect::<Vec<_>>();

    served_beside("silence", &mut home, made(), all(10, &|| Box::new(|_| {})));
    let slowly = || {
        let mut bytes = first.clone().into_iter();
        Box::new(move |stream: &mut TcpStream| {
            let _ = bytes.next().map(|byte| stream.write(&[byte]));
        }) as Deed
    };
    served_beside("a byte at a time", &mut home, made(), all(10, &slowly));
    let held = || {
        let mut bytes = Some(first.clone());
        Box::new(move |stream: &mut TcpStream| {
            let _ = bytes.take().map(|bytes| stream.write(&bytes));
        }) as Deed
    };
    served_beside("a handshake held open", &mut home, made(), all(10, &held));
    // a message of 64 KiB is announced, and then nothing comes, or what does is never the end
    let promised = || {
        let mut front = Some([&[22, 3, 1, 0x40, 0][..], &[1, 0, 0xff, 0xff], &[0; 0x3ffc]].concat());
        Box::new(move |stream: &mut TcpStream| {
            let _ = front.take().map(|bytes| stream.write(&bytes));
        }) as Deed
    };
    served_beside("a hello that never ends", &mut home, made(), all(10, &promised));
    served_beside("garbage", &mut home, made(), all(10, &|| Box::new(|stream| drop(stream.write(&[0xa5; 1000])))));
    served_beside("many", &mut home, made(), all(1000, &|| Box::new(|_| {})));
    let large = ca.cert(Kind { padding: 60_000, ..Kind::of(HERE) });
    let heavy = || {
        let mut tls = client(&ca, &large);
        Box::new(move |stream: &mut TcpStream| move_on(&mut tls, stream)) as Deed
    };
    served_beside("certificates of 60 kB", &mut home, made(), all(5, &heavy));
    // those have a certificate of the CA, and no cookie
    let updates = || {
        let mut tls = client(&ca, &cert);
        Box::new(move |stream: &mut TcpStream| {
            if !tls.is_handshaking() {
                for _ in 0..100 {
                    let _ = tls.refresh_traffic_keys();
                    move_on(&mut tls, stream);
                }
            }
            move_on(&mut tls, stream);
        }) as Deed
    };
    served_beside("a flood of key updates", &mut home, made(), all(5, &updates));
    let behind = || {
        let mut tls = client(&ca, &cert);
        Box::new(move |stream: &mut TcpStream| {
            move_on(&mut tls, stream);
            if !tls.is_handshaking() {
                let _ = stream.write(&[0x17, 3, 3, 0, 40]).and_then(|_| stream.write(&[0xa5; 40]));
            }
        }) as Deed
    };
    served_beside("garbage behind the handshake", &mut home, made(), all(5, &behind));
    let inside = || {
        let mut tls = client(&ca, &cert);
        Box::new(move |stream: &mut TcpStream| {
            if !tls.is_handshaking() {
                let _ = tls.writer().write(&[0xa5; 4000]);
            }
            move_on(&mut tls, stream);
            let _ = tls.reader().read(&mut [0; 100]);
        }) as Deed
    };
    served_beside("garbage inside", &mut home, made(), all(5, &inside));
}

#[test]
fn what_a_certificate_says_is_told() {
    let (ca, kind) = (Ca::new("the CA"), Kind::of(HERE));
    let cert = ca.cert(kind);
    let tls = tls(&ca, &cert, TlsVersions::default());
    assert!(tls.names().contains(&"127.0.0.1".to_owned()), "{:?}", tls.names());
    let after_1970 = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!([tls.valid_from(), tls.valid_until()].map(after_1970), [kind.from, kind.until]);
    let end = tls.end().to_string();
    assert!(end.starts_with("20") && end.ends_with('Z') && end.len() == "2026-11-27T05:05:46Z".len(), "{end}");
    assert!(tls.to_string().ends_with(&format!(", valid until {end}")), "{tls}");
    // what is secret is in none of it
    let pem = TlsPem { cert: b"the certificate", key: b"the key", ca: b"the CA", crl: None };
    let shown = format!("{tls:?} {pem:?}");
    assert!(shown.contains("127.0.0.1") && !shown.contains("the key") && !shown.contains("PRIVATE"), "{shown}");
}

/// Who must do what: the word for the file, and what it takes.
#[test]
fn what_is_wrong_with_a_certificate_or_a_key_is_said() {
    let (ca, other) = (Ca::new("the CA"), Ca::new("another"));
    let (cert, another) = (ca.cert(Kind::of(HERE)), other.cert(Kind::of(HERE)));
    let list = ca.crl(&[]);
    let good = [&*cert.pem, &cert.key, &ca.pem, &list];
    let torn = |pem: &str| pem.replace("MI", "!!");
    for (which, wrong, says) in [
        (0, String::new(), "the certificate: no certificate in it; it takes one in PEM, -----BEGIN CERTIFICATE-----"),
        (0, torn(&cert.pem), "the certificate: "),
        (1, String::new(), "the key: no key in it that can be read; it takes one in PEM that is not encrypted"),
        (1, another.key.clone(), "the key: it is not the key of the certificate: one of the two is newer than the other"),
        (1, torn(&cert.key), "the key: "),
        (2, String::new(), "the CA: no certificate in it; it takes those of the CA in PEM"),
        (2, torn(&ca.pem), "the CA: "),
        (3, torn(&list), "the CRL: "),
        (3, list.replace("X509 CRL", "CERTIFICATE"), ""),
    ] {
        let mut parts = good;
        parts[which] = &wrong;
        let [cert, key, ca, crl] = parts.map(str::as_bytes);
        let tls = Tls::from_pem(&TlsPem { cert, key, ca, crl: Some(crl) }, TlsVersions::default());
        match tls {
            // what is none is passed over
            Ok(_) => assert_eq!(says, "", "{which}"),
            Err(e) => assert!(!says.is_empty() && e.to_string().contains(says), "{which}: {e}"),
        }
    }
}
