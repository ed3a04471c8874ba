//! Each case of `tests/golden` is one flow or expectation and what it looks like in every form.
//!
//! `flow` or `expectation` describes it; the other files hold what stock printed for it, as far as
//! it has the form and is right, in the form of their name. A case may leave a form out, but not
//! `text`. With `GOLDEN_WRITE=1` the forms that exist are written anew, and the diff is to be
//! reviewed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "golden/describe.rs"]
mod describe;
#[path = "golden/schema.rs"]
mod schema;

use flow::render::{Format, Saved, Show};
use std::fs;
use std::path::{Path, PathBuf};

/// A form: the name of its files, and what is shown.
struct Form {
    name: &'static str,
    show: Show,
    /// Whether labels are shown (`-o labels`).
    labels: bool,
}

const fn form(name: &'static str, show: Show) -> Form {
    Form {
        name,
        show,
        labels: false,
    }
}

const XML: Show = Show {
    format: Format::Xml,
    id: true,
    ..Show::TABLE
};

/// What a line of `json` is.
const SCHEMA: &str = include_str!("../../../docs/json.schema.json");

const FORMS: [Form; 11] = [
    form("text", Show::TABLE),
    form(
        "extended",
        Show {
            extended: true,
            id: true,
            ..Show::TABLE
        },
    ),
    form(
        "timestamp",
        Show {
            time: true,
            ..Show::TABLE
        },
    ),
    form(
        "ktimestamp",
        Show {
            life: true,
            ..Show::TABLE
        },
    ),
    Form {
        labels: true,
        ..form("labels", Show::TABLE)
    },
    form("cache", Show::CACHE),
    form("xml", XML),
    Form {
        labels: true,
        ..form(
            "xml_whole",
            Show {
                time: true,
                life: true,
                ..XML
            },
        )
    },
    form(
        "save",
        Show {
            format: Format::Save(Saved::Add),
            ..Show::TABLE
        },
    ),
    Form {
        labels: true,
        ..form(
            "save_deleted",
            Show {
                format: Format::Save(Saved::Delete),
                ..Show::TABLE
            },
        )
    },
    Form {
        labels: true,
        ..form("json", JSON)
    },
];

const JSON: Show = Show {
    format: Format::Json,
    ..Show::TABLE
};

#[test]
fn every_case_is_as_the_schema_says() {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    let json = form("json", JSON);
    for case in cases() {
        let line = render(&case, &json);
        let value = serde_json::from_slice(&line).unwrap();
        let result = schema::check(&value, &schema);
        assert_eq!(result, Ok(()), "{}", case.display());
    }
}

#[test]
fn every_case_renders_as_stock_does() {
    let checked: usize = cases().iter().map(|case| check(case)).sum();
    assert!(checked > 190, "only {checked} forms found");
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(root).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

/// Compares every form of a case and returns how many there were.
fn check(case: &Path) -> usize {
    assert!(case.join("text").exists(), "{} lacks text", case.display());
    let mut checked = 0;
    for form in FORMS {
        let file = case.join(form.name);
        if !file.exists() {
            continue;
        }
        let mut out = render(case, &form);
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

fn render(case: &Path, form: &Form) -> Vec<u8> {
    let mut out = Vec::new();
    let Form { show, labels, .. } = form;
    match fs::read_to_string(case.join("flow")) {
        Ok(description) => {
            let case = describe::flow(&description);
            show.format.flow(&mut out, &case.record(*labels), show);
        }
        Err(_) => {
            let description = fs::read_to_string(case.join("expectation")).unwrap();
            let case = describe::expectation(&description);
            show.format
                .expectation(&mut out, &case.record(*labels), show);
        }
    }
    out
}
