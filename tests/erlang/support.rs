//! The harness: a scratch home, an EPMD port and a cookie for each test; agents, real Erlang nodes and real epmds in it, all of
//! them ended when their value goes out of scope.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::binaries::beamless;
use crate::children::{self, Scratch, command};
use crate::tls_live::{self, Version};

/// How long anything may take before the test fails. Generous, because the machine may be busy; nothing waits for it when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// How often a condition that cannot be waited for is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Looks until `look` has an answer; fails the test after [`PATIENCE`].
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// A TCP port that is free now. Below the range the kernel hands out by itself, so that no other process gets it by chance between
/// this look and its use.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let start = u16::try_from(std::process::id() % 900).unwrap() * 20;
        let port = 12_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// What the processes of one test share: where their home is, which EPMD port they use, and what their cookie is.
#[derive(Clone)]
pub(crate) struct World {
    scratch: Arc<Scratch>,
    pub(crate) home: PathBuf,
    pub(crate) epmd_port: u16,
    pub(crate) cookie: String,
    /// The command, if there is one, that runs others on the host that this is.
    on: Vec<String>,
    /// What its nodes speak, if it is TLS.
    pub(crate) tls: Option<Version>,
}

impl World {
    /// A new world with a cookie file in its home.
    pub(crate) fn new() -> Self {
        let world = Self::without_cookie_file();
        world.write_cookie();
        world
    }

    /// A new world in whose home no program has run yet.
    pub(crate) fn without_cookie_file() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let home = children::folder(&number.to_string());
        Self {
            scratch: Arc::new(Scratch(home.clone())),
            home,
            epmd_port: free_port(),
            cookie: format!("COOKIE{number}OF{}", std::process::id()),
            on: Vec::new(),
            tls: tls_live::spoken(),
        }
    }

    /// The same on another host, where this command runs others.
    pub(crate) fn on_host(&self, command: Vec<String>) -> Self {
        Self { on: command, ..self.clone() }
    }

    /// The same home and cookie, another EPMD.
    pub(crate) fn with_epmd_port(&self, epmd_port: u16) -> Self {
        Self { epmd_port, ..self.clone() }
    }

    /// The same EPMD, another home with another cookie.
    pub(crate) fn with_cookie(&self, cookie: &str) -> Self {
        let home = self.scratch.0.join("another-home");
        fs::create_dir_all(&home).unwrap();
        let world = Self { home, cookie: cookie.to_owned(), ..self.clone() };
        world.write_cookie();
        world
    }

    fn write_cookie(&self) {
        let file = self.home.join(".erlang.cookie");
        fs::write(&file, &self.cookie).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    }

    pub(crate) fn dress(&self, command: &mut Command) {
        if let Some((program, args)) = self.on.split_first() {
            let mut outer = children::command(program);
            outer.args(args).arg(command.get_program()).args(command.get_args());
            outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            *command = outer;
        }
        // A node that a test makes fail writes no dump.
        command.env("HOME", &self.home).env("ERL_EPMD_PORT", self.epmd_port.to_string()).env("ERL_CRASH_DUMP_SECONDS", "0");
        if self.tls.is_some() {
            command.env("BEAMLESS_TLS_DIR", tls_live::folder());
        }
        command.current_dir(&self.home).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    /// `beamless run` with these arguments, started and up.
    pub(crate) fn agent(&self, args: &[&str]) -> Agent {
        let mut agent = self.launch(args);
        agent.wait_until_up();
        agent
    }

    /// `beamless run` with these arguments, just started.
    pub(crate) fn launch(&self, args: &[&str]) -> Agent {
        let mut command = command(beamless());
        command.arg("run").args(args);
        self.launch_as(command)
    }

    /// The agent run by another program, such as strace.
    pub(crate) fn launch_as(&self, command: Command) -> Agent {
        self.launch_between(command, Stdio::null(), Stdio::piped())
    }

    /// A program whose standard input and output the test has a use for.
    pub(crate) fn launch_between(&self, mut command: Command, stdin: impl Into<Stdio>, stdout: impl Into<Stdio>) -> Agent {
        self.dress(&mut command);
        let child = command.stdin(stdin).stdout(stdout).spawn();
        let mut child = child.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let log = Log::default();
        if let Some(stdout) = child.stdout.take() {
            log.read(stdout);
        }
        log.read(child.stderr.take().unwrap());
        Agent { child, log, node: String::new(), port: 0, cookie: self.cookie.clone() }
    }

    /// A real Erlang node, ready to evaluate.
    pub(crate) fn erl(&self, args: &[&str]) -> Erl {
        let mut erl = self.launch_erl(args);
        erl.node = erl.eval("node()").trim_matches('\'').to_owned();
        erl
    }

    /// A real Erlang node that may fail to start. It never starts an epmd of its own: that one would outlive the test.
    pub(crate) fn launch_erl(&self, args: &[&str]) -> Erl {
        self.launch_erl_by(erl_command(), args)
    }

    /// The same of the release whose `erl` this is.
    pub(crate) fn launch_erl_of(&self, erl: &str, args: &[&str]) -> Erl {
        self.launch_erl_by(command(erl), args)
    }

    fn launch_erl_by(&self, mut command: Command, args: &[&str]) -> Erl {
        command.args(["-noshell", "-start_epmd", "false"]).args(PATIENT).args(["-eval", EVALUATOR]);
        match self.tls {
            Some(version) => command.args(tls_live::erl_args(version, args)),
            None => command.args(args),
        };
        let (child, stdin, log) = self.spawn_erl(command);
        Erl { child, stdin: Mutex::new(Some(stdin)), asked: AtomicUsize::new(0), log, node: String::new() }
    }

    /// An Erlang with a shell that reads from a pipe, as a person would have it, and what it prints.
    pub(crate) fn shell(&self, args: &[&str]) -> Shell {
        let mut command = erl_command();
        command.args(["-start_epmd", "false"]).args(PATIENT).args(args);
        let (child, stdin, log) = self.spawn_erl(command);
        Shell { child, stdin, log }
    }

    fn spawn_erl(&self, mut command: Command) -> (Child, ChildStdin, Log) {
        self.dress(&mut command);
        let mut child = match command.stdin(Stdio::piped()).spawn() {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                panic!("Erlang is missing: tests/run brings one; or apt-get install erlang-nox")
            }
            other => other.unwrap_or_else(|e| panic!("{command:?}: {e}")),
        };
        let log = Log::default();
        log.read(child.stdout.take().unwrap());
        log.read(child.stderr.take().unwrap());
        let stdin = child.stdin.take().unwrap();
        (child, stdin, log)
    }

    /// Runs an Elixir script to its end in a node `NAME@` this host; what it printed. The test fails if the script does.
    pub(crate) fn elixir(&self, alive: &str, script: &Path, args: &[&str]) -> String {
        self.elixir_named(&["--sname", alive], script, args)
    }

    /// The same in a node that these options name.
    pub(crate) fn elixir_named(&self, name: &[&str], script: &Path, args: &[&str]) -> String {
        let mut command = command(std::env::var_os("BEAMLESS_ELIXIR").unwrap_or_else(|| "elixir".into()));
        command.args(["--erl", "-start_epmd false"]).args(name).arg(script).args(args);
        self.dress(&mut command);
        let mut child = match command.stdin(Stdio::null()).spawn() {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                panic!("Elixir is missing: tests/run brings one; or BEAMLESS_ELIXIR=$(tests/otp/get 29)/bin/elixir")
            }
            other => other.unwrap_or_else(|e| panic!("{command:?}: {e}")),
        };
        let log = Log::default();
        log.read(child.stdout.take().unwrap());
        log.read(child.stderr.take().unwrap());
        let status = wait_for_exit(&mut child, "the Elixir script to end");
        until("its last words", || log.is_complete().then_some(()));
        assert!(status.success(), "{command:?}: {status}\n{}", log.text());
        log.text()
    }

    /// A real epmd on this world's port.
    pub(crate) fn epmd(&self) -> Epmd {
        let mut command = epmd_command();
        self.dress(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|e| panic!("epmd cannot be started ({e}): apt-get install erlang-nox"));
        let epmd = Epmd { child };
        until("epmd to listen", || self.has_epmd().then_some(()));
        epmd
    }

    fn has_epmd(&self) -> bool {
        if self.on.is_empty() {
            return TcpStream::connect(("127.0.0.1", self.epmd_port)).is_ok();
        }
        let mut command = epmd_command();
        self.dress(command.arg("-names"));
        command.output().expect("epmd -names").status.success()
    }

    /// What `epmd -names` prints, sorted, without its first line: `name demo at port 40123`. Empty when there is no epmd.
    pub(crate) fn epmd_names(&self) -> Vec<String> {
        let mut command = epmd_command();
        self.dress(&mut command);
        let output = command.arg("-names").output().expect("epmd -names");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut names: Vec<String> = text.lines().filter(|line| line.starts_with("name ")).map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Waits until `epmd -names` lists exactly these alive names.
    pub(crate) fn wait_for_names(&self, want: &[&str]) {
        let mut names = Vec::new();
        let what = format!("epmd -names to list {want:?}");
        until(&what, || {
            names = self.epmd_names();
            let alive: Vec<&str> = names.iter().filter_map(|line| line.split(' ').nth(1)).collect();
            (alive == want).then_some(())
        });
    }
}

/// The OTP release that the tests run against, such as 25.
pub(crate) fn otp() -> u32 {
    static OTP: OnceLock<u32> = OnceLock::new();
    *OTP.get_or_init(|| {
        let mut command = erl_command();
        command.args(["-noinput", "-eval", "io:put_chars(erlang:system_info(otp_release)), halt()."]);
        let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; apt-get install erlang-nox"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.parse().unwrap_or_else(|_| panic!("{command:?}: {text:?} is not the number of a release"))
    })
}

pub(crate) fn erl_command() -> Command {
    command(std::env::var_os("BEAMLESS_ERL").unwrap_or_else(|| "erl".into()))
}

pub(crate) fn epmd_command() -> Command {
    command(std::env::var_os("BEAMLESS_EPMD").unwrap_or_else(|| "epmd".into()))
}

/// Erlang gives a handshake seven seconds, which on a busy machine may be too few.
const PATIENT: [&str; 3] = ["-kernel", "net_setuptime", "60"];

/// Reads expressions from its input, one line each, evaluates them one after another with the bindings kept, and prints each
/// value on a line of its own behind the number of the question. It ends with its input, so that nothing outlives a killed test run.
const EVALUATOR: &str = r#"
    spawn(fun() -> (fun Loop(N, Bindings) ->
        case io:get_line(standard_io, []) of
            eof -> erlang:halt(0, [{flush, false}]);
            Line ->
                {How, Value, Kept} =
                    try
                        {ok, Tokens, _} = erl_scan:string(Line),
                        {ok, Exprs} = erl_parse:parse_exprs(Tokens),
                        {value, V, New} = erl_eval:exprs(Exprs, Bindings),
                        {ok, V, New}
                    catch Class:Reason:Stack -> {Class, {Reason, Stack}, Bindings}
                    end,
                io:format("~n@@~w ~w ~0p~n", [N, How, Value]),
                Loop(N + 1, Kept)
        end
    end)(0, []) end)."#;

/// Lines that a process printed so far.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    /// How many streams may still bring some.
    open: usize,
}

impl Log {
    /// Collects lines until the stream ends.
    fn read(&self, stream: impl Read + Send + 'static) {
        let log = self.clone();
        log.0.0.lock().unwrap().open += 1;
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                log.0.0.lock().unwrap().lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                log.0.1.notify_all();
                line.clear();
            }
            log.0.0.lock().unwrap().open -= 1;
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.0.0.lock().unwrap().lines.len()
    }

    pub(crate) fn text(&self) -> String {
        self.0.0.lock().unwrap().lines.join("\n")
    }

    /// How many lines contain all of `parts`.
    pub(crate) fn count(&self, parts: &[&str]) -> usize {
        self.0.0.lock().unwrap().lines.iter().filter(|line| has_all(line, parts)).count()
    }

    /// Whether everything that the process printed is here.
    fn is_complete(&self) -> bool {
        self.0.0.lock().unwrap().open == 0
    }

    /// The first line from `from` on that contains all of `parts`, waited for.
    pub(crate) fn wait_from(&self, from: usize, parts: &[&str]) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        let (lines, grown) = &*self.0;
        let mut lines = lines.lock().unwrap();
        loop {
            if let Some(line) = lines.lines.iter().skip(from).find(|line| has_all(line, parts)) {
                return Some(line.clone());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            lines = grown.wait_timeout(lines, left).unwrap().0;
        }
    }
}

fn has_all(line: &str, parts: &[&str]) -> bool {
    parts.iter().all(|part| line.contains(part))
}

/// Ends a process that this harness started, and nothing else.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

pub(crate) fn signal(pid: u32, name: &str) {
    // std cannot send a signal, and unsafe code is forbidden; the shell's own kill needs no package.
    let status = command("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

pub(crate) fn wait_for_exit(child: &mut Child, what: &str) -> ExitStatus {
    until(what, || child.try_wait().unwrap())
}

/// A running `beamless run`.
pub(crate) struct Agent {
    child: Child,
    pub(crate) log: Log,
    /// The full node name, as the log has it.
    pub(crate) node: String,
    /// The port it listens on, as the log has it.
    pub(crate) port: u16,
    cookie: String,
}

impl Agent {
    /// Waits for the line that says so, and takes name and port from it.
    pub(crate) fn wait_until_up(&mut self) {
        let line = self.wait(&["up as ", " on "]);
        let (_, rest) = line.split_once("up as ").unwrap();
        let (node, rest) = rest.split_once(" on ").unwrap();
        let address = rest.split([',', ' ']).next().unwrap();
        let port = address.rsplit(':').next().and_then(|p| p.parse().ok());
        self.node = node.to_owned();
        self.port = port.unwrap_or_else(|| panic!("no port in {line:?}"));
    }

    /// The node name as an Erlang atom.
    pub(crate) fn atom(&self) -> String {
        format!("'{}'", self.node)
    }

    pub(crate) fn host(&self) -> &str {
        self.node.split_once('@').expect("a full name").1
    }

    /// The first log line that contains all of `parts`, waited for.
    pub(crate) fn wait(&self, parts: &[&str]) -> String {
        self.wait_from(0, parts)
    }

    /// The same, among the lines that come after the first `from`.
    pub(crate) fn wait_from(&self, from: usize, parts: &[&str]) -> String {
        self.log.wait_from(from, parts).unwrap_or_else(|| panic!("the agent never logged {parts:?}"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Kills it with -9.
    pub(crate) fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Waits for its end, and returns its exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let code = wait_for_exit(&mut self.child, "the agent to end").code();
        until("its last words", || self.log.is_complete().then_some(()));
        assert!(!self.log.text().contains(&self.cookie), "the cookie is in the log");
        code
    }

    /// Whether a signal holds it up.
    pub(crate) fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        stat.contains(") T ")
    }

    /// How many file descriptors it has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// How many connections it has open, EPMD's left out.
    pub(crate) fn connections(&self, epmd_port: u16) -> usize {
        let mut inodes = HashSet::new();
        for fd in fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().flatten() {
            if let Ok(target) = fs::read_link(fd.path()) {
                let target = target.to_string_lossy().into_owned();
                inodes.extend(target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).map(str::to_owned));
            }
        }
        let epmd = format!(":{epmd_port:04X}");
        let mut table = fs::read_to_string(format!("/proc/{}/net/tcp", self.pid())).unwrap();
        table += &fs::read_to_string(format!("/proc/{}/net/tcp6", self.pid())).unwrap_or_default();
        let mut found = 0;
        for line in table.lines() {
            // "0: 0100007F:9C45 0100007F:8A02 01 ... uid timeout inode": state 01 is ESTABLISHED
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [_, local, remote, "01", ..] = fields[..] {
                let ours = fields.get(9).is_some_and(|inode| inodes.contains(*inode));
                found += usize::from(ours && !local.ends_with(&epmd) && !remote.ends_with(&epmd));
            }
        }
        found
    }

    /// A line of `/proc/PID/status`, in KiB.
    pub(crate) fn memory_kib(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("no {what} in {status}"));
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        end(&mut self.child);
        if std::thread::panicking() {
            eprintln!("--- log of agent {}\n{}", self.node, self.log.text());
        } else {
            assert!(!self.log.text().contains(&self.cookie), "the cookie is in the log");
        }
    }
}

/// A real Erlang node that evaluates what it is told.
pub(crate) struct Erl {
    child: Child,
    stdin: Mutex<Option<ChildStdin>>,
    asked: AtomicUsize,
    pub(crate) log: Log,
    /// The full node name.
    pub(crate) node: String,
}

/// A question whose answer has not been read yet.
pub(crate) struct Asked(usize, String);

impl Erl {
    /// Evaluates one expression sequence; its value as `~0p` prints it. An exception fails the test.
    pub(crate) fn eval(&self, source: &str) -> String {
        self.answer(self.ask(source))
    }

    /// Starts an evaluation: something else may be done before the answer is read.
    pub(crate) fn ask(&self, source: &str) -> Asked {
        let mut stdin = self.stdin.lock().unwrap();
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let line = format!("{}.\n", source.split_whitespace().collect::<Vec<_>>().join(" "));
        let stdin = stdin.as_mut().expect("this Erlang was stopped");
        if let Err(e) = stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush()) {
            panic!("{source}: Erlang is gone ({e})");
        }
        Asked(number, source.to_owned())
    }

    /// The answer to a question asked before.
    pub(crate) fn answer(&self, Asked(number, source): Asked) -> String {
        let mark = format!("@@{number} ");
        let Some(line) = self.log.wait_from(0, &[&mark]) else { panic!("no answer to {source}") };
        match line.split_once(&mark).and_then(|(_, rest)| rest.split_once(' ')) {
            Some(("ok", value)) => value.to_owned(),
            other => panic!("{source}: {other:?}"),
        }
    }

    /// Whether the answer has come.
    pub(crate) fn has_answered(&self, Asked(number, _): &Asked) -> bool {
        self.log.count(&[&format!("@@{number} ")]) > 0
    }

    /// Evaluates until the value is `want`.
    pub(crate) fn eval_until(&self, source: &str, want: &str) {
        let mut value = String::new();
        let deadline = Instant::now() + PATIENCE;
        while value != want {
            assert!(Instant::now() < deadline, "{source} is {value}, not {want}");
            if !value.is_empty() {
                std::thread::sleep(LOOK_AGAIN);
            }
            value = self.eval(source);
        }
    }

    /// Compiles and loads the module `probe` that stands beside this file.
    pub(crate) fn load_probe(&self, world: &World) {
        self.load(world, "probe", include_str!("probe.erl"));
    }

    /// Compiles and loads a module.
    pub(crate) fn load(&self, world: &World, module: &str, source: &str) {
        assert_eq!(self.eval(&load(world, module, source)), "ok");
    }

    pub(crate) fn atom(&self) -> String {
        format!("'{}'", self.node)
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Kills it with -9.
    pub(crate) fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Ends it in order: its input ends.
    pub(crate) fn stop(&mut self) {
        *self.stdin.lock().unwrap() = None;
        wait_for_exit(&mut self.child, "Erlang to end");
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        wait_for_exit(&mut self.child, "Erlang to end")
    }
}

/// What Erlang evaluates to compile and load this module.
pub(crate) fn load(world: &World, module: &str, source: &str) -> String {
    let file = world.home.join(format!("{module}.erl"));
    fs::write(&file, source).unwrap();
    let file = file.display().to_string();
    format!(
        "(fun() -> {{ok, {module}, Beam}} = compile:file({file:?}, [binary, report]), \
            {{module, {module}}} = code:load_binary({module}, {file:?}, Beam), ok end)()"
    )
}

impl Drop for Erl {
    fn drop(&mut self) {
        end(&mut self.child);
        if std::thread::panicking() {
            eprintln!("--- output of Erlang {}\n{}", self.node, self.log.text());
        }
    }
}

/// An Erlang shell at a pipe.
pub(crate) struct Shell {
    child: Child,
    stdin: ChildStdin,
    pub(crate) log: Log,
}

impl Shell {
    /// Types a line.
    pub(crate) fn paste(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        end(&mut self.child);
        if std::thread::panicking() {
            eprintln!("--- output of the Erlang shell\n{}", self.log.text());
        }
    }
}

/// A real epmd in the foreground.
pub(crate) struct Epmd {
    child: Child,
}

impl Drop for Epmd {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// An agent `demo` that serves EPMD itself, and an Erlang `a` in which `N` is the agent's name.
pub(crate) fn demo_and_erl(more: &[&str]) -> (World, Agent, Erl) {
    let world = World::new();
    let demo = world.agent(&[&["--sname", "demo"], more].concat());
    let erl = world.erl(&["-sname", "a"]);
    erl.eval(&format!("N = {}", demo.atom()));
    (world, demo, erl)
}

/// Registers a node with an EPMD by hand; the registration lives as long as the stream. For a node that this EPMD would not know by itself.
pub(crate) fn register_by_hand(epmd_port: u16, alive: &str, port: u16) -> TcpStream {
    let mut body = vec![120];
    body.extend(port.to_be_bytes());
    body.extend([77, 0, 0, 6, 0, 6]);
    body.extend(u16::try_from(alive.len()).unwrap().to_be_bytes());
    body.extend(alive.as_bytes());
    body.extend([0, 0]);
    let mut stream = TcpStream::connect(("127.0.0.1", epmd_port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&packet(&body)).unwrap();
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..2], [118, 0], "registration of {alive}: {}", hex(&answer));
    stream
}

/// A body behind its length in 16 bits.
pub(crate) fn packet(body: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
