//! What was told, in the text format of Prometheus: for the text-file collector of its node_exporter.

use super::info::{alarms, elements, entries, number, recipient, text, value, words};
use super::subject::{State, Subject, is_passing};

/// A metric: its name behind `beamless_`, what it means, and where its samples come from. One whose name ends in `_total` is a counter, any other a gauge.
type Metric = (&'static str, &'static str, Source);

/// Where the samples of a metric come from.
enum Source {
    Up,
    Version,
    Healthy,
    Alarms,
    /// The number at the end of a path of keys.
    At(&'static [&'static str]),
    /// One for each pair of a map, whose key is this label: the value, or what it has under this key.
    Each(&'static str, &'static str, Option<&'static str>),
    /// One for each that is published: what it has under this key, divided by this.
    Publish(&'static str, f64),
}

const METRICS: &[Metric] = &[
    ("up", "Whether the node answered.", Source::Up),
    ("info", "The version of the node, in a label.", Source::Version),
    ("healthy", "Whether the agent has no alarm.", Source::Healthy),
    ("alarm", "What the agent says a person should know.", Source::Alarms),
    ("running_seconds", "Since the agent was started.", Source::At(&["running"])),
    ("box_uptime_seconds", "Since the box was started.", Source::At(&["uptime"])),
    ("box_load1", "The load of the box, the average over a minute.", Source::At(&["load"])),
    ("box_memory_total_bytes", "The memory of the box.", Source::At(&["memory", "total"])),
    ("box_memory_available_bytes", "The memory of the box that can be had.", Source::At(&["memory", "available"])),
    ("box_temperature_celsius", "The temperature that a sensor tells.", Source::Each("temperatures", "sensor", None)),
    ("box_disk_total_bytes", "The size of a disk.", Source::Each("disk", "place", Some("total"))),
    ("box_disk_available_bytes", "What can be written to a disk.", Source::Each("disk", "place", Some("available"))),
    (
        "certificate_left_seconds",
        "How long the certificate is good; below 0 once it has ended.",
        Source::At(&["certificate", "left"]),
    ),
    ("node_connected", "Whether a wanted node is connected.", Source::Each("nodes", "peer", Some("connected"))),
    ("link_received_messages_total", "Messages from a connected node.", Source::Each("links", "peer", Some("recv_cnt"))),
    ("link_received_bytes_total", "Bytes from a connected node.", Source::Each("links", "peer", Some("recv_oct"))),
    ("link_sent_messages_total", "Messages to a connected node.", Source::Each("links", "peer", Some("send_cnt"))),
    ("link_sent_bytes_total", "Bytes to a connected node.", Source::Each("links", "peer", Some("send_oct"))),
    ("link_pending_bytes", "Bytes that wait to be sent to a connected node.", Source::Each("links", "peer", Some("send_pend"))),
    ("mailbox_received_messages_total", "Messages to a mailbox.", Source::Each("mailboxes", "mailbox", Some("received"))),
    (
        "mailbox_dropped_messages_total",
        "Messages to a mailbox that were dropped.",
        Source::Each("mailboxes", "mailbox", Some("dropped")),
    ),
    ("program_running", "Whether the program behind a mailbox runs.", Source::Each("programs", "mailbox", Some("running"))),
    ("program_restarts_total", "How often a program was started again.", Source::Each("programs", "mailbox", Some("restarts"))),
    ("program_waiting_calls", "Calls that a program has not answered.", Source::Each("programs", "mailbox", Some("calls"))),
    ("program_unread_messages", "Messages that a program has not read.", Source::Each("programs", "mailbox", Some("unread"))),
    ("function_calls_total", "Calls of functions that are commands.", Source::At(&["functions", "calls"])),
    ("function_failed_total", "Those that failed.", Source::At(&["functions", "failed"])),
    ("function_waiting", "Calls of functions that wait.", Source::At(&["functions", "waiting"])),
    ("function_running", "Functions that run.", Source::At(&["functions", "running"])),
    ("publish_sent_readings_total", "Readings that were sent.", Source::Publish("sent", 1.0)),
    ("publish_kept_readings", "Readings that wait to be sent.", Source::Publish("kept", 1.0)),
    ("publish_dropped_readings_total", "Readings that were dropped.", Source::Publish("dropped", 1.0)),
    ("publish_age_seconds", "Since the last reading.", Source::Publish("age", 1000.0)),
    ("publish_waiting_bytes", "What the readings take that wait.", Source::Publish("waiting", 1.0)),
    ("publish_oldest_seconds", "Since the oldest of them was taken.", Source::Publish("oldest", 1.0)),
    ("keep_memory_bytes", "What all that waits takes in memory.", Source::At(&["keep", "memory", "used"])),
    ("keep_memory_limit_bytes", "The most that it may take.", Source::At(&["keep", "memory", "limit"])),
    ("keep_disk_bytes", "What all that waits takes on disk.", Source::At(&["keep", "disk", "used"])),
    ("keep_disk_limit_bytes", "The most that it may take.", Source::At(&["keep", "disk", "limit"])),
    ("keep_disk_failed", "Whether the disk failed when something was to be kept.", Source::At(&["keep", "disk", "failed"])),
    ("log_dropped_lines_total", "Lines of the log that nobody read, and that were dropped.", Source::At(&["log", "dropped"])),
];

/// The samples of a metric: their labels, and the numbers.
type Samples = Vec<(String, f64)>;

/// Returns everything, each metric with all its samples. One without samples is left out.
pub(super) fn written(subjects: &[Subject]) -> String {
    let mut out = String::new();
    for (name, help, from) in METRICS {
        let is_counter = name.ends_with("_total");
        let mut samples = Samples::new();
        for subject in subjects {
            let of_node = label("node", &subject.name);
            let first = samples.len();
            for (labels, value) in of(from, subject) {
                let labels = of_node.clone() + &labels;
                // a series stands there once
                match samples.iter_mut().skip(first).find(|(other, _)| *other == labels) {
                    Some((_, sum)) if is_counter => *sum += value,
                    Some((_, most)) => *most = most.max(value),
                    None => samples.push((labels, value)),
                }
            }
        }
        if samples.is_empty() {
            continue;
        }
        let kind = if is_counter { "counter" } else { "gauge" };
        out += &format!("# HELP beamless_{name} {help}\n# TYPE beamless_{name} {kind}\n");
        for (labels, value) in samples {
            out += &format!("beamless_{name}{{{}}} {value}\n", labels.trim_end_matches(','));
        }
    }
    out.trim_end().to_owned()
}

/// Returns the samples of one node.
fn of(from: &Source, subject: &Subject) -> Samples {
    let mut samples = Samples::new();
    let bool = |is: bool| f64::from(u8::from(is));
    let mut add = |labels: String, value: Option<f64>| samples.extend(value.map(|value| (labels, value)));
    let Some(info) = subject.now.as_ref().map(|report| report.info.as_term()).filter(|_| !matches!(from, Source::Up)) else {
        add(String::new(), matches!(from, Source::Up).then(|| bool(subject.state.is_up())));
        return samples;
    };
    match from {
        Source::Up => {}
        Source::Version => {
            let kind = if subject.is_erlang() { ("otp", "otp") } else { ("beamless", "version") };
            add(label("system", kind.0) + &label("version", &words(info, &[kind.1])), Some(1.0));
        }
        Source::Healthy => add(String::new(), (subject.state != State::Up).then(|| bool(subject.state == State::Ok))),
        Source::Alarms => {
            alarms(info).for_each(|alarm| add(label("what", &alarm.what) + &label("name", &alarm.name), Some(1.0)));
        }
        Source::At(path) => add(String::new(), number(info, path)),
        Source::Each(map, named, key) => {
            for (name, of_name) in entries(info, map) {
                let name = text(name);
                if !is_passing(&name) {
                    add(label(named, &name), key.map_or(Some(of_name), |key| of_name.get(key)).and_then(value));
                }
            }
        }
        Source::Publish(key, divisor) => {
            for publish in elements(info, "publish") {
                let labels = label("label", &words(publish, &["label"])) + &label("to", &recipient(publish));
                let found = publish.get(*key).filter(|found| !found.is_atom("false"));
                add(labels, found.and_then(value).map(|value| value / divisor));
            }
        }
    }
    samples
}

/// Returns a label, with a comma behind it.
fn label(name: &str, value: &str) -> String {
    let mut out = name.to_owned() + "=\"";
    for c in value.chars() {
        match c {
            '\\' => out += "\\\\",
            '"' => out += "\\\"",
            '\n' => out += "\\n",
            // which a terminal would obey
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out + "\","
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tool::status::subject::told;

    #[test]
    fn names_are_right_and_stand_once() {
        let mut names: Vec<&str> = METRICS.iter().map(|(name, ..)| *name).collect();
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')));
        assert!(METRICS.iter().all(|(_, help, _)| !help.contains(['\\', '\n'])));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }

    #[test]
    fn samples_are_grouped_and_labels_escaped() {
        let info = "#{version => <<\"0.2.0\">>, links => #{'hub@nuc3' => #{recv_cnt => 7}, 'beamless-0a1@nuc3' => #{recv_cnt => 1}},
            publish => [#{label => <<\"a \\\"b\\\" \\\\ c\\n\\e\">>, to => x, node => 'h@n', sent => 1, age => 2500}, #{label => <<\"t\">>, to => x,
            node => 'h@n', sent => 2, age => false}, #{label => <<\"t\">>, to => x, node => 'h@n', sent => 3, age => 1}],
            health => #{state => warning, alarms => [#{what => disk_full, name => <<\"/\">>}]}, programs => #{therm => #{running => true}}}";
        let mut away = Subject::new("b@n".to_owned(), None, false);
        away.fail(State::Away, "");
        let text = written(&[told("a@n", &[info]), away]);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "beamless_up{node=\"a@n\"} 1",
                "beamless_up{node=\"b@n\"} 0",
                "beamless_info{node=\"a@n\",system=\"beamless\",version=\"0.2.0\"} 1",
                "beamless_healthy{node=\"a@n\"} 0",
                "beamless_alarm{node=\"a@n\",what=\"disk_full\",name=\"/\"} 1",
                "beamless_link_received_messages_total{node=\"a@n\",peer=\"hub@nuc3\"} 7",
                "beamless_program_running{node=\"a@n\",mailbox=\"therm\"} 1",
                "beamless_publish_sent_readings_total{node=\"a@n\",label=\"a \\\"b\\\" \\\\ c\\n\u{fffd}\",to=\"x h@n\"} 1",
                "beamless_publish_sent_readings_total{node=\"a@n\",label=\"t\",to=\"x h@n\"} 5",
                "beamless_publish_age_seconds{node=\"a@n\",label=\"a \\\"b\\\" \\\\ c\\n\u{fffd}\",to=\"x h@n\"} 2.5",
                "beamless_publish_age_seconds{node=\"a@n\",label=\"t\",to=\"x h@n\"} 0.001",
            ]
        );
        assert!(text.starts_with("# HELP beamless_up Whether the node answered.\n# TYPE beamless_up gauge\n"), "{text}");
        assert!(text.contains("# TYPE beamless_link_received_messages_total counter\n"), "{text}");
    }
}
