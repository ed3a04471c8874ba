//! Files of command lines: how a line is cut into words, and what may stand in it.
//!
//! A line is an ordinary command line without the program's name. Words end at blanks and tabs;
//! between double quotes these count, and a backslash takes the next character as it is. Nothing
//! is done before every line of a file has been checked.

use std::borrow::Cow;
use std::io::{BufRead, Read};

use super::error::Error;
use super::hiargs::Job;
use super::lowargs::{Environment, LowArgs};
use super::options::{COMMANDS, Id, Table, Verb};
use super::quick;

/// Longest word, in bytes.
const WORD_MAX: usize = 1023;

/// Most words in a line.
const WORDS_MAX: usize = 253;

/// Longest line that can be one, with quotes and some blanks.
pub const LINE_MAX: usize = (WORD_MAX + 1) * 2 * WORDS_MAX;

/// A line that was understood.
#[derive(Debug)]
pub struct Line {
    /// What it asks for.
    pub job: Job,
    /// Its command, as a diagnostic names it.
    command: (Option<Verb>, Table),
}

impl Line {
    /// Reads a line; `None` for an empty one and a comment.
    pub fn parse(
        line: &str,
        environment: &Environment<'_>,
        notices: &mut Vec<String>,
    ) -> Result<Option<Self>, Error> {
        if is_skipped(line) {
            return Ok(None);
        }
        let mut args = LowArgs::default();
        if quick::read(&mut args, line, environment).is_none() {
            args = LowArgs::parse(&words(line)?, environment, notices)?;
        }
        if args.has(Id::FilterFile) {
            return Err(Error::OptionNotInFile(Id::FilterFile.name()));
        }
        Ok(Some(Self {
            job: Job::new(&args)?,
            command: (args.verb, args.table),
        }))
    }

    /// Whether it may stand in a file: what creates, changes and deletes flows.
    pub fn check(&self) -> Result<(), Error> {
        match self.job {
            Job::Create { .. } | Job::Update { .. } | Job::Delete { .. } | Job::Flush(_) => Ok(()),
            _ => Err(Error::NotInFile(self.command())),
        }
    }

    fn command(&self) -> String {
        let (verb, table) = self.command;
        let Some(row) = COMMANDS.iter().find(|command| Some(command.verb) == verb) else {
            return "unknown".into();
        };
        let letter = char::from(row.short);
        match table {
            Table::Expect => format!("-{letter} expect"),
            Table::Conntrack | Table::Dying | Table::Unconfirmed => format!("-{letter}"),
        }
    }
}

/// Whether a line is empty or a comment.
pub fn is_skipped(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t']);
    line.is_empty() || line.starts_with('#')
}

/// The lines of a file with their numbers, one at a time.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
}

/// Why a line could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The file ends otherwise than by its end.
    Input,
    /// The line of this number is longer than any can be.
    TooLong(u64),
}

impl<R: BufRead> Lines<R> {
    /// Before the first line.
    pub const fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
            number: 0,
        }
    }

    /// The next line without its end, `None` after the last one.
    pub fn next_line(&mut self) -> Result<Option<(u64, Cow<'_, str>)>, Unreadable> {
        self.line.clear();
        let limit = u64::try_from(LINE_MAX + 2).unwrap_or(u64::MAX);
        let mut one = self.reader.by_ref().take(limit);
        let read = one.read_until(b'\n', &mut self.line);
        if read.map_err(|_| Unreadable::Input)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        bare(self.number, &self.line).map(Some)
    }
}

/// The lines of a text in memory with their numbers, one at a time.
#[derive(Clone, Debug)]
pub struct TextLines<'a> {
    rest: &'a [u8],
    /// Of the next one.
    number: u64,
}

impl<'a> TextLines<'a> {
    /// Before a line that has this number.
    pub const fn starting_at(number: u64, text: &'a [u8]) -> Self {
        Self { rest: text, number }
    }

    /// The next line without its end, `None` after the last one.
    pub fn next_line(&mut self) -> Result<Option<(u64, Cow<'a, str>)>, Unreadable> {
        let mut reader = self.rest;
        // Memory can be read.
        let len = reader.skip_until(b'\n').unwrap_or_default();
        let Some((line, rest)) = self.rest.split_at_checked(len).filter(|_| len > 0) else {
            return Ok(None);
        };
        let number = self.number;
        (self.rest, self.number) = (rest, number + 1);
        bare(number, line).map(Some)
    }
}

/// A line without its end.
fn bare(number: u64, line: &[u8]) -> Result<(u64, Cow<'_, str>), Unreadable> {
    let bare = line.strip_suffix(b"\n").unwrap_or(line);
    if bare.len() > LINE_MAX {
        return Err(Unreadable::TooLong(number));
    }
    let text = match std::str::from_utf8(bare) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bare),
    };
    Ok((number, text))
}

/// The words of a line. The closing quote ends a word; an open one ends with the line.
pub fn words(line: &str) -> Result<Vec<Cow<'_, str>>, Error> {
    let mut words = Vec::with_capacity(32);
    let mut rest = trim_start(line);
    while !rest.is_empty() {
        let (word, after) = word(rest);
        if word.len() > WORD_MAX {
            return Err(Error::WordTooLong);
        }
        if words.len() == WORDS_MAX {
            return Err(Error::TooManyWords);
        }
        words.push(word);
        rest = trim_start(after);
    }
    Ok(words)
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

fn trim_start(text: &str) -> &str {
    let start = text.bytes().position(|byte| !is_blank(byte));
    start
        .and_then(|start| text.get(start..))
        .unwrap_or_default()
}

/// The first word, and what follows it.
fn word(text: &str) -> (Cow<'_, str>, &str) {
    let end = text.bytes().position(|byte| is_blank(byte) || byte == b'"');
    let end = end.unwrap_or(text.len());
    let (plain, rest) = text.split_at(end);
    let Some(quoted) = rest.strip_prefix('"') else {
        return (Cow::Borrowed(plain), rest);
    };
    let mut word = plain.to_owned();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => word.extend(chars.next()),
            c => word.push(c),
        }
    }
    (Cow::Owned(word), chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[&str]) {
        assert_eq!(words(line).unwrap(), expected, "{line:?}");
    }

    #[test]
    fn words_end_at_blanks_outside_of_quotes() {
        check("-D -s\t1.1.1.1  ", &["-D", "-s", "1.1.1.1"]);
        check(r#"-l "two words" -z"#, &["-l", "two words", "-z"]);
        check(r#"a"b c"d"#, &["ab c", "d"]);
        check(r#""a\"b\\" c\d"#, &[r#"a"b\"#, r"c\d"]);
        check(r#""" x"#, &["", "x"]);
        check(r#""open end"#, &["open end"]);
        check("\"\\", &[""]);
        check("-F # x\r", &["-F", "#", "x\r"]);
    }

    #[test]
    fn words_and_lines_have_a_limit() {
        let long = "x".repeat(WORD_MAX);
        check(&long, &[&long]);
        assert_eq!(words(&(long + "x")), Err(Error::WordTooLong));
        let many = "x ".repeat(WORDS_MAX);
        assert_eq!(words(&many).unwrap().len(), WORDS_MAX);
        assert_eq!(words(&(many + "x")), Err(Error::TooManyWords));
    }
}
