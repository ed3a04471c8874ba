//! The system's database of protocol names, `/etc/protocols`.
//!
//! One protocol per line: name, number, other names; `#` starts a comment.

use std::fs;

const DATABASE: &str = "/etc/protocols";

/// The number of the protocol of this name.
pub fn number(name: &str) -> Option<u8> {
    number_in(&fs::read_to_string(DATABASE).ok()?, name)
}

/// The name of the protocol of this number.
pub fn name(number: u8) -> Option<String> {
    name_in(&fs::read_to_string(DATABASE).ok()?, number)
}

fn number_in(database: &str, name: &str) -> Option<u8> {
    lines(database).find_map(|(number, mut names)| names.any(|n| n == name).then_some(number))
}

fn name_in(database: &str, number: u8) -> Option<String> {
    lines(database).find_map(|(known, mut names)| {
        (known == number).then(|| names.next().map(str::to_owned))?
    })
}

/// Number and names of each line that has both.
fn lines(database: &str) -> impl Iterator<Item = (u8, impl Iterator<Item = &str>)> {
    database.lines().filter_map(|line| {
        let entry = line.split('#').next()?;
        let mut words = entry.split_ascii_whitespace();
        let name = words.next()?;
        let number = words.next()?.parse().ok()?;
        Some((number, std::iter::once(name).chain(words)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: &str = "# comment\nip\t0\tIP\nigmp 2 IGMP # group\n\nbroken\nhuge 999\n";

    #[test]
    fn names_and_aliases_have_a_number() {
        for (name, expected) in [
            ("igmp", Some(2)),
            ("IGMP", Some(2)),
            ("Igmp", None),
            ("broken", None),
            ("huge", None),
            ("group", None),
        ] {
            assert_eq!(number_in(DATABASE, name), expected, "{name}");
        }
    }

    #[test]
    fn a_number_has_its_first_name() {
        assert_eq!(name_in(DATABASE, 2).as_deref(), Some("igmp"));
        assert_eq!(name_in(DATABASE, 3), None);
    }
}
