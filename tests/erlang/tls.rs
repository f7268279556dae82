//! What a node over TLS refuses and what is refused to it, with what both sides say of it, ours and Erlang's.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

use crate::pki::{Ca, Kind};
use crate::support::{Agent, Erl, World, otp};

const HERE: &[&str] = &["127.0.0.1"];
const BOTH: &str = "'tlsv1.3','tlsv1.2'";
const TLS12: &str = "'tlsv1.2'";
const TLS13: &str = "'tlsv1.3'";

/// An Erlang over TLS with the certificate in a folder, and these versions. `more` are options of both its sides.
fn erl(world: &World, alive: &str, folder: &Path, versions: &str, more: &str) -> Erl {
    let at = folder.display();
    let common = format!("{{cacertfile,\"{at}/ca.crt\"}},{{verify,verify_peer}},{{versions,[{versions}]}}{more}");
    let own = format!("{{certfile,\"{at}/tls.crt\"}},{{keyfile,\"{at}/tls.key\"}},{common}");
    let client = if alive.starts_with("none") { &common } else { &own };
    let optfile = world.home.join(format!("{alive}.conf"));
    fs::write(&optfile, format!("[{{server,[{{fail_if_no_peer_cert,true}},{own}]}},{{client,[{client}]}}].")).unwrap();
    let optfile = optfile.display().to_string();
    world.erl(&["-name", &format!("{alive}@127.0.0.1"), "-proto_dist", "inet_tls", "-ssl_dist_optfile", &optfile])
}

/// An agent over TLS with the certificate in a folder, and these versions. `more` comes in front of that in its file.
fn agent(world: &World, alive: &str, folder: &Path, versions: &str, more: &str) -> Agent {
    let config = world.home.join(format!("{alive}.toml"));
    let versions = versions.replace("'tlsv", "\"").replace('\'', "\"");
    let tls = format!("[tls]\ndir = {folder:?}\nversions = [{versions}]\n");
    fs::write(&config, format!("name = \"{alive}@127.0.0.1\"\n{more}\n{tls}")).unwrap();
    world.agent(&["--config", config.to_str().unwrap()])
}

/// What both say of a refusal, ours and Erlang's; nothing where there is none.
type Said = Option<(&'static str, &'static str)>;

/// A certificate, or versions, of one side that are wrong, against another for which all is right.
struct Case {
    what: &'static str,
    wrong: PathBuf,
    /// The versions of the side that is wrong, and of the other.
    versions: (&'static str, &'static str),
    /// What is said when Erlang is wrong, and calls or is called.
    erlang_calls: Said,
    erlang_is_called: Said,
    /// The same when we are wrong.
    we_are_called: Said,
    we_call: Said,
}

/// Tries a case in all four ways: who is wrong, and who calls. `knows`: what those have who know what was revoked.
fn try_case(world: &World, number: usize, case: &Case, right: &Path, knows: (&Path, &str)) {
    let what = case.what;
    let (wrong_versions, versions) = case.versions;
    let said = |who: &str, said: Said, called: bool, erl: &Erl, agent: &Agent| {
        let Some((ours, theirs)) = said else { return };
        let kind = if called { "rejected" } else { "cannot connect to" };
        agent.wait(&[kind, ours]);
        // OTP 23 is of fewer words
        if otp() >= 25 {
            let found = erl.log.wait_from(0, &[theirs]);
            assert!(found.is_some(), "{what}, {who}: Erlang does not say {theirs}: {}", erl.log.text());
        }
    };
    let calls = |erl: &Erl, node: &str, refused: bool| {
        let answer = erl.eval(&format!("net_adm:ping('{node}')"));
        assert_eq!(answer, if refused { "pang" } else { "pong" }, "{what}");
    };
    let is_called = |erl: &Erl, alive: &str, folder: &Path, versions: &str, refusal: Said| {
        let agent = agent(world, alive, folder, versions, &format!("connect = [\"{}\"]", erl.node));
        if refusal.is_none() {
            agent.wait(&["node up: ", &erl.node]);
        }
        said("called", refusal, false, erl, &agent);
    };
    {
        let erlang = erl(world, &format!("wrong{number}"), &case.wrong, wrong_versions, "");
        let ours = agent(world, &format!("right_b{number}"), knows.0, versions, "");
        calls(&erlang, &ours.node, case.erlang_calls.is_some());
        said("calling", case.erlang_calls, true, &erlang, &ours);
        is_called(&erlang, &format!("right_c{number}"), knows.0, versions, case.erlang_is_called);
    }
    let erlang = erl(world, &format!("right{number}"), right, versions, knows.1);
    let ours = agent(world, &format!("wrong_b{number}"), &case.wrong, wrong_versions, "");
    calls(&erlang, &ours.node, case.we_are_called.is_some());
    said("we are called", case.we_are_called, true, &erlang, &ours);
    is_called(&erlang, &format!("wrong_c{number}"), &case.wrong, wrong_versions, case.we_call);
}

/// Has Erlang know what was revoked, by a folder with a list that is named after a hash of who issued it.
fn revocations(world: &World, ca: &Path, list: &str) -> String {
    let maker = world.erl(&["-sname", "maker"]);
    let hash = maker.eval(&format!(
        "{{ok, Pem}} = file:read_file({:?}), [{{_, Der, _}}] = public_key:pem_decode(Pem),
         {{'OTPCertificate', Of, _, _}} = public_key:pkix_decode_cert(Der, otp), public_key:short_name_hash(element(7, Of))",
        ca.display().to_string()
    ));
    let folder = world.home.join("revoked-lists");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{}.r0", hash.trim_matches('"'))), list).unwrap();
    format!(",{{crl_check,true}},{{crl_cache,{{ssl_crl_hash_dir,{{internal,[{{dir,{:?}}}]}}}}}}", folder.display().to_string())
}

#[test]
fn refusals() {
    let world = World::new();
    let _epmd = world.epmd();
    let (ca, other) = (Ca::new("test"), Ca::new("other"));
    let at = |name: &str| world.home.join(name);
    let right = ca.folder(&at("right"), HERE);
    let of = Kind::of(HERE);
    let wrong = |name: &str, kind: Kind<'_>| ca.write(&ca.cert(kind), &at(name));
    let revoked = ca.cert(of);
    let list = ca.crl(&[&revoked]);
    let knows = ca.folder(&at("knows"), HERE);
    fs::write(knows.join("crl.pem"), &list).unwrap();
    let theirs = revocations(&world, &right.join("ca.crt"), &list);

    let unknown = ("it refused our certificate: unknown CA", "CLIENT ALERT: Fatal - Unknown CA");
    let of_another = ("its certificate is of another CA than ours, which is in", "CLIENT ALERT: Fatal - Unknown CA");
    // over 1.3 whoever calls believes itself through by then, and Erlang does not always say what it is told
    let late = |word| Some((word, ""));
    let it_expired = |word| Some((word, "Certificate Expired"));
    let ours_expired =
        Some(("it refused our certificate: certificate expired, or not valid yet by its clock", "Certificate Expired"));
    let purpose = Some(("its certificate is not for this use", "Unsupported Certificate"));
    let no_host = Some(if otp() < 27 {
        ("handshake failure", "Handshake Failure")
    } else {
        ("bad certificate: it may lack the host of this node's name", "Bad Certificate")
    });
    let extended = Some(if otp() < 27 {
        ("handshake failure", "Handshake Failure")
    } else {
        ("unsupported certificate: it may lack serverAuth or clientAuth", "Unsupported Certificate")
    });
    let no_version = Some(("no version of TLS in common", "Protocol Version"));
    let case = |what, wrong, said: [Said; 4]| {
        let [erlang_calls, erlang_is_called, we_are_called, we_call] = said;
        Case { what, wrong, versions: (BOTH, BOTH), erlang_calls, erlang_is_called, we_are_called, we_call }
    };
    let cases = [
        case("another CA", other.folder(&at("other"), HERE), [Some(unknown), Some(of_another), Some(unknown), Some(of_another)]),
        case(
            "expired",
            wrong("expired", of.expired()),
            [late("its certificate ended on 20"), it_expired("its certificate ended on 20"), ours_expired, ours_expired],
        ),
        case(
            "not yet valid",
            wrong("tomorrow", of.not_yet_valid()),
            [
                late("is this host's clock right? It says 20"),
                it_expired("is this host's clock right? It says 20"),
                ours_expired,
                ours_expired,
            ],
        ),
        case(
            "revoked",
            ca.write(&revoked, &at("revoked")),
            [
                late("its certificate was revoked"),
                Some(("its certificate was revoked", "Certificate Revoked")),
                Some(("it refused our certificate: certificate revoked", "Certificate Revoked")),
                Some(("it refused our certificate: certificate revoked", "Certificate Revoked")),
            ],
        ),
        // whoever calls looks for the host, and nobody else
        case(
            "wrong host",
            wrong("host", Kind::of(&["nuc7"])),
            [None, Some(("its certificate is for another host", "Bad Certificate")), no_host, None],
        ),
        case(
            "for servers alone",
            wrong("server", Kind { usages: &[ServerAuth], ..of }),
            [late("its certificate is not for this use"), None, None, extended],
        ),
        case("for clients alone", wrong("client", Kind { usages: &[ClientAuth], ..of }), [None, purpose, extended, None]),
        Case {
            versions: (TLS12, TLS12),
            ..case(
                "Ed25519 over 1.2",
                wrong("ed25519", Kind { ed25519: true, ..of }),
                [
                    Some(("it showed no certificate", "")),
                    Some(("handshake failure", "Handshake Failure")),
                    Some(("no cipher suite or signature in common", "")),
                    Some(("handshake failure", "Handshake Failure")),
                ],
            )
        },
        Case { versions: (TLS12, TLS13), ..case("1.2 alone", right.clone(), [no_version; 4]) },
        Case { versions: (TLS13, TLS12), ..case("1.3 alone", right.clone(), [no_version; 4]) },
    ];
    // OTP 23 has other words for the last ones
    let number_of_cases = if otp() < 25 { 7 } else { cases.len() };
    for (number, case) in cases.iter().enumerate().take(number_of_cases) {
        let knows = if case.what == "revoked" { (&*knows, &*theirs) } else { (&*right, "") };
        try_case(&world, number, case, &right, knows);
    }
}

/// A caller that shows no certificate, over both versions.
#[test]
fn whoever_has_no_certificate_is_nobody() {
    let world = World::new();
    let _epmd = world.epmd();
    let right = Ca::new("test").folder(&world.home.join("right"), HERE);
    for (alive, versions) in [("none12", TLS12), ("none", BOTH)] {
        let demo = agent(&world, &format!("demo_{alive}"), &right, BOTH, "");
        let erl = erl(&world, alive, &right, versions, "");
        assert_eq!(erl.eval(&format!("net_adm:ping('{}')", demo.node)), "pang");
        demo.wait(&["rejected", "it showed no certificate: give it one of our CA, in its optfile"]);
    }
}

/// One side without TLS, in all four ways. An Erlang without it that is called in TLS waits for seven seconds, and says nothing.
#[test]
fn with_tls_and_without_they_do_not_understand_each_other() {
    let world = World::new();
    let _epmd = world.epmd();
    let right = Ca::new("test").folder(&world.home.join("right"), HERE);
    let (plain, secure) = (world.agent(&["--name", "plain@127.0.0.1"]), agent(&world, "secure", &right, BOTH, ""));
    let (without, with) = (world.erl(&["-name", "without@127.0.0.1"]), erl(&world, "with", &right, BOTH, ""));
    let called = without.ask("net_adm:ping('secure@127.0.0.1')");
    assert_eq!(with.eval("net_adm:ping('plain@127.0.0.1')"), "pang");
    plain.wait(&["rejected", "it speaks TLS", "-proto_dist inet_tls", "--tls-dir DIR, or [tls] in the file of an agent"]);
    // OTP 23 closes without a word
    let words: &[&str] =
        if otp() < 25 { &["closed by the peer", "without TLS?"] } else { &["it speaks TLS", "-proto_dist inet_tls"] };
    world.tool(&["ping", "with@127.0.0.1"]).failed(1, "pang\n", words);
    secure.wait(&["rejected", "it does not speak TLS, which this node asks for: start it with `-proto_dist inet_tls`"]);
    assert_eq!(without.answer(called), "pang");
    let tls = ["--tls-dir", right.to_str().unwrap()];
    let words = &["is it started with `-proto_dist inet_tls`"];
    world.tool(&[&["ping", "without@127.0.0.1"][..], &tls].concat()).failed(1, "pang\n", words);
    world.tool(&[&["ping", "plain@127.0.0.1"][..], &tls].concat()).failed(1, "pang\n", words);
    world.tool(&[&["ping", "secure@127.0.0.1"][..], &tls].concat()).done("pong\n");
}

/// OTP does so over 1.2 after so many records, 2^28 of them unless it is told another number.
#[test]
fn an_erlang_that_renegotiates_is_told_apart_from_one_that_closes() {
    let world = World::new();
    let _epmd = world.epmd();
    let right = Ca::new("test").folder(&world.home.join("right"), HERE);
    let demo = agent(&world, "demo", &right, BOTH, "");
    let erl = erl(&world, "a", &right, TLS12, ",{renegotiate_at,100}");
    assert_eq!(erl.eval(&format!("net_adm:ping('{}')", demo.node)), "pong");
    let call = format!("catch [gen_server:call({{echo, '{}'}}, I, 60000) || I <- lists:seq(1, 1000)], ok", demo.node);
    assert_eq!(erl.eval(&call), "ok");
    demo.wait(&["node down: a@127.0.0.1", "it wanted to renegotiate TLS 1.2, which this node does not do: use TLS 1.3"]);
}

/// Whoever has a certificate of the CA may give any name, unless names are checked.
#[test]
fn a_caller_is_who_its_certificate_says_where_names_are_checked() {
    let world = World::new();
    let _epmd = world.epmd();
    let ca = Ca::new("test");
    let (right, elsewhere) = (ca.folder(&world.home.join("right"), HERE), ca.folder(&world.home.join("nuc7"), &["nuc7"]));
    let checking = agent(&world, "checking", &right, BOTH, "");
    let config = world.home.join("checking.toml");
    fs::write(&config, fs::read_to_string(&config).unwrap() + "check_names = true\n").unwrap();
    checking.signal("HUP");
    checking.wait(&["read again"]);
    let (honest, other) = (erl(&world, "honest", &right, BOTH, ""), erl(&world, "other", &elsewhere, BOTH, ""));
    let ping = |erl: &Erl| erl.eval(&format!("net_adm:ping('{}')", checking.node));
    assert_eq!((ping(&honest), ping(&other)), ("pong".to_owned(), "pang".to_owned()));
    checking.wait(&["other@127.0.0.1", "rejected", "its certificate is for another host than that of its name"]);
}

/// Every suite with AES-GCM will do alone. ChaCha20 will where the processor may have no AES.
#[test]
fn one_suite_in_common_is_enough() {
    let world = World::new();
    let _epmd = world.epmd();
    let right = Ca::new("test").folder(&world.home.join("right"), HERE);
    let demo = agent(&world, "demo", &right, BOTH, "");
    let ping = |number: usize, versions: &str, suite: &str| {
        let erl = erl(&world, &format!("a{number}"), &right, versions, &format!(",{{ciphers,[\"{suite}\"]}}"));
        erl.eval(&format!("net_adm:ping('{}')", demo.node))
    };
    let aes = [
        (TLS13, "TLS_AES_128_GCM_SHA256"),
        (TLS13, "TLS_AES_256_GCM_SHA384"),
        (TLS12, "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (TLS12, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ];
    let chacha = [(TLS13, "TLS_CHACHA20_POLY1305_SHA256"), (TLS12, "ECDHE-ECDSA-CHACHA20-POLY1305")];
    for (number, (versions, suite)) in aes.iter().chain(&chacha).enumerate() {
        let answer = ping(number, versions, suite);
        assert!(answer == "pong" || number >= aes.len(), "{suite}: {answer}");
        // the program may be another machine's
        let lacks_it = number >= aes.len() && cfg!(target_arch = "x86_64") && std::env::var_os("BEAMLESS_PROGRAMS").is_none();
        assert!(!lacks_it || answer == "pang", "{suite}");
        if answer != "pong" {
            demo.wait(&["rejected", "no cipher suite or signature in common"]);
        }
    }
}
