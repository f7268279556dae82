//! The command line: what can be given, and what `--help`, the completions and the manual page say of it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use beamless::{Epmd, EpmdSettings, epmd_names};
use bpaf::{OptionParser, Parser, ShellComp, any, choice, construct, long, positional, pure};

use super::completion::Shell;
use super::json;

/// A name as given, which decides how its host part is found.
#[derive(Debug, Clone)]
pub(super) enum Name {
    Short(String),
    Long(String),
}

/// What it takes to be a node.
#[derive(Debug, Clone)]
pub(super) struct Local {
    pub(super) name: Name,
    pub(super) cookie_file: Option<PathBuf>,
    pub(super) listen: Option<String>,
    pub(super) epmd: Epmd,
    pub(super) visible: bool,
}

/// What it takes to ask a node.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) name: Option<Name>,
    pub(super) cookie_file: Option<PathBuf>,
    pub(super) timeout: Duration,
}

/// What terms are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Erlang,
    Json,
}

#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) local: Local,
    pub(super) connect: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Recv {
    pub(super) local: Local,
    pub(super) format: Format,
    pub(super) count: Option<u64>,
    pub(super) mailbox: String,
}

#[derive(Debug, Clone)]
pub(super) struct Serve {
    pub(super) port: Option<u16>,
    pub(super) addresses: Vec<IpAddr>,
}

#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) timeout: Duration,
    pub(super) host: String,
}

/// `ping` and `nodes`.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) asking: Asking,
    pub(super) node: String,
}

/// `send` and `call`.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) asking: Asking,
    pub(super) format: Format,
    pub(super) node: String,
    pub(super) to: String,
    pub(super) term: String,
}

#[derive(Debug, Clone)]
pub(super) struct Rpc {
    pub(super) asking: Asking,
    pub(super) format: Format,
    pub(super) node: String,
    pub(super) function: String,
}

/// What to do.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Run(Run),
    Recv(Recv),
    Ping(About),
    Send(Message),
    Call(Message),
    Rpc(Rpc),
    Nodes(About),
    Names(Names),
    Epmd(Serve),
    Completion(Shell),
    Man,
}

/// The command, and whether to say more.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) verbose: bool,
    pub(super) command: Command,
}

/// A parser behind a pointer: each kind is compiled once, not once for every command that has it.
type Boxed<T> = Box<dyn Parser<T>>;
type Make = fn() -> Boxed<Given>;

/// Every command, in the order in which `--help` lists them.
const COMMANDS: [(&str, Make); 11] = [
    ("run", run),
    ("recv", recv),
    ("ping", ping),
    ("send", send),
    ("call", call),
    ("rpc", rpc),
    ("nodes", nodes),
    ("names", names),
    ("epmd", epmd),
    ("completion", completion),
    ("man", man),
];

/// The parser of the command that the first argument names, or of all. In a script that asks every second, the words of nine other
/// commands are not put together for nothing.
pub(super) fn parser(first: Option<&str>) -> OptionParser<Given> {
    let named = COMMANDS.iter().find(|(name, _)| Some(*name) == first);
    let commands: Vec<_> = named.map_or_else(|| COMMANDS.iter().collect(), |named| vec![named]);
    choice(commands.into_iter().map(|(_, make)| make()))
        .to_options()
        .version(env!("CARGO_PKG_VERSION"))
        .descr("An Erlang node without the BEAM, and a tool to talk to Erlang nodes from a shell.")
        .footer(
            "Exit codes: 0 done; 1 the cluster said no (pang, noproc, an exception, a timeout); 2 wrong usage or settings. \
             Results go to standard output, words to standard error.\n \
             Example: beamless run --sname demo\n  then, from another terminal: beamless call demo echo '{hello, 1}'\n \
             beamless completion SHELL prints completions, beamless man the manual page.",
        )
        .fallback_to_usage()
}

/// A subcommand: its options, what it does in a word, and how.
fn command(name: &'static str, help: &'static str, parser: Boxed<Command>, descr: &'static str, footer: &str) -> Boxed<Given> {
    let verbose = long("verbose")
        .short('v')
        .help("Say more: also each message between nodes, by name and size, never what is in it")
        .switch();
    construct!(Given { verbose, command(parser) }).to_options().descr(descr).footer(footer).command(name).help(help).boxed()
}

fn run() -> Boxed<Given> {
    let local = local();
    let connect = long("connect").help("Connect to this node, and again whenever it is back; repeatable").argument("NODE").many();
    command(
        "run",
        "Be a node until SIGTERM or SIGINT",
        construct!(Run { local, connect }).map(Command::Run).boxed(),
        "Be a node: answer pings and calls, keep connections, with a mailbox `echo` to try it.",
        "Example: beamless run --sname demo --connect hub@nuc3",
    )
}

fn recv() -> Boxed<Given> {
    let local = local();
    let format = format("Print JSON");
    let count = long("count")
        .help("End after so many messages; by default at SIGTERM, SIGINT, or when standard output is closed")
        .argument::<String>("N")
        .parse(|text| text.parse().ok().filter(|count| *count > 0).ok_or("it is a number of messages, from 1 on"))
        .optional();
    let mailbox = positional("NAME").help("The name that messages are sent to");
    command(
        "recv",
        "Be a node, and print what is sent to one name: flush() for shells",
        construct!(Recv { local, format, count, mailbox }).map(Command::Recv).boxed(),
        "Be a node with one mailbox, and print each message on a line as it comes. What is not printed yet waits, and holds up its sender.",
        &format!(
            "Example: beamless recv --sname inbox news --count 1\n  then, from Erlang: {{news,'inbox@HOST'}} ! hello.{}",
            json::PRINTED
        ),
    )
}

fn ping() -> Boxed<Given> {
    let (asking, node) = (asking(), node());
    command(
        "ping",
        "Ask whether a node is there: pong or pang",
        construct!(About { asking, node }).map(Command::Ping).boxed(),
        "Connect to a node as net_adm:ping does, and print pong; or pang, and why on standard error.",
        "Example: beamless ping hub@nuc3 || systemctl restart hub",
    )
}

fn send() -> Boxed<Given> {
    let (asking, format, node) = (asking(), format("TERM is JSON"), node());
    let (to, term) = (process(), term());
    command(
        "send",
        "Send a message to a registered process",
        construct!(Message { asking, format, node, to, term }).map(Command::Send).boxed(),
        "Send a message, as {NAME,NODE} ! TERM does. It is done once the node has it; that no process has the name is an error.",
        &format!(
            "Example: beamless send hub@nuc3 readings '{{reading, 21.5, <<\"kitchen\">>, #{{unit => celsius}}}}'{}",
            json::HELP
        ),
    )
}

fn call() -> Boxed<Given> {
    let (asking, format, node) = (asking(), format("TERM is JSON, and so is what is printed"), node());
    let (to, term) = (process(), term());
    command(
        "call",
        "Call a process, as gen_server:call does, and print the reply",
        construct!(Message { asking, format, node, to, term }).map(Command::Call).boxed(),
        "Call a process, as gen_server:call({NAME,NODE}, TERM) does, and print its reply.",
        &format!("Example: beamless call hub@nuc3 thermometer '{{read, celsius}}'{}", json::HELP),
    )
}

fn rpc() -> Boxed<Given> {
    let (asking, format, node) = (asking(), format("Print the value as JSON; the call is Erlang text all the same"), node());
    let function = positional("MOD:FUN(ARGS)")
        .help("The call, as Erlang writes it; nothing in it is evaluated. An Elixir module is 'Elixir.Name'");
    command(
        "rpc",
        "Call a function on a node and print its value",
        construct!(Rpc { asking, format, node, function }).map(Command::Rpc).boxed(),
        "Call a function on a node, as rpc:call does, and print its value; or the exception, on standard error. \
         What the function itself prints goes nowhere.",
        &format!(
            "Examples: beamless rpc hub@nuc3 'erlang:memory(total)'\n  beamless rpc hub@nuc3 \"'Elixir.System':version()\"{}",
            json::PRINTED
        ),
    )
}

fn nodes() -> Boxed<Given> {
    let (asking, node) = (asking(), node());
    command(
        "nodes",
        "List the nodes that a node is connected to",
        construct!(About { asking, node }).map(Command::Nodes).boxed(),
        "List the nodes that a node is connected to, one a line, each with its kind: visible or hidden.",
        "Example: beamless nodes hub@nuc3",
    )
}

fn names() -> Boxed<Given> {
    let timeout = timeout();
    let host = positional("HOST").help("The host; this one by default").fallback("localhost".to_owned());
    command(
        "names",
        "List the nodes of a host, as epmd -names does",
        construct!(Names { timeout, host }).map(Command::Names).boxed(),
        "List the nodes that are registered with a host's EPMD, as epmd -names does. ERL_EPMD_PORT says at which port that is.",
        "Example: beamless names nuc3",
    )
}

fn epmd() -> Boxed<Given> {
    let port = long("port")
        .help("The port; ERL_EPMD_PORT or 4369 by default")
        .argument::<String>("P")
        .parse(|text| text.parse().ok().filter(|port| *port > 0).ok_or("a port is a number from 1 to 65535"))
        .optional();
    let addresses = long("address")
        .help("Listen on this address and on loopback, not on all; ERL_EPMD_ADDRESS by default; repeatable")
        .argument::<String>("A")
        .parse(|text| text.parse().map_err(|_| "an address of IPv4 or IPv6 is needed, such as 10.0.0.7"))
        .many();
    command(
        "epmd",
        "Be EPMD, for a host without Erlang",
        construct!(Serve { port, addresses }).map(Command::Epmd).boxed(),
        "Be EPMD, where nodes register their names and ports, until SIGTERM or SIGINT. It takes 32 names.",
        "Example: beamless epmd --address 10.0.0.7",
    )
}

fn completion() -> Boxed<Given> {
    let shell = positional::<String>("SHELL")
        .help("bash, zsh or fish")
        .complete(|_| ["bash", "zsh", "fish"].map(|shell| (shell.to_owned(), None)).to_vec())
        .parse(|shell| shell.parse::<Shell>());
    command(
        "completion",
        "Print the completions for a shell",
        construct!(shell).map(Command::Completion).boxed(),
        "Print a script that lets a shell complete commands, options and the names of this host's nodes.",
        "Example: beamless completion bash >/etc/bash_completion.d/beamless\n \
         zsh: >/usr/local/share/zsh/site-functions/_beamless\n fish: >/etc/fish/completions/beamless.fish",
    )
}

fn man() -> Boxed<Given> {
    command(
        "man",
        "Print the manual page",
        pure(Command::Man).boxed(),
        "Print the manual page, made of the same words as --help.",
        "Example: beamless man | man -l -",
    )
}

fn local() -> Boxed<Local> {
    let (name, cookie_file) =
        (name(), cookie_file("The file with the cluster's cookie; by default ~/.erlang.cookie, made if it is missing"));
    let listen = long("listen")
        .help("Where to listen; by default on the addresses of the name's host part, at any free port")
        .argument("ADDR[:PORT]")
        .optional();
    let epmd = long("epmd")
        .help("auto: use a running EPMD, else serve one (the default); external, embedded, none")
        .argument::<Epmd>("WHICH")
        .fallback(Epmd::Auto);
    let visible = long("visible").help("Stand in nodes() of the others, not in nodes(hidden)").switch();
    construct!(Local { name, cookie_file, listen, epmd, visible }).boxed()
}

fn asking() -> Boxed<Asking> {
    let name = name().optional();
    let cookie_file = cookie_file("The file with the cluster's cookie; by default ~/.erlang.cookie");
    let timeout = timeout();
    construct!(Asking { name, cookie_file, timeout }).boxed()
}

fn name() -> Boxed<Name> {
    let short =
        long("sname").help("This node's short name; its host is this host's short name").argument("NAME").map(Name::Short);
    let full =
        long("name").help("This node's long name; without a host, this host's full name").argument("NAME[@HOST]").map(Name::Long);
    construct!([short, full]).boxed()
}

fn cookie_file(help: &'static str) -> Boxed<Option<PathBuf>> {
    long("cookie-file").help(help).argument::<PathBuf>("FILE").complete_shell(ShellComp::File { mask: None }).optional().boxed()
}

fn timeout() -> Boxed<Duration> {
    long("timeout")
        .help("How long it may take; 5 by default, fractions are taken")
        .argument::<String>("SECONDS")
        .parse(|text| {
            let timeout = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            timeout
                .filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST)
                .ok_or("a timeout is a number of seconds above 0, up to a million")
        })
        .fallback(Duration::from_secs(5))
        .boxed()
}

/// No timeout is longer, so that no clock runs over.
const LONGEST: Duration = Duration::from_secs(1_000_000);

fn format(help: &'static str) -> Boxed<Format> {
    long("json").help(help).flag(Format::Json, Format::Erlang).boxed()
}

fn node() -> Boxed<String> {
    positional("NODE")
        .help("The node: NAME@HOST, or NAME on the host of --sname or --name, else on this one; NAME@HOST:PORT goes around EPMD")
        .complete(|begun: &String| names_here(begun))
        .boxed()
}

/// The nodes of this host whose names begin so, for a shell to complete.
fn names_here(begun: &str) -> Vec<(String, Option<String>)> {
    let port = EpmdSettings::from_env().unwrap_or_default().port;
    let names = epmd_names("localhost", port, Duration::from_millis(200)).unwrap_or_default();
    names.into_iter().filter(|(name, _)| name.starts_with(begun)).map(|(name, _)| (name, None)).collect()
}

fn process() -> Boxed<String> {
    positional("NAME").help("The registered name of the process, as it is, without quotes").boxed()
}

fn term() -> Boxed<String> {
    let term = positional("TERM").help("The term, as Erlang writes it; - reads it from standard input");
    // of one digit it would be taken for an option
    let is_negative = |text: &String| text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let negative = any("TERM", move |text: String| Some(text).filter(is_negative)).hide();
    construct!([term, negative]).boxed()
}
