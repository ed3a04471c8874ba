//! What was typed: every option with its value read, and nothing decided yet.
//!
//! Options are read in their order and the first wrong one ends it, as in stock. A repeated
//! option replaces the earlier one, except for the lists, which grow. What the options mean
//! together is the business of [`matrix`](super::matrix) and [`hiargs`](super::hiargs).

use std::fs::File;
use std::io;
use std::net::IpAddr;

use flow::filter::State;
use flow::{DccpRole, Family, Protocol, Status};

use super::error::Error;
use super::hint;
use super::labels::{LabelArgs, LabelWords, Names};
use super::options::{Id, Opt, Table, Verb};
use super::protocols::{Field, ProtoOpt, Row, Value};
use super::restored::{self, Restored};
use super::scan::{Key, Scanner, Typed};
use super::topics::Topic;
use super::value::{self, List, ListWord};

/// What the command line's meaning depends on besides its words.
///
/// Lines of a file are read by several threads.
pub struct Environment<'a> {
    /// The first word that is no option ends the options (`POSIXLY_CORRECT`).
    pub posix: bool,
    /// The number of a protocol by its name in the system's database.
    pub protocol_number: &'a (dyn Fn(&str) -> Option<u8> + Sync),
    /// The names of labels in a file, by default the system's; or why there are none.
    pub labels: &'a (dyn Fn(Option<&str>) -> Names + Sync),
    /// Opens a file of filters, `-` for standard input.
    pub open: &'a (dyn Fn(&str) -> io::Result<File> + Sync),
}

/// A word of `-u`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusWord {
    /// Bits of the status; `UNSET` has none.
    Bits(Status),
    /// The bit that is clear when no answer was seen.
    Unreplied,
}

/// The words of `-u`, in the order in which a prefix is looked up.
pub const STATUS_WORDS: [(&str, StatusWord); 7] = [
    ("ASSURED", StatusWord::Bits(Status::ASSURED)),
    ("SEEN_REPLY", StatusWord::Bits(Status::SEEN_REPLY)),
    ("UNSET", StatusWord::Bits(Status(0))),
    ("FIXED_TIMEOUT", StatusWord::Bits(Status::FIXED_TIMEOUT)),
    ("EXPECTED", StatusWord::Bits(Status::EXPECTED)),
    ("OFFLOAD", StatusWord::Bits(Status::OFFLOAD)),
    ("HW_OFFLOAD", StatusWord::Bits(Status::HW_OFFLOAD)),
];

/// The one word that is not looked up by prefix.
fn unreplied(word: &str) -> Option<StatusWord> {
    word.starts_with("UNREPLIED")
        .then_some(StatusWord::Unreplied)
}

/// Kinds of events, as `-e` names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventMask(pub u8);

impl EventMask {
    /// New flows.
    pub const NEW: Self = Self(1);
    /// Changed flows.
    pub const UPDATES: Self = Self(2);
    /// Ended flows.
    pub const DESTROY: Self = Self(4);
    /// All of them.
    pub const ALL: Self = Self(7);

    /// Whether all kinds of `other` are wanted.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The words of `-e`, in the order in which a prefix is looked up.
pub const EVENT_WORDS: [(&str, EventMask); 4] = [
    ("ALL", EventMask::ALL),
    ("NEW", EventMask::NEW),
    ("UPDATES", EventMask::UPDATES),
    ("DESTROY", EventMask::DESTROY),
];

/// A word of `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputWord {
    /// `xml`
    Xml,
    /// `extended`
    Extended,
    /// `timestamp`
    Timestamp,
    /// `id`
    Id,
    /// `ktimestamp`
    Ktimestamp,
    /// `labels`
    Labels,
    /// `userspace`, which has no effect
    Userspace,
    /// `save`
    Save,
    /// `json`
    Json,
    /// `openmetrics`
    OpenMetrics,
}

/// The words of `-o`, in the order in which a prefix is looked up.
pub const OUTPUT_WORDS: [(&str, OutputWord); 10] = [
    ("xml", OutputWord::Xml),
    ("extended", OutputWord::Extended),
    ("timestamp", OutputWord::Timestamp),
    ("id", OutputWord::Id),
    ("ktimestamp", OutputWord::Ktimestamp),
    ("labels", OutputWord::Labels),
    ("userspace", OutputWord::Userspace),
    ("save", OutputWord::Save),
    ("json", OutputWord::Json),
    ("openmetrics", OutputWord::OpenMetrics),
];

/// An address with an optional prefix length or mask; the one given last counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddrArg {
    /// The address.
    pub addr: Option<IpAddr>,
    /// `/LEN` behind it.
    pub prefix: Option<u8>,
    /// `--mask-src` or `--mask-dst`.
    pub mask: Option<IpAddr>,
}

/// Target or condition of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatArg {
    /// The address.
    pub addr: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

/// A command line as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LowArgs {
    /// The command.
    pub verb: Option<Verb>,
    /// What it is about.
    pub table: Table,
    given: u64,
    given_of_protocols: Vec<&'static ProtoOpt>,
    /// Whether `-p` stands there more than once.
    has_protocols: bool,
    given_fields: u32,
    /// `-f`, or the family of the addresses.
    pub family: Option<Family>,
    /// `-s` and `--mask-src`.
    pub src: AddrArg,
    /// `-d` and `--mask-dst`.
    pub dst: AddrArg,
    /// `--tuple-src`
    pub tuple_src: AddrArg,
    /// `--tuple-dst`
    pub tuple_dst: AddrArg,
    /// `-r`
    pub reply_src: Option<IpAddr>,
    /// `-q`
    pub reply_dst: Option<IpAddr>,
    /// `-p`
    pub protocol: Option<Protocol>,
    /// Ports, keys and ICMP fields, in the order of [`Field`].
    pub numbers: [Option<u32>; FIELDS],
    /// `--state`
    pub state: Option<State>,
    /// `--role`
    pub role: Option<DccpRole>,
    /// `-t`
    pub timeout: Option<u32>,
    /// `-u`
    pub status: Vec<ListWord<StatusWord>>,
    /// `-e`
    pub events: EventMask,
    /// `-m`
    pub mark: Option<(u32, Option<u32>)>,
    /// `-i`
    pub id: Option<u32>,
    /// `-n`
    pub src_nat: Option<NatArg>,
    /// `-g`
    pub dst_nat: Option<NatArg>,
    /// `-j`
    pub any_nat: Option<NatArg>,
    /// `-o`
    pub output: Vec<OutputWord>,
    /// `-c`
    pub secmark: Option<u32>,
    /// `-b`
    pub buffer_size: Option<u32>,
    /// `-w`
    pub zone: Option<u16>,
    /// `--orig-zone`
    pub orig_zone: Option<u16>,
    /// `--reply-zone`
    pub reply_zone: Option<u16>,
    label_words: LabelWords,
    /// Labels, looked up when the line has been read.
    pub labels: LabelArgs,
    /// Options of our own that restore a saved flow.
    pub restored: Restored,
    /// `--filter-file`
    pub filter_file: Option<String>,
    /// The first word that is neither an option nor a value.
    pub stray: Option<String>,
    /// The last word that looks like a condition, was accepted and has no effect.
    pub ignored: Option<String>,
    /// What the help is asked about.
    pub topic: Option<Topic>,
}

/// Number of places for numbers of protocols.
const FIELDS: usize = Field::Wscale as usize + 1;

impl LowArgs {
    /// Reads a command line without the program's name; warnings go to `notices`.
    pub fn parse<W: AsRef<str>>(
        words: &[W],
        environment: &Environment<'_>,
        notices: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let mut args = Self::default();
        let mut scanner = Scanner::new(words, environment.posix);
        while let Some(Typed { key, value }) = scanner.next_option()? {
            match key {
                Key::Command(command) => args.command(command.verb, command.name, value)?,
                Key::Option(option) => {
                    args.option(option, value, environment, notices)
                        .map_err(|error| hint::value(error, option))?;
                    if option.id == Id::Protonum {
                        if let Some(row) = args.protocol.and_then(Row::of) {
                            scanner.learn(row);
                        }
                    }
                }
                Key::Protocol(option) => args
                    .protocol_option(option, value.unwrap_or_default())
                    .map_err(|error| hint::proto_value(error, option))?,
            }
        }
        args.stray = scanner.stray().map(str::to_owned);
        args.finish(environment, notices)?;
        Ok(args)
    }

    /// Looks up the labels when everything has been read.
    pub(super) fn finish(
        &mut self,
        environment: &Environment<'_>,
        notices: &mut Vec<String>,
    ) -> Result<(), Error> {
        self.label_words.shown = self.output.contains(&OutputWord::Labels);
        self.labels = self.label_words.resolve(environment, notices)?;
        Ok(())
    }

    /// Notes that an option is given.
    pub(super) const fn give(&mut self, id: Id) -> &mut Self {
        self.given |= id.bit();
        self
    }

    /// `-p`, unless there was one before.
    pub(super) fn first_protocol(&mut self, protocol: Protocol) -> Option<()> {
        let earlier = self.give(Id::Protonum).protocol.replace(protocol);
        earlier.is_none().then_some(())
    }

    /// An address without a mask; `None` if the one before has another family.
    pub(super) fn give_address(&mut self, id: Id, addr: IpAddr) -> Option<()> {
        self.join_family(family_of(addr)).ok()?;
        self.give(id).set_address(id, addr, None);
        Some(())
    }

    /// Whether an option was given.
    pub const fn has(&self, id: Id) -> bool {
        self.given & id.bit() != 0
    }

    /// Whether an option of a protocol was given.
    pub const fn has_field(&self, field: Field) -> bool {
        self.given_fields & 1 << field as u32 != 0
    }

    /// The options that were given, as bits.
    pub const fn given(&self) -> u64 {
        self.given
    }

    /// The name of an option that came with another `-p` of the line.
    pub fn foreign_option(&self) -> Option<&'static str> {
        if !self.has_protocols {
            return None;
        }
        let row = self.protocol.and_then(Row::of);
        let is_own = |option: &ProtoOpt| {
            let mut own = row.into_iter().flat_map(Row::options);
            // Usually it is the very row.
            own.any(|own| {
                std::ptr::eq(own, option) || own.names == option.names && own.value == option.value
            })
        };
        let foreign = self.given_of_protocols.iter().find(|given| !is_own(given));
        foreign.map(|option| option.names[0])
    }

    /// `--labelmap`
    pub fn labelmap(&self) -> Option<&str> {
        self.label_words.file.as_deref()
    }

    /// The number of a protocol's option.
    pub fn number(&self, field: Field) -> Option<u32> {
        self.numbers[field as usize]
    }

    fn command(
        &mut self,
        verb: Verb,
        name: &'static str,
        table: Option<&str>,
    ) -> Result<(), Error> {
        // Stock reads the word behind the command first.
        let table = match (table.map(Table::parse), table) {
            (Some(Some(table)), _) => table,
            (None, _) => Table::Conntrack,
            (Some(None), word) => {
                let word = word.unwrap_or_default();
                self.topic = Topic::parse(word).filter(|_| verb == Verb::Help);
                if self.topic.is_none() {
                    return Err(hint::unknown_table(word, verb));
                }
                Table::Conntrack
            }
        };
        if self.verb.replace(verb).is_some() {
            return Err(Error::SecondCommand);
        }
        self.table = table;
        match (self.table, verb) {
            (Table::Dying | Table::Unconfirmed, Verb::List) => Ok(()),
            (Table::Dying | Table::Unconfirmed, _) => Err(Error::ListOnly),
            (Table::Expect, Verb::Update | Verb::Add) => Err(Error::NotOnExpectations(name)),
            (Table::Expect | Table::Conntrack, _) => Ok(()),
        }
    }

    pub(super) fn option(
        &mut self,
        option: &'static Opt,
        value: Option<&str>,
        environment: &Environment<'_>,
        notices: &mut Vec<String>,
    ) -> Result<(), Error> {
        if option.id == Id::NatRange {
            notices.push("WARNING: ignoring -a, deprecated option.".into());
            self.ignored = Some("-a".into());
            return Ok(());
        }
        if matches!(option.id, Id::Labelmap | Id::FilterFile) && self.has(option.id) {
            return Err(Error::OnlyOnce(option.id.name()));
        }
        self.given |= option.id.bit();
        if self.has(Id::LabelAdd) && self.has(Id::LabelDel) {
            return Err(Error::LabelAddAndDel);
        }
        let text = value.unwrap_or_default();
        match option.id {
            Id::Src
            | Id::Dst
            | Id::ReplySrc
            | Id::ReplyDst
            | Id::MaskSrc
            | Id::MaskDst
            | Id::TupleSrc
            | Id::TupleDst => self.address(option, text)?,
            Id::SrcNat => self.src_nat = self.nat(option, value)?,
            Id::DstNat => self.dst_nat = self.nat(option, value)?,
            Id::AnyNat => self.any_nat = self.nat(option, value)?,
            Id::Family => self.join_family(value::family(text)?)?,
            Id::Protonum => {
                let protocol = value::protocol(text, environment.protocol_number)?;
                self.has_protocols |= self.protocol.replace(protocol).is_some();
            }
            Id::Helper => self.restored.helper = Some(restored::helper(text)?),
            Id::Master => self.master(text, environment)?,
            Id::OrigSeqadj => self.restored.seq_adj.orig = Some(restored::seq_adj(text, option)?),
            Id::ReplySeqadj => self.restored.seq_adj.reply = Some(restored::seq_adj(text, option)?),
            Id::Synproxy => self.restored.synproxy = Some(restored::synproxy(text)?),
            Id::Status => {
                let list = value::list(text, &STATUS_WORDS, Some(unreplied))?;
                if let Some((word, _)) = list.ignored.last() {
                    self.ignored = Some((*word).into());
                }
                self.status.extend(words(list, notices));
            }
            Id::EventMask => {
                let list = value::list(text, &EVENT_WORDS, None)?;
                for word in words(list, notices) {
                    self.events.0 |= word.value.0;
                }
            }
            Id::Output => self.output(text, notices)?,
            Id::Mark => self.mark = Some(value::mark(text)?),
            Id::Identifier => self.id = Some(value::number(text, option.short)?),
            Id::Secmark => self.secmark = Some(value::number(text, option.short)?),
            Id::Zone => self.zone = Some(value::number(text, option.short)?),
            Id::OrigZone => self.orig_zone = Some(value::number(text, option.short)?),
            Id::ReplyZone => self.reply_zone = Some(value::number(text, option.short)?),
            Id::Timeout => self.timeout = Some(decimal_u32(text, option)?),
            Id::BufferSize => self.buffer_size = Some(decimal_u32(text, option)?),
            Id::Label | Id::LabelAdd | Id::LabelDel | Id::Labelmap => {
                self.label_words.read(option.id, value);
            }
            Id::FilterFile => self.filter_file = Some(text.into()),
            Id::Zero | Id::NatRange => {}
        }
        Ok(())
    }

    fn output(&mut self, text: &str, notices: &mut Vec<String>) -> Result<(), Error> {
        let list = value::list(text, &OUTPUT_WORDS, None)?;
        let words = words(list, notices);
        self.output.extend(words.iter().map(|word| word.value));
        let saves = self.output.contains(&OutputWord::Save);
        let only_saves = self
            .output
            .iter()
            .all(|word| matches!(word, OutputWord::Save | OutputWord::Userspace));
        if saves && !only_saves {
            return Err(Error::SaveCombined);
        }
        let has = |word| self.output.contains(&word);
        if has(OutputWord::Xml) && has(OutputWord::Json) {
            return Err(Error::TwoFormats);
        }
        Ok(())
    }

    fn address(&mut self, option: &'static Opt, text: &str) -> Result<(), Error> {
        let name = option.id.name();
        let (addr, prefix) = match option.id {
            Id::Src | Id::Dst | Id::TupleSrc | Id::TupleDst => value::network(text),
            _ => value::plain_address(text, name).map(|addr| (addr, None)),
        }
        .map_err(|error| self.of_other_family(text).unwrap_or(error))?;
        self.join_family(family_of(addr))?;
        self.set_address(option.id, addr, prefix);
        Ok(())
    }

    fn set_address(&mut self, id: Id, addr: IpAddr, prefix: Option<u8>) {
        match id {
            Id::Src => self.src.set(addr, prefix),
            Id::Dst => self.dst.set(addr, prefix),
            Id::TupleSrc => self.tuple_src.set(addr, prefix),
            Id::TupleDst => self.tuple_dst.set(addr, prefix),
            Id::MaskSrc => self.src.set_mask(addr),
            Id::MaskDst => self.dst.set_mask(addr),
            Id::ReplySrc => self.reply_src = Some(addr),
            Id::ReplyDst => self.reply_dst = Some(addr),
            _ => {}
        }
    }

    /// What is wrong with an address in the first place, before its prefix length is looked at.
    fn of_other_family(&self, text: &str) -> Option<Error> {
        let (addr, _) = text.split_once('/')?;
        let family = family_of(value::address(addr)?);
        let known = self.family.filter(|known| *known != family);
        known.map(|_| Error::MixedFamilies)
    }

    fn nat(&mut self, option: &'static Opt, text: Option<&str>) -> Result<Option<NatArg>, Error> {
        let Some(text) = text else { return Ok(None) };
        let target = value::nat(text, option.id.name());
        let (addr, port) = target.map_err(|error| self.of_other_family(text).unwrap_or(error))?;
        self.join_family(family_of(addr))?;
        Ok(Some(NatArg { addr, port }))
    }

    fn master(&mut self, text: &str, environment: &Environment<'_>) -> Result<(), Error> {
        let master = restored::master(text, environment.protocol_number)?;
        self.restored.master = Some(master);
        self.join_family(master.family())
    }

    fn join_family(&mut self, family: Family) -> Result<(), Error> {
        match self.family.replace(family) {
            Some(known) if known != family => Err(Error::MixedFamilies),
            _ => Ok(()),
        }
    }

    pub(super) fn protocol_option(
        &mut self,
        option: &'static ProtoOpt,
        text: &str,
    ) -> Result<(), Error> {
        if self.given_of_protocols.is_empty() {
            self.given_of_protocols.reserve(8);
        }
        self.given_of_protocols.push(option);
        self.given_fields |= 1 << option.field as u32;
        let name = option.names[0];
        let number = match option.value {
            Value::Decimal(bits) => value::decimal_up_to(text, name, (1 << bits) - 1)?,
            Value::Key => value::number_up_to(text, name, u16::MAX.into())?,
            Value::TcpState => {
                self.state = Some(State::Tcp(value::tcp_state(text)?));
                return Ok(());
            }
            Value::SctpState => {
                self.state = Some(State::Sctp(value::sctp_state(text)?));
                return Ok(());
            }
            Value::DccpState => {
                self.state = Some(State::Dccp(value::dccp_state(text)?));
                return Ok(());
            }
            Value::Role => {
                self.role = Some(value::dccp_role(text)?);
                return Ok(());
            }
            Value::Wscale => {
                self.restored.wscale = Some(restored::wscale(text)?);
                return Ok(());
            }
        };
        self.numbers[option.field as usize] = u32::try_from(number).ok();
        Ok(())
    }
}

impl AddrArg {
    fn set(&mut self, addr: IpAddr, prefix: Option<u8>) {
        self.addr = Some(addr);
        self.prefix = prefix;
        if prefix.is_some() {
            self.mask = None;
        }
    }

    fn set_mask(&mut self, mask: IpAddr) {
        self.mask = Some(mask);
        self.prefix = None;
    }
}

/// The words of a list; those that are ignored leave a warning.
fn words<T>(list: List<T>, notices: &mut Vec<String>) -> Vec<ListWord<T>> {
    for (word, option) in list.ignored {
        notices.push(format!("WARNING: ignoring {word}, use {option} instead"));
    }
    list.words
}

const fn family_of(addr: IpAddr) -> Family {
    match addr {
        IpAddr::V4(_) => Family::Ipv4,
        IpAddr::V6(_) => Family::Ipv6,
    }
}

/// A number of seconds or bytes.
fn decimal_u32(text: &str, option: &Opt) -> Result<u32, Error> {
    let number = value::decimal_up_to(text, option.id.name(), u32::MAX.into())?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}
