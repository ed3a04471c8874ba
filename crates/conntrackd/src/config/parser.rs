//! Words to the syntax tree, by the tables of `grammar`.
//!
//! The parser goes on after an error: a wrong argument loses its item, an unknown keyword loses
//! what stands behind it on the line, block included. So one run shows most errors of a file.

use super::ast::{Block, Head, Item, Value, Word};
use super::error::{ErrorKind, Fault, Wanted};
use super::grammar::{Body, MODES, NUMBER_MAX, Rule, Section, Shape};
use super::lexer::{Lexer, Span, Token};
use super::warning::{Warning, WarningKind};

/// A file as it was written, with what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The sections of the file.
    pub items: Vec<Item<'a>>,
    /// What has to be repaired.
    pub faults: Vec<Fault>,
    /// What is only suspicious.
    pub warnings: Vec<Warning>,
}

/// Parses a whole file.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut parser = Parser::new(bytes);
    let mut items = Vec::new();
    loop {
        parser.items(Section::File, &mut items);
        match parser.token {
            Token::End => break,
            _ => {
                // Only a brace too many ends the items of the file before its end.
                parser.fault(ErrorKind::UnexpectedClose);
                parser.advance();
            }
        }
    }
    Parsed {
        items,
        faults: parser.faults,
        warnings: parser.warnings,
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    lexer: Lexer<'a>,
    token: Token<'a>,
    span: Span,
    faults: Vec<Fault>,
    warnings: Vec<Warning>,
}

/// The item cannot be used; the fault has been recorded.
struct Refused;

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut lexer = Lexer::new(bytes);
        let (token, span) = lexer.next_token();
        Self {
            bytes,
            lexer,
            token,
            span,
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn advance(&mut self) {
        (self.token, self.span) = self.lexer.next_token();
    }

    fn fault(&mut self, kind: ErrorKind) {
        self.faults.push(Fault::new(self.span, kind));
    }

    /// The items of a section, up to its brace or the end of the file.
    fn items(&mut self, section: Section, items: &mut Vec<Item<'a>>) {
        loop {
            match self.token {
                Token::Close | Token::End => return,
                Token::Open => {
                    self.fault(ErrorKind::UnexpectedBlock);
                    self.skip_block();
                }
                Token::OpenQuote => {
                    self.fault(ErrorKind::OpenQuote);
                    self.advance();
                }
                Token::Word(_) | Token::Quoted(_) => {
                    if let Ok(item) = self.item(section) {
                        items.push(item);
                    }
                }
            }
        }
    }

    fn item(&mut self, section: Section) -> Result<Item<'a>, Refused> {
        let line = self.span.line;
        let Ok(keyword) = self.text() else {
            self.skip_line(line);
            return Err(Refused);
        };
        let Some(rule) = section
            .rules()
            .iter()
            .find(|rule| rule.word == keyword.text)
        else {
            self.faults.push(Fault::new(
                keyword.span,
                ErrorKind::UnknownKeyword {
                    word: shorten(keyword.text),
                    section,
                },
            ));
            self.skip_line(line);
            return Err(Refused);
        };
        let value = self.value(rule, keyword)?;
        Ok(Item {
            key: rule.key,
            keyword,
            value,
        })
    }

    fn value(&mut self, rule: &Rule, keyword: Word<'a>) -> Result<Value<'a>, Refused> {
        match rule.shape {
            Shape::Bool => self.boolean(keyword, Wanted::Bool),
            Shape::Number(min, max) => self.number(keyword, Wanted::Number(min, max), min, max),
            Shape::Signed => self.signed(keyword),
            Shape::Path(max) => self.path(rule, keyword, Wanted::Path, max),
            Shape::Text => self.argument(keyword, Wanted::Text).map(Value::Text),
            Shape::Address => self.argument(keyword, Wanted::Address).map(Value::Text),
            Shape::BoolOrPath(max) => match self.bool_word() {
                Some(value) => Ok(self.taken(value)),
                None => self.path(rule, keyword, Wanted::BoolOrPath, max),
            },
            Shape::BoolOrText => match self.bool_word() {
                Some(value) => Ok(self.taken(value)),
                None if self.is_no_name() => Err(self.wrong_argument(keyword, Wanted::BoolOrText)),
                None => self.argument(keyword, Wanted::BoolOrText).map(Value::Text),
            },
            Shape::BoolOrNumber => match self.bool_word() {
                Some(value) => Ok(self.taken(value)),
                None => self.number(keyword, Wanted::BoolOrNumber, 0, NUMBER_MAX),
            },
            Shape::BoolOrBlock(section) => match self.bool_word() {
                Some(value) => Ok(self.taken(value)),
                None => self.block(keyword, Wanted::BoolOrBlock, section, Head::None),
            },
            Shape::Block(section) => self.block(keyword, Wanted::Block, section, Head::None),
            Shape::FilterBlock(section) => {
                let head = self.place(keyword)?;
                self.block(keyword, Wanted::Block, section, head)
            }
            Shape::PolicyBlock(section) => {
                let head = self.policy(keyword)?;
                self.block(keyword, Wanted::Block, section, head)
            }
            Shape::LinkBlock(section) => {
                let head = self.link_head();
                self.block(keyword, Wanted::Block, section, head)
            }
            Shape::ModeBlock => {
                let (head, section) = self.mode(keyword)?;
                self.block(keyword, Wanted::Block, section, head)
            }
            Shape::NamedBlock(section) => {
                let head = Head::Name(self.argument(keyword, Wanted::Text)?);
                self.block(keyword, Wanted::Block, section, head)
            }
            Shape::HelperBlock(section) => {
                let names = [
                    self.argument(keyword, Wanted::Text)?,
                    self.argument(keyword, Wanted::Text)?,
                    self.argument(keyword, Wanted::Text)?,
                ];
                self.block(keyword, Wanted::Block, section, Head::Names(names))
            }
        }
    }

    /// The current word if there is one on whatever line; stays in front of it otherwise.
    fn argument(&mut self, keyword: Word<'a>, wanted: Wanted) -> Result<Word<'a>, Refused> {
        match self.token {
            Token::Word(_) | Token::Quoted(_) | Token::OpenQuote => self.text(),
            Token::Open | Token::Close | Token::End => Err(self.wrong_argument(keyword, wanted)),
        }
    }

    /// Takes the current token as text.
    fn text(&mut self) -> Result<Word<'a>, Refused> {
        let (Token::Word(bytes) | Token::Quoted(bytes)) = self.token else {
            self.fault(ErrorKind::OpenQuote);
            self.advance();
            return Err(Refused);
        };
        let span = self.span;
        let text = std::str::from_utf8(bytes).map_err(|_| {
            self.fault(ErrorKind::NotText);
            Refused
        });
        self.advance();
        text.map(|text| Word { text, span })
    }

    /// The current token is not what the keyword needs. A word is skipped, since it was meant to
    /// be the argument; a keyword of the same section that starts a new line is not.
    fn wrong_argument(&mut self, keyword: Word<'a>, wanted: Wanted) -> Refused {
        let found = match self.token {
            Token::Word(word) | Token::Quoted(word) => shorten(&String::from_utf8_lossy(word)),
            Token::Open => "{".to_owned(),
            Token::Close => "}".to_owned(),
            Token::OpenQuote => "\"".to_owned(),
            Token::End => String::new(),
        };
        self.fault(ErrorKind::WrongArgument {
            keyword: keyword.text.to_owned(),
            wanted,
            found,
        });
        match self.token {
            Token::Close | Token::End => {}
            Token::Open => self.skip_block(),
            _ => self.skip_line(keyword.span.line),
        }
        Refused
    }

    /// Skips what is left of a line, and the block that is opened on it.
    fn skip_line(&mut self, line: u32) {
        while self.span.line == line {
            match self.token {
                Token::Open => return self.skip_block(),
                Token::Close | Token::End => return,
                _ => self.advance(),
            }
        }
        if self.token == Token::Open {
            self.skip_block();
        }
    }

    /// Skips a block from its opening brace to behind its closing one.
    fn skip_block(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.token {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                Token::End => return,
                _ => {}
            }
            self.advance();
            if depth == 0 {
                return;
            }
        }
    }

    fn bool_word(&self) -> Option<bool> {
        let Token::Word(word) = self.token else {
            return None;
        };
        let is = |text: &str| word.eq_ignore_ascii_case(text.as_bytes());
        if is("on") || is("yes") {
            Some(true)
        } else if is("off") || is("no") {
            Some(false)
        } else {
            None
        }
    }

    fn taken(&mut self, value: bool) -> Value<'a> {
        self.advance();
        Value::Bool(value)
    }

    fn boolean(&mut self, keyword: Word<'a>, wanted: Wanted) -> Result<Value<'a>, Refused> {
        match self.bool_word() {
            Some(value) => Ok(self.taken(value)),
            None => Err(self.wrong_argument(keyword, wanted)),
        }
    }

    fn number(
        &mut self,
        keyword: Word<'a>,
        wanted: Wanted,
        min: u32,
        max: u32,
    ) -> Result<Value<'a>, Refused> {
        let number = match self.token {
            Token::Word(word) if word.iter().all(u8::is_ascii_digit) => std::str::from_utf8(word)
                .ok()
                .and_then(|digits| digits.parse().ok())
                .filter(|number| (min..=max).contains(number)),
            _ => None,
        };
        match number {
            Some(number) => {
                self.advance();
                Ok(Value::Number(number))
            }
            // A number out of range gets the range in its message, whatever else is possible.
            None => Err(self.wrong_argument(
                keyword,
                match (wanted, self.token) {
                    (_, Token::Word(word)) if word.iter().all(u8::is_ascii_digit) => {
                        Wanted::Number(min, max)
                    }
                    _ => wanted,
                },
            )),
        }
    }

    fn signed(&mut self, keyword: Word<'a>) -> Result<Value<'a>, Refused> {
        let Token::Word([b'+' | b'-', digits @ ..]) = self.token else {
            return Err(self.wrong_argument(keyword, Wanted::Signed));
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(self.wrong_argument(keyword, Wanted::Signed));
        }
        self.text().map(Value::Text)
    }

    fn path(
        &mut self,
        rule: &Rule,
        keyword: Word<'a>,
        wanted: Wanted,
        max: usize,
    ) -> Result<Value<'a>, Refused> {
        let bare = matches!(self.token, Token::Word(_));
        if wanted == Wanted::BoolOrPath && bare && !self.token_has_slash() {
            return Err(self.wrong_argument(keyword, wanted));
        }
        let path = self.argument(keyword, wanted)?;
        if !path.text.starts_with('/') {
            let text = shorten(path.text);
            let kind = ErrorKind::RelativePath(text);
            self.faults.push(Fault::new(path.span, kind));
            return Err(Refused);
        }
        if path.text.len() > max {
            let what = match rule.word {
                "Path" => "Path".to_owned(),
                word => format!("{word} path"),
            };
            self.faults
                .push(Fault::new(path.span, ErrorKind::PathTooLong { what, max }));
            return Err(Refused);
        }
        if bare && self.bytes.get(path.span.end) == Some(&b'#') {
            self.warnings.push(Warning {
                line: path.span.line,
                kind: WarningKind::PathEndsAtComment(path.text.to_owned()),
            });
        }
        Ok(Value::Text(path))
    }

    fn token_has_slash(&self) -> bool {
        matches!(self.token, Token::Word(word) if word.contains(&b'/'))
    }

    fn is_no_name(&self) -> bool {
        matches!(self.token, Token::Word(word) if !is_name(word))
    }

    fn is_word(&self, text: &str) -> bool {
        self.token == Token::Word(text.as_bytes())
    }

    fn place(&mut self, keyword: Word<'a>) -> Result<Head<'a>, Refused> {
        if !self.is_word("From") {
            return Ok(Head::None);
        }
        self.advance();
        if self.is_word("Userspace") || self.is_word("Kernelspace") {
            return self.text().map(Head::From);
        }
        Err(self.wrong_argument(keyword, Wanted::Place))
    }

    fn policy(&mut self, keyword: Word<'a>) -> Result<Head<'a>, Refused> {
        let policy = if self.is_word("Accept") {
            flow::filter::Policy::Accept
        } else if self.is_word("Ignore") {
            flow::filter::Policy::Ignore
        } else {
            return Err(self.wrong_argument(keyword, Wanted::Policy));
        };
        self.advance();
        Ok(Head::Policy(policy))
    }

    fn link_head(&mut self) -> Head<'a> {
        if self.is_word("Default") {
            self.advance();
            return Head::Default;
        }
        Head::None
    }

    fn mode(&mut self, keyword: Word<'a>) -> Result<(Head<'a>, Section), Refused> {
        let found = match self.token {
            Token::Word(word) => MODES
                .iter()
                .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())),
            _ => None,
        };
        match found {
            Some((_, section)) => Ok((Head::Mode(self.text()?), *section)),
            None => Err(self.wrong_argument(keyword, Wanted::Mode)),
        }
    }

    fn block(
        &mut self,
        keyword: Word<'a>,
        wanted: Wanted,
        section: Section,
        head: Head<'a>,
    ) -> Result<Value<'a>, Refused> {
        if self.token != Token::Open {
            return Err(self.wrong_argument(keyword, wanted));
        }
        let opened = self.span.line;
        self.advance();
        let mut block = Block {
            section,
            head,
            items: Vec::new(),
            words: Vec::new(),
            groups: Vec::new(),
        };
        match section.body() {
            Body::Rules(_) => self.items(section, &mut block.items),
            Body::Words(_) => self.words(&mut block.words),
            Body::States => self.states(keyword, &mut block.groups),
        }
        if self.token == Token::Close {
            self.advance();
        } else if !self.faults.last().is_some_and(is_unterminated) {
            // Of blocks within each other the innermost is named: that one lacks its brace.
            self.fault(ErrorKind::Unterminated { section, opened });
        }
        Ok(Value::Block(block))
    }

    /// Words up to the closing brace or the end of the file.
    fn words(&mut self, words: &mut Vec<Word<'a>>) {
        loop {
            match self.token {
                Token::Close | Token::End => return,
                Token::Open => {
                    self.fault(ErrorKind::UnexpectedBlock);
                    self.skip_block();
                }
                Token::Word(word) if self.is_no_name() => {
                    let word = shorten(&String::from_utf8_lossy(word));
                    self.fault(ErrorKind::NotAName(word));
                    self.advance();
                }
                Token::Word(_) | Token::Quoted(_) | Token::OpenQuote => {
                    if let Ok(word) = self.text() {
                        words.push(word);
                    }
                }
            }
        }
    }

    /// Groups of states, each with `for TCP` (or another protocol) behind it.
    fn states(&mut self, keyword: Word<'a>, groups: &mut Vec<(Vec<Word<'a>>, Word<'a>)>) {
        let mut all = Vec::new();
        self.words(&mut all);
        let mut states = Vec::new();
        let mut words = all.into_iter().peekable();
        while let Some(word) = words.next() {
            let protocol = match word.text {
                "for" => words.next_if(|next| STATE_PROTOCOLS.contains(&next.text)),
                _ => None,
            };
            match protocol {
                Some(protocol) => groups.push((std::mem::take(&mut states), protocol)),
                None => states.push(word),
            }
        }
        let complete = states.is_empty();
        if !complete {
            // The caret stands at the brace, where `for TCP` is missing.
            let found = if self.token == Token::Close { "}" } else { "" };
            self.fault(ErrorKind::WrongArgument {
                keyword: keyword.text.to_owned(),
                wanted: Wanted::ForTcp,
                found: found.to_owned(),
            });
        }
    }
}

/// The protocols whose states can be named; stock knows the first one.
pub const STATE_PROTOCOLS: [&str; 3] = ["TCP", "SCTP", "DCCP"];

/// Whether a bare word of a list can be meant as a name. Others are mistakes, `TCP,` for example,
/// and would name nothing without anybody noticing; they are errors in stock too.
fn is_name(word: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    word.first()
        .is_some_and(|first| first.is_ascii_alphanumeric() || *first == b'_')
        && word.iter().all(is_part)
}

const fn is_unterminated(fault: &Fault) -> bool {
    matches!(fault.kind, ErrorKind::Unterminated { .. })
}

/// A word for a message: whole if it is short.
fn shorten(word: &str) -> String {
    const MAX: usize = 60;
    if word.chars().count() <= MAX {
        return word.escape_debug().to_string();
    }
    let head: String = word.chars().take(MAX).collect();
    format!("{}…", head.escape_debug())
}
