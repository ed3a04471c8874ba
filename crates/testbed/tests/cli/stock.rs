//! Which stock stands beside ours: Debian 12 has 1.4.7, Debian 13 has 1.4.8, and 1.4.9 is the one
//! that we follow.

use std::sync::LazyLock;

use testbed::{Command, Implementation, Program};

/// Major, minor, patch.
pub type Version = (u32, u32, u32);

/// Between the one of Debian 12 and the one that we follow.
pub const DEBIAN_13: Version = (1, 4, 8);

/// The version that we follow.
pub const FOLLOWED: Version = (1, 4, 9);

/// The version of the stock programs here.
pub static VERSION: LazyLock<Version> = LazyLock::new(|| {
    let path = Implementation::Stock.path(Program::Conntrack).unwrap();
    let output = Command::new(path).arg("-V").run().unwrap();
    version(&output.stdout)
});

/// The text of stock with the version that we follow.
pub fn as_followed(text: &str) -> String {
    text.replace(&prefix(*VERSION), &prefix(FOLLOWED))
}

/// What stands before each message.
fn prefix((major, minor, patch): Version) -> String {
    format!("conntrack v{major}.{minor}.{patch} (")
}

fn version(text: &str) -> Version {
    let words = text.strip_prefix("conntrack v").unwrap();
    let (numbers, _) = words.split_once(' ').unwrap();
    let mut numbers = numbers.split('.').map(|number| number.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    (next(), next(), next())
}

#[test]
fn a_version_is_read() {
    assert_eq!(version("conntrack v1.4.7 (conntrack-tools)\n"), (1, 4, 7));
    assert!(version("conntrack v1.10.0 (conntrack-tools)\n") > FOLLOWED);
}
