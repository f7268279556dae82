//! The command line, and what the commands share.

mod agent;
mod cookie;
mod host;
mod systemd;

use std::path::PathBuf;
use std::process::ExitCode;

use beamless::Epmd;
use bpaf::{Args, OptionParser, ParseFailure, Parser, construct, long};

/// What went wrong before anything ran: usage or configuration.
const USAGE: u8 = 2;

/// A name as given, which decides how its host part is found.
#[derive(Debug, Clone)]
enum Name {
    Short(String),
    Long(String),
}

/// `beamless run`.
#[derive(Debug, Clone)]
struct Run {
    name: Name,
    cookie_file: Option<PathBuf>,
    listen: Option<String>,
    epmd: Epmd,
    visible: bool,
    connect: Vec<String>,
    verbose: bool,
}

fn parser() -> OptionParser<Run> {
    let short = long("sname").help("The node's short name; its host is this host's short name").argument("NAME").map(Name::Short);
    let full =
        long("name").help("The node's long name; without a host, this host's full name").argument("NAME[@HOST]").map(Name::Long);
    let name = construct!([short, full]);
    let cookie_file = long("cookie-file")
        .help("The file with the cluster's cookie; by default ~/.erlang.cookie, made if it is missing")
        .argument::<PathBuf>("FILE")
        .optional();
    let listen = long("listen")
        .help("Where to listen; by default on the addresses of the name's host part, at any free port")
        .argument("ADDR[:PORT]")
        .optional();
    let epmd = long("epmd")
        .help("auto: use a running EPMD, else serve one (the default); external, embedded, none")
        .argument::<Epmd>("WHICH")
        .fallback(Epmd::Auto);
    let visible = long("visible").help("Stand in nodes() of the others, not in nodes(hidden)").switch();
    let connect = long("connect").help("Connect to this node, and again whenever it is back; repeatable").argument("NODE").many();
    let verbose = long("verbose").short('v').help("Say more").switch();
    let run = construct!(Run { name, cookie_file, listen, epmd, visible, connect, verbose })
        .to_options()
        .descr("Be a node: answer pings and calls, keep connections, with a mailbox `echo` to try it.")
        .footer("Example: beamless run --sname demo --connect hub@nuc3")
        .command("run")
        .help("Be a node until SIGTERM or SIGINT");
    run.to_options()
        .version(env!("CARGO_PKG_VERSION"))
        .descr("An Erlang node without the BEAM.")
        .footer(
            "Example: beamless run --sname demo\n  then, from an Erlang shell with the same cookie: net_adm:ping('demo@HOST').",
        )
        .fallback_to_usage()
}

/// Parses the arguments and runs the command.
pub(crate) fn main() -> ExitCode {
    match parser().run_inner(Args::current_args()) {
        Ok(run) => agent::run(&run),
        Err(failure @ (ParseFailure::Stdout(..) | ParseFailure::Completion(_))) => {
            failure.print_message(100);
            ExitCode::SUCCESS
        }
        Err(failure @ ParseFailure::Stderr(_)) => {
            failure.print_message(100);
            ExitCode::from(USAGE)
        }
    }
}

/// Logging to standard error, a line for everything that happened, plain so that a journal can add its own; where it goes to the
/// journal, behind its priority.
fn start_log(verbose: bool) {
    use std::io::Write;
    let level = if verbose { log::LevelFilter::Debug } else { log::LevelFilter::Info };
    let journal = systemd::is_journal();
    env_logger::Builder::new()
        .filter_level(level)
        .format(move |out, record| {
            let priority = if journal { systemd::priority(record.level()) } else { "" };
            match record.level() {
                log::Level::Info => writeln!(out, "{priority}{}", record.args()),
                level => writeln!(out, "{priority}{}: {}", level.as_str().to_lowercase(), record.args()),
            }
        })
        .init();
}
