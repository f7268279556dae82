//! Tables and lines of text that are never wider than the screen, and how numbers stand in them.

use crate::cli::outcome::printable;

/// The gap between two columns.
const GAP: usize = 2;
/// The least that a column of text is cut to.
const LEAST: usize = 6;

/// The rows from which on a table is so long that its parts stand beside each other where they can, and the gap between them.
const LONG: usize = 8;
const BETWEEN: usize = 4;

/// A line, and whether it is to stand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) stands_out: bool,
}

impl Line {
    pub(super) fn plain(text: String) -> Self {
        Self { text, stands_out: false }
    }
}

/// The columns of a table; a `>` in front of a title has the column stand to the right, as numbers do.
pub(super) struct Table {
    titles: &'static [&'static str],
    rows: Vec<(Vec<String>, bool)>,
}

impl Table {
    pub(super) fn new(titles: &'static [&'static str]) -> Self {
        Self { titles, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, cells: Vec<String>, stands_out: bool) {
        self.rows.push((cells.iter().map(|cell| printable(cell)).collect(), stands_out));
    }

    /// Draws it, without the columns that say nothing; without rows nothing at all. Text is cut where there is no room, the longest first, and the
    /// last column at the end of the screen.
    pub(super) fn draw(&self, width: usize) -> Vec<Line> {
        let mut columns: Vec<(usize, &str, bool, usize)> = Vec::new();
        for (at, title) in self.titles.iter().enumerate() {
            let longest = self.rows.iter().map(|(cells, _)| cells.get(at).map_or(0, |cell| columns_of(cell))).max().unwrap_or(0);
            if longest > 0 {
                let (title, is_right) = title.strip_prefix('>').map_or((*title, false), |title| (title, true));
                columns.push((at, title, is_right, longest.max(title.len())));
            }
        }
        let last = columns.len().saturating_sub(1);
        let taken = |columns: &[(usize, &str, bool, usize)]| {
            let sum: usize = columns.iter().map(|(.., width)| width.saturating_add(GAP)).sum();
            sum.saturating_sub(GAP)
        };
        while taken(&columns) > width {
            // what is last is cut first, but for a rest that tells something
            let cut = columns.iter_mut().enumerate().filter(|(_, (_, _, is_right, width))| !is_right && *width > LEAST);
            let Some((_, column)) =
                cut.max_by_key(|(place, (.., width))| if *place == last { width.saturating_mul(2) } else { *width })
            else {
                break;
            };
            column.3 = column.3.saturating_sub(1);
        }
        let line = |cell: &dyn Fn(usize, &str) -> String| {
            let mut text = String::new();
            for (at, title, is_right, width) in &columns {
                let cell = cut(&cell(*at, title), *width);
                let space = " ".repeat(width.saturating_sub(columns_of(&cell)));
                text += &if *is_right { space + &cell } else { cell + &space };
                text += "  ";
            }
            cut(text.trim_end(), width)
        };
        if self.rows.is_empty() {
            return Vec::new();
        }
        let title = line(&|_, title| title.to_owned());
        let rows: Vec<Line> = self
            .rows
            .iter()
            .map(|(cells, stands_out)| Line {
                text: line(&|at, _| cells.get(at).cloned().unwrap_or_default()),
                stands_out: *stands_out,
            })
            .collect();
        folded(&title, &rows, taken(&columns), width)
    }
}

/// Returns a long and narrow table with its parts beside each other, as far as there is room.
fn folded(title: &str, rows: &[Line], wide: usize, width: usize) -> Vec<Line> {
    let most = rows.len().div_ceil(LONG);
    let beside = width.saturating_add(BETWEEN).checked_div(wide.saturating_add(BETWEEN)).unwrap_or(1).clamp(1, most);
    let height = rows.len().div_ceil(beside);
    let parts: Vec<&[Line]> = rows.chunks(height).collect();
    let joined = |texts: &mut dyn Iterator<Item = &str>| {
        let mut out = String::new();
        for text in texts {
            out += text;
            let rest = wide.saturating_add(BETWEEN).saturating_sub(columns_of(text));
            out += &" ".repeat(rest);
        }
        out.trim_end().to_owned()
    };
    let mut lines = vec![Line::plain(joined(&mut parts.iter().map(|_| title)))];
    for at in 0..height {
        let cells = || parts.iter().filter_map(|part| part.get(at));
        lines.push(Line {
            text: joined(&mut cells().map(|line| line.text.as_str())),
            stands_out: cells().any(|line| line.stands_out),
        });
    }
    lines
}

/// Puts pieces beside each other, as many as a line has room for.
pub(super) fn flow(pieces: impl Iterator<Item = String>, width: usize) -> Vec<Line> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces.filter(|piece| !piece.is_empty()).map(|piece| printable(&piece)) {
        match lines.last_mut() {
            Some(line) if columns_of(line).saturating_add(GAP).saturating_add(columns_of(&piece)) <= width => {
                *line += "  ";
                *line += &piece;
            }
            _ => lines.push(cut(&piece, width)),
        }
    }
    lines.into_iter().map(Line::plain).collect()
}

/// Cuts a text to so many columns of a terminal; two dots say that there was more.
pub(super) fn cut(text: &str, width: usize) -> String {
    if columns_of(text) <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(2);
    let mut short = String::new();
    for c in text.chars() {
        let Some(rest) = left.checked_sub(columns_of_char(c)) else { break };
        left = rest;
        short.push(c);
    }
    short + "..".get(..width.min(2)).unwrap_or("")
}

fn columns_of(text: &str) -> usize {
    text.chars().map(columns_of_char).sum()
}

/// Returns how many columns of a terminal a character takes: two in the scripts of East Asia and for pictures, none where it stands over another.
fn columns_of_char(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6 => 2,
        0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Returns a number for a table: `99999`, `100k`, `12M`.
pub(super) fn short(number: u64) -> String {
    let (value, unit) = match number {
        0..100_000 => return number.to_string(),
        100_000..100_000_000 => (number / 1000, "k"),
        100_000_000..100_000_000_000 => (number / 1_000_000, "M"),
        _ => (number / 1_000_000_000, "G"),
    };
    value.to_string() + unit
}

/// Returns a size in units of 1024: `512 B`, `1.0 KiB`, `104 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    let (mut tenths, mut unit) = (u128::from(bytes).wrapping_mul(10), 0_usize);
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    while tenths >= 10_000 && unit < units.len().saturating_sub(1) {
        tenths /= 1024;
        unit = unit.saturating_add(1);
    }
    let whole = (tenths / 10).to_string();
    let number = if unit > 0 && tenths < 100 { format!("{whole}.{}", tenths % 10) } else { whole };
    number + " " + units.get(unit).copied().unwrap_or("")
}

/// Returns a time in its two largest units: `3d 4h`, `2h 5m`, `12m`, `45s`.
pub(super) fn time(seconds: u64) -> String {
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m")];
    let Some(first) = parts.iter().position(|(number, _)| *number > 0) else { return seconds.to_string() + "s" };
    let two = parts.iter().skip(first).take(2).filter(|(number, _)| *number > 0);
    two.map(|(number, unit)| number.to_string() + unit).collect::<Vec<_>>().join(" ")
}

/// Returns a time that is given in milliseconds: `500ms`, `2.5s`, `12m`.
pub(super) fn millis(ms: u64) -> String {
    match ms {
        0..1000 => ms.to_string() + "ms",
        1000..10_000 if ms % 1000 >= 100 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        _ => time(ms / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, text) in [(0, "0"), (99_999, "99999"), (100_000, "100k"), (123_456_789, "123M"), (u64::MAX, "18446744073G")]
        {
            assert_eq!(short(number), text);
        }
        for (size, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "0.9 KiB"),
            (1024, "1.0 KiB"),
            (10_240, "10 KiB"),
            (1_048_576, "1.0 MiB"),
            (104 << 20, "104 MiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (7500, "2h 5m"), (3600, "1h"), (86_400, "1d"), (273_600, "3d 4h")]
        {
            assert_eq!(time(seconds), text);
        }
        for (ms, text) in [(0, "0ms"), (999, "999ms"), (1000, "1s"), (2500, "2.5s"), (10_500, "10s"), (90_000, "1m")] {
            assert_eq!(millis(ms), text);
        }
    }

    #[test]
    fn a_table_fits() {
        let mut table = Table::new(&["NAME", ">SENT", "EMPTY", "NOTE"]);
        assert_eq!(table.draw(80), []);
        table.add(vec!["temperature".into(), "12".into(), String::new(), "a long word about it".into()], true);
        table.add(vec!["x\n\u{1b}[2J".into(), "99999".into(), String::new(), "\u{6e29}\u{5ea6}".into()], false);
        let shown = |width| table.draw(width).iter().map(|line| line.text.clone()).collect::<Vec<_>>();
        assert_eq!(
            shown(80),
            ["NAME           SENT  NOTE", "temperature      12  a long word about it", "x\\n\\u{1b}[2J  99999  \u{6e29}\u{5ea6}",]
        );
        assert!(table.draw(80)[1].stands_out && !table.draw(80)[2].stands_out);
        assert_eq!(shown(36)[1], "temperature      12  a long word a..");
        assert_eq!(shown(24)[1], "tempera..     12  a lo..");
        for width in 1..60 {
            assert!(shown(width).iter().all(|line| columns_of(line) <= width), "{width}: {:?}", shown(width));
        }
    }

    #[test]
    fn a_long_table_is_folded() {
        let shown = |rows: u32, width| {
            let mut table = Table::new(&["NAME", ">SENT"]);
            (0..rows).for_each(|row| table.add(vec![format!("name_{row}"), row.to_string()], row == 3));
            table.draw(width)
        };
        assert_eq!(shown(8, 80).len(), 9);
        let lines = shown(20, 80);
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0].text, "NAME     SENT    NAME     SENT    NAME     SENT");
        assert_eq!(lines[1].text, "name_0      0    name_7      7    name_14    14");
        assert_eq!(lines[7].text, "name_6      6    name_13    13");
        assert!(lines[4].stands_out && !lines[5].stands_out);
        assert_eq!(shown(20, 30).len(), 11);
        assert_eq!(shown(20, 25).len(), 21);
    }

    #[test]
    fn pieces_flow() {
        let pieces = || ["one two", "", "three", "four and more"].map(str::to_owned).into_iter();
        let shown = |width| flow(pieces(), width).into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(shown(80), ["one two  three  four and more"]);
        assert_eq!(shown(15), ["one two  three", "four and more"]);
        assert_eq!(shown(8), ["one two", "three", "four a.."]);
    }
}
