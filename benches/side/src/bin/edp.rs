//! A node on edp_client, which connects and is never connected to.

use edp_client::control::ControlMessage;
use edp_client::{Connection, ConnectionConfig, Creation, DistributionFlags};
use erltf::OwnedTerm;
use erltf::types::{Atom, ExternalPid};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut connection = connect(wire::DRIVER).await?;
    loop {
        let (ControlMessage::RegSend { .. }, Some(OwnedTerm::Tuple(tuple))) = connection.receive_message().await? else {
            continue;
        };
        match &tuple[..] {
            [OwnedTerm::Pid(pid), data] => {
                let echo = OwnedTerm::Tuple(vec![OwnedTerm::atom("echo"), data.clone()]);
                connection.send_message(me(), pid.clone(), echo).await?;
            }
            [_, OwnedTerm::Pid(pid), OwnedTerm::Integer(count)] => {
                for i in 0..*count {
                    connection.send_message(me(), pid.clone(), reading(i)).await?;
                }
            }
            [_, OwnedTerm::Integer(count)] => {
                for _ in 0..*count {
                    connect("dialled@127.0.0.1").await?.close().await?;
                }
            }
            [OwnedTerm::Atom(kind), OwnedTerm::Integer(_), OwnedTerm::Float(_), OwnedTerm::Binary(_), OwnedTerm::Map(labels)] => {
                let unit = labels.get(&OwnedTerm::atom("unit"));
                assert!(kind.as_str() == "reading" && unit == Some(&OwnedTerm::atom("celsius")));
            }
            _ => return Err("another message".into()),
        }
    }
}

async fn connect(node: &str) -> Outcome<Connection> {
    let flags = DistributionFlags::default_hidden() - DistributionFlags::DIST_HDR_ATOM_CACHE - DistributionFlags::FRAGMENTS;
    // its EPMD is always on port 4369, so it has an address of its own
    let config = ConnectionConfig::new_hidden(wire::PEER, node, wire::COOKIE).with_epmd_host(wire::OTHER_EPMD);
    let mut connection = Connection::new(config.with_flags(flags).with_creation(Creation(17)));
    connection.connect().await?;
    Ok(connection)
}

fn me() -> ExternalPid {
    ExternalPid::new(Atom::new(wire::PEER), 1, 0, 17)
}

fn reading(i: i64) -> OwnedTerm {
    let labels = [(OwnedTerm::atom("unit"), OwnedTerm::atom("celsius"))].into();
    let binary = OwnedTerm::Binary(b"sensor-17".to_vec());
    OwnedTerm::Tuple(vec![
        OwnedTerm::atom("reading"),
        OwnedTerm::Integer(i),
        OwnedTerm::Float(21.5),
        binary,
        OwnedTerm::Map(labels),
    ])
}
