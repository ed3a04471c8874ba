//! Programs that the kernel runs on each event before it queues it for a socket (classic BPF,
//! `linux/filter.h`).
//!
//! What such a program drops costs no wake-up, no memory of the receive buffer and no decoding.
//! [`compile`] makes one from the daemon's filter of flows; its verdict is that of
//! [`EventFilter::passes`](flow::filter::EventFilter::passes) on the decoded flow. What cannot be
//! understood is let through, so that it is counted where it is decoded.
//!
//! Nothing here is attached to anything: a program is a list of numbers.

mod assembler;
mod compile;
#[cfg(test)]
mod interpreter;
#[cfg(test)]
mod property;

use alloc::vec::Vec;

pub use compile::compile;

/// One instruction, `struct sock_filter`.
///
/// ```text
///  0        2    3    4                 8
/// +--------+----+----+-----------------+
/// |  code  | jt | jf |        k        |
/// +--------+----+----+-----------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to skip when a comparison holds.
    pub jump_true: u8,
    /// Instructions to skip when it does not.
    pub jump_false: u8,
    /// A number for it.
    pub operand: u32,
}

/// A program: at most [`LEN_MAX`] instructions, whose jumps stay inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

impl Program {
    /// The instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}

/// Most instructions of a program (`BPF_MAXINSNS`).
pub const LEN_MAX: usize = 4096;

/// The program would be longer than the kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Codes of instructions (`linux/bpf_common.h`), as many as are used.
mod code {
    /// `A = k`
    pub const LOAD_NUMBER: u16 = 0x00;
    /// `A = the 4 bytes at k`, or an extension
    pub const LOAD_WORD: u16 = 0x20;
    /// `A = the byte at k`
    pub const LOAD_BYTE: u16 = 0x30;
    /// `A = the 4 bytes at X + k`
    pub const LOAD_WORD_AT_X: u16 = 0x40;
    /// `A = the byte at X + k`
    pub const LOAD_BYTE_AT_X: u16 = 0x50;
    /// `A = M[k]`
    pub const LOAD_CELL: u16 = 0x60;
    /// `X = k`
    pub const LOAD_X_NUMBER: u16 = 0x01;
    /// `M[k] = A`
    pub const STORE_CELL: u16 = 0x02;
    /// `A &= k`
    pub const AND: u16 = 0x54;
    /// Go on `k` instructions later.
    pub const JUMP: u16 = 0x05;
    /// Compare `A == k`.
    pub const JUMP_EQUAL: u16 = 0x15;
    /// Compare `A >= k`.
    pub const JUMP_AT_LEAST: u16 = 0x35;
    /// End with `k`, the number of bytes let through.
    pub const RETURN: u16 = 0x06;
    /// `X = A`
    pub const X_FROM_A: u16 = 0x07;

    /// Extension of [`LOAD_WORD`]: where an attribute of type X begins, searched from A on; 0 if
    /// there is none (`SKF_AD_NLATTR`).
    pub const FIND_ATTRIBUTE: u32 = 0xffff_f00c;
    /// The same in the nest that begins at A (`SKF_AD_NLATTR_NEST`).
    pub const FIND_IN_NEST: u32 = 0xffff_f010;
}
