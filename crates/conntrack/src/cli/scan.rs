//! Finds the options in a command line, as GNU `getopt_long` does.
//!
//! Words that are no options may stand anywhere and are skipped. Letters may be clustered, long
//! names abbreviated as far as they stay unambiguous. What an option without a value of its own
//! takes from the next word, and which options exist at all, changes on the way: `-p` adds the
//! options of its protocol, so the caller pulls one option after the other.

use super::error::Error;
use super::hint;
use super::options::{Arg, COMMANDS, Command, LONG_ONLY, OPTIONS, Opt};
use super::protocols::{ProtoOpt, Row, Value};

/// What was found.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// A command.
    Command(&'static Command),
    /// An option.
    Option(&'static Opt),
    /// An option of a protocol.
    Protocol(&'static ProtoOpt),
}

impl Key {
    const fn arg(self) -> Arg {
        match self {
            Self::Command(command) => command.arg,
            Self::Option(option) => option.arg,
            Self::Protocol(_) => Arg::Required,
        }
    }

    /// Its long names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let (one, many): (Option<&'static str>, &'static [&'static str]) = match self {
            Self::Command(command) => (Some(command.name), &[]),
            Self::Option(option) => (None, option.names),
            Self::Protocol(option) => (None, option.names),
        };
        one.into_iter().chain(many.iter().copied())
    }

    /// Whether the name can be abbreviated.
    fn can_be_short(self) -> bool {
        match self {
            Self::Command(_) => true,
            Self::Option(option) => option.short != LONG_ONLY,
            Self::Protocol(option) => option.value != Value::Wscale,
        }
    }

    /// Whether both fill the same place, so that an abbreviation may mean either.
    fn same_as(self, other: Self) -> bool {
        match (self, other) {
            (Self::Command(a), Self::Command(b)) => a.verb == b.verb,
            (Self::Option(a), Self::Option(b)) => a.id == b.id,
            (Self::Protocol(a), Self::Protocol(b)) => a.field == b.field,
            (Self::Command(_) | Self::Option(_) | Self::Protocol(_), _) => false,
        }
    }
}

/// For each letter the place of its option, or behind those of its command, from 1 on.
static LETTERS: [u8; 128] = letters();

const fn letters() -> [u8; 128] {
    let mut letters = [0; 128];
    let mut place = 0;
    while place < OPTIONS.len() + COMMANDS.len() {
        let letter = match place {
            place if place < OPTIONS.len() => OPTIONS[place].short,
            place => COMMANDS[place - OPTIONS.len()].short,
        };
        place += 1;
        if letter != LONG_ONLY {
            assert!(place < 256 && letters[letter as usize] == 0);
            #[expect(clippy::cast_possible_truncation, reason = "it was compared")]
            let place = place as u8;
            letters[letter as usize] = place;
        }
    }
    letters
}

/// The command or option of this letter.
pub(super) fn by_letter(letter: char) -> Option<Key> {
    let letter = usize::try_from(u32::from(letter)).ok()?;
    let place = usize::from(*LETTERS.get(letter)?).checked_sub(1)?;
    match OPTIONS.get(place) {
        Some(option) => Some(Key::Option(option)),
        None => COMMANDS.get(place - OPTIONS.len()).map(Key::Command),
    }
}

/// One option as it was typed.
#[derive(Debug)]
pub struct Typed<'a> {
    /// Which option.
    pub key: Key,
    /// Its value.
    pub value: Option<&'a str>,
}

/// A command line on its way through.
#[derive(Debug)]
pub struct Scanner<'a, W> {
    words: &'a [W],
    /// The word to look at next.
    next: usize,
    /// What is left of a cluster of letters, without the leading `-`.
    cluster: &'a str,
    /// Protocols whose options are known by now.
    rows: Vec<&'static Row>,
    /// Whether the first word that is no option ends the options (`POSIXLY_CORRECT`).
    posix: bool,
    /// The first word that was skipped.
    stray: Option<&'a str>,
}

impl<'a, W: AsRef<str>> Scanner<'a, W> {
    /// A scanner before the first word; `words` come without the program's name.
    pub const fn new(words: &'a [W], posix: bool) -> Self {
        Self {
            words,
            next: 0,
            cluster: "",
            rows: Vec::new(),
            posix,
            stray: None,
        }
    }

    /// Everything that is an option by now.
    fn known(&self) -> impl Iterator<Item = Key> {
        let commands = COMMANDS.iter().map(Key::Command);
        let options = OPTIONS.iter().map(Key::Option);
        let of_protocols = self.rows.iter().flat_map(|row| row.options());
        commands
            .chain(options)
            .chain(of_protocols.map(Key::Protocol))
    }

    /// Adds the options of a protocol; those that are known already keep their meaning.
    pub fn learn(&mut self, row: &'static Row) {
        self.rows.push(row);
    }

    /// The next option, `None` at the end.
    pub fn next_option(&mut self) -> Result<Option<Typed<'a>>, Error> {
        if !self.cluster.is_empty() {
            return self.letter().map(Some);
        }
        while let Some(word) = self.take_word() {
            if word == "--" {
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                return self.long(word, long).map(Some);
            }
            match word.strip_prefix('-') {
                Some(letters) if !letters.is_empty() => {
                    self.cluster = letters;
                    return self.letter().map(Some);
                }
                _ => self.stray = self.stray.or(Some(word)),
            }
            if self.posix {
                break;
            }
        }
        if self.stray.is_none() {
            self.stray = self.words.get(self.next).map(AsRef::as_ref);
        }
        self.next = self.words.len();
        Ok(None)
    }

    /// The first word that was neither an option nor a value of one, when all have been seen.
    pub const fn stray(&self) -> Option<&'a str> {
        self.stray
    }

    fn take_word(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word.as_ref())
    }

    /// The word that is being looked at, for diagnostics.
    fn current_word(&self) -> String {
        let at = self.next.checked_sub(1);
        at.and_then(|at| self.words.get(at))
            .map_or_else(String::new, |word| word.as_ref().to_owned())
    }

    /// Takes one letter off the cluster, with its value.
    fn letter(&mut self) -> Result<Typed<'a>, Error> {
        let mut letters = self.cluster.chars();
        let letter = letters.next();
        let rest = letters.as_str();
        let key = letter.and_then(by_letter).ok_or_else(|| {
            let error = Error::UnknownOption(self.current_word());
            match letter {
                Some('R') => error.hinted("`-R' has to be the first word"),
                _ => error,
            }
        })?;
        self.cluster = rest;
        let attached = !rest.is_empty();
        let value = match key.arg() {
            Arg::Required | Arg::Optional if attached => {
                self.cluster = "";
                Some(rest)
            }
            Arg::Required => Some(self.needed_word()?),
            // Inside a cluster the next word belongs to the last letter.
            Arg::Optional | Arg::OptionalWord if !attached => self.optional_word(),
            Arg::None | Arg::Optional | Arg::OptionalWord => None,
        };
        Ok(Typed { key, value })
    }

    /// Takes a long option, with its value.
    fn long(&mut self, word: &'a str, long: &'a str) -> Result<Typed<'a>, Error> {
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let unknown = || {
            let known: Vec<_> = self.known().flat_map(Key::names).collect();
            hint::unknown_option(word, name, &known)
        };
        let key = self.by_name(name).ok_or_else(unknown)?;
        let value = match (key.arg(), attached) {
            (Arg::None, Some(_)) => return Err(Error::UnknownOption(word.into())),
            (Arg::None, None) => None,
            (_, Some(value)) => Some(value),
            (Arg::Required, None) => Some(self.needed_word()?),
            (Arg::Optional | Arg::OptionalWord, None) => self.optional_word(),
        };
        Ok(Typed { key, value })
    }

    /// The option of this name, or the only one whose names start with it.
    fn by_name(&self, name: &str) -> Option<Key> {
        if let Some(key) = self.by_whole_name(name) {
            return Some(key);
        }
        let mut candidates = self
            .known()
            .filter(|key| key.can_be_short())
            .filter(|key| key.names().any(|known| known.starts_with(name)));
        let first = candidates.next()?;
        candidates
            .all(|other| other.same_as(first))
            .then_some(first)
    }

    /// The option of exactly this name. Names are unique but for those that protocols share, and
    /// files of a hundred thousand lines are read with this: the likely ones go first.
    fn by_whole_name(&self, name: &str) -> Option<Key> {
        let mut of_protocols = self.rows.iter().flat_map(|row| row.options());
        let mut options = OPTIONS.iter();
        let mut commands = COMMANDS.iter();
        of_protocols
            .find(|option| option.names.contains(&name))
            .map(Key::Protocol)
            .or_else(|| {
                let option = options.find(|option| option.names.contains(&name));
                option.map(Key::Option)
            })
            .or_else(|| {
                let command = commands.find(|command| command.name == name);
                command.map(Key::Command)
            })
    }

    fn needed_word(&mut self) -> Result<&'a str, Error> {
        if self.next >= self.words.len() {
            return Err(Error::MissingArgument(self.current_word()));
        }
        Ok(self.take_word().unwrap_or_default())
    }

    /// The next word, unless it looks like an option or a negation.
    fn optional_word(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.next)?.as_ref();
        if word.starts_with(['-', '!']) {
            return None;
        }
        self.take_word()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::Protocol;

    /// What a line of words is scanned to: `name=value`, or the error's text.
    fn scan(line: &[&str], posix: bool) -> Vec<String> {
        let words: Vec<String> = line.iter().map(ToString::to_string).collect();
        let mut scanner = Scanner::new(&words, posix);
        let mut found = Vec::new();
        loop {
            match scanner.next_option() {
                Ok(Some(typed)) => {
                    let name = typed.key.names().next().unwrap();
                    let value = typed.value.map(|value| format!("={value}"));
                    found.push(name.to_owned() + &value.unwrap_or_default());
                    if name == "protonum" {
                        scanner.learn(Row::of(Protocol::TCP).unwrap());
                    }
                }
                Ok(None) => return found,
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            }
        }
    }

    fn check(line: &[&str], expected: &[&str]) {
        assert_eq!(scan(line, false), expected, "{line:?}");
    }

    #[test]
    fn values_are_attached_or_the_next_word() {
        check(&["-L", "-p", "tcp"], &["dump", "protonum=tcp"]);
        check(&["-Lptcp"], &["dump", "protonum=tcp"]);
        check(&["-Lf", "ipv4"], &["dump", "family=ipv4"]);
        check(&["--protonum=tcp"], &["protonum=tcp"]);
        check(&["--protonum", "-L"], &["protonum=-L"]);
        check(&["--src="], &["src="]);
        check(&["-L", "-s"], &["dump", "option `-s' requires an argument"]);
        check(&["--state"], &["unknown option `--state'"]);
        check(
            &["-p", "tcp", "--state"],
            &["protonum=tcp", "option `--state' requires an argument"],
        );
    }

    /// Stock threw attached values of these away (compat: cli-6).
    #[test]
    fn optional_values_may_be_attached() {
        check(&["-n", "1.2.3.4"], &["src-nat=1.2.3.4"]);
        check(&["-n1.2.3.4"], &["src-nat=1.2.3.4"]);
        check(&["--src-nat=1.2.3.4"], &["src-nat=1.2.3.4"]);
        check(&["-n", "-g", "!x"], &["src-nat", "dst-nat"]);
        check(&["--dump=expect"], &["dump=expect"]);
        check(&["-Cexpect"], &["counter=expect"]);
        check(&["-L", "expect", "-z"], &["dump=expect", "zero"]);
        // A letter inside a cluster does not reach over the cluster's end.
        check(&["-Lz", "expect"], &["dump", "zero"]);
    }

    #[test]
    fn long_names_may_be_abbreviated() {
        check(&["--du"], &["dump"]);
        check(&["--d"], &["unknown option `--d'"]);
        check(&["--count"], &["counter"]);
        check(&["--proto", "6"], &["protonum=6"]);
        check(&["--orig-s", "x"], &["src=x"]);
        check(
            &["-p", "6", "--orig-port-s", "5", "--orig-port", "5"],
            &["protonum=6", "sport=5", "unknown option `--orig-port'"],
        );
        // After -p this is a prefix of --sport, --state and --src.
        check(
            &["-p", "6", "--s", "5"],
            &["protonum=6", "unknown option `--s'"],
        );
    }

    #[test]
    fn an_option_known_twice_is_not_ambiguous() {
        check(
            &["-p", "6", "-p", "6", "--spo", "1"],
            &["protonum=6", "protonum=6", "sport=1"],
        );
    }

    #[test]
    fn other_words_are_skipped() {
        check(&["foo", "-L"], &["dump"]);
        check(&["-z", "-", "foo", "-z"], &["zero", "zero"]);
        check(&["-z", "--", "-Q"], &["zero"]);
        assert_eq!(scan(&["foo", "-L"], true), [""; 0]);
    }

    #[test]
    fn unknown_options_are_reported_as_typed() {
        check(&["foo", "-Q"], &["unknown option `-Q'"]);
        check(&["-zQ"], &["zero", "unknown option `-zQ'"]);
        check(&["--zero=5"], &["unknown option `--zero=5'"]);
        check(&["--="], &["unknown option `--='"]);
        check(&["-\u{fffd}"], &["unknown option `-\u{fffd}'"]);
        check(&["-R"], &["unknown option `-R'"]);
    }

    #[test]
    fn punctuation_is_a_letter_too() {
        check(&["-(", "5"], &["orig-zone=5"]);
        check(&["->"], &["label-del"]);
        check(&["-{", "255.0.0.0"], &["mask-src=255.0.0.0"]);
    }
}
