//! SIGHUP: what a changed file changes, while connections and programs that it does not concern go on.

use std::fs;

use crate::support::{Agent, Erl, World, until};

const FILE: &str = "beamless.toml";

/// A program that answers each call with its own number.
const WHO: &str = r#"["sh", "-c", "while IFS= read -r line; do id=${line#*,}; echo \"{reply,${id%%,*},$$}\"; done"]"#;

/// An agent and the file that it reads.
struct Configured {
    world: World,
    agent: Agent,
}

impl Configured {
    fn new(world: &World, text: &str) -> Self {
        fs::write(world.home.join(FILE), text).unwrap();
        Self { world: world.clone(), agent: world.agent(&["--config", FILE]) }
    }

    /// Changes the file and has it read; the lines that were logged then, all of which `parts` must be in.
    fn reload(&self, text: &str, parts: &[&str]) {
        let before = self.agent.log.len();
        fs::write(self.world.home.join(FILE), text).unwrap();
        self.agent.signal("HUP");
        for part in parts {
            self.agent.wait_from(before, &[part]);
        }
    }

    /// What the mailbox answers.
    fn call(&self, erl: &Erl, mailbox: &str) -> String {
        erl.eval(&format!("catch gen_server:call({{{mailbox},{}}}, who, 20000)", self.agent.atom()))
    }

    fn ends(mut self) {
        self.agent.signal("TERM");
        assert_eq!(self.agent.exit_code(), Some(0));
    }
}

#[test]
fn nodes_and_mailboxes_come_and_go_while_the_rest_stays() {
    let world = World::new();
    let _epmd = world.epmd();
    let (a, b) = (world.erl(&["-sname", "a"]), world.erl(&["-sname", "b"]));
    let text =
        |connect: &str, more: &str| format!("sname = \"demo\"\nconnect = [{connect}]\n[mailbox.stays]\ncommand = {WHO}\n{more}");
    let demo = Configured::new(&world, &text("\"a\"", &format!("[mailbox.goes]\ncommand = {WHO}\n")));
    let connected = format!("nodes(hidden) =:= [{}]", demo.agent.atom());
    a.eval_until(&connected, "true");
    let (stays, goes) = (demo.call(&a, "stays"), demo.call(&a, "goes"));
    assert!(stays != goes && stays.parse::<u32>().is_ok() && goes.parse::<u32>().is_ok(), "{stays} {goes}");

    let more = format!("[mailbox.comes]\ncommand = {WHO}\n");
    demo.reload(
        &text("\"b\"", &more),
        &[
            "beamless.toml read again",
            "mailbox comes: added",
            "mailbox goes: removed",
            &format!("connect: {} is kept connected from now on", b.node),
            &format!("connect: {} is not connected again once it is down", a.node),
        ],
    );
    b.eval_until(&connected, "true");
    assert_eq!(a.eval(&connected), "true");
    assert_eq!(demo.call(&a, "stays"), stays);
    assert!(demo.call(&a, "goes").contains("noproc"));
    assert!(demo.call(&b, "comes").parse::<u32>().is_ok());
    // another command is another process
    let before = demo.agent.log.len();
    demo.reload(&text("\"b\"", &more).replacen("\"sh\"", "\"bash\"", 1), &["mailbox stays: changed"]);
    until("the new program", || Some(demo.call(&a, "stays")).filter(|answer| *answer != stays && answer.parse::<u32>().is_ok()));
    assert_eq!(demo.agent.log.count(&["node down"]), 0, "{}", demo.agent.log.text());
    // nothing to do
    demo.agent.signal("HUP");
    demo.agent.wait_from(before, &["beamless.toml read again: nothing to change"]);
    demo.ends();
}

/// One that is taken out of the file and put back is not started before the former one, which does not want to end, is gone.
#[test]
fn a_mailbox_never_has_two_programs() {
    const STAYS: &str = r#"
trap '' TERM
[ -f number ] && grep -q ') [^Z]' /proc/$(cat number)/stat 2>/dev/null && echo "both are here" >&2
echo $$ >number
echo "begins" >&2
while :; do sleep 1; done
"#;
    let world = World::new();
    let _epmd = world.epmd();
    fs::write(world.home.join("stays.sh"), STAYS).unwrap();
    let text = "sname = \"demo\"\n[mailbox.stays]\ncommand = [\"sh\", \"stays.sh\"]\n";
    let demo = Configured::new(&world, text);
    demo.agent.wait(&["stays: begins"]);
    demo.reload("sname = \"demo\"\n", &["mailbox stays: removed"]);
    demo.reload(text, &["mailbox stays: added", "stays: begins"]);
    assert_eq!(demo.agent.log.count(&["both are here"]), 0, "{}", demo.agent.log.text());
    demo.ends();
}

#[test]
fn functions_and_readings_come_and_go() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    erl.eval("register(collector, self()), ok");
    let publish = |label: &str| {
        format!(
            "[[publish]]\nfile = \"reading\"\nevery = \"100ms\"\nas = \"number\"\nlabel = \"{label}\"\nto = \"collector\"\nnode = \"a\"\n"
        )
    };
    fs::write(world.home.join("reading"), "21\n").unwrap();
    let old = "[functions]\n\"box:stays/0\" = [\"echo\", \"stays\"]\n\"box:goes/0\" = [\"echo\", \"goes\"]\n\"box:changes/0\" = [\"echo\", \"1\"]\n";
    let new = "[functions]\n\"box:stays/0\" = [\"echo\", \"stays\"]\n\"box:comes/0\" = [\"echo\", \"comes\"]\n\"box:changes/0\" = [\"echo\", \"2\"]\n";
    let demo = Configured::new(&world, &format!("sname = \"demo\"\n{}{}{old}", publish("stays"), publish("goes")));
    let call = |function: &str| erl.eval(&format!("rpc:call({}, box, {function}, [])", demo.agent.atom()));
    let next = |label: &str| erl.eval(&format!("receive {{publish, _, <<\"{label}\">>, _, V, _}} -> V after 60000 -> none end"));
    assert_eq!((next("stays").as_str(), next("goes").as_str()), ("21", "21"));
    assert_eq!(
        (call("stays"), call("goes"), call("changes")),
        (r#"<<"stays">>"#.into(), r#"<<"goes">>"#.into(), r#"<<"1">>"#.into())
    );
    assert!(call("comes").contains("undef"));
    demo.reload(
        &format!("sname = \"demo\"\n{}{}{new}", publish("stays"), publish("comes")),
        &[
            "function box:comes/0: added",
            "function box:goes/0: removed",
            "function box:changes/0: changed",
            "comes: added",
            "goes: removed",
        ],
    );
    assert_eq!(
        (call("stays"), call("comes"), call("changes")),
        (r#"<<"stays">>"#.into(), r#"<<"comes">>"#.into(), r#"<<"2">>"#.into())
    );
    assert!(call("goes").contains("undef"));
    assert_eq!((next("stays").as_str(), next("comes").as_str()), ("21", "21"));
    assert_eq!(demo.agent.log.count(&["node down"]) + demo.agent.log.count(&["stays"]), 0, "{}", demo.agent.log.text());
    demo.ends();
}

#[test]
fn what_needs_a_restart_is_named() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    let demo = Configured::new(&world, "sname = \"demo\"\n");
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.agent.atom())), "pong");
    let text = "sname = \"other\"\nlisten = \"127.0.0.1\"\nepmd = \"none\"\nepmd_port = 1\nvisible = true\ntick_time = \"1h\"\nsetup_time = \"9s\"\nrest = \"1ms\"\n\
                allow = [\"b\"]\nconnect = [\"a\"]\n[sizes]\nnodes = 2\n";
    demo.reload(
        text,
        &[
            "warn: name, listen, epmd, epmd_port, visible, allow, tick_time, setup_time, rest, sizes: changed in beamless.toml; restart to apply",
            "connect: a@",
        ],
    );
    // and again, as long as it is so
    demo.reload(text, &["warn: name, listen, epmd", "beamless.toml read again: nothing else to change"]);
    demo.reload("sname = \"demo\"\nconnect = [\"a\"]\n", &["beamless.toml read again: nothing to change"]);
    let cookie = world.home.join(".erlang.cookie");
    fs::remove_file(&cookie).unwrap();
    fs::write(&cookie, "ANOTHERCOOKIE").unwrap();
    fs::set_permissions(&cookie, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    demo.reload("sname = \"demo\"\nconnect = [\"a\"]\n", &["warn: the cookie: changed", "nothing else to change"]);
    assert_eq!(demo.agent.log.count(&["node down"]), 0, "{}", demo.agent.log.text());
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.agent.atom())), "pong");
    demo.ends();
}

#[test]
fn a_file_that_is_wrong_changes_nothing() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    let demo = Configured::new(&world, &format!("sname = \"demo\"\n[mailbox.stays]\ncommand = {WHO}\n"));
    let stays = demo.call(&erl, "stays");
    let kept = "error: beamless.toml: not taken, all settings stay as they were";
    demo.reload(
        "sname = \"demo\"\nconect = [\"a\"]\n",
        &["error: beamless.toml:2:1: unknown key `conect`: did you mean `connect`?", kept],
    );
    demo.reload("sname = \"demo\"\n[mailbox.stays]\n", &["error: beamless.toml:2:10: mailbox.stays: `command` is missing", kept]);
    demo.reload("sname = ", &["error: beamless.toml:1:9: ", kept]);
    // as it would be without the connection to somewhere that it could not have
    demo.reload("sname = \"demo\"\nconnect = [\"hub@nuc3.example\"]\n", &["has a short name", kept]);
    fs::remove_file(world.home.join(FILE)).unwrap();
    let before = demo.agent.log.len();
    demo.agent.signal("HUP");
    demo.agent.wait_from(before, &["error: beamless.toml: No such file or directory"]);
    demo.agent.wait_from(before, &[kept]);
    assert_eq!(demo.call(&erl, "stays"), stays);
    demo.ends();
}

/// Flags win over the file that is read again, too.
#[test]
fn flags_still_win() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    fs::write(world.home.join(FILE), "sname = \"file\"\n").unwrap();
    let agent = world.agent(&["--config", FILE, "--sname", "flag", "--connect", "a"]);
    erl.eval_until(&format!("nodes(hidden) =:= [{}]", agent.atom()), "true");
    fs::write(world.home.join(FILE), "sname = \"other\"\nconnect = [\"nobody\"]\n").unwrap();
    agent.signal("HUP");
    agent.wait(&["beamless.toml read again: nothing to change"]);
    assert_eq!(agent.log.count(&["restart to apply"]) + agent.log.count(&["nobody"]), 0, "{}", agent.log.text());
}

/// Any number of times: nothing is kept of the settings that were before.
#[test]
fn reading_again_takes_no_memory() {
    let world = World::new();
    let text = |connect: &str| {
        format!(
            "name = \"demo@127.0.0.1\"\nepmd = \"none\"\nconnect = [{connect}]\nallow = [\"127.0.0.2\"]\n[mailbox.stays]\ncommand = {WHO}\n\
             [functions]\n\"box:date/0\" = [\"date\"]\n"
        )
    };
    let demo = Configured::new(&world, &text(""));
    // nodes whose hosts need not be looked up, by a thread each
    let round = |number: usize| {
        let connect = if number % 2 == 0 { "\"x\", \"y\"" } else { "\"z\"" };
        demo.reload(&text(connect), &["read again", "connect: "]);
        demo.reload(&text(connect), &["read again: nothing to change"]);
    };
    (0..20).for_each(round);
    let before = demo.agent.memory_kib("VmData");
    (20..220).for_each(round);
    let after = demo.agent.memory_kib("VmData");
    assert!(after <= before + 200, "{before} KiB, then {after} KiB");
    // it was started, and that is all
    assert_eq!(demo.agent.log.count(&["mailbox stays: "]), 1, "{}", demo.agent.log.text());
    demo.ends();
}
