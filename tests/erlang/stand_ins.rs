//! Hubs that run Phoenix.PubSub and libcluster. By default stand-ins of ours do, for no package that the tests can bring has the real ones.
//! `BEAMLESS_PHOENIX_PUBSUB` and `BEAMLESS_LIBCLUSTER` name folders with the compiled modules of the real ones and of what they need, made for the
//! release that the tests run against.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::children::{self, command};
use crate::support::{Erl, World, erl_command};

/// What stands in for what, and the variable that names a folder with the real one's modules.
const STAND_INS: [(&str, &[(&str, &str)]); 2] = [
    (
        "BEAMLESS_PHOENIX_PUBSUB",
        &[
            ("Elixir.Phoenix.PubSub", include_str!("stand_ins/Elixir.Phoenix.PubSub.erl")),
            ("Elixir.Phoenix.Tracker", include_str!("stand_ins/Elixir.Phoenix.Tracker.erl")),
        ],
    ),
    ("BEAMLESS_LIBCLUSTER", &[("Elixir.Cluster.Supervisor", include_str!("stand_ins/Elixir.Cluster.Supervisor.erl"))]),
];
const MY_TRACKER: &str = include_str!("stand_ins/Elixir.My.Tracker.erl");

/// Folders with the modules, for `-pa`.
pub(crate) fn folders() -> &'static [PathBuf] {
    static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOLDERS.get_or_init(|| {
        let ours = children::folder("stand_ins");
        compile(&ours, "Elixir.My.Tracker", MY_TRACKER);
        let mut folders = vec![ours.clone()];
        for (variable, modules) in STAND_INS {
            match std::env::var_os(variable) {
                Some(real) => folders.push(real.into()),
                None => modules.iter().for_each(|(module, source)| compile(&ours, module, source)),
            }
        }
        folders
    })
}

/// Whether PubSub is the real one.
fn is_real() -> bool {
    std::env::var_os("BEAMLESS_PHOENIX_PUBSUB").is_some()
}

/// Where Elixir's applications are.
pub(crate) fn elixir() -> &'static [PathBuf] {
    static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOLDERS.get_or_init(|| {
        let mut elixir = command(std::env::var_os("BEAMLESS_ELIXIR").unwrap_or_else(|| "elixir".into()));
        let output = elixir.args(["-e", "IO.puts(Path.dirname(:code.lib_dir(:elixir)))"]).output().unwrap();
        let folder = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end());
        vec![folder.join("elixir/ebin"), folder.join("logger/ebin")]
    })
}

fn compile(folder: &Path, module: &str, source: &str) {
    let file = folder.join(format!("{module}.erl"));
    fs::write(&file, source).unwrap();
    let compile = format!("{{ok, _}} = compile:file({file:?}, [report, {{outdir, {folder:?}}}]), halt().");
    let output = erl_command().args(["-noinput", "-eval", &compile]).output().unwrap();
    assert!(output.status.success(), "{module}: {output:?}");
}

/// A hub `NAME@127.0.0.1` where `My.PubSub` runs with so many workers. `Next()` is the next message of a shell that waits, `Subscribe(Topic)` subscribes it.
pub(crate) fn hub(world: &World, alive: &str, pool_size: usize) -> Erl {
    let name = format!("{alive}@127.0.0.1");
    let mut args = vec!["-name", &name];
    let folders = folders().iter().chain(if is_real() { elixir() } else { &[] });
    args.extend(folders.flat_map(|folder| ["-pa", folder.to_str().unwrap()]));
    let hub = world.erl(&args);
    if is_real() {
        // it has what is read come as binaries
        assert!(hub.eval("{ok, _} = application:ensure_all_started(elixir), io:setopts([list])") == "ok");
    }
    // the scope is what its application starts
    hub.eval("{ok, Scope} = pg:start_link('Elixir.Phoenix.PubSub')");
    hub.eval(&format!(
        "#{{start := {{M, F, A}}}} = 'Elixir.Phoenix.PubSub':child_spec([{{name, 'Elixir.My.PubSub'}}, {{pool_size, {pool_size}}}]), \
         {{ok, PubSub}} = apply(M, F, A), \
         Subscribe = fun(Topic) -> 'Elixir.Phoenix.PubSub':subscribe('Elixir.My.PubSub', Topic) end, \
         Broadcast = fun(Topic, Message) -> 'Elixir.Phoenix.PubSub':broadcast('Elixir.My.PubSub', Topic, Message) end, \
         Groups = ['Elixir.My.PubSub.Adapter', 'Elixir.My.PubSub.Adapter_2'], \
         Next = fun() -> receive Got -> Got after 60000 -> nothing end end"
    ));
    hub
}

/// Starts `My.Tracker` there. `Present()` is whom it has on the topic `boxes`, without what changes each time.
pub(crate) fn track(hub: &Erl) {
    hub.eval("{ok, Tracker} = 'Elixir.My.Tracker':start_link()");
    hub.eval(
        "Present = fun() -> lists:sort([{Key, maps:remove(phx_ref, Meta)} || \
         {Key, Meta} <- 'Elixir.Phoenix.Tracker':list('Elixir.My.Tracker', <<\"boxes\">>)]) end",
    );
}
