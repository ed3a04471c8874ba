//! What the configuration language has and this version of the daemon does not.
//!
//! Such a section is refused at start, by name and line: a firewall that believes it replicates
//! what it does not is worse than one that does not start. The table is the whole list; a feature
//! that comes loses its row.

use super::ast::Item;
use super::error::{ErrorKind, Fault};
use super::grammar::Key;

/// Sections, and what they would need.
static MISSING: [(Key, &str); 1] = [(Key::Helper, "user-space helpers")];

/// One fault for each section that asks for a missing feature.
pub fn refusals(items: &[Item<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for item in items {
        if let Some((_, feature)) = MISSING.iter().find(|(key, _)| *key == item.key) {
            let kind = ErrorKind::Later {
                keyword: item.keyword.text.to_owned(),
                feature,
            };
            faults.push(Fault::new(item.keyword.span, kind));
        }
    }
    faults
}
