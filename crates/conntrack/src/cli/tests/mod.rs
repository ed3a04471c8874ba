//! Command lines and what they are answered with, as data.
//!
//! The expectations on the left of a comment `stock` were taken from the stock program; the
//! others are differences listed in docs/compat.md.

mod filters;
mod meaning;
mod property;

use super::*;
use flow::{LabelMap, Protocol};

fn parse_words(line: &[&str]) -> (Result<Job, Error>, Vec<String>) {
    let words: Vec<String> = line.iter().map(ToString::to_string).collect();
    let environment = Environment {
        posix: false,
        protocol_number: &|name| match name {
            "igmp" => Some(2),
            "ipv6-icmp" => Some(58),
            _ => None,
        },
        labels: &|path| match path {
            None => Ok(LabelMap::parse(b"0 web\n5 db\n96 far\n127 last").into()),
            Some("other") => Ok(LabelMap::parse(b"1 web").into()),
            Some(_) => Err("No such file or directory".into()),
        },
        open: &|_| Err(std::io::ErrorKind::NotFound.into()),
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
        ("-L -s ::1 -r 1.1.1.1/8", 2, "mismatched address family"),
        ("-L -s 1.1.1.1 -d ::1/999", 2, "mismatched address family"),
        ("-L -s ::1 -g 1.1.1.1/24", 2, "mismatched address family"),
        ("-L -s ::1 -g 1.1.1.1:x", 2, "Invalid port `x'"),
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

/// Without what is ignored they would be about more flows than was said (compat: cli-124).
#[test]
fn what_is_ignored_is_refused_where_flows_end_or_change() {
    for line in ["-D -u SRC_NAT", "-D -p udp -u s", "-U -m 1 -u ASSURED,s"] {
        refused(line, 2, "`SRC_NAT' would have no effect");
    }
    for line in ["-D -a 1.1.1.1", "-U -m 1 -a 1.1.1.1", "-F -a 1.1.1.1"] {
        refused(line, 2, "`-a' would have no effect");
    }
    for line in ["-L -u SRC_NAT", "-E -a x", "-D -o s"] {
        accepted(line);
    }
}

/// compat: cli-42
#[test]
fn stray_words_are_told_where_flows_end_or_change() {
    let notices = |line: &str| parse_words(&line.split(' ').collect::<Vec<_>>()).1;
    for line in [
        "-D -p udp 1.1.1.1",
        "1.1.1.1 -U -m 5",
        "-F -f ipv6 1.1.1.1",
        "-F expect 1.1.1.1",
        "-D -- 1.1.1.1 -s 2.2.2.2",
    ] {
        let warning = "WARNING: ignoring `1.1.1.1', which is no option and no value of one.";
        assert_eq!(notices(line), [warning], "{line}");
    }
    for line in ["-L -p udp 1.1.1.1", "-D -p udp", "-I 1.1.1.1"] {
        assert_eq!(notices(line), [""; 0], "{line}");
    }
}

/// compat: cli-2
#[test]
fn a_status_that_nothing_can_have_is_refused() {
    for (words, name) in [
        ("ASSURED,!ASSURED", "ASSURED"),
        ("!a -u a", "ASSURED"),
        ("UNREPLIED,SEEN_REPLY", "SEEN_REPLY"),
        ("FIXED_TIMEOUT,UNSET", "FIXED_TIMEOUT"),
    ] {
        let text = format!("status {name} would have to be set and clear, nothing can match");
        for command in ["-L", "-D", "-E"] {
            refused(&format!("{command} -u {words}"), 2, &text);
        }
    }
}

#[test]
fn without_a_command_there_is_help() {
    assert_eq!(parse_words(&[]).0, Ok(Job::Help(None)));
    assert_eq!(accepted("foo"), Job::Help(None));
    assert_eq!(accepted("-h -p tcp"), Job::Help(Some(Protocol::TCP)));
    assert_eq!(accepted("-V"), Job::Version);
}

/// compat: cli-117
#[test]
fn slips_get_a_hint() {
    for (line, hint) in [
        ("-L --scr 1.1.1.1", Some("did you mean `--src'?")),
        ("-L --st", Some("`--st' may be --stats or --status")),
        (
            "-L --dport 5",
            Some("`--dport' is known behind -p tcp, udp, dccp, sctp or udplite"),
        ),
        (
            "-L --dprot 5",
            Some("did you mean `--dport'? It is known behind -p tcp, udp, dccp, sctp or udplite"),
        ),
        (
            "-L --load-file x",
            Some("`--load-file' has to be the first word"),
        ),
        ("-L -R x", Some("`-R' has to be the first word")),
        ("-L -p tpc", Some("did you mean `tcp'?")),
        ("-L -p icpmv6", Some("did you mean `icmpv6'?")),
        ("-L -f inet", Some("the families are ipv4 and ipv6")),
        ("-L conntrak", Some("did you mean `conntrack'?")),
        ("-L -u ASURED", Some("did you mean `ASSURED'?")),
        (
            "-E -e FOO",
            Some("`--event-mask' knows ALL, NEW, UPDATES, DESTROY"),
        ),
        (
            "-L -p tcp --state ESTABLISED",
            Some("did you mean `ESTABLISHED'?"),
        ),
        ("-L -p dccp --state OPENN", Some("did you mean `OPEN'?")),
        ("-L -s 1.1.1", None),
        ("-L -s 1.1.1.256", Some("`--src' takes ADDR[/LEN]")),
        ("-L --orig-zone x", Some("`--orig-zone' takes NUMBER")),
        (
            "-L -s 1.1.1.1 -d ::1",
            Some("`--dst' is of another family than what stands before it"),
        ),
        ("-L -e NEW", Some("`--event-mask' goes with -E")),
        (
            "-L --orig-vtag 5 -p sctp",
            Some("`--orig-vtag' is known behind -p sctp"),
        ),
        ("-L --qqqq", None),
        ("-Q", None),
    ] {
        let hint_of = |error: &Error| error.hint().map(str::to_owned);
        let found = job(line).err().as_ref().and_then(hint_of);
        assert_eq!(found.as_deref(), hint, "{line}");
    }
    let topics = job("-h foo").unwrap_err();
    assert!(
        topics.hint().unwrap().contains("filters, files"),
        "{topics:?}"
    );
}

#[test]
fn the_help_has_topics() {
    let topic = |line: &str| match accepted(line) {
        Job::HelpAbout(topics::Topic::Page(page)) => page.name,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(topic("--help filters"), "filters");
    assert_eq!(topic("-h output"), "output");
    assert_eq!(
        accepted("--help tcp"),
        Job::HelpAbout(topics::Topic::Protocol(Protocol::TCP))
    );
    // A table, as in stock.
    assert_eq!(accepted("-h e"), Job::Help(None));
    refused("-V filters", 2, "unknown type `filters'");
    refused("-h filter", 2, "unknown type `filter'");
}
