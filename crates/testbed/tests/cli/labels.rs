//! Labels by name: `-l`, `--label-add`, `--label-del`, `--labelmap`.
//!
//! Both programs see a label file of our own in `/etc`, which is laid over the system's in a mount
//! namespace that ends with the command.

use std::fs;
use std::path::Path;

use testbed::{Command, Folder, Namespace};

use crate::rows::{OLD, Row, differs, differs_before, differs_from_newer, same};
use crate::stock::FOLLOWED;
use crate::{Pair, check_rows, tables};

/// A label beyond the third word, and one that is the last.
const NAMES: &str = "\
# what flows are for
0 web
5 db
7 a_b
40 mid
96 far
127 last
5 again
";

/// A rule that uses a label: without one the kernel keeps no room for labels.
const RULES: &str = "table inet t {
    chain c {
        type filter hook input priority 0;
        meta mark 0x7777 ct label set 3
    }
}";

const FLOWS: &[&str] = &[
    "-s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53",
    "-s 10.0.0.2 -d 10.0.9.1 -p udp --sport 2 --dport 53",
    "-s 10.0.0.3 -d 10.0.9.1 -p tcp --sport 3 --dport 80 --state ESTABLISHED",
    "-s 2001:db8::1 -d 2001:db8::9 -p udp --sport 1 --dport 53",
];

/// With 1.4.9 the first of several names counts alone, and what was changed before stays different.
const fn first_name_only(line: &'static str, status: i32, says: &'static str) -> Row {
    differs_from_newer(line, "cli-14", status, says)
}

pub const LABELS: &[Row] = &[
    same("-L -o labels"),
    same("-U -s 10.0.0.1 -p udp --label-add web"),
    same("-U -s 10.0.0.1 -p udp --label-add web"),
    first_name_only(
        "-U -s 10.0.0.1 -p udp --label-add db,far",
        0,
        "labels=web,db,far",
    ),
    same("-U -s 10.0.0.2 -p udp --label-add last"),
    first_name_only(
        "-U -s 10.0.0.3 -p tcp --label-add web,db -m 5",
        0,
        "labels=web,db",
    ),
    same("-U -s 2001:db8::1 -p udp --label-add mid"),
    same("-I -s 10.0.0.4 -d 10.0.9.1 -p udp --sport 1 --dport 53 -t 9000 --label-add web,mid"),
    first_name_only("-L -o labels", 0, "labels=web,db,far"),
    first_name_only("-L -o labels,id,extended", 0, "labels=web,db,far"),
    first_name_only("-L -l web", 0, "labels=web,db,far"),
    first_name_only("-L -l web,db", 0, "2 flow entries have been shown."),
    first_name_only("-L -l web -l far", 0, "1 flow entries have been shown."),
    same("-L -l last -p udp"),
    same("-L -l last -p tcp"),
    same("-L -l mid -f ipv6"),
    same("-L -l nope"),
    same("-L -l a_b"),
    same("-L -l again"),
    same("-L -l web,"),
    same("-L -l ''"),
    same("-L -l Web"),
    first_name_only(
        "-G -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53 -l web",
        0,
        "labels=web,db,far",
    ),
    same("-G -s 10.0.0.1 -d 10.0.9.1 -p udp --sport 1 --dport 53 -l last"),
    same("-L --label-add web"),
    same("-I --label-del web"),
    same("-U --label-add web --label-del db"),
    same("-U --label-add nope"),
    same("-U --label-del nope"),
    same("-L -z -l web"),
    first_name_only("-U -s 10.0.0.1 -p udp --label-del db", 0, "labels=web,far"),
    first_name_only("-U -s 10.0.0.1 -p udp --label-del db", 0, "labels=web,far"),
    first_name_only(
        "-U -s 10.0.0.1 -p udp -l web --label-add mid",
        0,
        "labels=web,mid,far",
    ),
    same("-U -s 10.0.0.3 -p tcp --label-del"),
    first_name_only("-L -o labels", 0, "labels=web,mid,far"),
    differs(
        "-U -s 10.0.0.1 -p udp --label-del far",
        "cli-14a",
        0,
        "labels=web,mid",
    ),
    differs(
        "-L -l bit:40",
        "cli-112",
        0,
        "3 flow entries have been shown.",
    ),
    differs_before(
        FOLLOWED,
        "-L --labelmap /nonexistent -l web",
        OLD,
        2,
        "nfct_labelmap_new: No such file or directory",
    ),
    differs(
        "-L --labelmap /dev/null -o labels",
        "cli-39",
        0,
        "nfct_labelmap_new: no label has a name in /dev/null",
    ),
    differs_before(
        FOLLOWED,
        "-L --labelmap a --labelmap b",
        OLD,
        2,
        "option `--labelmap' can only be specified once",
    ),
    same("-D -l nope"),
    first_name_only("-D -l web,last", 1, "0 flow entries have been deleted."),
    differs("-D -l last", "cli-53", 0, "labels=last"),
    differs("-D -l web", "cli-53", 0, "labels=web,mid"),
];

/// In a namespace where nobody uses labels.
pub const NO_ROOM: &[Row] = &[
    differs_before(
        FOLLOWED,
        "-U -s 10.0.0.1 -p udp --label-add web",
        OLD,
        1,
        "0 flow entries have been updated.",
    ),
    same("-U -s 10.0.0.1 -p udp --label-del"),
    same("-L -l web"),
];

/// Lays a label file over the one in `/etc`, for all programs of a pair.
fn with_names(pair: &mut Pair, names: &str) -> Folder {
    let folder = Folder::new("labels", false).unwrap();
    let etc = folder.file("etc");
    fs::create_dir_all(etc.join("xtables")).unwrap();
    fs::write(etc.join("xtables/connlabel.conf"), names).unwrap();
    let mount = format!(
        "mount -t overlay overlay -o lowerdir={}:/etc /etc && exec \"$@\"",
        etc.display()
    );
    pair.wrapper = ["unshare", "-m", "sh", "-c", &mount, "sh"]
        .map(Into::into)
        .into();
    folder
}

#[test]
fn labels_are_alike() {
    let mut pair = Pair::new("labels", &[]);
    let _folder = with_names(&mut pair, NAMES);
    for namespace in [&pair.stock, &pair.ours] {
        namespace.nft(RULES).unwrap();
        tables::fill(namespace, FLOWS);
    }
    check_rows(&pair, LABELS);
}

#[test]
fn flows_without_room_for_labels_are_alike() {
    let mut pair = Pair::new("no-labels", FLOWS);
    let _folder = with_names(&mut pair, NAMES);
    check_rows(&pair, NO_ROOM);
}

/// What stands behind 64 KiB of other lines is read.
#[test]
fn a_long_label_file_is_read_to_its_end() {
    let namespace = Namespace::new("long-labels").unwrap();
    let folder = Folder::new("long-labels", false).unwrap();
    let comments = "# a line of a file that somebody keeps long\n".repeat(2000);
    let path = folder.write("names", &(comments + "3 three\n")).unwrap();
    assert!(fs::metadata(&path).unwrap().len() > 64 * 1024);
    let shows = |path: &Path| {
        let program = testbed::Implementation::Ours.path(testbed::Program::Conntrack);
        let command = Command::new(program.unwrap()).args(["-L", "-l", "three", "--labelmap"]);
        namespace.output(command.arg(path)).unwrap()
    };
    assert_eq!(shows(&path).code(), 0);
    assert_eq!(shows(Path::new("/nonexistent")).code(), 2);
}
