//! The table: each figure as a ratio to the base's.

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

    /// Returns the table in Markdown.
    pub fn table(&self) -> String {
        let mut out = String::from("| |");
        let mut rule = String::from("|---|");
        for kind in KINDS {
            let _ = write!(out, " {} |", kind.name);
            rule += "---|";
        }
        let _ = writeln!(out, " {BASE} in figures |\n{rule}---|");
        for (row, figures) in &self.rows {
            let _ = write!(out, "| {row} |");
            for kind in KINDS {
                match self.ratio(row, kind.name) {
                    Some(ratio) => out += &format!(" {ratio:.2} |"),
                    None => out += " |",
                }
            }
            // allocations may be none
            let base =
                median(figures, BASE).map_or(String::new(), |base| format!("{base:.prec$}", prec = usize::from(base < 100.0)));
            let _ = writeln!(out, " {base} |");
        }
        out
    }
}

fn median(figures: &[(&str, f64)], node: &str) -> Option<f64> {
    let mut of: Vec<f64> = figures.iter().filter(|(name, _)| *name == node).map(|(_, figure)| *figure).collect();
    of.sort_unstable_by(f64::total_cmp);
    of.get(of.len() / 2).copied()
}
