//! A configuration file of conntrackd.
//!
//! Any bytes are a configuration or have errors. A configuration that is printed can be read again
//! and is the same; what the daemon takes, its client takes too.

use conntrackd::config::{parse, parse_general, parse_language};

/// Reads a file in every way there is.
pub fn run(bytes: &[u8]) {
    let daemon = parse("fuzz", bytes);
    let client = parse_general("fuzz", bytes);
    match parse_language("fuzz", bytes) {
        Ok((config, _)) => {
            assert!(
                client.is_ok(),
                "the daemon reads it and its client does not"
            );
            let printed = config.to_string();
            let (again, _) = parse_language("fuzz", printed.as_bytes()).expect("what was printed");
            assert_eq!(again, config);
        }
        Err(errors) => {
            assert!(daemon.is_err() && !errors.errors().is_empty());
            assert!(errors.to_string().len() < 64 * 1024, "errors without end");
        }
    }
}
