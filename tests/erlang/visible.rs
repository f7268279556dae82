//! A visible agent among three Erlangs: what OTP does over `nodes()` stays as prompt as it was without it, and nobody is
//! disconnected on its account.
//!
//! All releases do the same but for this: from OTP 25 on, nodes that `global` knows are disconnected by all when one loses them.

use crate::support::{Agent, Epmd, Erl, World};

/// `a`, `b` and `c`, all connected to each other, each with a process that notes which nodes come and go.
struct Cluster {
    world: World,
    erls: Vec<Erl>,
    _epmd: Epmd,
}

impl Cluster {
    fn new() -> Self {
        let world = World::new();
        let epmd = world.epmd();
        let mut cluster = Self { world, erls: Vec::new(), _epmd: epmd };
        ["a", "b", "c"].iter().for_each(|name| cluster.join(name));
        cluster
    }

    /// One more Erlang, connected to the first; `global` connects it to the others.
    fn join(&mut self, name: &str) {
        let erl = self.world.erl(&["-sname", name]);
        erl.eval(
            "Watch = spawn(fun() -> net_kernel:monitor_nodes(true), (fun Loop(News) -> receive \
                {tell, To} -> To ! {news, News}, Loop(News); \
                One -> Loop([One | News]) end end)([]) end), ok",
        );
        if let Some(first) = self.erls.first() {
            assert_eq!(erl.eval(&format!("net_kernel:connect_node({})", first.atom())), "true");
            assert_eq!(erl.eval("global:sync()"), "ok");
        }
        self.erls.push(erl);
        for erl in &self.erls {
            erl.eval_until(&format!("{} -- nodes()", list(self.erls.iter().filter(|other| other.node != erl.node))), "[]");
            assert_eq!(erl.eval("global:sync()"), "ok");
        }
    }

    /// A visible agent, connected to the Erlangs of these numbers.
    fn agent(&self, to: &[usize]) -> Agent {
        let connect: Vec<&str> = to.iter().flat_map(|number| ["--connect", &self.erls[*number].node]).collect();
        let agent = self.world.agent(&[&["--sname", "agent", "--visible", "--epmd", "external"], &connect[..]].concat());
        for number in to {
            self.erls[*number].eval_until(&format!("[{}] -- nodes()", agent.atom()), "[]");
        }
        agent
    }

    /// Everything that OTP does over `nodes()`, on each Erlang in turn, some of which see the agent there.
    fn work(&self, agent: &str, sees_agent: &[usize]) {
        let all = list(&self.erls);
        for (number, erl) in self.erls.iter().enumerate() {
            let sees_agent = sees_agent.contains(&number);
            assert_eq!(erl.eval(&format!("lists:member({agent}, nodes())")), sees_agent.to_string());
            assert_eq!(erl.eval("global:sync()"), "ok");
            assert_eq!(
                erl.eval(&format!("lists:sort([node() | gen_server:call(global_name_server, get_known, 60000)]) -- {all}")),
                "[]"
            );
            assert_eq!(erl.eval("global:register_name(somebody, self())"), "yes");
            for other in &self.erls {
                let found = format!("node(global:whereis_name(somebody)) =:= {}", erl.atom());
                assert_eq!(other.eval(&found), "true");
            }
            assert_eq!(erl.eval("global:set_lock({resource, self()}, [node() | nodes()], 0)"), "true");
            for other in self.erls.iter().filter(|other| other.node != erl.node) {
                assert_eq!(other.eval("global:set_lock({resource, self()}, [node() | nodes()], 0)"), "false");
            }
            assert_eq!(erl.eval("global:del_lock({resource, self()})"), "true");
            assert_eq!(erl.eval("global:trans({resource, self()}, fun() -> done end, [node() | nodes()], 0)"), "done");
            assert_eq!(erl.eval("global:unregister_name(somebody)"), "ok");
            for other in &self.erls {
                assert_eq!(other.eval("global:whereis_name(somebody)"), "undefined");
            }
            // whatever the agent answers
            let called = format!("{all} -- element(1, rpc:multicall([node() | nodes()], erlang, node, []))");
            assert_eq!(erl.eval(&called), "[]");
            let bad = if sees_agent { agent } else { "" };
            let called = format!(
                "(fun({{Good, Bad}}) -> {{{all} -- [N || {{N, _}} <- Good], Bad -- [{bad}]}} end)(
                    gen_server:multi_call(global_name_server, get_synced))"
            );
            assert_eq!(erl.eval(&called), "{[],[]}");
            let scope = ["pg", "scope"][number % 2];
            assert_eq!(erl.eval(&format!("element(1, pg:start({scope}))")), "ok");
            assert_eq!(erl.eval(&format!("pg:join({scope}, group, self())")), "ok");
            assert_eq!(erl.eval(&format!("pg:get_members({scope}, group) =:= [self()]")), "true");
            for other in self.erls.iter().filter(|other| other.node != erl.node) {
                assert_eq!(other.eval(&format!("element(1, pg:start({scope}))")), "ok");
                other.eval_until(&format!("length(pg:get_members({scope}, group))"), "1");
            }
            for erl in &self.erls {
                erl.eval(&format!("gen_server:stop({scope})"));
            }
        }
    }

    /// How often each Erlang saw this node come and go.
    fn news(&self, node: &str) -> Vec<String> {
        let ask = |erl: &Erl| {
            erl.eval(&format!(
                "(fun() -> Watch ! {{tell, self()}}, receive {{news, All}} -> \
                    [length([x || {{What, Node}} <- All, What =:= Wanted, Node =:= {node}]) || Wanted <- [nodeup, nodedown]] end end)()"
            ))
        };
        self.erls.iter().map(ask).collect()
    }

    /// Nobody has warned of anything.
    fn is_quiet(&self) {
        for erl in &self.erls {
            assert_eq!(erl.log.count(&["REPORT===="]), 0, "{}", erl.node);
        }
    }
}

/// The names of these nodes, as an Erlang list.
fn list<'e>(erls: impl IntoIterator<Item = &'e Erl>) -> String {
    format!("[{}]", erls.into_iter().map(Erl::atom).collect::<Vec<_>>().join(","))
}

#[test]
fn a_cluster_works_with_a_visible_agent_as_without() {
    let mut cluster = Cluster::new();
    cluster.work("nobody", &[]);
    let agent = cluster.agent(&[0, 1, 2]);
    cluster.work(&agent.atom(), &[0, 1, 2]);
    // one more Erlang finds all others, but not the agent, which nobody tells it of
    cluster.join("d");
    cluster.work(&agent.atom(), &[0, 1, 2]);
    let late = cluster.erls.last().unwrap();
    assert_eq!(late.eval(&format!("net_kernel:connect_node({})", agent.atom())), "true");
    cluster.work(&agent.atom(), &[0, 1, 2, 3]);
    cluster.is_quiet();
    // nothing that OTP sent was reported as lost
    assert_eq!(agent.log.count(&["dropped"]), 0);
}

/// As one that `global` knows would be: such a one has the others disconnect from whom one of them lost.
#[test]
fn an_agent_that_one_erlang_loses_stays_with_the_others() {
    let cluster = Cluster::new();
    // not by its own will, which it would have again half a second later
    let agent = cluster.agent(&[]);
    let connect = format!("net_kernel:connect_node({})", agent.atom());
    for erl in &cluster.erls[..2] {
        assert_eq!(erl.eval(&connect), "true");
    }
    cluster.work(&agent.atom(), &[0, 1]);
    assert_eq!(cluster.erls[0].eval(&format!("erlang:disconnect_node({})", agent.atom())), "true");
    cluster.work(&agent.atom(), &[1]);
    cluster.erls[0].eval_until(&connect, "true");
    cluster.work(&agent.atom(), &[0, 1]);
    assert_eq!(cluster.news(&agent.atom()), ["[2,1]", "[1,0]", "[0,0]"]);
    cluster.is_quiet();
}

#[test]
fn a_killed_visible_agent_is_one_nodedown_and_no_warning() {
    let cluster = Cluster::new();
    let mut agent = cluster.agent(&[0, 1, 2]);
    let name = agent.atom();
    cluster.work(&name, &[0, 1, 2]);
    agent.kill();
    for erl in &cluster.erls {
        erl.eval_until(&format!("lists:member({name}, nodes())"), "false");
    }
    cluster.work(&name, &[]);
    assert_eq!(cluster.news(&name), ["[1,1]"; 3]);
    let _again = cluster.agent(&[0, 1, 2]);
    cluster.work(&name, &[0, 1, 2]);
    assert_eq!(cluster.news(&name), ["[2,1]"; 3]);
    cluster.is_quiet();
}

#[test]
fn an_erlang_leaves_and_takes_nobody_along() {
    for stop in [Erl::stop, Erl::kill] {
        let mut cluster = Cluster::new();
        let agent = cluster.agent(&[0, 1, 2]);
        let mut last = cluster.erls.pop().unwrap();
        stop(&mut last);
        for erl in &cluster.erls {
            erl.eval_until(&format!("lists:member({}, nodes())", last.atom()), "false");
        }
        agent.wait(&["node down", &last.node]);
        cluster.work(&agent.atom(), &[0, 1]);
        assert_eq!(cluster.news(&last.atom()), ["[1,1]"; 2]);
        assert_eq!(cluster.news(&agent.atom()), ["[1,0]"; 2]);
        // two that lose a third may warn of it when one tells the other before it sees for itself
        for erl in &cluster.erls {
            assert_eq!(erl.log.count(&["overlapping", "agent@"]), 0);
        }
    }
}
