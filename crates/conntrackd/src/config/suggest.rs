//! "Did you mean": the nearest valid word, and where else a word is valid.
//!
//! A word may differ by a few slips of the finger, fewer in a short word; case does not count. What
//! is not near is listed.

use super::grammar::Section;

/// A remedy for a word that is not a keyword of this section.
pub fn keyword(word: &str, section: Section) -> Option<String> {
    let here: Vec<&str> = section.rules().iter().map(|rule| rule.word).collect();
    if let Some(near) = nearest(word, &here) {
        return Some(format!("did you mean `{near}`?"));
    }
    let elsewhere: Vec<String> = Section::ALL
        .iter()
        .filter(|other| other.rules().iter().any(|rule| rule.word == word))
        .map(|other| other.place())
        .collect();
    if !elsewhere.is_empty() {
        return Some(format!("it is valid {}", list(&elsewhere)));
    }
    // Old spellings are understood, but not to be learnt.
    let current = section
        .rules()
        .iter()
        .filter(|rule| rule.key.word(section) == rule.word);
    let current: Vec<&str> = current.map(|rule| rule.word).collect();
    Some(format!("allowed here: {}", current.join(", ")))
}

/// A remedy for a word that is not in a list.
pub fn word(word: &str, allowed: &[&str]) -> Option<String> {
    match nearest(word, allowed) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if allowed.is_empty() => None,
        None => Some(format!("allowed here: {}", allowed.join(", "))),
    }
}

fn list(words: &[String]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}

/// The word with the fewest edits, if there are few; a difference in case counts as none.
fn nearest<'a>(word: &str, allowed: &[&'a str]) -> Option<&'a str> {
    // Longer words are no slips of the finger, and would make the distance expensive.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let limit = (word.len() / 3).clamp(1, 3);
    allowed
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Number of insertions, removals, replacements and swaps of neighbours between two words.
fn distance(left: &str, right: &str) -> usize {
    let left = left.to_ascii_lowercase().into_bytes();
    let right = right.to_ascii_lowercase().into_bytes();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, section: Section, expected: &str) {
        assert_eq!(keyword(word, section).as_deref(), Some(expected));
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        check("HashSizee", Section::General, "did you mean `HashSize`?");
        check("Lockfile", Section::General, "did you mean `LockFile`?");
        check("HahsLimit", Section::General, "did you mean `HashLimit`?");
        check("general", Section::File, "did you mean `General`?");
        check(
            "IPv6_Destionation_Address",
            Section::Udp,
            "did you mean `IPv6_Destination_Address`?",
        );
    }

    #[test]
    fn a_keyword_in_the_wrong_section_is_sent_to_the_right_one() {
        check(
            "RefreshTime",
            Section::ModeFtfw,
            "it is valid in `Sync` and in `Sync { Mode ALARM }`",
        );
        check("HashSize", Section::File, "it is valid in `General`");
        check(
            "Backlog",
            Section::File,
            "it is valid in `General { UNIX }`",
        );
    }

    #[test]
    fn anything_else_gets_the_list() {
        check("Colour", Section::Unix, "allowed here: Path, Backlog");
    }

    #[test]
    fn swaps_count_once() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
