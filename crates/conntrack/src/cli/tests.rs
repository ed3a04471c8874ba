//! Command lines and what they are answered with, as data.
//!
//! The expectations on the left of a comment `stock` were taken from the stock program; the
//! others are differences listed in docs/compat.md.

use super::*;
use flow::{LabelMap, Protocol};

fn parse_words(line: &[&str]) -> (Result<Job, Error>, Vec<String>) {
    let words: Vec<String> = line.iter().map(ToString::to_string).collect();
    let environment = Environment {
        posix: false,
        protocol_number: &|name| (name == "igmp").then_some(2),
        labels: &|path| match path {
            None => Ok(LabelMap::parse(b"0 web\n5 db\n96 far\n127 last").into()),
            Some("other") => Ok(LabelMap::parse(b"1 web").into()),
            Some(_) => Err("No such file or directory".into()),
        },
    };
    let mut notices = Vec::new();
    (parse(&words, &environment, &mut notices), notices)
}

/// Words are separated by blanks.
fn job(line: &str) -> Result<Job, Error> {
    parse_words(&line.split(' ').collect::<Vec<_>>()).0
}

/// A line that is refused, with its diagnostic and exit status.
fn refused(line: &str, status: u8, text: &str) {
    let error = job(line).expect_err(line);
    assert_eq!(error.to_string(), text, "{line}");
    assert_eq!(error.status(), status, "{line}");
}

/// A line that is accepted.
fn accepted(line: &str) -> Job {
    job(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn violations_are_found_in_the_order_of_the_table() {
    for (line, text) in [
        (
            "-I",
            "You need to supply the `--protonum' option for this command",
        ),
        (
            "-I -z",
            "You need to supply the `--protonum' option for this command",
        ),
        (
            "-I -p tcp",
            "You need to supply the `--timeout' option for this command",
        ),
        ("-I -p tcp -t 5", "you have to specify `--src' and `--dst'"),
        (
            "-I -p tcp -t 5 -s 1.1.1.1",
            "you have to specify `--src' and `--dst'",
        ),
        (
            "-I -p tcp -t 5 -r 1.1.1.1",
            "you have to specify `--reply-src' and `--reply-dst'",
        ),
        (
            "-I -p tcp -t 5 -s 1.1.1.1 -d 2.2.2.2",
            "You need to supply the `--state' option for this command",
        ),
        (
            "-G -p udp -s 1.1.1.1 -d 2.2.2.2",
            "you have to specify `--sport' and `--dport'",
        ),
        (
            "-G -p udp -s 1.1.1.1 -d 2.2.2.2 --reply-port-src 1",
            "you have to specify `--reply-src-port' and `--reply-dst-port'",
        ),
        (
            "-G -p gre -s 1.1.1.1 -d 2.2.2.2 --reply-key-src 1",
            "you have to specify `--reply-src-key' and `--reply-dst-key'",
        ),
    ] {
        refused(line, 2, text);
    }
}

#[test]
fn options_that_do_not_go_with_the_command_are_named() {
    for (line, text) in [
        ("-L -t 5", "Illegal option `--timeout' with this command"),
        (
            "-L -e NEW",
            "Illegal option `--event-mask' with this command",
        ),
        ("-C -z", "Illegal option `--zero' with this command"),
        ("-V -z", "Illegal option `--zero' with this command"),
        ("-F -s 1.1.1.1", "Illegal option `--src' with this command"),
        ("-h -s 1.1.1.1", "Illegal option `--src' with this command"),
        ("-w 5", "Illegal option `--zone' with this command"),
        (
            "-L -p sctp --orig-vtag 5",
            "Illegal option `--orig-vtag' with this command",
        ),
        (
            "-L -j -n",
            "cannot specify `--src-nat' or `--dst-nat' with `--any-nat'",
        ),
        ("-L -z -p tcp", "Can't use -z with filtering parameters"),
        (
            "-L --mask-src 255.0.0.0",
            "Can't use --mask-src without --src",
        ),
        (
            "-D --mask-dst 255.0.0.0",
            "Can't use --mask-dst without --dst",
        ),
        (
            "-E expect -f ipv4",
            "Illegal option `--family' with this command",
        ),
        (
            "-I expect",
            "You need to supply the `--src' option for this command",
        ),
    ] {
        refused(line, 2, text);
    }
}

#[test]
fn commands_and_tables_are_checked_while_reading() {
    for (line, text) in [
        ("-L -L", "Invalid commands combination"),
        ("-L foo", "unknown type `foo'"),
        ("-V foo", "unknown type `foo'"),
        (
            "-D dying",
            "Can't do that command with tables `dying' and `unconfirmed'",
        ),
        ("-U expect", "Can't do --update on expectations"),
        ("-A expect", "Can't do --add on expectations"),
        ("-L -Q", "unknown option `-Q'"),
        ("-L -R foo", "unknown option `-R'"),
        ("-R", "unknown option `-R'"),
        ("-L --icmp-type 5", "unknown option `--icmp-type'"),
        ("-L -p icmp --sport 5", "unknown option `--sport'"),
        ("-L -s", "option `-s' requires an argument"),
    ] {
        refused(line, 2, text);
    }
}

#[test]
fn values_are_checked_while_reading() {
    for (line, status, text) in [
        ("-L -s 1.1.1.1 -d ::1", 2, "mismatched address family"),
        ("-L -f ipv6 -s 1.1.1.1", 2, "mismatched address family"),
        (
            "-L -s 1.1.1.1 --mask-src ffff::",
            2,
            "mismatched address family",
        ),
        ("-L -p foo", 2, "`foo' unsupported protocol"),
        ("-L -f inet", 2, "`inet' unsupported protocol"),
        ("-L -u foo", 2, "Bad parameter `foo'"),
        ("-L -m foo", 1, "unexpected value 'foo' with -m option"),
        ("-L -w 65536", 1, "unexpected value '65536' with -w option"),
        ("-L --orig-zone x", 1, "unexpected value 'x' with -( option"),
        ("-D -i -5", 1, "unexpected value '-5' with -i option"),
        ("-L -p tcp --state foo", 2, "unknown TCP state `foo'"),
        ("-L -p sctp --state foo", 2, "unknown SCTP state `foo'"),
        ("-I -p dccp --role foo", 2, "Unknown DCCP role `foo'"),
        (
            "-L -o save,xml",
            1,
            "cannot combine save output with any other output type, use -o save only",
        ),
        (
            "-L -o json,save",
            1,
            "cannot combine save output with any other output type, use -o save only",
        ),
        ("-E -o xml -o json", 1, "cannot combine xml and json output"),
        (
            "-L -p udp --sport 70000",
            2,
            "invalid value `70000' for `--sport', a number up to 65535 is expected",
        ),
        (
            "-D -t abc",
            2,
            "invalid value `abc' for `--timeout', a number up to 4294967295 is expected",
        ),
    ] {
        refused(line, status, text);
    }
}

/// compat: cli-41
#[test]
fn a_mark_that_nothing_can_have_is_refused() {
    refused(
        "-L -m 5/3",
        2,
        "mark 0x5 has bits outside of its mask 0x3, nothing can match",
    );
    accepted("-U -m 5/3");
}

/// What `flow::render::save` writes beyond stock's options is read to the same values.
#[test]
fn what_save_writes_can_be_read() {
    let line = "-A -t 599 -u EXPECTED,SEEN_REPLY,ASSURED -s 1.1.1.1 -d 2.2.2.2 -r 2.2.2.2 \
        -n 1.1.1.1:78 -p tcp --sport 10 --dport 20 --reply-port-src 20 --reply-port-dst 78 \
        --state ESTABLISHED --wscale 7,9 -m 5 --label-add bit:0,db --helper ftp \
        --master tcp,10.0.0.1,10.0.9.1,40846,21 --orig-seqadj 3735928559,0,6 \
        --reply-seqadj 5,4294967295,-6 --synproxy 1,2,3";
    let Job::Create {
        flow: Some(flow), ..
    } = accepted(line)
    else {
        panic!("{line}");
    };
    let flow = flow.flow();
    let mut saved = Vec::new();
    let record = flow::render::Record::listed(&flow, 0);
    let show = flow::render::Show::TABLE;
    let format = flow::render::Format::Save(flow::render::Saved::Add);
    format.flow(&mut saved, &record, &show);
    // The kernel sets what is left out here: that the flow is expected, and its translation.
    let expected = "-A -t 599 -u SEEN_REPLY,ASSURED -s 1.1.1.1 -d 2.2.2.2 -r 2.2.2.2 -q 1.1.1.1 -p tcp \
        --sport 10 --dport 20 --reply-port-src 20 --reply-port-dst 10 --state ESTABLISHED \
        --wscale 7,9 -m 5 --label-add bit:0,bit:5 --helper ftp \
        --master tcp,10.0.0.1,10.0.9.1,40846,21 --orig-seqadj 3735928559,0,6 \
        --reply-seqadj 5,4294967295,4294967290 --synproxy 1,2,3";
    assert_eq!(String::from_utf8(saved).unwrap(), expected);
    let range = flow.nat_src.unwrap();
    assert_eq!(
        (range.addr.unwrap(), range.port.unwrap()),
        ([1, 1, 1, 1].into()..=[1, 1, 1, 1].into(), 78..=78)
    );
}

/// Options of our own do not make stock's abbreviations ambiguous.
#[test]
fn names_of_our_own_are_written_out() {
    assert_eq!(accepted("--he"), Job::Help(None));
    accepted("-L --orig-s 1.1.1.1 --reply-s 2.2.2.2");
    refused("-A --helpe ftp", 2, "unknown option `--helpe'");
    refused(
        "-L --helper ftp",
        2,
        "Illegal option `--helper' with this command",
    );
}

#[test]
fn ignored_words_leave_a_notice() {
    let (job, notices) = parse_words(&["-a", "x", "-L", "-o", "s"]);
    assert!(job.is_ok());
    assert_eq!(
        notices,
        [
            "WARNING: ignoring -a, deprecated option.",
            "WARNING: ignoring SRC_NAT, use --src-nat instead",
        ]
    );
}

#[test]
fn without_a_command_there_is_help() {
    assert_eq!(parse_words(&[]).0, Ok(Job::Help(None)));
    assert_eq!(accepted("foo"), Job::Help(None));
    assert_eq!(accepted("-h -p tcp"), Job::Help(Some(Protocol::TCP)));
    assert_eq!(accepted("-V"), Job::Version);
}

mod meaning {
    //! What accepted lines mean.

    use super::*;
    use flow::filter::{AddrFilter, NatFilter, NatMatch, StatusMatch};
    use flow::{Addrs, Dir, Flow, Icmp, L4, Labels, Mark, Ports, Status, Tuple, Zone};

    fn filter(line: &str) -> flow::filter::FlowFilter {
        match accepted(line) {
            Job::List { filter, .. }
            | Job::Delete { filter, .. }
            | Job::Update { filter, .. }
            | Job::Follow { filter, .. } => filter,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn created(line: &str) -> Flow<'static> {
        match accepted(line) {
            Job::Create {
                flow: Some(flow), ..
            } => flow.rest,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn v4(src: [u8; 4], dst: [u8; 4]) -> Addrs {
        Addrs::V4 {
            src: src.into(),
            dst: dst.into(),
        }
    }

    #[test]
    fn the_prefix_or_mask_given_last_counts() {
        let network = |len| AddrFilter::network([1, 2, 3, 4].into(), len);
        let mask = AddrFilter::masked([1, 2, 3, 4].into(), [255, 0, 0, 255].into());
        for (line, expected) in [
            ("-L -s 1.2.3.4", network(32)),
            ("-L -s 1.2.3.4/32", network(32)),
            ("-L -s 1.2.3.4/", network(0)),
            ("-L -s 1.2.3.4/24", network(24)),
            ("-L -s 1.2.3.4 --mask-src 255.0.0.255", mask),
            ("-L --mask-src 255.0.0.255 -s 1.2.3.4", mask),
            ("-L --mask-src 255.0.0.255 -s 1.2.3.4/24", network(24)),
            ("-L -s 1.2.3.4/24 --mask-src 255.0.0.255", mask),
        ] {
            assert_eq!(filter(line).tuple.orig.src, expected, "{line}");
        }
    }

    /// compat: cli-1, cli-2, cli-3
    #[test]
    fn status_words_add_up() {
        let any = StatusMatch::ANY;
        let saved = Status(0x407);
        for (line, expected) in [
            ("-L -u ASSURED,SEEN_REPLY", any.with(Status(6))),
            ("-L -u a -u seen", any.with(Status(6))),
            ("-D -u !ASSURED", any.without(Status::ASSURED)),
            ("-D -u UNREPLIED", any.without(Status::SEEN_REPLY)),
            ("-L -u UNSET", any.without(saved)),
            ("-L -u OFFLOAD", any.with(Status::OFFLOAD)),
        ] {
            assert_eq!(filter(line).status, Some(expected), "{line}");
        }
        assert_eq!(filter("-L -u SRC_NAT").status, None);
    }

    /// compat: cli-5, cli-6
    #[test]
    fn translations_are_conditions_of_their_own() {
        let wanted = |text: &str, port| NatMatch {
            addr: text.parse().ok(),
            port,
        };
        let any = NatMatch::default();
        let with = |line: &str, src, dst, either| {
            let nat = NatFilter {
                src,
                dst,
                any: either,
            };
            assert_eq!(filter(line).nat, nat, "{line}");
        };
        with("-L -n", Some(any), None, None);
        with("-D -n -g", Some(any), Some(any), None);
        with("-L -n9.9.9.9", Some(wanted("9.9.9.9", None)), None, None);
        let port = Some(wanted("9.9.9.9", Some(80)));
        with("-E --dst-nat=9.9.9.9:80", None, port, None);
        let v6 = Some(wanted("fd00::1", Some(80)));
        with("-U -m 1 -g [fd00::1]:80", None, v6, None);
        let line = "-D -j 9.9.9.9 -s 1.1.1.1 -p udp";
        with(line, None, None, Some(wanted("9.9.9.9", None)));
        let src = AddrFilter::exact([1, 1, 1, 1].into());
        assert_eq!(filter(line).tuple.orig.src, Some(src));
    }

    fn labels(bits: &[u16]) -> Labels {
        let mut labels = Labels::empty();
        assert!(bits.iter().all(|bit| labels.set(*bit)));
        labels
    }

    /// compat: cli-14
    #[test]
    fn every_name_of_a_list_of_labels_counts() {
        for (line, bits) in [
            ("-L -l web", &[0][..]),
            ("-D -l web,far", &[0, 96]),
            ("-U -m 1 -l web -l last,db", &[0, 5, 127]),
            ("-E -l bit:7,web", &[0, 7]),
            ("-L --labelmap other -l web", &[1]),
        ] {
            assert_eq!(filter(line).labels, Some(labels(bits)), "{line}");
        }
        assert_eq!(filter("-L -o labels").labels, None);
        let flow = created("-I -s 1.1.1.1 -d 2.2.2.2 -p 200 -t 5 --label-add db,bit:127");
        assert_eq!(flow.labels, Some(labels(&[5, 127])));
        for (line, name) in [
            ("-L -l nope", "nope"),
            ("-L -l web,,db", ""),
            ("-L -l bit:128", "bit:128"),
            ("-L -l bit:+1", "bit:+1"),
            ("-U --label-del web,nope", "nope"),
            ("-L --labelmap missing -l web", "web"),
        ] {
            refused(line, 2, &format!("unknown label '{name}'"));
        }
    }

    #[test]
    fn a_missing_label_file_is_told_when_it_matters() {
        let notices = |line: &str| parse_words(&line.split(' ').collect::<Vec<_>>()).1;
        let notice = ["nfct_labelmap_new: No such file or directory"];
        assert_eq!(notices("-L --labelmap missing -l web"), notice);
        assert_eq!(notices("-U --labelmap missing --label-del bit:3"), [""; 0]);
        assert_eq!(notices("-L --labelmap missing"), [""; 0]);
    }

    /// In stock a label beyond 95 takes all others with it (compat: cli-14a).
    #[test]
    fn changing_labels_leaves_the_others_alone() {
        let change = |line: &str| match accepted(line) {
            Job::Update { change, .. } => change,
            other => panic!("{line}: {other:?}"),
        };
        let mut flow = Flow::new(Tuple::new(v4([1; 4], [2; 4]), L4::Other(Protocol(200))));
        flow.labels = Some(labels(&[0, 96]));
        let asked = |line: &str, flow: &Flow<'_>| {
            let request = change(line).request(flow)?;
            Some((request.labels, request.labels_mask))
        };
        let some = |value: &[u16], mask: &[u16]| Some((Some(labels(value)), Some(labels(mask))));
        assert_eq!(asked("-U --label-add db", &flow), some(&[5], &[5]));
        assert_eq!(asked("-U --label-add web", &flow), some(&[0], &[0]));
        assert_eq!(asked("-U --label-del far", &flow), some(&[], &[96]));
        assert_eq!(asked("-U --label-del db", &flow), some(&[], &[5]));
        let all: Vec<u16> = (0..128).collect();
        assert_eq!(asked("-U --label-del", &flow), some(&[], &all));
        flow.labels = None;
        assert_eq!(asked("-U --label-del", &flow), None);
        assert_eq!(asked("-U --label-add db", &flow), some(&[5], &[5]));
    }

    #[test]
    fn values_of_an_update_are_no_conditions() {
        let Job::Update { filter, change, .. } =
            accepted("-U -p tcp --state CLOSE -m 1/3 -u ASSURED -t 7 -i 9")
        else {
            panic!("an update");
        };
        assert_eq!(
            (filter.state, filter.mark, filter.status),
            (None, None, None)
        );
        assert_eq!((filter.timeout, filter.id), (None, Some(9)));
        assert_eq!((change.timeout, change.mark), (Some(7), Some((1, Some(3)))));
        assert_eq!(change.status, Some(Status::ASSURED));
    }

    #[test]
    fn an_update_asks_for_what_differs() {
        let change = |line: &str| match accepted(line) {
            Job::Update { change, .. } => change,
            other => panic!("{other:?}"),
        };
        let ports = Ports { src: 1, dst: 2 };
        let mut flow = Flow::new(Tuple::new(v4([1; 4], [2; 4]), L4::Udp(ports)));
        flow.mark = Some(Mark(0x1234));
        flow.status = Some(Status::CONFIRMED | Status::SEEN_REPLY);
        flow.timeout = Some(30);
        flow.zone = Some(Zone(5));
        let mark = |line: &str, flow: &Flow<'_>| change(line).request(flow)?.mark;
        assert_eq!(mark("-U -m 7", &flow), Some(Mark(7)));
        assert_eq!(mark("-U -m 0x1234", &flow), None);
        assert_eq!(mark("-U -m 0/0xff00", &flow), Some(Mark(0x34)));
        assert_eq!(mark("-U -m 42/0xff", &flow), Some(Mark(0x122a)));
        let status = |line: &str| change(line).request(&flow)?.status;
        assert_eq!(status("-U -u SEEN_REPLY"), None);
        assert_eq!(status("-U -u ASSURED"), Some(Status(0xe)));
        assert_eq!(change("-U -t 30").request(&flow), None);
        let request = change("-U -t 31").request(&flow).unwrap();
        // compat: cli-11
        assert_eq!((request.timeout, request.zone), (Some(31), Some(Zone(5))));
    }

    /// The side that was not given is the mirror image of the other (compat: cli-47).
    #[test]
    fn a_new_flow_is_completed() {
        let udp = |src, dst| L4::Udp(Ports { src, dst });
        let there = v4([1, 1, 1, 1], [2, 2, 2, 2]);
        let back = there.inverse();
        let translated = v4([3, 3, 3, 3], [1, 1, 1, 1]);
        for (options, orig, reply) in [
            (
                "-s 1.1.1.1 -d 2.2.2.2 --sport 5 --dport 9",
                (there, udp(5, 9)),
                (back, udp(9, 5)),
            ),
            (
                "-r 2.2.2.2 -q 1.1.1.1 --reply-port-src 9 --reply-port-dst 5",
                (there, udp(5, 9)),
                (back, udp(9, 5)),
            ),
            (
                "-r 2.2.2.2 -q 1.1.1.1 --sport 5 --dport 9",
                (there, udp(5, 9)),
                (back, udp(9, 5)),
            ),
            (
                "-s 1.1.1.1 -d 2.2.2.2 --reply-port-src 9 --reply-port-dst 5",
                (there, udp(5, 9)),
                (back, udp(9, 5)),
            ),
            (
                "-s 1.1.1.1 -d 2.2.2.2 -r 3.3.3.3 --sport 5 --dport 9 --reply-port-src 80",
                (there, udp(5, 9)),
                (translated, udp(80, 5)),
            ),
        ] {
            let flow = created(&format!("-I -p udp -t 60 {options}"));
            assert_eq!((flow.orig.addrs, flow.orig.l4), orig, "{options}");
            let got = flow.reply.map(|reply| (reply.addrs, reply.l4));
            assert_eq!(got, Some(reply), "{options}");
        }
    }

    #[test]
    fn an_icmp_flow_needs_a_type_with_an_answer() {
        let line = "-I -p icmp -t 60 --icmp-type 8 --icmp-code 0 --icmp-id 7 -s 1.1.1.1 -d 2.2.2.2";
        let reply = created(line).reply.unwrap();
        let icmp = Icmp {
            kind: 0,
            code: 0,
            id: 7,
        };
        assert_eq!(reply.l4, L4::Icmp(icmp));
        let untracked = "-A -p icmp -t 60 --icmp-type 3 --icmp-code 0 -s 1.1.1.1 -d 2.2.2.2";
        let expected = Job::Create {
            flow: None,
            or_update: true,
        };
        assert_eq!(accepted(untracked), expected);
    }

    #[test]
    fn a_flow_is_looked_up_by_either_side() {
        let lookup = |line: &str| match accepted(line) {
            Job::Get(lookup) => (lookup.dir, lookup.tuple.addrs),
            other => panic!("{other:?}"),
        };
        let there = v4([1, 1, 1, 1], [2, 2, 2, 2]);
        assert_eq!(
            lookup("-G -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2"),
            (Dir::Original, there)
        );
        // compat: cli-30
        assert_eq!(
            lookup("-G -p udp -r 1.1.1.1 -q 2.2.2.2 --reply-port-src 1 --reply-port-dst 2"),
            (Dir::Reply, there)
        );
    }
}

mod property {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Words that mean something, so that deep paths are reached, and arbitrary ones.
    fn word() -> impl Strategy<Value = String> {
        let known: Vec<String> = options::OPTIONS
            .iter()
            .flat_map(|option| {
                let letter = format!("-{}", char::from(option.short));
                let long = option.names.iter().map(|name| format!("--{name}"));
                long.chain([letter])
            })
            .chain(
                options::COMMANDS
                    .iter()
                    .map(|c| format!("-{}", char::from(c.short))),
            )
            .chain(
                [
                    "tcp",
                    "udp",
                    "sctp",
                    "dccp",
                    "icmp",
                    "icmpv6",
                    "gre",
                    "igmp",
                    "1.2.3.4",
                    "1.2.3.4/24",
                    "::1",
                    "::1/0",
                    "[::1]:80",
                    "1.2.3.4:80",
                    "ipv4",
                    "ipv6",
                    "5",
                    "0x5/0xff",
                    "ASSURED,!SEEN",
                    "UNREPLIED",
                    "ESTABLISHED",
                    "xml,id",
                    "--sport",
                    "--dport",
                    "--state",
                    "--icmp-type",
                    "--srckey",
                    "--role",
                    "expect",
                    "--",
                ]
                .map(String::from),
            )
            .collect();
        prop_oneof![
            4 => prop::sample::select(known),
            1 => "[-=!,/:a-z0-9]{0,12}",
            1 => any::<String>(),
        ]
    }

    /// An option with a value that it accepts.
    fn option() -> impl Strategy<Value = (options::Id, String)> {
        use options::Id;
        let address = any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from(bits).to_string());
        let number = || (0..=u16::MAX).prop_map(|number| number.to_string());
        prop_oneof![
            (
                prop::sample::select(vec![Id::Src, Id::Dst]),
                "1\\.2\\.3\\.[1-9][0-9]/[1-9]"
            ),
            (
                prop::sample::select(vec![Id::ReplySrc, Id::ReplyDst, Id::MaskSrc]),
                address
            ),
            (
                prop::sample::select(vec![
                    Id::Zone,
                    Id::OrigZone,
                    Id::ReplyZone,
                    Id::Identifier,
                    Id::Timeout,
                ]),
                number(),
            ),
            (
                Just(Id::Mark),
                (any::<u32>(), any::<u32>()).prop_map(|(v, m)| format!("{v:#x}/{m}"))
            ),
            (Just(Id::Status), "(!?(ASSURED|seen|UNSET),){0,2}FIXED"),
            (Just(Id::Output), "(ext|id|time|json)"),
            (Just(Id::SrcNat), "9\\.9\\.9\\.[1-9](:[1-9][0-9]{0,3})?"),
        ]
    }

    /// The ways to write an option with its value.
    fn written(id: options::Id, value: &str, style: u8) -> Vec<String> {
        let row = id.row();
        let letter = format!("-{}", char::from(row.short));
        let last = row.names.last().copied().unwrap_or_default();
        match style % 4 {
            0 => vec![letter, value.into()],
            1 => vec![letter + value],
            2 => vec![format!("--{last}"), value.into()],
            _ => vec![format!("--{last}={value}")],
        }
    }

    fn low(words: &[String]) -> Result<LowArgs, Error> {
        let environment = Environment {
            posix: false,
            labels: &|_| Err(String::new()),
            protocol_number: &|_| None,
        };
        LowArgs::parse(words, &environment, &mut Vec::new())
    }

    proptest! {
        #[test]
        fn an_option_means_the_same_however_it_is_written(
            options in vec((option(), any::<u8>(), any::<u8>()), 0..6),
        ) {
            let line = |pick: fn(&(u8, u8)) -> u8| -> Vec<String> {
                let words = options.iter().flat_map(|((id, value), a, b)| {
                    written(*id, value, pick(&(*a, *b)))
                });
                words.chain(["-L".to_owned()]).collect()
            };
            let (one, other) = (low(&line(|styles| styles.0)), low(&line(|styles| styles.1)));
            prop_assert!(one.is_ok(), "{one:?}");
            prop_assert_eq!(one, other);
        }

        #[test]
        fn no_line_panics(words in vec(word(), 0..12)) {
            let line: Vec<&str> = words.iter().map(String::as_str).collect();
            if let Err(error) = parse_words(&line).0 {
                prop_assert!(matches!(error.status(), 1 | 2));
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
