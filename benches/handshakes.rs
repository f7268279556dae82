//! Handshakes a second: what `benches/handshakes` measures an agent and a BEAM with.
//!
//! `handshakes FOLDER SECONDS PORT...` connects by TLS 1.3 with the certificate in the folder, as the last of the OTP releases do, says the
//! name of a node, each time another, and goes when the answer is there, which is when the other side has seen the certificate. It does so
//! for a second with each of the ports in turn, until each had that many seconds; first one after the other, and then four at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a measurement that fails may panic"
)]

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream, version};

fn config(folder: &Path) -> ClientConfig {
    let file = |name: &str| fs::read(folder.join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&file("ca.crt")).unwrap()).unwrap();
    let chain = CertificateDer::pem_slice_iter(&file("tls.crt")).map(Result::unwrap).collect();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(&file("tls.key")).unwrap())
        .unwrap();
    config.resumption = Resumption::disabled();
    config
}

/// The flags that OTP 25 and later ask for.
const FLAGS: u64 = 0xd_07df_7fbd;

fn handshake(config: &Arc<ClientConfig>, port: u16) -> io::Result<()> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("n{}@127.0.0.1", NUMBER.fetch_add(1, Ordering::Relaxed));
    let name_len = u16::try_from(name.len()).unwrap();
    let packet = [b"N", &FLAGS.to_be_bytes()[..], &[0, 0, 0, 7], &name_len.to_be_bytes(), name.as_bytes()].concat();
    let len = u32::try_from(packet.len()).unwrap();

    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut tls = ClientConnection::new(Arc::clone(config), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
    let mut stream = Stream::new(&mut tls, &mut socket);
    stream.write_all(&[&len.to_be_bytes()[..], &packet].concat())?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    if answer == *b"\0\0\0\x03sok" { Ok(()) } else { Err(io::Error::other(format!("answered with {answer:?}"))) }
}

/// Returns how many there were in a second, of so many clients at once.
fn second(config: &Arc<ClientConfig>, port: u16, clients: usize) -> u32 {
    let end = Instant::now() + Duration::from_secs(1);
    let client = || {
        let mut count = 0;
        while Instant::now() < end {
            match handshake(config, port) {
                Ok(()) => count += 1,
                Err(e) => eprintln!("port {port}: {e}"),
            }
        }
        count
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [folder, seconds, ports @ ..] = &args[..] else {
        return println!("it takes nodes to connect to: benches/handshakes starts it with them");
    };
    let config = Arc::new(config(Path::new(folder)));
    let ports: Vec<u16> = ports.iter().map(|port| port.parse().unwrap()).collect();
    for clients in [1, 4] {
        let mut all: Vec<Vec<u32>> = ports.iter().map(|&port| vec![second(&config, port, clients)]).collect();
        // the first is to get warm
        all.iter_mut().for_each(Vec::clear);
        for _ in 0..seconds.parse().unwrap() {
            ports.iter().zip(&mut all).for_each(|(&port, counts)| counts.push(second(&config, port, clients)));
        }
        let medians: Vec<String> = all
            .iter_mut()
            .map(|counts| {
                counts.sort_unstable();
                counts.get(counts.len() / 2).unwrap().to_string()
            })
            .collect();
        println!("{clients} {}", medians.join(" "));
    }
}
