//! Every key of the configuration file, in one table. Out of it come the check of unknown keys, the ranges, the defaults and the manual
//! page; a test holds the manual to it.

use std::ops::RangeInclusive;

/// The keys, a paragraph for each table of the file. A paragraph begins with the line that stands in front of its table in the file. The
/// columns are: name; kind, with its range or its words; default; example; meaning.
const KEYS: &str = r#"
sname | text | | "edge1" | The node's short name; its host is this host's short name. Either `sname`, `name` or `dynamic` is to be given.
name | text | | "edge1@10.0.0.7" | The node's long name; without a host, this host's full name.
dynamic | text | | "nuc7" | The host part of a name that the first node gives which this one connects to: it dials out only, like `listen = "none"`.
cookie_file | text | systemd's credential `cookie`, else `~/.erlang.cookie` | "/etc/beamless/cookie" | The file with the cluster's cookie. It must be there, with mode 0400.
listen | text | the addresses of the name's host part, at any free port | "0.0.0.0:9100" | Where to listen: `"ADDR"`, `"ADDR:PORT"` or `"[V6]:PORT"`. `"none"`: nowhere, nor in any EPMD; it is reached through the nodes it connects to.
epmd | word auto external embedded none | `"auto"` | "auto" | `"auto"`: register with the EPMD that runs, else serve one. `"external"`: only register. `"embedded"`: only serve. `"none"`: neither.
epmd_port | integer 1 65535 | `ERL_EPMD_PORT`, or 4369 | 4369 | EPMD's port, on this host and on all others.
visible | switch | `false` | true | Stand in `nodes()` of the others, not only in `nodes(hidden)`.
tick_time | time 1s 24h | `"60s"` | "60s" | A node that is silent for so long is down. This is `net_ticktime`, the same in the whole cluster.
setup_time | time 1s 2m | `"7s"` | "20s" | How long each step of connecting may take, such as the answer to a packet. This is `net_setuptime`. A slow line needs more.
rest | time 1us 100ms | none | "500us" | How long to rest after a turn that read something, so that many small messages are taken at once. It costs that much latency.
allow | list | every node that has the cookie | ["hub@nuc3", "nuc4"] | The only nodes that may connect: names, or hosts all of whose nodes may.
connect | list | none | ["hub@nuc3", "store@nuc4"] | Nodes to be connected to for ever. There are at most as many as `nodes` in `[sizes]` says.
discover | table | none | [discover] | How nodes find each other: every node that the EPMDs of some hosts name is connected; or by heartbeats.
keep | table | | [keep] | The room for readings that cannot be sent yet, of every `[[publish]]` and of programs together.
publish | table | none | [[publish]] | A reading, sent to a process at an interval. There can be any number of these.
mailbox | table | none | [mailbox.NAME] | A program behind a mailbox of this name. There can be any number of these. `echo`, `system`, `net_kernel` and `rex` are taken.
functions | table | none | [functions] | Functions that others call: `"MODULE:FUNCTION/ARITY" = ["PROGRAM", ..]` runs a command, to which the arguments of the call are added. In place of the list there can be `{ command = [..], .. }` with these keys. What the agent answers itself is not among them.
health | table | | [health] | What a person should know of, as a warning in the log, in `systemctl status` and in `system`. All of it is looked after without this table, too.
tls | table | none | [tls] | Mutual TLS on every connection, as with `erl -proto_dist inet_tls`. Renewed files are taken within ten seconds.
sizes | table | | [sizes] | How much there can be at once. All of it is taken at the start: `(2 * nodes + mailboxes) * message`, 3 KiB for each node, and 0.1 MiB, 256 MiB at most.

[discover]
every | time 1s 24h | `"5s"` | "5s" | How often the hosts in `epmd` are asked.
epmd | list | to be given, or `gossip` | ["nuc3", "nuc4"] | The hosts whose EPMDs are asked.
gossip | table | none | [discover.gossip] | The heartbeat of libcluster's strategy `Gossip`, by which its nodes find this one. `gossip = true` in `[discover]` is the same as this table with nothing in it.

[discover.gossip]
secret_file | text | none: whoever listens can read heartbeats | "/etc/beamless/gossip" | The file with libcluster's `secret`, which heartbeats are encrypted with. It must be there, with mode 0400. A line end at its end is not part of the secret.
address | text | `"233.252.1.32"` | "233.252.1.32" | The group of IPv4 that heartbeats are sent to, libcluster's `multicast_addr`; or an address of broadcasts, as with its `broadcast_only`.
port | integer 1 65535 | `45892` | 45892 | The port that heartbeats are sent to.
interface | text | the one that the route to the group takes | "eth0" | The network interface that heartbeats go out and come in by.
ttl | integer 1 255 | `1` | 1 | How many networks heartbeats pass through: 1 is the local one alone.
listen | switch | `false` | true | Connect to every node that says a heartbeat, and listen for them.

[keep]
memory | size 4KiB 256MiB | `"1MiB"` | "1MiB" | The memory for them. With more the oldest of what has most are dropped, which is counted and logged. The newest is kept whatever its size.
disk | size 256KiB 1024MiB | none | "16MiB" | The room on disk for what waits longer than five seconds, and for all of it while the agent does not run. With more the oldest of what has most there are dropped.
dir | text | `readings` in the folder of `--state-dir`, or in that of systemd's `StateDirectory=` | "/var/lib/beamless/readings" | The folder for that, which is made.
sync | time 1s 1h | `"5s"` | "5s" | How long after it was written it outlives a power cut.

[[publish]]
file | text | | "/sys/class/thermal/thermal_zone0/temp" | The file that is read. Either `file` or `command` is to be given.
command | command | | ["date", "+%s"] | The command that prints the reading.
every | time 100ms 24h | to be given | "10s" | How often it is read.
to | name | | "collector" | The registered name that it is sent to. Either `to` and `node`, or `pubsub` and `topic`, or `group` is to be given.
node | text | | "hub@nuc3" | The node of that name; or a list of nodes, the first of which that is connected and has the name gets the reading.
nodes | list | | ["hub@nuc3", "hub@nuc4"] | In place of `node`: nodes of that name, each of which gets the reading.
pubsub | text | | "My.PubSub" | A Phoenix.PubSub, by its name in Elixir: every connected node that runs it gets the reading for its subscribers.
topic | name | | "readings" | The topic.
group | text | | "sensors:kitchen" | A group of `pg`, all of whose members on other nodes get the reading: `"GROUP"`, or `"SCOPE:GROUP"`.
keep | integer 1 10000 | as many as `[keep]` has room for | 100 | The most that are kept while the node is away: for a PubSub, each node of `connect`; for a group, as long as it has no members.
label | name | the last part of the file's or the program's path | "cpu" | What it is called in the message, as a binary.
as | word number text term | `"text"`, or `"number"` with `divide` | "number" | What it is sent as: `"number"`; `"text"`, a binary; or `"term"`, the term that the Erlang text is.
divide | number | | 1000 | What a number is divided by. It is not 0.

[mailbox.NAME]
command | command | to be given | ["/usr/bin/..", ".."] | The program and its arguments.
format | word erlang json etf | `"erlang"` | "json" | What the program reads and writes: `"erlang"`, lines of Erlang text; `"json"`, lines of JSON; `"etf"`, frames of external terms.
groups | list | none | ["temps", "sensors:kitchen"] | Groups of `pg` that the mailbox is in: `"GROUP"`, of the scope `pg`, or `"SCOPE:GROUP"`. There are at most four scopes in all.
global | name | none | "therm" | The name under which the mailbox is registered globally. There are at most eight in all.
pubsub | text | none | "My.PubSub" | A Phoenix.PubSub, by its name in Elixir, that the mailbox gets the broadcasts of.
topics | list | to be given with `pubsub` | ["commands"] | The topics that the program is told of.
pool_size | integer 1 64 | `1` | 1 | The `pool_size` of the PubSub, if it has one: the same as on the nodes that broadcast.

[functions]
command | command | to be given | ["/usr/bin/..", ".."] | The program and its arguments.
output | word text term | `"text"` | "term" | The value: `"text"`, what the command prints, as a binary; `"term"`, the term that it prints.
timeout | time 100ms 24h | `"5s"` | "5s" | How long it may run.

[health]
node_away | time 1s 24h | `"5m"` | "5m" | How long a node may be away that is to be connected.
reading_overdue | integer 2 1000 | `3` | 3 | After how many intervals without a reading it is overdue; not within five seconds.
program_restarts | integer 1 20 | `5` | 5 | How often a program may end, or not start, within ten minutes.
disk_full | integer 1 100 | `95` | 95 | From how many percent on the disk of the state folder is full.
tell | name | none | "health" | The registered name of a process that is told when any of this begins, and when it is over.
node | text | to be given with `tell` | "hub@nuc3" | The node of that name. The agent stays connected to it.

[tls]
dir | text | | "/etc/beamless/tls" | The folder with `tls.crt`, `tls.key` and `ca.crt`, and with `crl.pem` if there is one. `--tls-dir` and `BEAMLESS_TLS_DIR` win over it.
cert | text | `tls.crt` in `dir` | "tls/edge1.crt" | The node's certificate in PEM, and those that lead to its CA.
key | text | `tls.key` in `dir` | "tls/edge1.key" | Its key in PEM, not encrypted.
ca | text | `ca.crt` in `dir` | "tls/ca.crt" | The certificates of the CA that every other node has to have one of.
crl | text | `crl.pem` in `dir`, if it is there | "tls/crl.pem" | Lists of the certificates that the CA has revoked.
versions | list | `["1.3", "1.2"]` | ["1.3"] | The versions of TLS that are spoken.
check_names | switch | `false` | true | Refuse a node whose host is not a name or an address in its certificate. Without it, as with Erlang, that is asked only of nodes that are connected to.

[sizes]
nodes | integer 1 65534 | `16` | 16 | Connections. Further nodes are refused.
mailboxes | integer 0 16383 | 12 and those of the file | 16 | Mailboxes: at least the agent's own 4, and those of this file.
watches | integer 0 65534 | `1024` | 1024 | Links, monitors by others, processes that wait in a `gen_server:call`, and callers of functions. One node has at most three times as many as are free then; more of it are refused with `system_limit`.
requests | integer 0 65534 | 32, 3 for each receiver of readings, 2 for each PubSub on each of `nodes`, and 192 if there are programs | 64 | Monitors and calls of the agent's own. Each receiver of readings takes up to three, and programs may publish to 64.
members | integer 1 16384 | `64` | 64 | Members of groups on other nodes, in all scopes with a group that readings go to. Those beyond get none.
message | size 4KiB 256MiB | `"16KiB"` | "16KiB" | The largest message that is taken, as `16384` or `"16KiB"`. A larger one is skipped, which is logged. What is sent has up to 2 KiB less.
"#;

/// A table of the file.
#[derive(Clone, Copy)]
pub(super) struct Table {
    /// The line in front of it; nothing for the top level.
    pub(super) header: &'static str,
    rows: &'static str,
}

/// A key: a row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key(&'static str);

impl Table {
    /// Returns every table, the top level first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        KEYS.split("\n\n").filter_map(|paragraph| paragraph.split_once('\n')).map(|(header, rows)| Self { header, rows })
    }

    /// Returns the table behind this line.
    pub(super) fn of(header: &'static str) -> Self {
        Self::all().find(|table| table.header == header).unwrap_or(Self { header, rows: "" })
    }

    /// Returns its keys, in the order in which they are told.
    pub(super) fn keys(self) -> impl Iterator<Item = Key> {
        self.rows.lines().map(Key)
    }

    /// Returns the key of this name.
    pub(super) fn key(self, name: &str) -> Option<Key> {
        self.keys().find(|key| key.name() == name)
    }

    /// Returns the default of a key.
    pub(super) fn default<T: Default>(self, name: &str, read: fn(&'static str) -> Option<T>) -> T {
        self.key(name).and_then(|key| read(key.default().trim_matches(['`', '"']))).unwrap_or_default()
    }
}

impl Key {
    fn column(self, number: usize) -> &'static str {
        self.0.split('|').nth(number).unwrap_or("").trim()
    }

    pub(super) fn name(self) -> &'static str {
        self.column(0)
    }

    fn kind(self) -> &'static str {
        self.column(1)
    }

    /// Returns the value that holds if the key is left out, in words.
    pub(super) fn default(self) -> &'static str {
        self.column(2)
    }

    /// Returns an example of its value; of a table, the line in front of it.
    pub(super) fn example(self) -> &'static str {
        self.column(3)
    }

    pub(super) fn meaning(self) -> &'static str {
        self.column(4)
    }

    /// Returns true if it is a table, or many of them.
    pub(super) fn is_table(self) -> bool {
        self.kind() == "table"
    }

    /// Returns the words behind its kind: those that the value may be, or the ends of its range.
    pub(super) fn words(self) -> impl Iterator<Item = &'static str> {
        self.kind().split(' ').skip(1)
    }

    /// Returns the range of the value.
    pub(super) fn range<T: Default>(self, read: fn(&str) -> Option<T>) -> RangeInclusive<T> {
        let mut ends = self.words().map(|word| read(word).unwrap_or_default());
        ends.next().unwrap_or_default()..=ends.next().unwrap_or_default()
    }

    /// Returns the range of the value in words; nothing where the meaning says it.
    pub(super) fn limits(self) -> String {
        let (kind, range) = self.kind().split_once(' ').unwrap_or((self.kind(), ""));
        let (from, to) = range.split_once(' ').unwrap_or_default();
        match kind {
            "integer" | "size" => format!("{from} to {to}"),
            "time" => format!("`\"{from}\"` to `\"{to}\"`"),
            "name" => "1 to 255 bytes".to_owned(),
            "command" => "a program that can be executed".to_owned(),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;
    use std::{fs, io};

    use toml::de::DeTable;

    use super::super::units;
    use super::*;

    /// Returns the table as the manual has it.
    fn in_markdown() -> String {
        let row = |cells: [&str; 4]| {
            let cells = cells.map(|cell| if cell.is_empty() { " ".to_owned() } else { format!(" {cell} ") });
            format!("|{}|\n", cells.join("|"))
        };
        let mut out = row(["key", "meaning", "default", "limits"]) + "|---|---|---|---|\n";
        for table in Table::all() {
            let own = Table::all().flat_map(Table::keys).filter(|key| key.is_table() && key.example() == table.header);
            out.extend(own.map(|own| row([&format!("`{}`", table.header), own.meaning(), own.default(), ""])));
            let keys = table.keys().filter(|key| !key.is_table());
            out.extend(keys.map(|key| row([&format!("`{}`", key.name()), key.meaning(), key.default(), &key.limits()])));
        }
        out
    }

    #[test]
    fn the_manual_has_the_table() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let pages = fs::read_dir(root.join("src/manual")).into_iter().flatten().map(|page| page.unwrap().path());
        let texts: io::Result<Vec<String>> = pages.chain([root.join("README.md")]).map(fs::read_to_string).collect();
        let table = in_markdown();
        assert!(texts.unwrap().iter().any(|text| text.contains(&table)), "the manual's table of keys is to be this:\n\n{table}");
    }

    #[test]
    fn every_row_is_whole() {
        for table in Table::all().skip(1) {
            let is_its = |key: &Key| key.is_table() && key.example() == table.header;
            assert_eq!(Table::all().flat_map(Table::keys).filter(is_its).count(), 1, "{}", table.header);
        }
        assert_eq!(Table::all().flat_map(Table::keys).filter(|key| key.is_table()).count(), Table::all().count() - 1);
        for (table, key) in Table::all().flat_map(|table| table.keys().map(move |key| (table, key))) {
            assert_eq!(key.0.split('|').count(), 5, "{key:?}");
            assert!(key.meaning().ends_with('.') && !key.example().is_empty(), "{key:?}");
            assert_eq!(table.keys().filter(|other| other.name() == key.name()).count(), 1, "{key:?}");
            if !key.is_table() {
                assert!(DeTable::parse(&format!("{} = {}", key.name(), key.example())).is_ok(), "{key:?}");
            }
            let is_plain = key.default().ends_with('`') && !key.default().contains(' ');
            let (kind, count) = (key.kind().split(' ').next().unwrap(), key.words().count());
            match kind {
                "integer" | "size" => {
                    assert!(units::digit_number(key.words().next().unwrap()).is_some() || kind == "size", "{key:?}");
                    let range = key.range(units::bytes);
                    assert!(count == 2 && !range.is_empty() && range.end() > &0, "{key:?}");
                    assert!(!is_plain || range.contains(&table.default(key.name(), units::bytes)), "{key:?}");
                }
                "time" => {
                    let range = key.range(units::duration);
                    assert!(count == 2 && !range.is_empty() && *range.start() > Duration::ZERO, "{key:?}");
                    assert!(!is_plain || range.contains(&table.default(key.name(), units::duration)), "{key:?}");
                }
                "word" => {
                    assert!(count > 1 && key.words().all(|word| key.meaning().contains(&format!("`\"{word}\"`"))), "{key:?}");
                    let default = table.default(key.name(), Some);
                    assert!(!is_plain || key.words().any(|word| word == default), "{key:?}");
                }
                "text" | "name" | "switch" | "list" | "number" | "command" | "table" => assert_eq!(count, 0, "{key:?}"),
                other => panic!("{other} is no kind"),
            }
        }
    }
}
