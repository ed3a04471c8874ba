//! A configuration file as it was written: keywords, arguments and blocks with their places.
//!
//! Every item has passed the grammar, so its value has the kind that its rule asks for and numbers
//! lie in their range. What the values mean, and whether they go together, is for `lower`.

use super::grammar::{Key, Section};
use super::lexer::Span;

/// A word and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// The text, without quotes.
    pub text: &'a str,
    /// Its place.
    pub span: Span,
}

/// `Accept` or `Ignore`, `From …`, `Default`, a mode or names: what stands before a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head<'a> {
    /// Nothing.
    None,
    /// `From Userspace` or `From Kernelspace`.
    From(Word<'a>),
    /// `Accept` or `Ignore`.
    Policy(flow::filter::Policy),
    /// `Default`.
    Default,
    /// The name of a mode, as it was spelt.
    Mode(Word<'a>),
    /// One name.
    Name(Word<'a>),
    /// Three names: helper, layer 3 protocol, layer 4 protocol.
    Names([Word<'a>; 3]),
}

/// A block with what stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// What the block is.
    pub section: Section,
    /// What stands before the brace.
    pub head: Head<'a>,
    /// Keywords of a section that has some.
    pub items: Vec<Item<'a>>,
    /// Words of a section that is a list.
    pub words: Vec<Word<'a>>,
    /// Words of a section that is a list of groups, each with what stands behind its `for`.
    pub groups: Vec<(Vec<Word<'a>>, Word<'a>)>,
}

/// What follows a keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(u32),
    /// A path, a name or an address.
    Text(Word<'a>),
    /// A block.
    Block(Block<'a>),
}

/// A keyword with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// What the keyword means.
    pub key: Key,
    /// The keyword as it was spelt.
    pub keyword: Word<'a>,
    /// What follows it.
    pub value: Value<'a>,
}

impl<'a> Item<'a> {
    /// The block behind the keyword.
    pub const fn block(&self) -> Option<&Block<'a>> {
        match &self.value {
            Value::Block(block) => Some(block),
            Value::Bool(_) | Value::Number(_) | Value::Text(_) => None,
        }
    }

    /// The number behind the keyword, zero if there is none.
    pub const fn number(&self) -> u32 {
        match self.value {
            Value::Number(number) => number,
            Value::Bool(_) | Value::Text(_) | Value::Block(_) => 0,
        }
    }

    /// The word behind the keyword; the keyword itself if there is none.
    pub const fn word(&self) -> Word<'a> {
        match self.value {
            Value::Text(word) => word,
            Value::Bool(_) | Value::Number(_) | Value::Block(_) => self.keyword,
        }
    }

    /// Whether `on` or `yes` follows the keyword.
    pub const fn is_on(&self) -> bool {
        matches!(self.value, Value::Bool(true))
    }
}
