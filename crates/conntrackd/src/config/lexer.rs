//! Bytes of a configuration file to words and braces.
//!
//! The lexer knows no keywords and no kinds of arguments: what a word may be is decided where it
//! stands (`parser`). That is a superset of stock's lexer, which decides by shape alone and so
//! takes an interface named `ace` for an IPv6 address, or a brace behind a path for a part of it.
//!
//! A word ends at a blank, a brace, a quote or `#`; `#` starts a comment up to the end of the line
//! or of the file. A quoted word ends at the next quote of the same line and has no escapes.

/// Place of a token: `start..end` in the file, which lies on one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Line, counted from 1.
    pub line: u32,
    /// Byte offset of the first byte.
    pub start: usize,
    /// Byte offset behind the last byte.
    pub end: usize,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A bare word.
    Word(&'a [u8]),
    /// A word in quotes, without them.
    Quoted(&'a [u8]),
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// A quote without its partner on the same line.
    OpenQuote,
    /// The file is over.
    End,
}

/// Splits a file into tokens; after the last one it returns [`Token::End`] for ever.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
}

impl<'a> Lexer<'a> {
    /// Starts at the first byte.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            line: 1,
        }
    }

    /// The next token and where it stands.
    pub fn next_token(&mut self) -> (Token<'a>, Span) {
        self.skip_blanks_and_comments();
        let start = self.at;
        let token = match self.peek() {
            None => Token::End,
            Some(b'{') => self.single(Token::Open),
            Some(b'}') => self.single(Token::Close),
            Some(b'"') => self.quoted(),
            Some(_) => Token::Word(self.take_while(|byte| !ends_word(byte))),
        };
        let span = Span {
            line: self.line,
            start,
            end: self.at,
        };
        (token, span)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn single(&mut self, token: Token<'a>) -> Token<'a> {
        self.at += 1;
        token
    }

    fn take_while(&mut self, mut wanted: impl FnMut(u8) -> bool) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest
            .iter()
            .position(|byte| !wanted(*byte))
            .unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn skip_blanks_and_comments(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.line = self.line.saturating_add(1);
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'#' => {
                    self.take_while(|byte| byte != b'\n');
                }
                _ => return,
            }
        }
    }

    fn quoted(&mut self) -> Token<'a> {
        self.at += 1;
        let text = self.take_while(|byte| byte != b'"' && byte != b'\n');
        if self.peek() == Some(b'"') {
            self.at += 1;
            Token::Quoted(text)
        } else {
            Token::OpenQuote
        }
    }
}

const fn ends_word(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t' | b'\r' | b'\n' | b'{' | b'}' | b'"' | b'#'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, u32)]) {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut found = Vec::new();
        loop {
            let (token, span) = lexer.next_token();
            let shown = match token {
                Token::Word(word) => String::from_utf8_lossy(word).into_owned(),
                Token::Quoted(word) => format!("'{}'", String::from_utf8_lossy(word)),
                Token::Open => "{".to_owned(),
                Token::Close => "}".to_owned(),
                Token::OpenQuote => "?".to_owned(),
                Token::End => break,
            };
            found.push((shown, span.line));
        }
        let found: Vec<_> = found
            .iter()
            .map(|(word, line)| (word.as_str(), *line))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn words_end_where_a_reader_expects_it() {
        check(
            "General{HashSize 8}",
            &[
                ("General", 1),
                ("{", 1),
                ("HashSize", 1),
                ("8", 1),
                ("}", 1),
            ],
        );
        check(
            "Path /run/x.ctl}",
            &[("Path", 1), ("/run/x.ctl", 1), ("}", 1)],
        );
        check(
            "Path /run/x.ctl\t# here\n}",
            &[("Path", 1), ("/run/x.ctl", 1), ("}", 2)],
        );
        check("a\r\nb\r\n", &[("a", 1), ("b", 2)]);
        check("# only a comment", &[]);
        check("a # last line", &[("a", 1)]);
        check(
            "LogFile \"/var/log/a b#c\"",
            &[("LogFile", 1), ("'/var/log/a b#c'", 1)],
        );
        check("x \"open\ny", &[("x", 1), ("?", 1), ("y", 2)]);
        check("", &[]);
    }
}
