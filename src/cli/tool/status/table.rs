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

struct Row {
    cells: Vec<String>,
    stands_out: bool,
    /// What stands below it.
    note: String,
}

/// The columns of a table; a `>` in front of a title has the column stand to the right, as numbers do, and a `?` in front of that says that it may be
/// left out where there is no room.
pub(super) struct Table {
    titles: &'static [&'static str],
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn new(titles: &'static [&'static str]) -> Self {
        Self { titles, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, cells: Vec<String>, stands_out: bool) {
        let cells = cells.iter().map(|cell| printable(cell)).collect();
        self.rows.push(Row { cells, stands_out, note: String::new() });
    }

    /// Has this stand below the last row.
    pub(super) fn note(&mut self, note: &str) {
        if let Some(row) = self.rows.last_mut() {
            row.note = printable(note);
        }
    }

    /// Draws it, without the columns that say nothing; without rows nothing at all.
    pub(super) fn draw(&self, width: usize) -> Vec<Line> {
        let mut columns = Vec::new();
        for (at, title) in self.titles.iter().enumerate() {
            let longest = self.rows.iter().map(|row| row.cells.get(at).map_or(0, |cell| columns_of(cell))).max().unwrap_or(0);
            if longest > 0 {
                let (title, can_go) = title.strip_prefix('?').map_or((*title, false), |title| (title, true));
                let (title, is_right) = title.strip_prefix('>').map_or((title, false), |title| (title, true));
                columns.push(Column { at, title, is_right, can_go, width: longest.max(title.len()) });
            }
        }
        fit(&mut columns, width);
        let line = |cell: &dyn Fn(usize, &str) -> String| {
            let mut text = String::new();
            for Column { at, title, is_right, width, .. } in &columns {
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
        let rows = self.rows.iter().map(|row| {
            let text = line(&|at, _| row.cells.get(at).cloned().unwrap_or_default());
            (Line { text, stands_out: row.stands_out }, &row.note)
        });
        if self.rows.iter().all(|row| row.note.is_empty()) {
            let rows: Vec<Line> = rows.map(|(line, _)| line).collect();
            return folded(&title, &rows, taken(&columns), width);
        }
        let mut lines = vec![Line::plain(title)];
        for (line, note) in rows {
            lines.push(line);
            if !note.is_empty() {
                lines.push(Line::plain(cut(&format!("  {note}"), width)));
            }
        }
        lines
    }
}

/// A column that says something.
struct Column<'t> {
    /// Its place in the rows.
    at: usize,
    title: &'t str,
    is_right: bool,
    can_go: bool,
    width: usize,
}

/// Returns how wide a table of these columns is.
fn taken(columns: &[Column<'_>]) -> usize {
    let sum: usize = columns.iter().map(|column| column.width.saturating_add(GAP)).sum();
    sum.saturating_sub(GAP)
}

/// Makes columns as narrow as it takes: what is last says the least when it is cut; then some may go; then the longest text is cut.
fn fit(columns: &mut Vec<Column<'_>>, width: usize) {
    let over = |columns: &[Column<'_>]| taken(columns).saturating_sub(width);
    let cut_last = |columns: &mut [Column<'_>], least: usize| {
        let excess = over(columns);
        if let Some(last) = columns.last_mut().filter(|last| !last.is_right && last.width > least) {
            last.width = last.width.saturating_sub(excess).max(least);
        }
    };
    let whole = columns.last().map(|last| (last.at, last.width));
    cut_last(columns, LEAST.saturating_mul(2));
    while over(columns) > 0 {
        let Some(gone) = columns.iter().rposition(|column| column.can_go) else { break };
        columns.remove(gone);
    }
    // there may be room again
    if let Some(last) = columns.last_mut() {
        last.width = whole.filter(|(at, _)| *at == last.at).map_or(last.width, |(_, width)| width);
    }
    cut_last(columns, LEAST);
    while over(columns) > 0 {
        let texts = columns.iter_mut().filter(|column| !column.is_right && column.width > LEAST);
        let Some(longest) = texts.max_by_key(|column| column.width) else { break };
        longest.width = longest.width.saturating_sub(1);
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
        // pictures, some of them among signs that are none
        0x231a..=0x231b | 0x23e9..=0x23ec | 0x23f0 | 0x23f3 | 0x25fd..=0x25fe | 0x2614..=0x2615 | 0x2648..=0x2653 => 2,
        0x267f | 0x2693 | 0x26a1 | 0x26aa..=0x26ab | 0x26bd..=0x26be | 0x26c4..=0x26c5 | 0x26ce | 0x26d4 | 0x26ea => 2,
        0x26f2..=0x26f3 | 0x26f5 | 0x26fa | 0x26fd | 0x2705 | 0x270a..=0x270b | 0x2728 | 0x274c | 0x274e => 2,
        0x2753..=0x2755 | 0x2757 | 0x2795..=0x2797 | 0x27b0 | 0x27bf | 0x2b1b..=0x2b1c | 0x2b50 | 0x2b55 => 2,
        0x1f004 | 0x1f0cf | 0x1f18e | 0x1f191..=0x1f19a | 0x1f200..=0x1faff | 0x20000..=0x3fffd => 2,
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
            (u64::MAX, "16777215 TiB"),
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
    fn pictures_take_two_columns() {
        for wide in
            ["\u{231a}", "\u{2614}", "\u{26a1}", "\u{2705}", "\u{2b50}", "\u{1f004}", "\u{1f191}", "\u{1f600}", "\u{6e29}"]
        {
            assert_eq!(columns_of(wide), 2, "{wide:?}");
        }
        for narrow in ["\u{2600}", "\u{2713}", "\u{25a0}", "\u{b0}", "\u{1f100}"] {
            assert_eq!(columns_of(narrow), 1, "{narrow:?}");
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
    fn some_columns_go_before_names_are_cut() {
        let mut table = Table::new(&["NODE", "?VERSION", "?>LOAD", "NOTE"]);
        table.add(["edge@nuc1.example.com", "0.1.0", "0.25", "a long word about it"].map(str::to_owned).into(), false);
        let shown = |width| table.draw(width)[1].text.clone();
        assert_eq!(shown(80), "edge@nuc1.example.com  0.1.0    0.25  a long word about it");
        assert_eq!(shown(50), "edge@nuc1.example.com  0.1.0    0.25  a long wor..");
        assert_eq!(shown(49), "edge@nuc1.example.com  0.1.0    a long word abo..");
        assert_eq!(shown(36), "edge@nuc1.example.com  a long word..");
        assert_eq!(shown(20), "edge@nuc1...  a lo..");
        // one that goes is the last
        let mut table = Table::new(&["NODE", ">UP", "?>MEMORY"]);
        table.add(["edge@nuc1", "1s", "512.25 MiB"].map(str::to_owned).into(), false);
        assert_eq!(table.draw(20)[1].text, "edge@nuc1  1s");
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
    fn a_note_stands_below_its_row() {
        let mut table = Table::new(&["NAME"]);
        (0..20).for_each(|row| table.add(vec![row.to_string()], false));
        table.note("the last\none");
        let lines = table.draw(12);
        assert_eq!(lines.len(), 22);
        assert_eq!((lines[20].text.as_str(), lines[21].text.as_str()), ("19", "  the last.."));
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
