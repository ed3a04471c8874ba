//! Runs a program as the kernel does (`net/core/filter.c`, for the instructions used here), to
//! test what the compiler makes without a kernel. It panics where the kernel would refuse the
//! program: an unknown instruction, a jump out of it.

use std::vec::Vec;

use super::{Instruction, Program, code};

/// The bytes of a netlink message that the program lets through.
pub fn run(program: &Program, bytes: &[u8]) -> u32 {
    let (mut a, mut x) = (0_u32, 0_u32);
    let mut cells = [0_u32; 16];
    let mut at = 0;
    loop {
        let Instruction {
            code,
            jump_true,
            jump_false,
            operand: k,
        } = program.instructions()[at];
        at += 1;
        let mut jump = |holds: bool| at += usize::from(if holds { jump_true } else { jump_false });
        match code {
            code::LOAD_NUMBER => a = k,
            code::LOAD_WORD if k == code::FIND_ATTRIBUTE => a = find(bytes, a, bytes.len(), x),
            code::LOAD_WORD if k == code::FIND_IN_NEST => a = find_in_nest(bytes, a, x),
            // A load beyond the end drops the packet.
            code::LOAD_WORD => match word(bytes, k) {
                Some(word) => a = word,
                None => return 0,
            },
            code::LOAD_WORD_AT_X => match word(bytes, x + k) {
                Some(word) => a = word,
                None => return 0,
            },
            code::LOAD_BYTE | code::LOAD_BYTE_AT_X => {
                let place = if code == code::LOAD_BYTE { k } else { x + k };
                match bytes.get(place as usize) {
                    Some(byte) => a = (*byte).into(),
                    None => return 0,
                }
            }
            code::LOAD_CELL => a = cells[k as usize],
            code::STORE_CELL => cells[k as usize] = a,
            code::LOAD_X_NUMBER => x = k,
            code::X_FROM_A => x = a,
            code::AND => a &= k,
            code::JUMP => at += k as usize,
            code::JUMP_EQUAL => jump(a == k),
            code::JUMP_AT_LEAST => jump(a >= k),
            code::RETURN => return k,
            other => panic!("unknown instruction {other:#x}"),
        }
    }
}

fn word(bytes: &[u8], place: u32) -> Option<u32> {
    let bytes = bytes.get(place as usize..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes))
}

/// `nla_find` from `start` on, before `end`.
fn find(bytes: &[u8], start: u32, end: usize, kind: u32) -> u32 {
    let mut at = start as usize;
    while let Some([a, b, c, d]) = bytes.get(at..end).and_then(|rest| rest.first_chunk()) {
        let len = usize::from(u16::from_ne_bytes([*a, *b]));
        if len < 4 || at + len > end {
            return 0;
        }
        // Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
        if u32::from(u16::from_ne_bytes([*c, *d]) & 0x3fff) == kind {
            return u32::try_from(at).unwrap();
        }
        at += len.next_multiple_of(4);
    }
    0
}

fn find_in_nest(bytes: &[u8], nest: u32, kind: u32) -> u32 {
    let at = nest as usize;
    let Some([a, b]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
        return 0;
    };
    let end = at + usize::from(u16::from_ne_bytes([*a, *b]));
    if end > bytes.len() {
        return 0;
    }
    find(bytes, nest + 4, end, kind)
}

#[test]
fn attributes_are_found_where_they_begin() {
    let attribute = |kind: u16, payload: &[u8]| {
        let len = u16::try_from(4 + payload.len()).unwrap();
        let mut bytes = Vec::from(len.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let inner = [attribute(1, &[1]), attribute(2, &[2])].concat();
    let bytes = [attribute(7, &[0; 3]), attribute(0x8000 | 3, &inner)].concat();
    assert_eq!(find(&bytes, 0, bytes.len(), 3), 8);
    assert_eq!(find(&bytes, 0, bytes.len(), 4), 0);
    assert_eq!(find_in_nest(&bytes, 8, 2), 20);
    assert_eq!(find_in_nest(&bytes, 8, 7), 0);
}
