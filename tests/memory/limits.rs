//! The limit of lines that somebody else can cause: how many there are, whose they are, and that none is lost uncounted.

use std::collections::HashMap;
use std::time::Duration;

use beamless::epmd::{Server, Session};
use beamless::{Instant, LogLimit};

use crate::pair::Seed;
use crate::trace::logged;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// How many lines were held back, as the log says.
pub(crate) fn held(lines: &[String], kind: &str) -> usize {
    let end = format!(" more like it held back: {kind}");
    lines.iter().filter_map(|line| line.strip_suffix(end.as_str())?.parse::<usize>().ok()).sum()
}

#[test]
fn of_a_flood_ten_a_second_are_logged_and_the_rest_is_counted() {
    let (lines, allocated) = logged(|| {
        let mut limit = LogLimit::new("floods");
        assert_eq!(limit.poll_timeout(), None);
        for second in [0, 1000] {
            for i in 0..1000 {
                limit.warn("", at(second + i), format_args!("line {}", second + i));
            }
        }
        assert_eq!(limit.poll_timeout(), Some(at(2000)));
        limit.handle_timeout(at(1999));
        limit.handle_timeout(at(2000));
        assert_eq!(limit.poll_timeout(), None);
        // one that comes late is not counted with those before
        limit.warn("", at(9000), format_args!("line 9000"));
    });
    let flood = |from| (from..from + 10).map(|i| format!("line {i}")).collect::<Vec<_>>();
    let rest = || vec!["990 more like it held back: floods".to_owned()];
    assert_eq!(lines, [flood(0), rest(), flood(1000), rest(), vec!["line 9000".to_owned()]].concat());
    assert_eq!(allocated, 0);
}

/// What was held back is said at the latest when there is nobody to hold it back any more.
#[test]
fn the_last_word_comes_when_the_limit_goes() {
    let (lines, _) = logged(|| {
        let mut limit = LogLimit::with_lines("floods", 1);
        (0..3).for_each(|i| limit.info("", at(0), format_args!("line {i}")));
    });
    assert_eq!(lines, ["line 0", "2 more like it held back: floods"]);
}

#[test]
fn one_that_floods_leaves_lines_to_the_others() {
    let (lines, _) = logged(|| {
        let mut limit = LogLimit::new("floods");
        for by in ["a@host", "b@host", "c@host", "d@host", "e@host"] {
            (0..100).for_each(|_| limit.warn(by, at(0), format_args!("{by}")));
        }
    });
    let count = |by: &str| lines.iter().filter(|line| *line == by).count();
    assert_eq!(["a@host", "b@host", "c@host", "d@host", "e@host"].map(count), [5, 3, 1, 1, 0]);
    assert_eq!(held(&lines, "floods"), 490);
}

/// Whoever causes however many, and whenever time is told: what was logged and what was held back is what there was.
#[test]
fn what_was_logged_and_what_was_held_back_is_all() {
    for seed in 0..200 {
        let mut random = Seed(seed + 1);
        let mut caused = 0;
        let mut now = 0;
        let most = u32::try_from(random.below(80)).unwrap();
        let mut by_second: HashMap<u64, u32> = HashMap::new();
        let (lines, _) = logged(|| {
            let mut limit = LogLimit::with_lines("floods", most);
            for _ in 0..random.below(2000) {
                now += [0, 0, 0, 1, 400][random.below(5)];
                if random.below(10) == 0 {
                    limit.handle_timeout(at(now));
                }
                let names = ["", "a@host", "b@host", "c@host"];
                limit.warn(names[random.below(names.len())], at(now), format_args!("line at {now}"));
                caused += 1;
            }
            assert!(limit.poll_timeout().is_none_or(|end| end <= at(now).after(Duration::from_secs(1))));
        });
        let said = lines.iter().filter_map(|line| line.strip_prefix("line at ")?.parse::<u64>().ok());
        let said: Vec<u64> = said.collect();
        assert_eq!(said.len() + held(&lines, "floods"), caused, "seed {seed}");
        // any second has no more than two of those that are counted together
        said.iter().for_each(|time| *by_second.entry(time / 1000).or_default() += 1);
        assert!(by_second.values().all(|count| *count <= 2 * most), "seed {seed}");
    }
}

/// More names than EPMD has room for, from whoever is on this host.
#[test]
fn names_that_epmd_has_no_room_for_are_counted() {
    let (lines, _) = logged(|| {
        let mut server: Server<2> = Server::new(4369, 7);
        for i in 0..502 {
            let name = format!("node{i}");
            let mut body = vec![120, 0x10, 0x92, 77, 0, 0, 6, 0, 6, 0, u8::try_from(name.len()).unwrap()];
            body.extend(name.as_bytes());
            body.extend([0, 0]);
            let request = [&[0, u8::try_from(body.len()).unwrap()], &body[..]].concat();
            Session::new(true, at(0)).handle_bytes(&mut server, &request, at(0));
        }
        assert_eq!(server.poll_timeout(), Some(at(1000)));
        server.handle_timeout(at(1000));
        // it was said, and is not left for its end
        assert_eq!(server.poll_timeout(), None);
    });
    assert_eq!(lines.iter().filter(|line| line.contains("no room for another name")).count(), 10);
    assert_eq!(held(&lines, "names that epmd had no room for"), 490);
}
