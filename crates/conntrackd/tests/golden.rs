//! Golden cases: what a configuration means, and what stock prints.
//!
//! `golden/config/<case>/conf` is a configuration file. Beside it stands what it leads to:
//! `printed` (the configuration in effect) and `warnings`, or `errors`; and `refused` if the
//! language allows it but the daemon does not. A file that should not be there is a failure too.
//! With `GOLDEN_WRITE=1` they are written anew, and the diff is to be reviewed.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

use conntrackd::config::{self, Warning};

const NAME: &str = "conntrackd.conf";

#[test]
fn every_configuration_means_what_its_case_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut cases = 0;
    for entry in fs::read_dir(root).unwrap() {
        check(&entry.unwrap().path());
        cases += 1;
    }
    assert!(cases > 40, "only {cases} cases found");
}

fn check(case: &Path) {
    let conf = fs::read(case.join("conf")).unwrap();
    let [mut printed, mut warnings, mut errors, mut refused] = [const { None }; 4];
    match config::parse_language(NAME, &conf) {
        Ok((found, noted)) => {
            let text = found.to_string();
            let (again, _) = config::parse_language(NAME, text.as_bytes())
                .unwrap_or_else(|errors| panic!("{}: {errors}", case.display()));
            assert_eq!(again, found, "{}: printing loses something", case.display());
            assert_eq!(
                again.to_string(),
                text,
                "{}: no fixed point",
                case.display()
            );
            printed = Some(text);
            warnings = (!noted.is_empty()).then(|| render(&noted));
            let daemon = config::parse(NAME, &conf);
            refused = daemon.err().map(|errors| format!("{errors}\n"));
        }
        Err(found) => errors = Some(format!("{found}\n")),
    }
    compare(&case.join("printed"), printed);
    compare(&case.join("warnings"), warnings);
    compare(&case.join("errors"), errors);
    compare(&case.join("refused"), refused);
}

fn render(warnings: &[Warning]) -> String {
    let line = |warning: &Warning| {
        let level = warning.level();
        format!("{}: [{level:?}] {warning}\n", warning.line)
    };
    warnings.iter().map(line).collect()
}

fn compare(file: &Path, found: Option<String>) {
    if std::env::var_os("GOLDEN_WRITE").is_some() {
        match &found {
            Some(text) => fs::write(file, text).unwrap(),
            None if file.exists() => fs::remove_file(file).unwrap(),
            None => {}
        }
    }
    let expected = fs::read_to_string(file).ok();
    assert_eq!(found, expected, "{}", file.display());
}
