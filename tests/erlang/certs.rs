//! `beamless certs`: a real Erlang, started with what it wrote, verifies and is verified; and what it refuses to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::children::command;
use crate::support::{Erl, World};

const HOST: &str = "127.0.0.1";

/// The commands of the manual's page that lead from nothing to `pong`.
fn commands() -> Vec<&'static str> {
    let page = include_str!("../../src/manual/tls.md");
    let (_, rest) = page.split_once("## From nothing to pong\n").unwrap();
    let (block, _) = rest.split_once("```sh\n").unwrap().1.split_once("```").unwrap();
    block.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// The words of a command of the tool: the page's have no quotes.
fn words(command: &str) -> Vec<&str> {
    let words = command.strip_prefix("beamless ").unwrap_or_else(|| panic!("{command}"));
    words.trim_end_matches('&').split_whitespace().collect()
}

/// An Erlang with the optfile in a folder.
fn erl(world: &World, name: &str, folder: &str) -> Erl {
    let file = world.home.join(folder).join("ssl_dist.conf").display().to_string();
    world.erl(&["-name", name, "-proto_dist", "inet_tls", "-ssl_dist_optfile", &file])
}

fn mode(world: &World, file: &str) -> u32 {
    fs::metadata(world.home.join(file)).unwrap().permissions().mode() & 0o777
}

#[test]
fn two_nodes_of_erlang_verify_each_other() {
    let world = World::new();
    let commands = commands();
    let made = world.tool(&words(commands[0]));
    assert!(made.code == 0 && made.out.contains("ca.crt") && made.out.contains("beamless certs node"), "{made:?}");
    let made = world.tool(&words(commands[1]));
    assert!(made.code == 0 && made.out.contains("-proto_dist inet_tls -ssl_dist_optfile /"), "{made:?}");
    for (file, rights) in [("ca.key", 0o600), ("ca.crt", 0o644), ("127.0.0.1/tls.key", 0o600), ("127.0.0.1/tls.crt", 0o644)] {
        assert_eq!(mode(&world, &format!("pki/{file}")), rights, "{file}");
    }
    let _epmd = world.epmd();
    let (a, b) = (erl(&world, "a@127.0.0.1", "pki/127.0.0.1"), erl(&world, "b@127.0.0.1", "pki/127.0.0.1"));
    assert_eq!(a.eval("net_adm:ping('b@127.0.0.1')"), "pong");
    assert_eq!(b.eval("nodes()"), "['a@127.0.0.1']");

    // one of another CA is nobody
    world.tool(&["certs", "init", "other"]);
    world.tool(&["certs", "node", "other", HOST]);
    let stranger = erl(&world, "s@127.0.0.1", "other/127.0.0.1");
    assert_eq!(stranger.eval("net_adm:ping('b@127.0.0.1')"), "pang");
    assert_eq!(b.eval("net_adm:ping('s@127.0.0.1')"), "pang");

    // one of this CA, for another host, may call, as with any Erlang, and is not called
    world.tool(&["certs", "node", "pki", "nuc7"]);
    let elsewhere = erl(&world, "e@127.0.0.1", "pki/nuc7");
    assert_eq!(b.eval("net_adm:ping('e@127.0.0.1')"), "pang");
    assert_eq!(elsewhere.eval("net_adm:ping('b@127.0.0.1')"), "pong");
}

/// The five commands as they stand on the page.
#[test]
fn five_commands_lead_from_nothing_to_pong() {
    let world = World::without_cookie_file();
    let commands = commands();
    let [init, node, run, ping, erl] = commands[..] else { panic!("{commands:?}") };
    assert_eq!(world.tool(&words(init)).code, 0);
    assert_eq!(world.tool(&words(node)).code, 0);
    let _agent = world.agent(&words(run)[1..]);
    world.tool(&words(ping)).done("pong\n");
    let mut shell = command("sh");
    let erl = erl.replacen("erl", "$ERL -start_epmd false", 1);
    shell.args(["-c", &erl]).env("ERL", std::env::var_os("BEAMLESS_ERL").unwrap_or_else(|| "erl".into()));
    world.dress(&mut shell);
    let output = shell.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "pong", "{output:?}");
}

#[test]
fn what_is_there_is_kept_or_renewed() {
    let world = World::new();
    let read = |file: &str| fs::read_to_string(world.home.join(file)).unwrap();
    assert_eq!(world.tool(&["certs", "init", "pki"]).code, 0);
    let (key, cert) = (read("pki/ca.key"), read("pki/ca.crt"));
    world.tool(&["certs", "init", "pki"]).failed(1, "", &["pki/ca.crt is there already, and stays"]);
    assert_eq!((read("pki/ca.key"), read("pki/ca.crt")), (key.clone(), cert));
    // as it is where init was ended in between
    fs::remove_file(world.home.join("pki/ca.crt")).unwrap();
    world.tool(&["certs", "node", "pki", "nuc7"]).failed(
        1,
        "",
        &["pki/ca.crt: there is no CA", "beamless certs init pki makes one"],
    );
    assert_eq!(world.tool(&["certs", "init", "pki"]).code, 0);
    let cert = read("pki/ca.crt");
    assert_eq!(read("pki/ca.key"), key);

    let first = world.tool(&["certs", "node", "pki", "nuc7", "10.0.0.7", "--at", "/etc/erlang/tls"]);
    assert!(
        first.out.contains("certificate for nuc7, 10.0.0.7, valid until 2") && !first.out.contains("takes the place"),
        "{first:?}"
    );
    assert!(read("pki/nuc7/ssl_dist.conf").contains("{keyfile, \"/etc/erlang/tls/tls.key\"}"));
    assert_eq!(read("pki/nuc7/ca.crt"), cert);
    let (key, cert) = (read("pki/nuc7/tls.key"), read("pki/nuc7/tls.crt"));
    let again = world.tool(&["certs", "node", "pki", "nuc7"]);
    assert!(again.out.contains("it takes the place of the one that was there"), "{again:?}");
    assert!(read("pki/nuc7/tls.key") != key && read("pki/nuc7/tls.crt") != cert);
    let long = world.tool(&["certs", "node", "pki", "nuc8", "--days", "36500"]);
    assert!(long.out.contains("as the CA is"), "{long:?}");
}

#[test]
fn what_cannot_be_done_is_told() {
    let world = World::new();
    let refused = |args: &[&str], code: u8, words: &[&str]| {
        world.tool(&[&["certs"], args].concat()).failed(code.into(), "", words);
    };
    refused(&["node", "pki", "nuc7"], 1, &["pki/ca.key: there is no CA", "beamless certs init pki makes one"]);
    assert_eq!(world.tool(&["certs", "init", "pki"]).code, 0);
    for host in ["a b", "../x", "*.example.com", "nuc7."] {
        refused(&["node", "pki", host], 2, &[host, "is no host name, and no address"]);
    }
    refused(&["node", "pki", "nuc7", "hub@nuc3"], 2, &["behind the @", "nuc3 alone"]);
    refused(&["node", "pki"], 2, &["HOST is missing"]);
    refused(&["node", "pki", "nuc7", "--at", "tls"], 2, &["a path from the root"]);
    refused(&["node", "pki", "nuc7", "--days", "0"], 2, &["--days 0", "from 1 to 36500"]);
    refused(&["init", "pki", "nuc7"], 2, &["init makes the CA alone"]);
    refused(&["renew", "pki"], 2, &["certs init or certs node, not certs renew"]);
    assert!(!world.home.join("pki/nuc7").exists());

    // nobody may write below a file, not even root
    fs::write(world.home.join("file"), "").unwrap();
    refused(&["init", "file/pki"], 1, &["file/pki: ", "Not a directory"]);
    fs::write(world.home.join("pki/nuc9"), "").unwrap();
    refused(&["node", "pki", "nuc9"], 1, &["pki/nuc9: "]);
    fs::write(world.home.join("pki/ca.key"), "no key").unwrap();
    refused(&["node", "pki", "nuc7"], 1, &["pki: ca.key cannot be read: "]);
    fs::remove_file(world.home.join("pki/ca.key")).unwrap();
    fs::create_dir(world.home.join("pki/ca.key")).unwrap();
    refused(&["node", "pki", "nuc7"], 1, &["pki/ca.key: Is a directory"]);
}
