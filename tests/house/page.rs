//! The manual's page on security names the tests that show what it says: each is there.

use std::fs;
use std::path::Path;

/// The names of tests on a page: `file::test` between backticks.
fn named(page: &str) -> Vec<&str> {
    let is_path = |text: &str| {
        let is_name =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        text.contains("::") && text.split("::").all(is_name)
    };
    page.split('`').skip(1).step_by(2).filter(|text| is_path(text)).collect()
}

/// Returns true if a file of this name, or one in a folder of this name, has this test.
fn is_there(folder: &Path, within: bool, file: &str, test: &str) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        let here = within || path.file_stem().is_some_and(|stem| stem == file);
        if path.is_dir() {
            return path.file_name().is_some_and(|name| name != "cache") && is_there(&path, here, file, test);
        }
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        is_rust && here && fs::read_to_string(&path).unwrap().contains(&format!("fn {test}("))
    })
}

#[test]
fn the_tests_that_the_page_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("src/manual/security.md")).unwrap();
    let names = named(&page);
    assert!(names.len() > 50, "{names:?}");
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| {
            let (file, test) = name.rsplit_once("::").unwrap();
            ![root.join("tests"), root.join("src")].iter().any(|folder| is_there(folder, false, file, test))
        })
        .collect();
    assert!(missing.is_empty(), "src/manual/security.md names tests that are not there: {missing:?}");
}

#[test]
fn what_is_a_test_is_known_by_its_form() {
    let page = "`a::b_c` and `Full::Peers`, `a b::c`, `[`X::y`]`, `tests/run`, `d2::e`, `erlang:halt`";
    assert_eq!(named(page), ["a::b_c", "d2::e"]);
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    assert!(is_there(&tests, false, "page", "what_is_a_test_is_known_by_its_form"));
    assert!(is_there(&tests, false, "house", "what_is_a_test_is_known_by_its_form"));
    assert!(!is_there(&tests, false, "rust", "what_is_a_test_is_known_by_its_form"));
    assert!(!is_there(&tests, false, "page", "what_is_a_test_is_known_by_its_form_not"));
}
