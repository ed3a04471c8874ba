//! The topics of the help: `conntrack --help TOPIC`.
//!
//! A topic is a few lines of our own and the rows of the options that it is about, which are taken
//! from the tables. The word behind `-h` is a table first, as in stock, which knows no topics; a
//! protocol is a topic too.

use flow::Protocol;

use super::options::Id;

/// A topic.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Its name.
    pub name: &'static str,
    /// What it is about, for the list of topics.
    pub about: &'static str,
    /// What stands in front.
    pub text: &'static str,
    /// The options that belong to it.
    pub options: &'static [Id],
    /// Command lines, without the program, and what they do.
    pub examples: &'static [(&'static str, &'static str)],
}

/// What the help is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A page.
    Page(&'static Page),
    /// The options of a protocol.
    Protocol(Protocol),
}

impl Topic {
    /// Every page.
    pub const ALL: &'static [Page] = PAGES;

    /// The topic of this name.
    pub fn parse(word: &str) -> Option<Self> {
        let page = PAGES.iter().find(|page| page.name == word);
        let mut protocols = Protocol::KNOWN.into_iter();
        page.map(Self::Page).or_else(|| {
            let protocol = protocols.find(|protocol| protocol.name() == Some(word));
            protocol.map(Self::Protocol)
        })
    }
}

const PAGES: &[Page] = &[
    Page {
        name: "commands",
        about: "what a command does, and to which table",
        text: "\
Exactly one command is needed. The word behind it names a table, possibly shortened:
  conntrack    flows (the default)
  expect       flows that the kernel waits for
  dying        flows that have ended and are still referenced; can be listed only
  unconfirmed  flows whose first packet is still on its way; can be listed only
The exit status is 0 for success, 1 when something failed or nothing was found to delete, update
or show by -G, and 2 for a wrong command line.
",
        options: &[],
        examples: &[],
    },
    Page {
        name: "filters",
        about: "which flows are meant",
        text: "\
With -L, -D and -E every option is a condition and all of them have to hold; without any, all flows
are meant. With -U, addresses, ports, protocol, translations, zone, labels and the id are conditions.
What the kernel can test, it tests: a search by address, port, zone or mark is fast in a full table.
When addresses, ports, protocol and the zone (not 0) are all given, the flow is looked up.
",
        options: &[
            Id::Src,
            Id::Dst,
            Id::ReplySrc,
            Id::ReplyDst,
            Id::MaskSrc,
            Id::MaskDst,
            Id::Protonum,
            Id::Family,
            Id::Status,
            Id::Mark,
            Id::Secmark,
            Id::Timeout,
            Id::Identifier,
            Id::Zone,
            Id::OrigZone,
            Id::ReplyZone,
            Id::SrcNat,
            Id::DstNat,
            Id::AnyNat,
            Id::Label,
            Id::FilterFile,
        ],
        examples: &[
            ("-L -p tcp --dport 443 -u ASSURED", "long-lived flows to port 443"),
            ("-L -s 10.0.0.0/8 -u UNREPLIED", "what a network asks in vain"),
            ("-D -d 192.0.2.1 -p udp --dport 53", "forget what was answered by a server"),
        ],
    },
    Page {
        name: "files",
        about: "files of commands and files of filters",
        text: "\
-R FILE (or --load-file FILE, `-' for standard input; the first word) does what the lines say: -I, -A,
-U, -D and -F of flows, each a command line without the program. All lines are checked before the
first is done; the first that fails ends it, with its number.
--filter-file FILE, with -L, -D, -U and -E, reads one set of conditions per line. A flow is meant when
one line fits, and what else the command line demands. The table is read once, however many lines
there are. A line of a filter file has no command; a file without a line means nothing at all.
In both, empty lines and lines that begin with # are skipped, and double quotes keep blanks together.
",
        options: &[Id::FilterFile],
        examples: &[
            ("-L -o save > flows; conntrack -R flows", "save and restore"),
            ("-D -p tcp --filter-file gone", "delete the TCP flows that a line of `gone' describes"),
        ],
    },
    Page {
        name: "values",
        about: "what -I, -A and -U set",
        text: "\
-I and -A need the protocol, a timeout and either direction; what the other direction lacks is its
mirror image. -U changes the flows that its conditions select, and only what differs.
",
        options: &[
            Id::Timeout,
            Id::Status,
            Id::Mark,
            Id::Zone,
            Id::OrigZone,
            Id::ReplyZone,
            Id::SrcNat,
            Id::DstNat,
            Id::LabelAdd,
            Id::LabelDel,
            Id::Helper,
            Id::Master,
            Id::OrigSeqadj,
            Id::ReplySeqadj,
            Id::Synproxy,
            Id::NatRange,
        ],
        examples: &[
            ("-I -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 5 --dport 53 -t 60", "make a flow"),
            ("-U -s 10.0.0.1 -m 7", "mark all flows of a client"),
        ],
    },
    Page {
        name: "output",
        about: "how flows and numbers are shown",
        text: "\
Flows go to standard output, all else to standard error.
  extended    begin with the family
  id          the kernel's number of the flow
  timestamp   begin with the time (-E)
  ktimestamp  when the flow began and ended, if the kernel notes it
  labels      names of the labels
  xml         an XML document; nothing for no flows
  json        an object per line, with everything that is known
  save        commands that make the same flows again with -R
  openmetrics metrics, with -C and -S
  userspace   accepted, without effect
",
        options: &[Id::Output, Id::Zero, Id::Labelmap],
        examples: &[
            ("-L -o json", "for programs; see docs/json.md"),
            ("-C -o openmetrics", "for node_exporter"),
        ],
    },
    Page {
        name: "events",
        about: "changes as they happen",
        text: "\
-E shows flows as they are created, change and end, until it is interrupted. When the machine is too
slow and events are lost, a line says how many.
",
        options: &[Id::EventMask, Id::BufferSize],
        examples: &[
            ("-E -e NEW,DESTROY -p tcp", "the beginning and end of TCP flows"),
            ("-E -o timestamp,id", "with time and number"),
        ],
    },
    Page {
        name: "labels",
        about: "bits with names",
        text: "\
A flow has 128 labels. Their names stand in /etc/xtables/connlabel.conf, a number and a name in each
line; `bit:N' names one that has none. The kernel keeps labels only where a rule uses them.
",
        options: &[Id::Label, Id::LabelAdd, Id::LabelDel, Id::Labelmap],
        examples: &[("-U -s 10.0.0.1 --label-add bit:5", "set label 5")],
    },
    Page {
        name: "nat",
        about: "translated flows",
        text: "\
A flow is translated when its reply is not the mirror image of its original direction.
",
        options: &[Id::SrcNat, Id::DstNat, Id::AnyNat],
        examples: &[
            ("-L -n", "flows whose source is translated"),
            ("-D -g 10.0.0.9:8080", "flows that were sent to this server"),
        ],
    },
    Page {
        name: "expectations",
        about: "flows that the kernel waits for",
        text: "\
Helpers read of flows to come. -L, -E, -C and -F work on the table `expect' as on flows. With -D and -G,
addresses and ports are those of the expected flow; with -I they are its master's.
",
        options: &[Id::TupleSrc, Id::TupleDst, Id::MaskSrc, Id::MaskDst],
        examples: &[("-L expect", "list the expectations")],
    },
    Page {
        name: "protocols",
        about: "options behind -p; each protocol is a topic too",
        text: "\
The options of a protocol are known behind -p PROTOCOL only. `conntrack --help tcp' shows those of one.
",
        options: &[Id::Protonum],
        examples: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::{OPTIONS, Table};

    #[test]
    fn every_option_has_a_topic_and_no_topic_is_a_table() {
        for option in &OPTIONS {
            let has = PAGES.iter().any(|page| page.options.contains(&option.id));
            assert!(has, "{}", option.id.name());
        }
        for page in PAGES {
            assert_eq!(Table::parse(page.name), None, "{}", page.name);
            assert_eq!(Topic::parse(page.name), Some(Topic::Page(page)));
        }
        assert_eq!(Topic::parse("gre"), Some(Topic::Protocol(Protocol::GRE)));
        assert_eq!(Topic::parse("gr"), None);
    }
}
