//! Where a command writes.
//!
//! Standard output is collected and written in pieces of 64 KiB, or when a command says that
//! somebody is waiting. It never goes through the standard library's line buffer.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

/// Bytes after which the buffer is written.
const PIECE: usize = 64 * 1024;

/// What a command shows, and what it has to say about it.
pub struct Console<'a> {
    /// Standard output.
    pub out: Output,
    /// Says a line on standard error, at once.
    pub notice: &'a mut dyn FnMut(&str),
    /// Shows a text in the last line of the terminal, if there is one to look at.
    pub status: Option<&'a mut dyn FnMut(&str)>,
}

impl Console<'_> {
    /// Shows how far a long work is.
    pub fn progress(&mut self, done: u64, total: u64) {
        if let Some(status) = &mut self.status {
            status(&format!("{done} of {total} lines"));
        }
    }

    /// Clears the line of the progress.
    pub fn end_of_progress(&mut self) {
        if let Some(status) = &mut self.status {
            status("");
        }
    }
}

/// A buffered file.
#[derive(Debug)]
pub struct Output {
    file: File,
    buffer: Vec<u8>,
}

impl Output {
    /// Writes to what this descriptor refers to.
    pub fn new(descriptor: impl AsFd) -> io::Result<Self> {
        Ok(Self {
            file: File::from(descriptor.as_fd().try_clone_to_owned()?),
            // One entry more than a piece fits without growing.
            buffer: Vec::with_capacity(PIECE + 4096),
        })
    }

    /// Where to append what is to be shown.
    pub const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes the buffer if it has grown to a piece.
    pub fn flush_full(&mut self) -> io::Result<()> {
        if self.buffer.len() < PIECE {
            return Ok(());
        }
        self.flush()
    }

    /// Writes what is in the buffer, and then this.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.file.write_all(bytes)
    }

    /// Writes the buffer. What could not be written is dropped, so that a failing descriptor is
    /// reported once and not with every line.
    pub fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written
    }
}
