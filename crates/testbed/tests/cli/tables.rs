//! Tables to run commands on.

use testbed::{Command, Namespace};

/// One flow of each kind, with everything that can be set.
pub const MIXED: &[&str] = &[
    "-s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1001 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -m 1",
    "-s 10.0.0.1 -d 10.0.9.1 -p tcp --sport 1002 --dport 80 --state SYN_SENT -m 2",
    "-s 10.0.0.2 -d 10.0.9.2 -p tcp --sport 1001 --dport 443 --state TIME_WAIT -u SEEN_REPLY,ASSURED -m 0xff01",
    "-s 10.0.1.1 -d 10.0.9.1 -p tcp --sport 1001 --dport 80 --state CLOSE -u SEEN_REPLY",
    "-s 10.0.1.1 -d 10.0.9.1 -p tcp --sport 1005 --dport 80 --state LISTEN -u FIXED_TIMEOUT",
    "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1001 --dport 53 -m 1",
    "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1002 --dport 53 -u SEEN_REPLY",
    "-s 10.0.0.3 -d 10.0.9.3 -p udp --sport 65535 --dport 65535 -u SEEN_REPLY,ASSURED -w 5",
    "-s 10.0.0.4 -d 10.0.9.3 -p udp --sport 7 --dport 53 --orig-zone 3",
    "-s 10.0.0.5 -d 10.0.9.3 -p udp --sport 7 --dport 53 --reply-zone 4",
    "-s 10.0.0.6 -d 10.0.9.3 -p udp --sport 7 --dport 53 -w 77 -m 7",
    "-s 10.0.0.1 -d 10.0.9.1 -r 10.0.9.7 -q 10.0.0.1 -p udp --sport 9 --dport 53 --reply-port-src 5353 --reply-port-dst 9",
    "-s 10.0.0.1 -d 10.0.9.1 -p udplite --sport 13 --dport 20",
    "-s 10.0.0.1 -d 10.0.9.1 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77",
    "-s 10.0.0.1 -d 10.0.9.1 -p icmp --icmp-type 13 --icmp-code 0 --icmp-id 78 -u SEEN_REPLY",
    "-s 10.0.0.1 -d 10.0.9.1 -p gre --srckey 0x10 --dstkey 0xabc",
    "-s 10.0.0.1 -d 10.0.9.1 -p 2",
    "-s 10.0.0.1 -d 10.0.9.1 -p 200 -m 3",
    "-s 10.0.0.1 -d 10.0.9.1 -p sctp --sport 14 --dport 20 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2",
    "-s 10.0.0.1 -d 10.0.9.1 -p dccp --sport 14 --dport 20 --state REQUEST --role client",
    "-s 2001:db8::1 -d 2001:db8::9 -p tcp --sport 1001 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -m 1",
    "-s 2001:db8::2 -d 2001:db8::9 -p udp --sport 1001 --dport 53",
    "-s 2001:db8::1 -d 2001:db8::9 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77",
    "-s ::ffff:1.2.3.4 -d 2001:db8:0:0:1:0:0:1 -p udp --sport 1 --dport 2 -w 5",
];

/// Makes the table of a namespace exactly this, with stock's program.
pub fn fill(namespace: &Namespace, flows: &[&str]) {
    namespace.run("conntrack -F").unwrap();
    // The timeouts are long, so that nothing ends during a test.
    let lines: String = flows
        .iter()
        .map(|flow| format!("-I -t 20000 {flow}\n"))
        .collect();
    let load = Command::from("conntrack -R -").stdin(lines);
    if !flows.is_empty() {
        namespace.run(load).unwrap();
    }
    assert_eq!(namespace.flow_count().unwrap(), flows.len());
}
