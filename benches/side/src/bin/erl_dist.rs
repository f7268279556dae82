//! A node on erl_dist, with a buffer on each side of its connections, which it lacks.

use std::pin::Pin;
use std::task::{Context, Poll};

use erl_dist::DistributionFlags;
use erl_dist::epmd::{EpmdClient, NodeEntry};
use erl_dist::handshake::{ClientSideHandshake, HandshakeStatus, ServerSideHandshake};
use erl_dist::message::{Message, Sender, channel};
use erl_dist::node::{Creation, LocalNode};
use erl_dist::term::{Atom, Binary, FixInteger, Float, Map, Term, Tuple};
use futures::io::{AsyncRead, AsyncWrite, BufReader, BufWriter};
use futures::stream::StreamExt;
use smol::net::{TcpListener, TcpStream};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A connection with a buffer for each direction.
struct Buffered {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    writer: BufWriter<TcpStream>,
}

impl From<TcpStream> for Buffered {
    fn from(stream: TcpStream) -> Self {
        let reader = BufReader::with_capacity(64 * 1024, stream.clone());
        Self { reader, writer: BufWriter::with_capacity(64 * 1024, stream.clone()), stream }
    }
}

impl Clone for Buffered {
    fn clone(&self) -> Self {
        self.stream.clone().into()
    }
}

impl AsyncRead for Buffered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

impl AsyncWrite for Buffered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(cx)
    }
}

fn local(creation: Creation) -> Outcome<LocalNode> {
    let mut node = LocalNode::new(wire::PEER.parse()?, creation);
    node.flags |= DistributionFlags::DIST_MONITOR;
    Ok(node)
}

async fn epmd() -> Outcome<EpmdClient<TcpStream>> {
    let port = std::env::var("ERL_EPMD_PORT")?.parse()?;
    Ok(EpmdClient::new(TcpStream::connect(("127.0.0.1", port)).await?))
}

fn main() -> Outcome<()> {
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let entry = NodeEntry::new_hidden(local(Creation::random())?.name.name(), listener.local_addr()?.port());
        let (_registered, creation) = epmd().await?.register(entry).await?;
        let mut incoming = listener.incoming();
        while let Some(stream) = incoming.next().await.transpose()? {
            stream.set_nodelay(true)?;
            executor.spawn(async move { serve(stream, creation).await.is_ok() }).detach();
        }
        Ok(())
    }))
}

async fn serve(stream: TcpStream, creation: Creation) -> Outcome<()> {
    let node = local(creation)?;
    let mut handshake = ServerSideHandshake::new(stream, node.clone(), wire::COOKIE);
    handshake.execute_recv_name().await?;
    let (stream, peer) = handshake.execute_rest(HandshakeStatus::Ok).await?;
    let (mut tx, mut rx) = channel(Buffered::from(stream), node.flags & peer.flags);
    loop {
        let Message::RegSend(message) = rx.recv().await? else { continue };
        let Term::Tuple(tuple) = message.message else { continue };
        answer(tuple, &mut tx, creation).await?;
    }
}

async fn answer(tuple: Tuple, tx: &mut Sender<Buffered>, creation: Creation) -> Outcome<()> {
    match &tuple.elements[..] {
        [Term::Pid(pid), data] => {
            let (pid, echo) = (pid.clone(), Tuple::from(vec![Atom::from("echo").into(), data.clone()]));
            tx.send(Message::send(pid, echo.into())).await?;
        }
        [_, Term::Pid(pid), Term::FixInteger(count)] => {
            for i in 0..count.value {
                tx.send(Message::send(pid.clone(), reading(i))).await?;
            }
        }
        [_, Term::FixInteger(count)] => {
            for _ in 0..count.value {
                let entry = epmd().await?.get_node("dialled").await?.ok_or("not there")?;
                let stream = TcpStream::connect(("127.0.0.1", entry.port)).await?;
                let mut handshake = ClientSideHandshake::new(stream, local(creation)?, wire::COOKIE);
                handshake.execute_send_name(erl_dist::LOWEST_DISTRIBUTION_PROTOCOL_VERSION).await?;
                handshake.execute_rest(true).await?;
            }
        }
        [Term::Atom(kind), Term::FixInteger(_), Term::Float(_), Term::Binary(_), Term::Map(labels)] => {
            let unit = labels.map.get(&Term::from(Atom::from("unit")));
            assert!(kind.name == "reading" && matches!(unit, Some(Term::Atom(unit)) if unit.name == "celsius"));
        }
        _ => return Err("another message".into()),
    }
    Ok(())
}

fn reading(i: i32) -> Term {
    let labels = Map::from([(Atom::from("unit").into(), Atom::from("celsius").into())]);
    let value: Term = Float { value: 21.5 }.into();
    let name: Term = Binary::from(b"sensor-17".to_vec()).into();
    Tuple::from(vec![Atom::from("reading").into(), FixInteger::from(i).into(), value, name, labels.into()]).into()
}
