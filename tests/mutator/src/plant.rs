//! Writes mutants into the text of a file, each behind its switch: `crate::mutant::off` with its number. What only the mutant says stands between
//! marks, by which [`culprit`] knows whose fault an error is.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A mutant of this file: its number, and as listed.
pub struct Planted<'a> {
    pub number: usize,
    pub place: (usize, usize),
    pub genre: &'a str,
    pub replacement: &'a str,
}

/// The text with the mutants in it, and the numbers of those that are there.
pub fn plant(source: &str, mutants: &[Planted<'_>]) -> (String, Vec<usize>) {
    let file = syn::parse_file(source).unwrap();
    let mut garden = Garden { source, mutants, insertions: BTreeMap::new(), planted: Vec::new() };
    garden.functions();
    garden.visit_file(&file);
    let (mut text, mut end) = (String::new(), 0);
    for (&(at, ..), inserted) in &garden.insertions {
        text += &source[end..at];
        text += inserted;
        end = at;
    }
    text += &source[end..];
    (text, garden.planted)
}

/// Whose text stands at this byte.
pub fn culprit(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?;
    let (begin, end) = (before.rfind("/*<")?, before.rfind("/*>*/"));
    if end.is_some_and(|end| end > begin) {
        return None;
    }
    before[begin + 3..].split_once('>')?.0.parse().ok()
}

fn marked(number: usize, text: &str) -> String {
    format!("/*<{number}>*/ {text} /*>*/")
}

/// Where something is inserted. At one place, what ends comes first, the inner before the outer, and then what begins, the outer first.
type At = (usize, bool, Reverse<usize>);

struct Garden<'a> {
    source: &'a str,
    mutants: &'a [Planted<'a>],
    insertions: BTreeMap<At, String>,
    planted: Vec<usize>,
}

impl<'a> Garden<'a> {
    /// What replaces a whole function returns before its first statement.
    fn functions(&mut self) {
        for mutant in self.mutants.iter().filter(|mutant| mutant.genre == "FnValue") {
            let (line, column) = mutant.place;
            let start: usize = self.source.split_inclusive('\n').take(line - 1).map(str::len).sum();
            let column = self.source[start..].char_indices().nth(column - 1).unwrap().0;
            let returns = marked(mutant.number, &format!("return {};", mutant.replacement));
            let inserted = self.insertions.entry((start + column, true, Reverse(usize::MAX))).or_default();
            inserted.push_str(&format!("if !crate::mutant::off({}) {{ {returns} }}\n", mutant.number));
            self.planted.push(mutant.number);
        }
    }

    fn at(&self, genre: &'a str, place: LineColumn) -> impl Iterator<Item = &'a Planted<'a>> + use<'a> {
        let place = (place.line, place.column + 1);
        self.mutants.iter().filter(move |mutant| mutant.genre == genre && mutant.place == place)
    }

    fn text(&self, node: &impl Spanned) -> &'a str {
        &self.source[node.span().byte_range()]
    }

    /// `(if off(N) { (what stands there) } else { (what the mutant has) })`
    fn instead(&mut self, range: Range<usize>, mutant: &Planted<'_>, text: &str) {
        let number = mutant.number;
        let begin = self.insertions.entry((range.start, true, Reverse(range.end))).or_default();
        begin.insert_str(0, &format!("(if crate::mutant::off({number}) {{ ("));
        let end = self.insertions.entry((range.end, false, Reverse(range.start))).or_default();
        end.push_str(&format!(") }} else {{ {} }})", marked(number, &format!("({text})"))));
        self.planted.push(number);
    }
}

impl<'ast> Visit<'ast> for Garden<'_> {
    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        for mutant in self.at("BinaryOperator", binary.op.span().start()) {
            let (left, right) = (self.text(&binary.left), self.text(&binary.right));
            self.instead(binary.span().byte_range(), mutant, &format!("({left}) {} ({right})", mutant.replacement));
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        for mutant in self.at("UnaryOperator", unary.op.span().start()) {
            self.instead(unary.span().byte_range(), mutant, self.text(&unary.expr));
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, matching: &'ast syn::ExprMatch) {
        // without one for the rest, an arm with a switch is one too few for the compiler
        let rest = matching.arms.iter().any(|arm| arm.guard.is_none() && matches!(arm.pat, syn::Pat::Wild(_)));
        for arm in matching.arms.iter().filter(|_| rest) {
            // only those without a guard are listed
            for mutant in self.at("MatchArm", arm.span().start()) {
                let guard = format!(" if {}", marked(mutant.number, &format!("crate::mutant::off({})", mutant.number)));
                self.insertions.insert((arm.pat.span().byte_range().end, false, Reverse(0)), guard);
                self.planted.push(mutant.number);
            }
        }
        visit::visit_expr_match(self, matching);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let Some((_, guard)) = &arm.guard {
            for mutant in self.at("MatchArmGuard", guard.span().start()) {
                self.instead(guard.span().byte_range(), mutant, mutant.replacement);
            }
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, made: &'ast syn::ExprStruct) {
        for field in made.fields.iter().filter(|_| made.rest.is_some()) {
            for mutant in self.at("StructField", field.span().start()) {
                let (name, base) = (self.text(&field.member), self.text(&made.rest));
                self.instead(field.expr.span().byte_range(), mutant, &format!("({base}).{name}"));
                if field.colon_token.is_none() {
                    self.insertions.insert((field.span().byte_range().start, true, Reverse(usize::MAX)), format!("{name}: "));
                }
            }
        }
        visit::visit_expr_struct(self, made);
    }

    // the compiler computes these, and no switch is on there
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_type_array(&mut self, _: &'ast syn::TypeArray) {}
}
