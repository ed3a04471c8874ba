//! Each case of `tests/golden` is one flow and what it looks like in every form.
//!
//! `flow` describes the flow; `text`, `extended`, `timestamp` and `cache` hold what stock printed
//! for it, `xml` what `-o xml` prints. A case may leave a form out, but not `text`. With
//! `GOLDEN_WRITE=1` the forms that exist are written anew, and the diff is to be reviewed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "golden/describe.rs"]
mod describe;

use flow::render::{self, Record, Show};
use std::fs;
use std::path::Path;

type Render = fn(&mut Vec<u8>, &Record<'_>, &Show);

const FORMS: [(&str, Render, Show); 5] = [
    ("text", render::text, Show::TABLE),
    (
        "xml",
        render::xml,
        Show {
            id: true,
            ..Show::TABLE
        },
    ),
    (
        "extended",
        render::text,
        Show {
            extended: true,
            id: true,
            ..Show::TABLE
        },
    ),
    (
        "timestamp",
        render::text,
        Show {
            time: true,
            ..Show::TABLE
        },
    ),
    ("cache", render::text, Show::CACHE),
];

#[test]
fn every_case_renders_as_stock_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut checked = 0;
    for entry in fs::read_dir(root).unwrap() {
        let case = entry.unwrap().path();
        if case.is_dir() {
            checked += check(&case);
        }
    }
    assert!(checked > 50, "only {checked} forms found");
}

/// Compares every form of a case and returns how many there were.
fn check(case: &Path) -> usize {
    let description = fs::read_to_string(case.join("flow")).unwrap();
    assert!(case.join("text").exists(), "{} lacks text", case.display());
    let mut checked = 0;
    for (form, render, show) in FORMS {
        let file = case.join(form);
        if !file.exists() {
            continue;
        }
        let mut out = Vec::new();
        render(&mut out, &describe::parse(&description).record(), &show);
        out.push(b'\n');
        if std::env::var_os("GOLDEN_WRITE").is_some() {
            fs::write(&file, &out).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap();
        let got = String::from_utf8(out).unwrap();
        assert_eq!(got, expected, "{}", file.display());
        checked += 1;
    }
    checked
}
