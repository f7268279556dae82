//! The tables: each figure as a ratio to the base's, and beside them what is exact.

use std::fmt::Write;

use crate::peers::{BASE, KINDS};

/// Figures in the order in which their rows came first.
#[derive(Default)]
pub struct Report {
    rows: Vec<(String, Vec<(&'static str, f64)>)>,
}

impl Report {
    pub fn add(&mut self, row: &str, node: &'static str, figure: f64) {
        let place = self.rows.iter().position(|(name, _)| name == row).unwrap_or_else(|| {
            self.rows.push((row.to_owned(), Vec::new()));
            self.rows.len() - 1
        });
        self.rows[place].1.push((node, figure));
    }

    pub fn rows(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|(row, _)| row.as_str())
    }

    /// Returns how many times the base's figure a node's is.
    pub fn ratio(&self, row: &str, node: &str) -> Option<f64> {
        let (_, figures) = self.rows.iter().find(|(name, _)| name == row)?;
        Some(median(figures, node)? / median(figures, BASE)?)
    }

    /// Returns the tables in Markdown: ratios, and the base's figures; then counts as they are. Each is left out if it is empty.
    pub fn tables(&self) -> String {
        let measured = self.table(
            &format!(" {BASE} in figures |"),
            |row| !is_exact(row),
            |row, figures| {
                let mut cells = self.cells(|kind| Some(format!("{:.2}", self.ratio(row, kind)?)));
                let base = median(figures, BASE).map(|base| format!("{base:.prec$}", prec = usize::from(base < 100.0)));
                let _ = write!(cells, " {} |", base.unwrap_or_default());
                cells
            },
        );
        let exact = self.table("", is_exact, |_, figures| {
            // instructions are many, and of the others there is less than one
            self.cells(|kind| {
                median(figures, kind).map(|count| format!("{count:.prec$}", prec = if count < 100.0 { 2 } else { 0 }))
            })
        });
        format!("{measured}\n{exact}")
    }

    /// Returns a table of the rows that are wanted, with a column more.
    fn table(&self, more: &str, wanted: impl Fn(&str) -> bool, cells: impl Fn(&str, &[(&str, f64)]) -> String) -> String {
        let rows = self.rows.iter().filter(|(row, _)| wanted(row));
        let lines: String = rows.map(|(row, figures)| format!("| {row} |{}\n", cells(row, figures))).collect();
        if lines.is_empty() {
            return lines;
        }
        let head = format!("| |{}{more}", self.cells(|kind| Some(kind.to_owned())));
        let rule = "---|".repeat(head.matches('|').count() - 1);
        format!("{head}\n|{rule}\n{lines}")
    }

    fn cells(&self, cell: impl Fn(&str) -> Option<String>) -> String {
        KINDS.iter().map(|kind| format!(" {} |", cell(kind.name).unwrap_or_default())).collect()
    }
}

/// True for a row of counts.
pub fn is_exact(row: &str) -> bool {
    row.contains(" a message, ")
}

fn median(figures: &[(&str, f64)], node: &str) -> Option<f64> {
    let mut of: Vec<f64> = figures.iter().filter(|(name, _)| *name == node).map(|(_, figure)| *figure).collect();
    of.sort_unstable_by(f64::total_cmp);
    of.get(of.len() / 2).copied()
}
