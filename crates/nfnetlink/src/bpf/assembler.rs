//! Instructions with names for the places they jump to.
//!
//! A comparison reaches 255 instructions only, a plain jump all of them. So each branch is a
//! comparison that skips a plain jump or does not, which costs one instruction and spares the
//! search for a fitting layout.

use alloc::vec::Vec;

use super::{Instruction, LEN_MAX, Program, TooLong, code};

/// A place in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// A program under construction.
#[derive(Debug, Default)]
pub struct Assembler {
    instructions: Vec<Instruction>,
    /// Where each label stands, once that is known.
    places: Vec<Option<usize>>,
    /// The plain jumps, and where they lead.
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    /// A name for a place that comes later.
    pub fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// The place of this label is here.
    pub fn place(&mut self, label: Label) {
        if let Some(place) = self.places.get_mut(label.0) {
            *place = Some(self.instructions.len());
        }
    }

    /// An instruction without a jump.
    pub fn push(&mut self, code: u16, operand: u32) {
        self.instructions.push(Instruction {
            code,
            jump_true: 0,
            jump_false: 0,
            operand,
        });
    }

    /// Goes on at the label.
    pub fn jump(&mut self, to: Label) {
        self.jumps.push((self.instructions.len(), to));
        self.push(code::JUMP, 0);
    }

    /// Goes on at the label if the comparison holds.
    pub fn branch(&mut self, comparison: u16, operand: u32, to: Label) {
        self.instructions.push(Instruction {
            code: comparison,
            jump_true: 0,
            jump_false: 1,
            operand,
        });
        self.jump(to);
    }

    /// The program. Labels that nobody has placed are ours to blame, and lead to the next line.
    pub fn finish(mut self) -> Result<Program, TooLong> {
        if self.instructions.len() > LEN_MAX {
            return Err(TooLong);
        }
        for (from, Label(label)) in self.jumps {
            let place = self.places.get(label).copied().flatten();
            debug_assert!(
                place.is_some_and(|place| place > from),
                "jumps lead forward"
            );
            let distance = place.map_or(0, |place| place.saturating_sub(from + 1));
            if let Some(jump) = self.instructions.get_mut(from) {
                jump.operand = u32::try_from(distance).map_err(|_| TooLong)?;
            }
        }
        Ok(Program(self.instructions))
    }
}
