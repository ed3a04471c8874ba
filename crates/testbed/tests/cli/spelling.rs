//! Ways to write a command line: attached and separate, shortened, repeated, in another order, with
//! odd values. A generator of lines found the classes; one of each is kept.

use crate::rows::{Row, differs, same};
use crate::{check, tables};

pub const SPELLING: &[Row] = &[
    // What ends options, and what is none.
    same("---"),
    same("--="),
    same("-="),
    same("-p"),
    same("-o xml"),
    same("-L -"),
    same("-L --"),
    same("-L -- foo"),
    same("-VL"),
    same("-hL"),
    same("-C -C"),
    same("--load-file"),
    same("-h -p foo"),
    same("-V -p tcp"),
    // Values, attached and not.
    same("-L -s=10.0.0.1"),
    same("-L -s 10.0.0.1="),
    same("-L --src= 10.0.0.1"),
    same("-L --src=10.0.0.1"),
    same("-L -p=tcp"),
    same("-L -ptcp"),
    same("-L -p tcp --dpor=80"),
    same("-L -zz"),
    same("-L -zo id"),
    same("-L -zoid"),
    same("-L -oid,extended"),
    same("-L -n -"),
    same("-L -n --"),
    same("-L -n ''"),
    same("-L -g !x"),
    // The last one counts.
    same("-L --src 10.0.0.1 --src=10.0.0.2"),
    same("-L -s 10.0.0.1 --orig-src 10.0.0.2"),
    same("-L -w 5 -w 77"),
    same("-L -m 1 -m 2"),
    same("-L -r 10.0.9.1 -r 10.0.9.7"),
    same("-L -p tcp -p tcp --dport 80"),
    same("-L -p tcp --dport 80 --dport 443"),
    same("-L -p tcp --dport 80 --orig-port-dst 443"),
    same("-L -s 10.0.0.1/24 --mask-src 255.255.255.255"),
    same("-L -s 10.0.0.1 --mask-src 255.255.255.255 -s 10.0.0.1/16"),
    differs(
        "-L -s 10.0.0.9/24 -s 10.0.0.9",
        "cli-125",
        0,
        "0 flow entries have been shown.",
    ),
    // Lists.
    same("-L -o id,"),
    same("-L -o ,id"),
    same("-L -o i,ex"),
    same("-L -o ' id'"),
    same("-L -u ASSURED,ASSURED"),
    same("-L -u !!ASSURED"),
    same("-L -u '! ASSURED'"),
    same("-L -o save,id"),
    same("-L -o id,save"),
    // Addresses and numbers.
    same("-L -s 10.0.0.1/00"),
    same("-L -s 10.0.0.1/0032"),
    same("-L -s 010.0.0.1"),
    same("-L -s 10.0.0.1."),
    same("-L -s 10.0.0.0x1"),
    same("-L -s ::ffff:10.0.0.1"),
    same("-L -s 0::/0 -f ipv6"),
    same("-L -s 10.0.0.1 -r 2001:db8::/64"),
    same("-L -s 10.0.0.1 -g 2001:db8::/64"),
    same("-L -s ::1 -g 1.1.1.1:x"),
    same("-L -s ::1 -n 1.1.1.1/24:80"),
    same("-L -p 006"),
    same("-L -p 6.0"),
    same("-L -p tcp,udp"),
    same("-L -p tcp6"),
    same("-L -m +1"),
    same("-L -m 1/+1"),
    differs("-L -s 10.0.0.1/4294967328", "cli-40", 2, "Invalid netmask"),
    // Tables and what goes with them.
    same("-S conntrak"),
    same("-C dying"),
    same("-F dying"),
    same("-G dying -s 1.1.1.1 -d 2.2.2.2 -p 200"),
    same("-L dying -p tcp"),
    same("-L dying -z"),
    same("-L unconfirmed -o xml"),
    same("-L dying -s 10.0.0.1/24"),
    same("-L expect -p tcp"),
    same("-E expect -o xml -e NEW"),
    differs(
        "-L dying --mask-src 255.0.0.0",
        "cli-126",
        2,
        "Can't use --mask-src without --src",
    ),
];

#[test]
fn spellings_are_understood_alike() {
    check("spelling", tables::MIXED, SPELLING);
}
