//! What can be wrong with a command line, and how it is said.
//!
//! The texts are stock's where stock has one: programs compare them. Most end the program with
//! status 2 and a pointer to the help; values out of range end it with status 1 and without.

use std::fmt;

/// A reason not to run a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The word is no option, or an abbreviation of several.
    UnknownOption(String),
    /// The option lacks its value.
    MissingArgument(String),
    /// A second command.
    SecondCommand,
    /// The word after a command names no table.
    UnknownTable(String),
    /// Only a listing works on the dying and unconfirmed tables.
    ListOnly,
    /// The command does not work on expectations; the command's long name.
    NotOnExpectations(&'static str),
    /// An option that the command needs.
    Needed(&'static str),
    /// An option that the command does not take.
    Illegal(&'static str),
    /// One of two that are needed together.
    PairNeeded(&'static str, &'static str),
    /// Options that exclude each other.
    AnyNatWithOther,
    /// `-z` with a filter.
    ZeroWithFilter,
    /// A mask without an address; the names of both.
    MaskWithout(&'static str, &'static str),
    /// Neither a protocol nor a family of this name.
    UnsupportedProtocol(String),
    /// Not an address.
    BadAddress(String),
    /// A prefix length that is none, or too long.
    BadNetmask,
    /// A prefix length where none can be.
    NoCidr(&'static str),
    /// Addresses of both families.
    MixedFamilies,
    /// Brackets without an address.
    EmptyBrackets,
    /// No closing bracket.
    OpenBrackets,
    /// A colon without a port.
    NoPort,
    /// Not a port.
    BadPort(String),
    /// Not a word of the list.
    BadParameter(String),
    /// A format of numbers for entries.
    CountersOnly,
    /// `-o save` is not to be combined.
    SaveCombined,
    /// `-o xml` and `-o json`.
    TwoFormats,
    /// A state that the protocol does not have; how diagnostics of the protocol begin.
    UnknownState(&'static str, String),
    /// A number out of range; value and option letter.
    UnexpectedValue(String, char),
    /// A number out of range, where stock had taken some other number; value, option, limit.
    NotANumber(String, String, u64),
    /// Not of the shape that an option wants; value, option, shape.
    Shape(String, &'static str, &'static str),
    /// A mark that no flow can have; value and mask.
    MarkOutsideMask(u32, u32),
    /// A status bit that has to be set and clear; its name.
    StatusContradicted(&'static str),
    /// A negated status bit where bits are set.
    NegatedValue,
    /// Labels to add and to delete at once.
    LabelAddAndDel,
    /// No label has this name.
    UnknownLabel(String),
    /// A file is named twice; by which option.
    OnlyOnce(&'static str),
    /// A command that cannot stand in a file; how it is written.
    NotInFile(String),
    /// An option that cannot stand in a file of commands.
    OptionNotInFile(&'static str),
    /// A file cannot be read.
    CannotOpen(String),
    /// What is wrong with a line of a file; its name and the number of the line.
    InFile(String, u64, Box<Self>),
    /// A command in a file of filters; how it is written.
    CommandInFilter(String),
    /// An option in a file of filters that is no condition.
    NoCondition(&'static str),
    /// A word in a file of filters that is not a value of an option.
    StrayWord(String),
    /// A word in a file of filters that would have no effect.
    Ignored(String),
    /// A line of a file of filters without a condition.
    EmptyFilter,
    /// A file of more filters than this.
    TooManyFilters(usize),
    /// An error, and what may have been meant.
    Hinted(Box<Self>, String),
    /// A word of a file is too long.
    WordTooLong,
    /// A line of a file has too many words.
    TooManyWords,
}

impl Error {
    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Self::SaveCombined
            | Self::TwoFormats
            | Self::UnexpectedValue(..)
            | Self::LabelAddAndDel => 1,
            Self::Hinted(error, _) | Self::InFile(_, _, error) => error.status(),
            _ => 2,
        }
    }
}

impl Error {
    /// The text of an error that has no values.
    const fn plain(&self) -> &'static str {
        match self {
            Self::SecondCommand => "Invalid commands combination",
            Self::ListOnly => "Can't do that command with tables `dying' and `unconfirmed'",
            Self::AnyNatWithOther => "cannot specify `--src-nat' or `--dst-nat' with `--any-nat'",
            Self::ZeroWithFilter => "Can't use -z with filtering parameters",
            Self::BadNetmask => "Invalid netmask",
            Self::MixedFamilies => "mismatched address family",
            Self::EmptyBrackets => "No IPv6 address specified",
            Self::OpenBrackets => "No closing ']' around IPv6 address",
            Self::NoPort => "No port specified after `:'",
            Self::SaveCombined => {
                "cannot combine save output with any other output type, use -o save only"
            }
            Self::CountersOnly => "openmetrics output is for --counter and --stats",
            Self::TwoFormats => "cannot combine xml and json output",
            Self::NegatedValue => "a status bit can be set but not cleared, `!' is for filters",
            Self::LabelAddAndDel => "cannot use --label-add and --label-del at the same time",
            Self::WordTooLong => "Parameter too long!",
            Self::TooManyWords => "too many arguments",
            Self::EmptyFilter => "a line has to hold a condition",
            // Those with values have their words below.
            _ => "wrong command line",
        }
    }
}

impl Error {
    /// The text of what is wrong with a file or one of its lines, or has no values.
    fn fmt_of_file(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInFile(command) => {
                write!(f, "Cannot use command `{command}' with --load-file")
            }
            Self::OptionNotInFile(name) => {
                write!(f, "Cannot use option `--{name}' with --load-file")
            }
            Self::CannotOpen(path) => write!(f, "Failed to open file {path} for reading"),
            Self::InFile(path, line, error) => write!(f, "{error} ({path} line {line})"),
            Self::CommandInFilter(command) => {
                write!(
                    f,
                    "a line of a filter file has no command, `{command}' is one"
                )
            }
            Self::NoCondition(name) => write!(f, "`--{name}' is no condition"),
            Self::StrayWord(word) => write!(f, "`{word}' is no option and no value of one"),
            Self::Ignored(word) => write!(f, "`{word}' would have no effect"),
            Self::TooManyFilters(max) => write!(f, "a file of more than {max} filters"),
            plain => f.write_str(plain.plain()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOption(word) => write!(f, "unknown option `{word}'"),
            Self::MissingArgument(word) => write!(f, "option `{word}' requires an argument"),
            Self::UnknownTable(word) => write!(f, "unknown type `{word}'"),
            Self::NotOnExpectations(command) => {
                write!(f, "Can't do --{command} on expectations")
            }
            Self::Needed(name) => {
                write!(
                    f,
                    "You need to supply the `--{name}' option for this command"
                )
            }
            Self::Illegal(name) => write!(f, "Illegal option `--{name}' with this command"),
            Self::PairNeeded(src, dst) => {
                write!(f, "you have to specify `--{src}' and `--{dst}'")
            }
            Self::MaskWithout(mask, addr) => write!(f, "Can't use --{mask} without --{addr}"),
            Self::UnsupportedProtocol(word) => write!(f, "`{word}' unsupported protocol"),
            Self::BadAddress(word) => write!(f, "Invalid IP address `{word}'"),
            Self::NoCidr(name) => write!(f, "CIDR notation unavailable for `--{name}'"),
            Self::BadPort(word) => write!(f, "Invalid port `{word}'"),
            Self::BadParameter(word) => write!(f, "Bad parameter `{word}'"),
            Self::UnknownState(kind, word) => write!(f, "{kind} `{word}'"),
            Self::UnexpectedValue(word, letter) => {
                write!(f, "unexpected value '{word}' with -{letter} option")
            }
            Self::NotANumber(word, name, max) => {
                write!(
                    f,
                    "invalid value `{word}' for `{name}', a number up to {max} is expected"
                )
            }
            Self::Shape(word, name, shape) => {
                write!(
                    f,
                    "invalid value `{word}' for `--{name}', {shape} is expected"
                )
            }
            Self::MarkOutsideMask(value, mask) => {
                write!(
                    f,
                    "mark {value:#x} has bits outside of its mask {mask:#x}, nothing can match"
                )
            }
            Self::StatusContradicted(name) => {
                write!(
                    f,
                    "status {name} would have to be set and clear, nothing can match"
                )
            }
            Self::OnlyOnce(name) => write!(f, "option `--{name}' can only be specified once"),
            Self::UnknownLabel(name) => write!(f, "unknown label '{name}'"),
            Self::Hinted(error, _) => error.fmt(f),
            other => other.fmt_of_file(f),
        }
    }
}
