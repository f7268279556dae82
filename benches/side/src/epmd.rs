//! The least of an EPMD: it knows the driver, and whoever registers.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The names and ports of the nodes.
#[derive(Clone, Default)]
pub struct Epmd(Arc<(Mutex<HashMap<String, u16>>, Condvar)>);

impl Epmd {
    pub fn serve(&self, listener: TcpListener) {
        let epmd = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let epmd = epmd.clone();
                thread::spawn(move || epmd.answer(stream));
            }
        });
    }

    pub fn put(&self, name: &str, port: u16) {
        self.0.0.lock().unwrap().insert(name.to_owned(), port);
        self.0.1.notify_all();
    }

    pub fn forget(&self, name: &str) {
        self.0.0.lock().unwrap().remove(name);
    }

    /// Waits for a node of this name.
    pub fn wait(&self, name: &str) -> u16 {
        let names = self.0.0.lock().unwrap();
        let (names, late) =
            self.0.1.wait_timeout_while(names, Duration::from_secs(30), |names| !names.contains_key(name)).unwrap();
        assert!(!late.timed_out(), "{name} did not come up");
        names[name]
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut len = [0; 2];
        stream.read_exact(&mut len).ok()?;
        let mut body = vec![0; u16::from_be_bytes(len).into()];
        stream.read_exact(&mut body).ok()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match body.split_first()? {
            (120, rest) => {
                let len = usize::from(u16::from_be_bytes([rest[8], rest[9]]));
                stream.write_all(&[118, 0, 0, 0, 18, 103]).ok()?;
                let name = text(&rest[10..10 + len]);
                // a BEAM in the driver's place does not take its name
                if name != "driver" {
                    self.put(&name, u16::from_be_bytes([rest[0], rest[1]]));
                }
                // a node is registered for as long as it is connected; here, until it is forgotten
                let _ = stream.read(&mut [0]);
            }
            (122, name) => {
                let port = self.0.0.lock().unwrap().get(&text(name)).copied();
                let answer = port.map_or(vec![119, 1], |port| {
                    let len = (name.len() as u16).to_be_bytes();
                    [&[119, 0][..], &port.to_be_bytes(), &[72, 0, 0, 6, 0, 5], &len, name, &[0, 0]].concat()
                });
                stream.write_all(&answer).ok()?;
            }
            _ => {}
        }
        Some(())
    }
}
