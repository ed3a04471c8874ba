//! Why a configuration file is refused, and how to repair it.
//!
//! The parser and `lower` record a [`Fault`]: a kind and a place. [`Errors`] joins them with the
//! text of the file, so that what is shown stands on its own: file, line, column, the line itself
//! with a caret under the cause, and a remedy.

use std::fmt;

use super::grammar::{MODES, Section};
use super::lexer::Span;
use super::suggest;

/// How many errors of one file are shown; the others are counted.
const ERRORS_MAX: usize = 20;
/// Longest line that is shown whole.
const LINE_MAX: usize = 120;
/// How much of a longer line is shown to either side of a cause.
const CONTEXT: usize = LINE_MAX / 2;

/// What should have followed a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the variants are the kinds of arguments of the grammar"
)]
pub enum Wanted {
    Bool,
    Number(u32, u32),
    Signed,
    Path,
    Text,
    Address,
    BoolOrPath,
    BoolOrText,
    BoolOrNumber,
    BoolOrBlock,
    Block,
    Place,
    Policy,
    Mode,
    ForTcp,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Not a keyword of this section.
    UnknownKeyword {
        /// What was found.
        word: String,
        /// Where.
        section: Section,
    },
    /// A keyword without its argument, or with another kind of argument.
    WrongArgument {
        /// The keyword.
        keyword: String,
        /// What may follow it.
        wanted: Wanted,
        /// What followed, empty at the end of the file.
        found: String,
    },
    /// A path longer than stock takes.
    PathTooLong {
        /// The words stock uses for the path.
        what: String,
        /// Longest one in bytes.
        max: usize,
    },
    /// A path that is not absolute.
    RelativePath(String),
    /// A block that is never closed.
    Unterminated {
        /// The block.
        section: Section,
        /// Where it was opened.
        opened: u32,
    },
    /// A `}` too many.
    UnexpectedClose,
    /// Something that is no keyword where one has to stand.
    UnexpectedBlock,
    /// A quote without its partner.
    OpenQuote,
    /// A word that is not UTF-8.
    NotText,
    /// A word that is not in a closed list.
    UnknownWord {
        /// What the words of the list are.
        what: &'static str,
        /// What was found.
        word: String,
        /// The list.
        allowed: &'static [&'static str],
    },
    /// A number where a protocol is named.
    ProtocolNumber(String),
    /// A word with characters that no name has.
    NotAName(String),
    /// A `Scheduler` of another type.
    UnknownScheduler(String),
    /// A priority that `Scheduler` does not take.
    PriorityRange,
    /// `PollSecs 0`.
    PollSecsZero,
    /// `Sync` and `Stats` in one file.
    SyncAndStats,
    /// A fifth dedicated link.
    TooManyLinks,
    /// Links of two transports.
    MixedLinks(&'static str),
    /// `Sync` without a dedicated link.
    NoLink,
    /// A link that lacks something it cannot do without.
    LinkLacks {
        /// The link's keyword.
        link: &'static str,
        /// What it lacks.
        lacks: &'static str,
    },
    /// A link with addresses of both families.
    MixedFamilies(&'static str),
    /// An interface name the kernel could not have.
    InterfaceName(String),
    /// `DisableInternalCache` with `PollSecs`.
    PollWithoutCache,
    /// Layer 3 protocol of a helper.
    UnknownLayer3(String),
    /// Layer 4 protocol of a helper.
    UnknownLayer4(String),
    /// A helper that does not exist for this protocol.
    UnknownHelper(String),
    /// A policy that the helper does not have.
    UnknownPolicy {
        /// The policy.
        policy: String,
        /// The only one there is.
        known: &'static str,
    },
    /// A policy block without content.
    EmptyPolicy,
    /// A policy's name is too long.
    PolicyTooLong,
    /// A feature that this version does not have.
    Later {
        /// The keyword.
        keyword: String,
        /// What it asks for.
        feature: &'static str,
    },
}

/// An error before it is joined with the text of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: ErrorKind,
}

impl Fault {
    /// An error of this kind at this place.
    pub const fn new(span: Span, kind: ErrorKind) -> Self {
        Self { span, kind }
    }
}

/// One error with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub kind: ErrorKind,
    excerpt: String,
    caret: (usize, usize),
}

/// Why a file is refused: at least one error, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    file: String,
    errors: Vec<Error>,
    omitted: usize,
}

impl Errors {
    /// Joins faults with the text they were found in.
    pub(super) fn new(file: &str, bytes: &[u8], mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.span.start);
        let omitted = faults.len().saturating_sub(ERRORS_MAX);
        faults.truncate(ERRORS_MAX);
        let errors = faults
            .into_iter()
            .map(|fault| locate(bytes, fault))
            .collect();
        Self {
            file: file.to_owned(),
            errors,
            omitted,
        }
    }

    /// The errors in the order of the file, at most twenty.
    pub fn errors(&self) -> &[Error] {
        &self.errors
    }
}

impl std::error::Error for Errors {}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            if at > 0 {
                f.write_str("\n\n")?;
            }
            error.write(f, &self.file)?;
        }
        if self.omitted > 0 {
            write!(f, "\n\n{} more errors are not shown", self.omitted)?;
        }
        Ok(())
    }
}

impl Error {
    fn write(&self, f: &mut fmt::Formatter<'_>, file: &str) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let (indent, width) = self.caret;
        writeln!(f, "{}", self.kind)?;
        writeln!(f, "{margin}--> {file}:{number}:{}", self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.excerpt)?;
        write!(f, "{margin} | {}{}", " ".repeat(indent), "^".repeat(width))?;
        if let Some(remedy) = self.kind.remedy() {
            write!(f, "\n{margin} = {remedy}")?;
        }
        Ok(())
    }
}

/// Cuts the line around a fault out of the file, one printable character per column.
fn locate(bytes: &[u8], fault: Fault) -> Error {
    let Span { line, start, end } = fault.span;
    let before = bytes.get(..start).unwrap_or_default();
    let head = before
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let rest = bytes.get(start..).unwrap_or_default();
    let tail = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let cause = tail.get(..end.saturating_sub(start)).unwrap_or(tail);

    let head: Vec<char> = printable(head).collect();
    let tail: Vec<char> = printable(tail).collect();
    let width = printable(cause).count().clamp(1, CONTEXT);
    let (before, behind) = if head.len() + tail.len() <= LINE_MAX {
        (head.len(), tail.len())
    } else {
        (CONTEXT, width + CONTEXT)
    };
    let shown = head
        .get(head.len().saturating_sub(before)..)
        .unwrap_or(&head);
    let excerpt: String = shown.iter().chain(tail.iter().take(behind)).collect();
    Error {
        line,
        column: head.len() + 1,
        kind: fault.kind,
        excerpt: excerpt.trim_end().to_owned(),
        caret: (shown.len(), width),
    }
}

fn printable(bytes: &[u8]) -> impl Iterator<Item = char> {
    let text: Vec<char> = String::from_utf8_lossy(bytes).chars().collect();
    text.into_iter().map(|char| match char {
        '\t' | '\r' => ' ',
        char if char.is_control() => '\u{fffd}',
        char => char,
    })
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("`on` or `off`"),
            Self::Number(min, max) => write!(f, "a number from {min} to {max}"),
            Self::Signed => f.write_str("a number with its sign, such as `-1`"),
            Self::Path => f.write_str("an absolute path"),
            Self::Text => f.write_str("a name"),
            Self::Address => f.write_str("an address"),
            Self::BoolOrPath => f.write_str("`on`, `off` or an absolute path"),
            Self::BoolOrText => f.write_str("`on`, `off` or a name"),
            Self::BoolOrNumber => f.write_str("`on`, `off` or a number"),
            Self::BoolOrBlock => f.write_str("`on`, `off` or a block in braces"),
            Self::Block => f.write_str("a block in braces"),
            Self::Place => f.write_str("`Userspace` or `Kernelspace`"),
            Self::Policy => f.write_str("`Accept` or `Ignore`"),
            Self::Mode => f.write_str("`FTFW`, `ALARM` or `NOTRACK`"),
            Self::ForTcp => f.write_str("`for TCP`"),
        }
    }
}

impl fmt::Display for ErrorKind {
    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each error, in the order of the enum"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKeyword { word, section } => {
                write!(f, "unknown keyword `{word}` {}", section.place())
            }
            Self::WrongArgument {
                keyword,
                wanted,
                found,
            } => {
                write!(f, "`{keyword}` needs {wanted}, ")?;
                if found.is_empty() {
                    f.write_str("but the file ends here")
                } else {
                    write!(f, "not `{found}`")
                }
            }
            Self::PathTooLong { what, max } => write!(f, "{what} is longer than {max} characters"),
            Self::RelativePath(path) => write!(f, "the path `{path}` is not absolute"),
            Self::Unterminated { section, opened } => {
                write!(f, "{} of line {opened} is never closed", section.name())
            }
            Self::UnexpectedClose => f.write_str("`}` without a block that it could close"),
            Self::UnexpectedBlock => f.write_str("a block without a keyword before it"),
            Self::OpenQuote => f.write_str("a quote that is not closed on its line"),
            Self::NotText => f.write_str("this word is not UTF-8"),
            Self::UnknownWord { what, word, .. } => write!(f, "unknown {what} `{word}`"),
            Self::ProtocolNumber(number) => {
                write!(f, "`{number}` is a number, but protocols are named here")
            }
            Self::NotAName(word) => write!(f, "`{word}` is not a name"),
            Self::UnknownScheduler(name) => write!(f, "unknown scheduler `{name}'"),
            Self::PriorityRange => f.write_str("`Priority' must be [0, 99]"),
            Self::PollSecsZero => f.write_str("`PollSecs' clause must be > 0"),
            Self::SyncAndStats => {
                f.write_str("cannot use both `Stats' and `Sync' clauses in conntrackd.conf")
            }
            Self::TooManyLinks => {
                f.write_str("too many dedicated links in the configuration file (Maximum: 4)")
            }
            Self::MixedLinks(link) => {
                write!(
                    f,
                    "cannot use `{link}' with other dedicated link protocols!"
                )
            }
            Self::NoLink => f.write_str("`Sync` has no dedicated link"),
            Self::LinkLacks { link, lacks } => write!(f, "this `{link}` link lacks {lacks}"),
            Self::MixedFamilies(link) => {
                write!(f, "this `{link}` link has IPv4 and IPv6 addresses")
            }
            Self::InterfaceName(name) => write!(f, "`{name}` cannot be an interface name"),
            Self::PollWithoutCache => {
                f.write_str("`PollSecs` with `DisableInternalCache` would replicate nothing")
            }
            Self::UnknownLayer3(_) => f.write_str("unknown layer 3 protocol"),
            Self::UnknownLayer4(_) => f.write_str("unknown layer 4 protocol"),
            Self::UnknownHelper(name) => write!(f, "Unknown `{name}' helper"),
            Self::UnknownPolicy { policy, .. } => {
                write!(f, "Unknown policy `{policy}' in helper configuration")
            }
            Self::EmptyPolicy => f.write_str(
                "Helper policy configuration empty, fix your configuration file, please",
            ),
            Self::PolicyTooLong => f.write_str("Helper Policy is longer than 16 characters"),
            Self::Later { keyword, feature } => {
                write!(
                    f,
                    "`{keyword}` asks for {feature}, which this version does not have"
                )
            }
        }
    }
}

impl ErrorKind {
    /// What the reader can do about it.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::UnknownKeyword { word, section } => suggest::keyword(word, *section)?,
            Self::WrongArgument { wanted, found, .. } => argument_remedy(*wanted, found)?,
            Self::UnknownWord { word, allowed, .. } => suggest::word(word, allowed)?,
            Self::RelativePath(path) => format!("write it from the root on, such as `/{path}`"),
            Self::Unterminated { .. } => "add a `}`".to_owned(),
            Self::UnexpectedClose => "remove it, or open a block before it".to_owned(),
            Self::UnexpectedBlock => "write the name of the section before the brace".to_owned(),
            Self::OpenQuote => "add a `\"` at the end of the word".to_owned(),
            Self::NotText => "write the file in UTF-8; only comments may be otherwise".to_owned(),
            Self::ProtocolNumber(_) => "use the name that /etc/protocols gives".to_owned(),
            Self::NotAName(_) => {
                "only blanks stand between words; put an unusual name in quotes".to_owned()
            }
            Self::UnknownScheduler(_) => "`RR` or `FIFO`".to_owned(),
            Self::PollSecsZero => "remove it to follow events instead of polling".to_owned(),
            Self::SyncAndStats => "run two daemons, each with its own file".to_owned(),
            Self::TooManyLinks => "remove a link".to_owned(),
            Self::MixedLinks(_) => "use one of `Multicast`, `UDP` and `TCP` for all".to_owned(),
            Self::NoLink => "add a `UDP`, `TCP` or `Multicast` block".to_owned(),
            Self::LinkLacks { lacks, .. } => format!("add {lacks}"),
            Self::MixedFamilies(_) => "use one family for all addresses of a link".to_owned(),
            Self::InterfaceName(_) => "a name has 1 to 15 bytes, without `/` or blanks".to_owned(),
            Self::PollWithoutCache => "remove one of them".to_owned(),
            Self::UnknownLayer3(_) => "`inet` or `inet6`".to_owned(),
            Self::UnknownLayer4(_) => "`tcp` or `udp`".to_owned(),
            Self::UnknownPolicy { known, .. } => format!("this helper's policy is `{known}`"),
            Self::Later { .. } => "remove it, or stay with the daemon that has it".to_owned(),
            Self::PathTooLong { .. }
            | Self::PriorityRange
            | Self::UnknownHelper(_)
            | Self::EmptyPolicy
            | Self::PolicyTooLong => return None,
        })
    }
}

fn argument_remedy(wanted: Wanted, found: &str) -> Option<String> {
    let did_you_mean = |word: &str| Some(format!("did you mean `{word}`?"));
    let digits = found.bytes().take_while(u8::is_ascii_digit).count();
    let has_unit = digits > 0 && digits < found.len();
    match wanted {
        Wanted::Number(..) | Wanted::BoolOrNumber if has_unit => {
            Some("write the plain number, in bytes, seconds or objects".to_owned())
        }
        Wanted::Bool | Wanted::BoolOrPath | Wanted::BoolOrText | Wanted::BoolOrNumber => {
            match found.to_ascii_lowercase().as_str() {
                "1" | "true" | "enable" | "enabled" => did_you_mean("on"),
                "0" | "false" | "disable" | "disabled" => did_you_mean("off"),
                _ => None,
            }
        }
        Wanted::Mode => {
            // The old names are understood, but not to be learnt.
            let current = MODES.map(|(name, _)| name);
            suggest::word(found, current.get(..3).unwrap_or(&current))
        }
        Wanted::Place => suggest::word(found, &["Userspace", "Kernelspace"]),
        Wanted::Policy => suggest::word(found, &["Accept", "Ignore"]),
        Wanted::Number(..)
        | Wanted::Signed
        | Wanted::Path
        | Wanted::Text
        | Wanted::Address
        | Wanted::BoolOrBlock
        | Wanted::Block
        | Wanted::ForTcp => None,
    }
}
