//! The table of commands and options.
//!
//! One row says everything about an option: how it is written, what it takes, with which commands
//! it goes, and its line of the help. Scanner, checks and help read it from here; a new option is
//! a row, a place in [`lowargs`](super::lowargs) where its value is kept, and what
//! [`hiargs`](super::hiargs) makes of it.
//!
//! The order of the rows is the order in which violations are searched for, as in stock.

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Show the table.
    List,
    /// Create a flow, fail if there is one.
    Create,
    /// Create a flow or update the one there is.
    Add,
    /// Change the flows that match.
    Update,
    /// Delete the flows that match.
    Delete,
    /// Show one flow.
    Get,
    /// Empty the table.
    Flush,
    /// Show what changes.
    Event,
    /// Show how many flows there are.
    Count,
    /// Show the counters of each processor.
    Stats,
    /// Show the version.
    Version,
    /// Show the help.
    Help,
}

impl Verb {
    /// The command's letter, as it is typed.
    pub fn written(self) -> String {
        let row = COMMANDS.iter().find(|command| command.verb == self);
        row.map_or_else(String::new, |row| format!("-{}", char::from(row.short)))
    }
}

/// What a command is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Table {
    /// Flows.
    #[default]
    Conntrack,
    /// Expectations.
    Expect,
    /// Flows that left the table and are still referenced.
    Dying,
    /// Flows whose first packet is still on its way.
    Unconfirmed,
}

impl Table {
    /// In the order in which a prefix is looked up.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("expect", Self::Expect),
        ("conntrack", Self::Conntrack),
        ("dying", Self::Dying),
        ("unconfirmed", Self::Unconfirmed),
    ];

    /// The table whose name starts with this word; an empty word is none (compat: cli-17).
    pub fn parse(word: &str) -> Option<Self> {
        let named = Self::NAMES
            .iter()
            .find(|(name, _)| !word.is_empty() && name.starts_with(word));
        named.map(|(_, table)| *table)
    }
}

/// An option that does not depend on the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// `-s`
    Src,
    /// `-d`
    Dst,
    /// `-r`
    ReplySrc,
    /// `-q`
    ReplyDst,
    /// `-p`
    Protonum,
    /// `-t`
    Timeout,
    /// `-u`
    Status,
    /// `-z`
    Zero,
    /// `-e`
    EventMask,
    /// `--tuple-src`
    TupleSrc,
    /// `--tuple-dst`
    TupleDst,
    /// `--mask-src`
    MaskSrc,
    /// `--mask-dst`
    MaskDst,
    /// `-a`
    NatRange,
    /// `-m`
    Mark,
    /// `-i`
    Identifier,
    /// `-f`
    Family,
    /// `-n`
    SrcNat,
    /// `-g`
    DstNat,
    /// `-o`
    Output,
    /// `-c`
    Secmark,
    /// `-b`
    BufferSize,
    /// `-j`
    AnyNat,
    /// `-w`
    Zone,
    /// `-l`
    Label,
    /// `--label-add`
    LabelAdd,
    /// `--label-del`
    LabelDel,
    /// `--orig-zone`
    OrigZone,
    /// `--reply-zone`
    ReplyZone,
    /// `--labelmap`
    Labelmap,
    /// `--helper`
    Helper,
    /// `--master`
    Master,
    /// `--orig-seqadj`
    OrigSeqadj,
    /// `--reply-seqadj`
    ReplySeqadj,
    /// `--synproxy`
    Synproxy,
    /// `--filter-file`
    FilterFile,
}

/// What follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// Nothing.
    None,
    /// A value, attached or as the next word.
    Required,
    /// Perhaps a value: attached, or the next word unless it starts with `-` or `!`.
    Optional,
    /// Perhaps a value as above, but not attached to the short form, so that clusters work.
    OptionalWord,
}

/// A command's row.
#[derive(Debug)]
pub struct Command {
    /// Which one.
    pub verb: Verb,
    /// Letter.
    pub short: u8,
    /// Long name.
    pub name: &'static str,
    /// What follows.
    pub arg: Arg,
    /// Its line of the help: what follows it, and what it does.
    pub help: (&'static str, &'static str),
}

/// An option's row.
#[derive(Debug)]
pub struct Opt {
    /// Which one.
    pub id: Id,
    /// Letter, [`LONG_ONLY`] if there is none.
    pub short: u8,
    /// Long names; diagnostics use the first.
    pub names: &'static [&'static str],
    /// What follows.
    pub arg: Arg,
    /// With which commands it goes: one letter per column of [`COLUMNS`].
    pub matrix: &'static str,
    /// Its line of the help: what follows it, and what it does.
    pub help: (&'static str, &'static str),
}

/// The commands that take options, in the order of the letters of [`Opt::matrix`].
///
/// The letters: `R` required, `o` allowed, `P` needed in pairs, `-` rejected, `x` allowed here
/// but rejected by stock (compat: cli-43).
pub const COLUMNS: [(Verb, Table); 16] = [
    (Verb::List, Table::Conntrack),
    (Verb::Create, Table::Conntrack),
    (Verb::Add, Table::Conntrack),
    (Verb::Update, Table::Conntrack),
    (Verb::Delete, Table::Conntrack),
    (Verb::Get, Table::Conntrack),
    (Verb::Event, Table::Conntrack),
    (Verb::Flush, Table::Conntrack),
    (Verb::Help, Table::Conntrack),
    (Verb::List, Table::Expect),
    (Verb::Create, Table::Expect),
    (Verb::Delete, Table::Expect),
    (Verb::Get, Table::Expect),
    (Verb::Event, Table::Expect),
    (Verb::Flush, Table::Expect),
    // Also of the statistics, whatever they are about.
    (Verb::Count, Table::Conntrack),
];

/// How an option goes with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Must be given.
    Required,
    /// May be given.
    Allowed,
    /// At least one complete pair of its kind must be given.
    Pair,
    /// Must not be given.
    Rejected,
}

/// The column of a command; one without a column rejects everything.
#[derive(Clone, Copy, Debug)]
pub struct Column(Option<usize>);

impl Column {
    /// The column of a command.
    pub fn of(verb: Verb, table: Table) -> Self {
        // The two lists of special entries take what the listing of the table takes.
        let table = match table {
            Table::Dying | Table::Unconfirmed => Table::Conntrack,
            Table::Conntrack | Table::Expect => table,
        };
        let key = match verb {
            Verb::Count | Verb::Stats => (Verb::Count, Table::Conntrack),
            _ => (verb, table),
        };
        Self(COLUMNS.iter().position(|known| *known == key))
    }

    /// Whether these options, as bits, lack one that the command needs or have one that it does not
    /// take. Files of a hundred thousand lines are checked with this.
    pub fn is_violated(self, given: u64) -> bool {
        let (required, taken) = match self.0.and_then(|column| SETS.get(column)) {
            Some(sets) => *sets,
            None => (0, 0),
        };
        required & !given != 0 || given & !taken != 0
    }

    /// The rule of a row for the command.
    pub fn rule(self, matrix: &str) -> Rule {
        match self.0.and_then(|column| matrix.as_bytes().get(column)) {
            Some(b'R') => Rule::Required,
            Some(b'o' | b'x') => Rule::Allowed,
            Some(b'P') => Rule::Pair,
            _ => Rule::Rejected,
        }
    }
}

/// For each column the options that are required and those that are taken, as bits.
static SETS: [(u64, u64); COLUMNS.len()] = sets();

const fn sets() -> [(u64, u64); COLUMNS.len()] {
    let mut sets = [(0, 0); COLUMNS.len()];
    let mut row = 0;
    while row < OPTIONS.len() {
        let mut column = 0;
        while column < COLUMNS.len() {
            let letter = OPTIONS[row].matrix.as_bytes()[column];
            if letter == b'R' {
                sets[column].0 |= OPTIONS[row].id.bit();
            }
            if letter != b'-' {
                sets[column].1 |= OPTIONS[row].id.bit();
            }
            column += 1;
        }
        row += 1;
    }
    sets
}

const fn command(
    verb: Verb,
    short: u8,
    name: &'static str,
    help: (&'static str, &'static str),
) -> Command {
    let arg = match verb {
        Verb::Count | Verb::Stats => Arg::Optional,
        _ => Arg::OptionalWord,
    };
    Command {
        verb,
        short,
        name,
        arg,
        help,
    }
}

/// Every command.
pub static COMMANDS: [Command; 12] = [
    command(
        Verb::List,
        b'L',
        "dump",
        ("[table] [options]", "List flows"),
    ),
    command(
        Verb::Get,
        b'G',
        "get",
        ("[table] parameters", "Show one flow"),
    ),
    command(
        Verb::Delete,
        b'D',
        "delete",
        ("[table] [options]", "Delete the flows that match"),
    ),
    command(
        Verb::Create,
        b'I',
        "create",
        ("[table] parameters", "Create a flow that must not exist"),
    ),
    command(
        Verb::Add,
        b'A',
        "add",
        (
            "[table] parameters",
            "Create a flow, or update it if it exists",
        ),
    ),
    command(
        Verb::Update,
        b'U',
        "update",
        ("[table] parameters", "Change the flows that match"),
    ),
    command(
        Verb::Event,
        b'E',
        "event",
        ("[table] [options]", "Show changes as they happen"),
    ),
    command(
        Verb::Flush,
        b'F',
        "flush",
        ("[table] [-f family]", "Empty the table"),
    ),
    command(
        Verb::Count,
        b'C',
        "counter",
        ("[table]", "Show the number of flows"),
    ),
    command(
        Verb::Stats,
        b'S',
        "stats",
        ("[table]", "Show the counters of each processor"),
    ),
    command(Verb::Version, b'V', "version", ("", "Show the version")),
    command(
        Verb::Help,
        b'h',
        "help",
        ("[-p protocol]", "Show this text, and a protocol's options"),
    ),
];

const fn option(
    id: Id,
    short: u8,
    names: &'static [&'static str],
    arg: Arg,
    matrix: &'static str,
    help: (&'static str, &'static str),
) -> Opt {
    Opt {
        id,
        short,
        names,
        arg,
        matrix,
        help,
    }
}

/// Stands for the letter of an option that has none. Such options are our own, and their names are
/// not to be abbreviated, so that abbreviations of stock's stay what they are.
pub const LONG_ONLY: u8 = 0;

/// Every option that does not depend on the protocol, in the order of the checks.
#[rustfmt::skip]
pub static OPTIONS: [Opt; 36] = [
    //                                                        LIAUDGEFh LIDGEF(expect) C
    option(Id::Src, b's', &["src", "orig-src"], Arg::Required, "oPPooPo---RRR---",
        ("ADDR[/LEN]", "Source of the original direction")),
    option(Id::Dst, b'd', &["dst", "orig-dst"], Arg::Required, "oPPooPo---RRR---",
        ("ADDR[/LEN]", "Destination of the original direction")),
    option(Id::ReplySrc, b'r', &["reply-src"], Arg::Required, "oPPooPo---ooo---",
        ("ADDR", "Source of the reply direction")),
    option(Id::ReplyDst, b'q', &["reply-dst"], Arg::Required, "oPPooPo---ooo---",
        ("ADDR", "Destination of the reply direction")),
    option(Id::Protonum, b'p', &["protonum"], Arg::Required, "oRRooRo-o-RRR---",
        ("PROTOCOL", "Layer 4 protocol, by name or number; stands before its own options")),
    option(Id::Timeout, b't', &["timeout"], Arg::Required, "-RRoo-----R-----",
        ("SECONDS", "Remaining life: to set, or to match exactly with -D")),
    option(Id::Status, b'u', &["status"], Arg::Required, "ooooo-x---o-----",
        ("LIST", "Status bits: ASSURED, SEEN_REPLY, UNSET, FIXED_TIMEOUT, EXPECTED, OFFLOAD, HW_OFFLOAD, UNREPLIED; ! negates")),
    option(Id::Zero, b'z', &["zero"], Arg::None, "o---------------",
        ("", "Set the counters to zero while listing")),
    option(Id::EventMask, b'e', &["event-mask"], Arg::Required, "------o---------",
        ("LIST", "Changes to show: ALL, NEW, UPDATES, DESTROY")),
    option(Id::TupleSrc, b'[', &["tuple-src"], Arg::Required, "----------R-----",
        ("ADDR", "Source of the expected flow")),
    option(Id::TupleDst, b']', &["tuple-dst"], Arg::Required, "----------R-----",
        ("ADDR", "Destination of the expected flow")),
    option(Id::MaskSrc, b'{', &["mask-src"], Arg::Required, "o--oo-o---R-----",
        ("ADDR", "Which bits of the source count")),
    option(Id::MaskDst, b'}', &["mask-dst"], Arg::Required, "o--oo-o---R-----",
        ("ADDR", "Which bits of the destination count")),
    option(Id::NatRange, b'a', &["nat-range"], Arg::Required, "-oo-------------",
        ("ANY", "Ignored")),
    option(Id::Mark, b'm', &["mark"], Arg::Required, "ooooo-o---------",
        ("VALUE[/MASK]", "Mark: to match, or to set with -I, -A and -U")),
    option(Id::Identifier, b'i', &["id"], Arg::Required, "x--ooox---------",
        ("NUMBER", "The kernel's id of the flow")),
    option(Id::Family, b'f', &["family"], Arg::Required, "oxxooxoo-o----x-",
        ("ipv4|ipv6", "Layer 3 protocol; both if it is not given")),
    option(Id::SrcNat, b'n', &["src-nat"], Arg::Optional, "ooooo-o---------",
        ("[ADDR[:PORT]]", "Translated source: to match, or to set with -I and -A")),
    option(Id::DstNat, b'g', &["dst-nat"], Arg::Optional, "ooooo-o---------",
        ("[ADDR[:PORT]]", "Translated destination: to match, or to set with -I and -A")),
    option(Id::Output, b'o', &["output"], Arg::Required, "o--oooo--o---o-x",
        ("LIST", "What to show: extended, id, timestamp, ktimestamp, labels, or one of xml, json and save; userspace is accepted")),
    option(Id::Secmark, b'c', &["secmark"], Arg::Required, "o-----o---------",
        ("NUMBER", "Security mark")),
    option(Id::BufferSize, b'b', &["buffer-size"], Arg::Required, "------o---------",
        ("BYTES", "Receive buffer for events")),
    option(Id::AnyNat, b'j', &["any-nat"], Arg::Optional, "o--xx-o---------",
        ("[ADDR[:PORT]]", "Translated source or destination, to match")),
    option(Id::Zone, b'w', &["zone"], Arg::Required, "oooxoxo---------",
        ("NUMBER", "Zone of both directions")),
    option(Id::Label, b'l', &["label"], Arg::Required, "o--oooo---------",
        ("NAME[,NAME]", "Labels that must be set")),
    option(Id::LabelAdd, b'<', &["label-add"], Arg::Required, "-ooo------------",
        ("NAME[,NAME]", "Labels to set")),
    option(Id::LabelDel, b'>', &["label-del"], Arg::Optional, "---o------------",
        ("[NAME[,NAME]]", "Labels to clear; all without a name")),
    option(Id::OrigZone, b'(', &["orig-zone"], Arg::Required, "oooxoxo---------",
        ("NUMBER", "Zone of the original direction alone")),
    option(Id::ReplyZone, b')', &["reply-zone"], Arg::Required, "oooxoxo---------",
        ("NUMBER", "Zone of the reply direction alone")),
    option(Id::Labelmap, b'M', &["labelmap"], Arg::Required, "oxxoo-o---------",
        ("PATH", "File with the names of the labels")),
    option(Id::Helper, LONG_ONLY, &["helper"], Arg::Required, "-xx-------------",
        ("NAME", "Helper to attach")),
    option(Id::Master, LONG_ONLY, &["master"], Arg::Required, "-xx-------------",
        ("PROTOCOL,SRC,DST,NUMBERS", "Flow that the new one belongs to")),
    option(Id::OrigSeqadj, LONG_ONLY, &["orig-seqadj"], Arg::Required, "-xx-------------",
        ("POSITION,BEFORE,AFTER", "Adjustment of TCP sequence numbers, original direction")),
    option(Id::ReplySeqadj, LONG_ONLY, &["reply-seqadj"], Arg::Required, "-xx-------------",
        ("POSITION,BEFORE,AFTER", "The same, reply direction")),
    option(Id::Synproxy, LONG_ONLY, &["synproxy"], Arg::Required, "-xx-------------",
        ("ISN,ITS,TSOFF", "Data of a flow behind a SYN proxy")),
    option(Id::FilterFile, LONG_ONLY, &["filter-file"], Arg::Required, "x--xx-x---------",
        ("FILE", "File with conditions, one set per line, of which one has to hold; - for standard input")),
];

impl Id {
    /// The option's row.
    pub fn row(self) -> &'static Opt {
        &OPTIONS[self as usize]
    }

    /// The option's bit in a set of options.
    pub const fn bit(self) -> u64 {
        1 << self as u32
    }

    /// The name that diagnostics use.
    pub fn name(self) -> &'static str {
        self.row().names[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_the_place_of_their_id() {
        for option in &OPTIONS {
            assert_eq!(option.id.row().id, option.id);
        }
    }

    #[test]
    fn every_matrix_has_a_letter_for_each_column() {
        for option in &OPTIONS {
            assert_eq!(option.matrix.len(), COLUMNS.len(), "{}", option.id.name());
            let known = option.matrix.chars().all(|c| "RoPx-".contains(c));
            assert!(known, "{}", option.id.name());
        }
    }

    #[test]
    fn letters_and_names_are_unique() {
        let mut letters: Vec<u8> = OPTIONS.iter().map(|option| option.short).collect();
        letters.retain(|letter| *letter != LONG_ONLY);
        letters.extend(COMMANDS.iter().map(|command| command.short));
        let mut names: Vec<&str> = OPTIONS.iter().flat_map(|o| o.names).copied().collect();
        names.extend(COMMANDS.iter().map(|command| command.name));
        let (letters_before, names_before) = (letters.len(), names.len());
        letters.sort_unstable();
        letters.dedup();
        names.sort_unstable();
        names.dedup();
        assert_eq!((letters.len(), names.len()), (letters_before, names_before));
    }

    #[test]
    fn a_table_is_named_by_a_prefix() {
        let cases = [
            ("e", Some(Table::Expect)),
            ("expect", Some(Table::Expect)),
            ("expectation", None),
            ("c", Some(Table::Conntrack)),
            ("d", Some(Table::Dying)),
            ("unconf", Some(Table::Unconfirmed)),
            ("foo", None),
            ("", None),
        ];
        for (word, table) in cases {
            assert_eq!(Table::parse(word), table, "{word}");
        }
    }
}
