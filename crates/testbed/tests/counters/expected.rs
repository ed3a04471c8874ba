//! Expectations without traffic: a flow with a helper, and what it is said to wait for.
//!
//! No command gives a new flow a helper, so the master goes to the kernel without one.

use flow::{Addrs, Flow, Helper, L4, Name, Ports, ProtoInfo, TcpInfo, TcpState, Tuple};
use linux::table::{Request, Table};
use testbed::{Command, Error, Implementation, Namespace, Program, Result};

/// Makes the master of node 1 or 2: a session of IRC, which may expect several connections.
pub fn master(node: &Namespace, number: u8) -> Result<()> {
    let addrs = Addrs::V4 {
        src: [10, number, 0, 1].into(),
        dst: [192, 0, 2, 1].into(),
    };
    let ports = Ports {
        src: 4000,
        dst: 6667,
    };
    let flow = Flow {
        timeout: Some(7000),
        protoinfo: Some(ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState::ESTABLISHED),
            ..TcpInfo::default()
        })),
        helper: Some(Helper {
            name: Name::new(b"irc"),
            info: None,
        }),
        ..Flow::new(Tuple::new(addrs, L4::Tcp(ports)))
    };
    let create = || -> linux::table::Result<()> {
        Table::open()?.execute(&Request::Create(&flow)).map(drop)
    };
    node.enter(create)?
        .map_err(|error| Error::Unexpected(error.to_string()))
}

/// Lets the master expect a connection back, to this port.
pub fn expect(node: &Namespace, number: u8, port: u16) -> Result<()> {
    run(
        node,
        &format!(
            "-I expect -s 10.{number}.0.1 -d 192.0.2.1 -p tcp --sport 4000 --dport 6667 \
             --tuple-src 192.0.2.1 --tuple-dst 10.{number}.0.1 --tuple-port-src 0 \
             --tuple-port-dst {port} --mask-src 255.255.255.255 --mask-dst 255.255.255.255 \
             --mask-port-src 0 --mask-port-dst 65535 -t 300"
        ),
    )
}

/// Ends all expectations of a node.
pub fn forget(node: &Namespace) -> Result<()> {
    run(node, "-F expect")
}

/// Stock's tool mixes up the protocols of new expectations (compat: cli-113).
fn run(node: &Namespace, words: &str) -> Result<()> {
    let tool = Implementation::Ours.path(Program::Conntrack)?;
    let command = Command::new(tool).args(words.split_whitespace());
    node.run(command).map(drop)
}
