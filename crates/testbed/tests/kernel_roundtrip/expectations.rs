//! Expectations: created, found, listed by family and by master, removed.
//!
//! The master has the kernel's ftp helper: the kernel takes expectations only beside a helper.

use std::net::Ipv4Addr;

use flow::{
    Addrs, Dir, ExpectNat, Expectation, ExpectationFlags, Family, Flow, Helper, L4, Name, Ports,
    Tuple,
};
use linux::table::{Dump, Query, Request, Table};
use nfnetlink::expect::request::ExpectationKey;

use crate::inside;
use crate::samples::{TIMEOUT, addrs, tcp};

fn expectation(master: &Flow<'_>, l4: L4, mask: L4) -> Expectation<'static> {
    let ones = Addrs::V4 {
        src: Ipv4Addr::BROADCAST,
        dst: Ipv4Addr::BROADCAST,
    };
    Expectation {
        mask: Some(Tuple::new(ones, mask)),
        helper: Some(Name::new(b"ftp")),
        class: Some(0),
        flags: Some(ExpectationFlags(0)),
        timeout: Some(TIMEOUT),
        ..Expectation::new(master.orig, Tuple::new(addrs(Family::Ipv4, 99), l4))
    }
}

fn expectations(master: &Flow<'_>) -> Vec<Expectation<'static>> {
    let to = |dst| L4::Tcp(Ports { src: 0, dst });
    let plain = expectation(master, to(5_000), to(0xffff));
    let saved = Addrs::V4 {
        src: Ipv4Addr::new(10, 9, 9, 9),
        dst: Ipv4Addr::UNSPECIFIED,
    };
    let from = L4::Tcp(Ports { src: 4_711, dst: 0 });
    vec![
        plain.clone(),
        Expectation {
            flags: Some(ExpectationFlags::PERMANENT),
            ..plain.clone()
        },
        Expectation {
            nat: Some(ExpectNat {
                dir: Dir::Reply,
                tuple: Tuple::new(saved, from),
            }),
            function: Some(Name::new(b"nat-follow-master")),
            ..plain
        },
    ]
}

#[test]
fn expectations_with_flags_translation_and_function() {
    inside(|| {
        let mut table = Table::open().unwrap();
        let master = Flow {
            helper: Some(Helper {
                name: Name::new(b"ftp"),
                info: None,
            }),
            ..tcp(1)
        };
        table.execute(&Request::Create(&master)).unwrap();
        for written in expectations(&master) {
            table
                .execute(&Request::CreateExpectation(&written))
                .unwrap_or_else(|error| panic!("{error}: {written:?}"));
            let queries = [
                Query::Expectations(None),
                Query::Expectations(Some(Family::Ipv4)),
                Query::ExpectationsOf(&master.orig, None),
            ];
            for query in &queries {
                check_expectation(query, &written);
            }
            let key = ExpectationKey::of(&written);
            let mut found = 0;
            table.get_expectation(&key, |_| found += 1).unwrap();
            assert_eq!(found, 1);
            table.execute(&Request::DeleteExpectation(&key)).unwrap();
        }
    });
}

fn check_expectation(query: &Query<'_>, written: &Expectation<'_>) {
    let mut found = 0;
    let mut dump = Dump::start(query).unwrap();
    dump.read_all(|entry| {
        let decoded = entry.unwrap().expectation().unwrap();
        assert_eq!(decoded.unknown, 0);
        let got = Expectation {
            id: None,
            // The helper's policy decides how long, whatever was asked for.
            timeout: written.timeout,
            ..decoded.value
        };
        assert_eq!(&got, written);
        found += 1;
    })
    .unwrap();
    assert_eq!(found, 1);
}
