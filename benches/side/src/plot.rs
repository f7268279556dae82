//! The plot: how many times the base's speed, a mark for each node in each row, on a logarithmic scale.

use std::fmt::Write;

use crate::peers::{BASE, KINDS};
use crate::report::{Report, is_exact};

const ROW: f64 = 22.0;
const TOP: f64 = 58.0;
const LEFT: f64 = 330.0;
/// Units of a doubling, and the range that is shown, in powers of two.
const DOUBLING: f64 = 58.0;
const RANGE: (f64, f64) = (-3.0, 7.0);
const COLOURS: [&str; 7] = ["#d3222a", "#444444", "#b07a00", "#7a3fb0", "#1f6fb4", "#9a9a9a", "#c8c8c8"];

/// Returns an SVG of the rows that are speeds; a row of times is turned round, so that further right is always faster.
pub fn svg(report: &Report) -> String {
    let rows: Vec<_> = report.rows().filter(|row| !is_exact(row) && !row.starts_with("resident")).collect();
    let at = |ratio: f64| LEFT + (ratio.log2().clamp(RANGE.0, RANGE.1) - RANGE.0) * DOUBLING;
    let (width, height) = (at(2_f64.powf(RANGE.1)) + 30.0, TOP + ROW * (rows.len() as f64 + 0.5));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (place, (kind, colour)) in KINDS.iter().zip(COLOURS).enumerate() {
        let x = 20.0 + place as f64 * 125.0;
        let _ = writeln!(
            out,
            "<circle cx=\"{x}\" cy=\"16\" r=\"5\" fill=\"{colour}\"/><text x=\"{}\" y=\"20\">{}</text>",
            x + 9.0,
            kind.name
        );
    }
    for power in RANGE.0 as i32..=RANGE.1 as i32 {
        let ratio = 2_f64.powi(power);
        let (x, stroke) = (at(ratio), if power == 0 { "#444444" } else { "#dddddd" });
        let _ = writeln!(out, "<line x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{height}\" stroke=\"{stroke}\"/>", TOP - 8.0);
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{ratio}</text>", TOP - 12.0);
    }
    for (place, row) in rows.iter().enumerate() {
        let y = TOP + ROW * (place as f64 + 0.7);
        let _ = writeln!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{row}</text>", LEFT - 12.0, y + 4.0);
        for (kind, colour) in KINDS.iter().zip(COLOURS).rev() {
            if let Some(ratio) = report.ratio(row, kind.name).filter(|_| kind.name != BASE) {
                let faster = if row.ends_with(" us") { 1.0 / ratio } else { ratio };
                let _ = writeln!(out, "<circle cx=\"{}\" cy=\"{y}\" r=\"5\" fill=\"{colour}\"/>", at(faster));
            }
        }
    }
    out + "</svg>\n"
}
