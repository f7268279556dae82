//! Cookies: wrong ones in both directions, the file they come from, and who may read it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{World, demo_and_erl, until};

/// Erlang comes with the wrong cookie.
#[test]
fn an_erlang_with_a_wrong_cookie_is_rejected_by_name() {
    let (world, demo, good) = demo_and_erl(&[]);
    assert_eq!(good.eval("net_adm:ping(N)"), "pong");
    let stranger = world.with_cookie("WRONGCOOKIEWRONGCOOK").erl(&["-sname", "stranger"]);
    stranger.eval(&format!("N = {}", demo.atom()));
    let before = demo.open_files();
    for _ in 1..=10 {
        assert_eq!(stranger.eval("net_kernel:connect_node(N)"), "false");
    }
    let words = format!("Connection attempt from node '{}' rejected. Invalid challenge reply.", stranger.node);
    demo.wait(&[&words]);
    until("the rejected connections to be closed", || (demo.open_files() == before).then_some(()));
    assert!(!demo.log.text().contains("WRONGCOOKIE"), "a cookie is in the log");
    assert_eq!(demo.log.count(&["node up", "stranger"]), 0);
    assert_eq!(good.eval("gen_server:call({echo, N}, undisturbed, 60000)"), "undisturbed");

    stranger.eval(&format!("erlang:set_cookie(node(), '{}')", world.cookie));
    assert_eq!(stranger.eval("net_kernel:connect_node(N)"), "true");
    assert_eq!(stranger.eval("gen_server:call({echo, N}, let_in, 60000)"), "let_in");
    demo.wait(&["node up", "stranger"]);
    // it is said once while it stays so
    assert_eq!(demo.log.count(&[&words]), 1, "{}", demo.log.text());
}

/// The agent goes to an Erlang that has another cookie: Erlang reports it as it always does, and the agent says whom it could not convince.
#[test]
fn an_erlang_that_refuses_our_cookie_is_named() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.with_cookie("WRONGCOOKIEWRONGCOOK").erl(&["-sname", "a"]);
    let demo = world.agent(&["--sname", "demo", "--connect", &erl.node]);
    let line = demo.wait(&[&erl.node, "cookie"]);
    assert!(!line.contains(&world.cookie) && !line.contains("WRONG"), "{line}");
    let report = format!("** Connection attempt from node {} rejected. Invalid challenge reply. **", demo.node);
    assert!(erl.log.wait_from(0, &[&report]).is_some(), "Erlang did not report it");
    assert_eq!(erl.eval("nodes(connected)"), "[]");
    assert_eq!(demo.log.count(&["node up"]), 0);
    until("the refused connection to be closed", || (demo.connections(world.epmd_port) == 0).then_some(()));

    erl.eval(&format!("N = {}, erlang:set_cookie(node(), '{}')", demo.atom(), world.cookie));
    erl.eval_until("net_kernel:connect_node(N)", "true");
    assert_eq!(erl.eval("gen_server:call({echo, N}, let_in, 60000)"), "let_in");
    demo.wait(&["node up", &erl.node]);
}

/// An agent whose peer refuses its cookie goes on trying, but does not flood the peer's log.
#[test]
fn a_refused_agent_does_not_hammer() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.with_cookie("WRONGCOOKIEWRONGCOOK").erl(&["-sname", "a"]);
    let demo = world.agent(&["--sname", "demo", "--connect", &erl.node]);
    demo.wait(&[&erl.node, "cookie"]);
    assert_eq!(erl.eval("receive nothing -> nothing after 3000 -> waited end"), "waited");
    let reports = erl.log.count(&["Invalid challenge reply"]);
    // each wait is drawn by chance; without any there would be hundreds
    assert!((1..=10).contains(&reports), "{reports} attempts in three seconds");
}

#[test]
fn two_agents_with_different_cookies_both_say_so() {
    let world = World::new();
    let first = world.agent(&["--sname", "one"]);
    let second = world.with_cookie("WRONGCOOKIEWRONGCOOK").agent(&["--sname", "two", "--connect", &first.node]);
    first.wait(&["Connection attempt from node", &second.node, "Invalid challenge reply"]);
    second.wait(&[&first.node, "cookie"]);
    assert_eq!(first.log.count(&["node up"]) + second.log.count(&["node up"]), 0);
}

/// The first program of the house makes the cookie; the next one reads it. Both ways round.
#[test]
fn a_missing_cookie_file_is_made_as_erlang_makes_it() {
    let world = World::without_cookie_file();
    let demo = world.agent(&["--sname", "demo"]);
    let file = world.home.join(".erlang.cookie");
    demo.wait(&["up as", &file.display().to_string()]);
    let cookie = fs::read_to_string(&file).unwrap();
    assert_eq!(cookie.len(), 20, "{cookie:?}");
    assert!(cookie.bytes().all(|b| b.is_ascii_uppercase()), "{cookie:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o400);
    assert!(!demo.log.text().contains(&cookie), "the cookie is in the log");
    let erl = world.erl(&["-sname", "a"]);
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
}

#[test]
fn a_cookie_file_made_by_erlang_is_read() {
    let world = World::without_cookie_file();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    assert_eq!(erl.eval("is_atom(erlang:get_cookie())"), "true");
    let demo = world.agent(&["--sname", "demo"]);
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
}

/// Erlang keeps printable characters and ignores the line's end; so do we.
#[test]
fn a_cookie_with_a_newline_and_a_space_is_the_one_erlang_reads() {
    let world = World::without_cookie_file();
    let file = world.home.join(".erlang.cookie");
    fs::write(&file, "with a space & more~\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let demo = world.agent(&["--sname", "demo"]);
    let erl = world.erl(&["-sname", "a"]);
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
}

#[test]
fn a_cookie_file_of_ones_own_choice_is_used() {
    let world = World::without_cookie_file();
    let file = world.home.join("elsewhere.cookie");
    fs::write(&file, "ELSEWHERE").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    let demo = world.agent(&["--sname", "demo", "--cookie-file", file.to_str().unwrap()]);
    demo.wait(&["up as", "elsewhere.cookie"]);
    let erl = world.erl(&["-sname", "a", "-setcookie", "ELSEWHERE"]);
    assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
}

#[test]
fn a_cookie_file_that_others_can_read_is_refused() {
    for mode in [0o440, 0o404, 0o644, 0o420] {
        let world = World::without_cookie_file();
        let file = world.home.join(".erlang.cookie");
        fs::write(&file, "TOOOPEN").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let mut demo = world.launch(&["--sname", "demo"]);
        assert_eq!(demo.exit_code(), Some(2), "mode {mode:o}");
        demo.wait(&[&file.display().to_string()]);
        assert!(!demo.log.text().contains("TOOOPEN"), "the cookie is in the log");
    }
}

/// Erlang takes a cookie with letters of Latin-1 from `-setcookie` and from `set_cookie`, and makes its digest of one byte for each.
#[test]
fn a_cookie_may_have_letters_of_latin_1() {
    for bytes in ["Geb\u{e4}ck \u{fc}ber \u{ff}\n".as_bytes(), b"Geb\xe4ck \xfcber \xff"] {
        let world = World::without_cookie_file();
        let file = world.home.join(".erlang.cookie");
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        let demo = world.agent(&["--sname", "demo"]);
        let erl = world.erl(&["-sname", "a", "-setcookie", "another"]);
        erl.eval("erlang:set_cookie(node(), list_to_atom(\"Geb\\x{e4}ck \\x{fc}ber \\x{ff}\"))");
        assert_eq!(erl.eval(&format!("net_adm:ping({})", demo.atom())), "pong");
        // and the other way round
        assert_eq!(world.tool(&["ping", "--timeout", "60", &erl.node]).out, "pong\n");
        erl.eval("erlang:set_cookie(node(), list_to_atom(\"Geb\\x{e4}ck \\x{fc}ber y\"))");
        assert_eq!(world.tool(&["ping", "--timeout", "60", &erl.node]).out, "pang\n");
    }
}
