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
            let base = median(figures, BASE);
            let _ = write!(out, "| {row} |");
            for kind in KINDS {
                match (median(figures, kind.name), base) {
                    (Some(figure), Some(base)) => {
                        let _ = write!(out, " {:.2} |", figure / base);
                    }
                    _ => out += " |",
                }
            }
            let _ = writeln!(out, " {:.0} |", base.unwrap_or(f64::NAN));
        }
        out
    }
}

fn median(figures: &[(&str, f64)], node: &str) -> Option<f64> {
    let mut of: Vec<f64> = figures.iter().filter(|(name, _)| *name == node).map(|(_, figure)| *figure).collect();
    of.sort_unstable_by(f64::total_cmp);
    of.get(of.len() / 2).copied()
}
