//! A start with less than all: what a power cut left of the files, what is not there yet, and what is no file at all.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::binaries::beamless;
use crate::children::command;
use crate::support::{Agent, Erl, World, until};

/// A program that answers each call with `yes`.
const YES: &str = "#!/bin/sh\nwhile IFS= read -r line; do id=${line#*,}; echo \"{reply,${id%%,*},yes}\"; done\n";

/// Writes a file that may be executed, as a whole: one that is still open for writing cannot be.
fn write_program(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::set_permissions(&draft, Permissions::from_mode(0o755)).unwrap();
    fs::rename(draft, path).unwrap();
}

/// A box with its folders `etc` and `state`, and a configuration whose paths begin in the first.
struct Box {
    world: World,
    file: PathBuf,
    cookie: PathBuf,
    state: PathBuf,
}

const CONFIG: &str = "sname = \"demo\"\ncookie_file = \"cookie\"\n[mailbox.yes]\ncommand = [\"./yes\"]\n";

impl Box {
    fn new() -> Self {
        let world = World::new();
        let (etc, state) = (world.home.join("etc"), world.home.join("state"));
        fs::create_dir(&etc).unwrap();
        write_program(&etc.join("yes"), YES);
        let it = Self { file: etc.join("b.toml"), cookie: etc.join("cookie"), state, world };
        it.restore();
        it
    }

    /// The files as they should be.
    fn restore(&self) {
        fs::write(&self.file, CONFIG).unwrap();
        self.write_cookie(self.world.cookie.as_bytes());
    }

    fn write_cookie(&self, bytes: &[u8]) {
        let _ = fs::remove_file(&self.cookie);
        fs::write(&self.cookie, bytes).unwrap();
        fs::set_permissions(&self.cookie, Permissions::from_mode(0o400)).unwrap();
    }

    fn launch(&self) -> Agent {
        self.world.launch(&["--config", "etc/b.toml", "--state-dir", "state"])
    }

    fn start(&self) -> Agent {
        let mut agent = self.launch();
        agent.wait_until_up();
        agent
    }

    /// The exit code and the words of one that does not come up.
    fn refused(&self, args: &[&str]) -> String {
        let mut agent = self.world.launch(args);
        assert_eq!(agent.exit_code(), Some(2), "{}", agent.log.text());
        agent.log.text()
    }
}

fn call(erl: &Erl, mailbox: &str, agent: &Agent) -> String {
    erl.eval(&format!("catch gen_server:call({{{mailbox},{}}}, who, 20000)", agent.atom()))
}

/// Whatever a power cut leaves of the file, or somebody writes into it, the box is in the cluster with what worked before.
#[test]
fn a_start_goes_on_with_the_configuration_that_worked() {
    let it = Box::new();
    let _epmd = it.world.epmd();
    let erl = it.world.erl(&["-sname", "a"]);
    drop(it.start());
    let kept = it.state.join("last.toml");
    assert_eq!(kept.metadata().unwrap().mode() & 0o777, 0o600);
    let number = kept.metadata().unwrap().ino();
    let torn = CONFIG.len() / 3;
    let zeros = [&CONFIG.as_bytes()[..torn], &vec![0; CONFIG.len() - torn]].concat();
    let damages: [(&[u8], &str); 6] = [
        (b"", "etc/b.toml: it is empty"),
        (&[0; 100], "etc/b.toml: it is empty"),
        (&CONFIG.as_bytes()[..torn], "etc/b.toml:2:"),
        (&zeros, "etc/b.toml:2:"),
        (b"sname = \"demo\"\n# \xff\n", "etc/b.toml:2:3: not UTF-8 text: a byte 0xff"),
        (b"snmae = \"demo\"\n", "etc/b.toml:1:1: unknown key `snmae`"),
    ];
    for (bytes, why) in damages {
        fs::write(&it.file, bytes).unwrap();
        let said = it.refused(&["--check", "--config", "etc/b.toml", "--state-dir", "state"]);
        assert!(said.contains(why) && !said.contains("last.toml"), "{said}");
        // without the folder
        assert_eq!(it.refused(&["--config", "etc/b.toml"]), said);
        let agent = it.start();
        agent.wait(&["error: ", why]);
        agent.wait(&[
            "error: etc/b.toml: not taken: this node runs on the last configuration that worked, kept in state/last.toml",
        ]);
        // its program stands beside the file
        assert_eq!(call(&erl, "yes", &agent), "yes");
    }
    fs::remove_file(&it.file).unwrap();
    let mut agent = it.start();
    agent.wait(&["error: etc/b.toml: No such file or directory"]);
    // a wrong one is still refused, and a right one ends it
    let hup = |agent: &Agent, text: &str, part: &str| {
        let before = agent.log.len();
        fs::write(&it.file, text).unwrap();
        agent.signal("HUP");
        agent.wait_from(before, &[part]);
    };
    hup(&agent, "sname = ", "not taken, all settings stay as they were");
    hup(&agent, CONFIG, "read again: nothing to change");
    assert_eq!(call(&erl, "yes", &agent), "yes");
    assert_eq!(kept.metadata().unwrap().ino(), number, "it was written though nothing changed");
    // what was taken is what worked, but for what needs a restart
    let more = format!("{CONFIG}[functions]\n\"box:id/0\" = [\"id\", \"-u\"]\n");
    hup(&agent, &more, "b.toml read again");
    until("the new one to be kept", || fs::read_to_string(&kept).unwrap().starts_with(&more).then_some(()));
    hup(&agent, &more.replace("demo", "other"), "warn: name: changed in etc/b.toml; restart to apply");
    hup(&agent, "sname = ", "not taken");
    assert!(fs::read_to_string(&kept).unwrap().starts_with(&more));
    agent.kill();
    let agent = it.start();
    assert!(erl.eval(&format!("rpc:call({}, box, id, [])", agent.atom())).starts_with("<<\""));
    drop(agent);
    // that of another file is not this one's, and one that is torn itself is none
    fs::write(it.world.home.join("etc/c.toml"), "").unwrap();
    let said = it.refused(&["--config", "etc/c.toml", "--state-dir", "state"]);
    assert!(said.contains("it is empty"), "{said}");
    let bytes = fs::read(&kept).unwrap();
    fs::write(&kept, &bytes[..bytes.len() - 1]).unwrap();
    let said = it.refused(&["--config", "etc/b.toml", "--state-dir", "state"]);
    assert!(said.starts_with("error: etc/b.toml:1:"), "{said}");
}

/// What can be read, and is no configuration to come up with: an address that is another's, and a file that ends behind its first comment.
#[test]
fn a_start_goes_on_with_what_worked_where_the_file_only_looks_right() {
    let it = Box::new();
    let _epmd = it.world.epmd();
    let erl = it.world.erl(&["-sname", "a"]);
    let kept = it.state.join("last.toml");
    let alarms = |agent: &Agent| {
        let call = format!("gen_server:call({{system,{}}}, {{info, health}}, 60000)", agent.atom());
        erl.eval(&format!("#{{alarms := Alarms}} = {call}, [What || #{{what := What}} <- Alarms]"))
    };
    let alone = format!("listen = \"203.0.113.9:4000\"\n{CONFIG}");
    fs::write(&it.file, &alone).unwrap();
    let failed = |why: &str| {
        let mut agent = it.launch();
        assert_eq!(agent.exit_code(), Some(1), "{}", agent.log.text());
        agent.wait(&[why]);
        assert_eq!(agent.log.count(&["last configuration"]), 0);
    };
    failed("error: listening on 203.0.113.9:4000");
    assert!(!kept.exists());
    it.restore();
    drop(it.start());
    fs::write(&it.file, &alone).unwrap();
    let mut agent = it.start();
    agent.wait(&["error: listening on 203.0.113.9:4000"]);
    agent.wait(&["error: etc/b.toml: not taken: this node runs on the last configuration that worked, kept in state/last.toml"]);
    assert_eq!(call(&erl, "yes", &agent), "yes");
    assert_eq!(alarms(&agent), "[last_configuration]");
    // read again it is as wrong as it was
    let hup = |agent: &Agent, part: &str| {
        let before = agent.log.len();
        agent.signal("HUP");
        agent.wait_from(before, &[part]);
        assert_eq!(call(&erl, "yes", agent), "yes");
    };
    hup(&agent, "listen: changed in etc/b.toml; restart to apply");
    assert_eq!(alarms(&agent), "[last_configuration]");
    it.restore();
    hup(&agent, "nothing to change");
    erl.eval_until(&format!("maps:get(alarms, gen_server:call({{system,{}}}, {{info, health}}, 60000))", agent.atom()), "[]");
    agent.kill();

    let named = ["--config", "etc/b.toml", "--state-dir", "state", "--sname", "demo"];
    fs::write(&it.file, "# what this box does\n\n  # and is\n").unwrap();
    let mut agent = it.world.launch(&named);
    agent.wait_until_up();
    agent.wait(&["error: etc/b.toml: nothing is set in it", "remove state/last.toml if that is meant"]);
    assert_eq!(call(&erl, "yes", &agent), "yes");
    agent.kill();
    assert!(fs::read_to_string(&kept).unwrap().starts_with(CONFIG));
    // it may be meant
    fs::remove_file(&kept).unwrap();
    let mut agent = it.world.launch(&named);
    agent.wait_until_up();
    assert_eq!(agent.log.count(&["error: "]), 0);
    until("it to be kept", || kept.exists().then_some(()));
}

#[test]
fn a_start_goes_on_with_the_cookie_that_worked() {
    let it = Box::new();
    let _epmd = it.world.epmd();
    let erl = it.world.erl(&["-sname", "a"]);
    let mut agent = it.start();
    agent.signal("TERM");
    assert_eq!(agent.exit_code(), Some(0));
    let kept = it.state.join("last.cookie");
    assert_eq!((fs::read_to_string(&kept).unwrap(), kept.metadata().unwrap().mode() & 0o777), (it.world.cookie.clone(), 0o400));
    let zeros = [&it.world.cookie.as_bytes()[..5], &[0; 9]].concat();
    let damages: [(Option<&[u8]>, &str); 3] = [(Some(b""), "it is empty"), (Some(&zeros), "bad characters"), (None, "not there")];
    for (bytes, why) in damages {
        it.write_cookie(bytes.unwrap_or_default());
        if bytes.is_none() {
            fs::remove_file(&it.cookie).unwrap();
        }
        let said = it.refused(&["--check", "--config", "etc/b.toml", "--state-dir", "state"]);
        assert!(said.contains("error: etc/b.toml:2:15: cookie_file: ") && said.contains(why), "{said}");
        let agent = it.start();
        agent.wait(&["error: cookie file ", "/etc/cookie", why]);
        agent.wait(&["error: this node runs with the last cookie that worked, kept in state/last.cookie"]);
        agent.wait(&["up as ", "cookie from state/last.cookie"]);
        assert_eq!(call(&erl, "yes", &agent), "yes");
        // the folder of an agent that is up can be read again all the same
        let before = agent.log.len();
        agent.signal("HUP");
        agent.wait_from(before, &["etc/b.toml read again: nothing to change"]);
    }
    // that others can read it is for its owner to mend, who may have put another there
    it.write_cookie(b"another");
    fs::set_permissions(&it.cookie, Permissions::from_mode(0o644)).unwrap();
    let said = it.refused(&["--config", "etc/b.toml", "--state-dir", "state"]);
    assert!(said.contains("must be accessible by owner only") && !said.contains("last.cookie"), "{said}");
    fs::remove_file(&it.cookie).unwrap();
    // both at once
    fs::write(&it.file, "").unwrap();
    let agent = it.start();
    assert_eq!(call(&erl, "yes", &agent), "yes");
    drop(agent);
    it.restore();
    let agent = it.start();
    agent.wait(&["up as ", "/etc/cookie"]);
    assert_eq!(agent.log.count(&["error: "]), 0);
    drop(agent);
    // half of it is a cookie as well, but nobody else's; another one is kept when a node has it, too
    it.write_cookie(&it.world.cookie.as_bytes()[..5]);
    drop(it.start());
    assert_eq!(fs::read_to_string(&kept).unwrap(), it.world.cookie);
    it.write_cookie(b"another");
    let agent = it.start();
    let other = it.world.erl(&["-sname", "b", "-setcookie", "another"]);
    other.eval_until(&format!("net_adm:ping({})", agent.atom()), "pong");
    until("it to be kept", || (fs::read_to_string(&kept).unwrap() == "another").then_some(()));
}

/// A signal is not lost, and does no harm, while the agent starts, or starts again on the configuration that worked last.
#[test]
fn signals_count_while_the_agent_starts() {
    let it = Box::new();
    let _epmd = it.world.epmd();
    let slow = format!(
        "{CONFIG}[mailbox.never]\ncommand = [\"nosuchprogram\"]\n[[publish]]\nfile = \"b.toml\"\nlabel = \"file\"\nevery = \"1h\"\nto = \
         \"box\"\nnode = \"a\"\n"
    );
    fs::write(&it.file, &slow).unwrap();
    drop(it.start());
    // somebody has the folder: each start waits a second for it
    let folder = fs::File::open(&it.state).unwrap();
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut agent = it.launch();
    agent.wait(&["warn: etc/b.toml:", "mailbox.never.command"]);
    agent.signal("HUP");
    agent.wait_until_up();
    agent.wait(&["etc/b.toml read again: nothing to change"]);
    agent.signal("TERM");
    assert_eq!(agent.exit_code(), Some(0));
    for alone in [false, true] {
        if alone {
            fs::write(&it.file, format!("listen = \"203.0.113.9:4000\"\n{slow}")).unwrap();
        }
        let mut agent = it.launch();
        agent.wait(&[if alone { "this node runs on the last configuration that worked" } else { "mailbox.never.command" }]);
        agent.signal("TERM");
        // by the signal, or in order where it was up by then
        assert!(matches!(agent.exit_code(), None | Some(0)), "{}", agent.log.text());
    }
}

/// What a mount brings later, or nobody does, keeps nobody out.
#[test]
fn a_start_does_without_what_is_not_there() {
    let it = Box::new();
    let _epmd = it.world.epmd();
    let erl = it.world.erl(&["-sname", "a"]);
    let late = it.world.home.join("late");
    let text = format!(
        "{CONFIG}[mailbox.late]\ncommand = [\"../late/yes\"]\n[functions]\n\"box:late/0\" = [\"../late/value\"]\n[[publish]]\ncommand = \
         [\"../late/value\"]\nlabel = \"late\"\nevery = \"100ms\"\nto = \"box\"\nnode = \"a\"\n[mailbox.never]\ncommand = [\"nosuchprogram\"]\n\
         [discover.gossip]\naddress = \"127.0.0.1\"\nsecret_file = \"../late/secret\"\n"
    );
    fs::write(&it.file, &text).unwrap();
    let said = it.refused(&["--check", "--config", "etc/b.toml"]);
    assert_eq!(said.lines().count(), 5, "{said}");
    let agent = it.start();
    for what in [
        "mailbox.late.command",
        "functions.\"box:late/0\"",
        "publish.command",
        "mailbox.never.command",
        "discover.gossip.secret_file",
    ] {
        agent.wait(&["warn: etc/b.toml:", what]);
    }
    assert_eq!(call(&erl, "yes", &agent), "yes");
    let of_late = format!("catch rpc:call({}, box, late, [])", agent.atom());
    assert!(erl.eval(&of_late).contains("badrpc"));
    assert_eq!(call(&erl, "late", &agent), "{error,restarting}");
    assert_eq!(erl.eval("register(box, self()), ok"), "ok");
    fs::create_dir(&late).unwrap();
    write_program(&late.join("yes"), YES);
    write_program(&late.join("value"), "#!/bin/sh\necho 7\n");
    fs::write(late.join("secret"), "sesame").unwrap();
    fs::set_permissions(late.join("secret"), Permissions::from_mode(0o400)).unwrap();
    erl.eval_until(&format!("catch gen_server:call({{late,{}}}, who, 20000)", agent.atom()), "yes");
    erl.eval_until(&of_late, "<<\"7\">>");
    agent.wait(&["publish late: readings again"]);
    agent.wait(&["gossip: the secret in ", "late/secret is there"]);
    agent.wait(&["gossip: heartbeats go to 127.0.0.1"]);
    // and goes again: what was there is taken all the same, what is new is not
    fs::rename(&late, it.world.home.join("gone")).unwrap();
    let hup = |text: &str, parts: &[&str]| {
        let before = agent.log.len();
        fs::write(&it.file, text).unwrap();
        agent.signal("HUP");
        agent.wait_from(before, parts);
    };
    hup(&format!("{text}port = 4001\n"), &["etc/b.toml read again"]);
    hup(&format!("{text}[mailbox.new]\ncommand = [\"../late/new\"]\n"), &["not taken, all settings stay as they were"]);
    assert_eq!(call(&erl, "yes", &agent), "yes");
}

/// A pipe in the place of any file that is read while the agent runs holds nothing up.
#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let it = Box::new();
    let _epmd = it.world.epmd();
    let erl = it.world.erl(&["-sname", "a"]);
    let secret = it.world.home.join("etc/secret");
    fs::write(&secret, "sesame").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o400)).unwrap();
    let gossip = format!("{CONFIG}[discover.gossip]\naddress = \"127.0.0.1\"\nsecret_file = \"secret\"\n");
    fs::write(&it.file, &gossip).unwrap();
    let agent = it.start();
    let pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        assert!(command("mkfifo").args(["-m", "400"]).arg(path).status().unwrap().success());
    };
    let hup = |part: &str| {
        let before = agent.log.len();
        agent.signal("HUP");
        agent.wait_from(before, &[part]);
        assert_eq!(call(&erl, "yes", &agent), "yes");
    };
    pipe(&secret);
    hup("secret: not a regular file");
    pipe(&it.cookie);
    hup("read again");
    pipe(&it.file);
    hup("error: etc/b.toml: not a regular file");
    fs::remove_file(&it.file).unwrap();
    fs::write(&it.file, &gossip).unwrap();
    hup("read again");
}

/// More nodes than there can be descriptors: what the system lets is taken, and what is missing is said.
#[test]
fn too_few_descriptors_are_said() {
    let world = World::new();
    let _epmd = world.epmd();
    fs::write(world.home.join("b.toml"), "sname = \"demo\"\n[sizes]\nnodes = 500\nmessage = \"4KiB\"\n").unwrap();
    let start = |limit: &str| {
        let mut sh = command("sh");
        sh.args(["-c", &format!("ulimit {limit} && exec \"$0\" run --config b.toml")]).arg(beamless());
        let mut agent = world.launch_as(sh);
        agent.wait_until_up();
        agent
    };
    let soft = |agent: &Agent| {
        let limits = fs::read_to_string(format!("/proc/{}/limits", agent.pid())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
        line.split_whitespace().nth(3).unwrap().to_owned()
    };
    let agent = start("-n 64");
    agent.wait(&[
        "warn: this process may have 64 descriptors, and 500 nodes",
        "take up to 532: raise LimitNOFILE= of the service",
    ]);
    assert_eq!(soft(&agent), "64");
    drop(agent);
    let agent = start("-S -n 64");
    assert_eq!((soft(&agent).as_str(), agent.log.count(&["descriptors"])), ("532", 0));
}

/// Each change of a source was a line: five a second.
#[test]
fn a_source_that_comes_and_goes_is_counted() {
    let world = World::new();
    let _epmd = world.epmd();
    let text = "sname = \"demo\"\n[[publish]]\nfile = \"value\"\nevery = \"100ms\"\nto = \"box\"\nnode = \"a\"\n[mailbox.tells]\n\
                command = [\"sh\", \"-c\", \"while :; do touch value; sleep 0.3; rm value; sleep 0.3; done\"]\n";
    fs::write(world.home.join("b.toml"), text).unwrap();
    let agent = world.agent(&["--config", "b.toml"]);
    agent.wait(&["warn: publish value comes and goes: that is counted from now on"]);
    let lines = || agent.log.count(&["publish value: no reading"]) + agent.log.count(&["publish value: readings again"]);
    assert_eq!(lines(), 6, "{}", agent.log.text());
    // the file has come and gone again, and nothing was said
    let there = || world.home.join("value").exists();
    for _ in 0..3 {
        until("the file", || there().then_some(()));
        until("no file", || (!there()).then_some(()));
    }
    assert_eq!((lines(), agent.log.count(&["comes and goes"])), (6, 1), "{}", agent.log.text());
}
