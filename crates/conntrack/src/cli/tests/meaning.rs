//! What accepted lines mean.

use super::*;
use flow::filter::{AddrFilter, NatFilter, NatMatch, StatusMatch};
use flow::{Addrs, Dir, Flow, Icmp, L4, Labels, Mark, Ports, Status, Tuple, Zone};

fn filter(line: &str) -> flow::filter::FlowFilter {
    match accepted(line) {
        Job::List { filter, .. }
        | Job::Delete { filter, .. }
        | Job::Update { filter, .. }
        | Job::Follow { filter, .. } => filter.all,
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
        // compat: cli-125
        ("-D -s 9.9.9.9/24 -s 1.2.3.4", network(32)),
        ("-D -s 9.9.9.9/24 -s 1.2.3.4/8", network(8)),
    ] {
        assert_eq!(filter(line).tuple.orig.src, expected, "{line}");
    }
}

/// The system's other names of a protocol bring its options too (compat: cli-46).
#[test]
fn a_protocol_has_its_options_whatever_it_is_called() {
    for name in ["icmpv6", "58", "ipv6-icmp"] {
        let filter = filter(&format!("-L -p {name} --icmpv6-type 128"));
        assert_eq!(filter.tuple.orig.l4.kind, Some(128), "{name}");
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
    assert_eq!(notices("-U --labelmap missing --label-del"), [""; 0]);
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
    let filter = filter.all;
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
    for foreign in [
        "-A -p icmpv6 -t 60 --icmpv6-type 128 --icmpv6-code 0 -s 1.1.1.1 -d 2.2.2.2",
        "-A -p icmp -t 60 --icmp-type 8 --icmp-code 0 -s 2001:db8::1 -d 2001:db8::2",
    ] {
        assert_eq!(accepted(foreign), expected, "{foreign}");
    }
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
