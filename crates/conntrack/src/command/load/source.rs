//! The text of a file of commands, which is read twice, in chunks of whole lines.
//!
//! What cannot be read twice, such as a pipe, is kept: a short text in memory, a longer one in a file
//! without a name.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process;

use crate::cli::batch::LINE_MAX;
use crate::files;

/// Bytes of a chunk, unless a line is longer.
const CHUNK: usize = 64 * 1024;

/// Longest text that is kept in memory.
const MEMORY_MAX: u64 = 1024 * 1024;

/// Longest text that is kept at all.
const TEXT_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// A text that can be read twice.
#[derive(Debug)]
pub enum Source {
    /// A file, and where its text starts.
    File(File, u64),
    /// The text itself.
    Text(Vec<u8>),
}

impl Source {
    /// The text that a file has from here on.
    pub fn new(mut file: File) -> io::Result<Self> {
        if let (true, Ok(start)) = (file.metadata()?.is_file(), file.stream_position()) {
            return Ok(Self::File(file, start));
        }
        let mut text = Vec::new();
        (&file).take(MEMORY_MAX).read_to_end(&mut text)?;
        if u64::try_from(text.len()).is_ok_and(|len| len < MEMORY_MAX) {
            return Ok(Self::Text(text));
        }
        let folder = env::temp_dir();
        let kept = keep(&folder, &text, file.take(TEXT_MAX));
        let kept = kept.map_err(|error| {
            let (folder, reason) = (folder.display(), files::reason(&error));
            let text = format!("read twice, and its copy cannot be kept in {folder}: {reason}");
            io::Error::new(error.kind(), text)
        })?;
        Ok(Self::File(kept, 0))
    }

    /// The text from its start.
    pub fn chunks(&mut self) -> io::Result<Chunks<'_>> {
        let reader: Box<dyn Read + Send + '_> = match self {
            Self::File(file, start) => {
                file.seek(SeekFrom::Start(*start))?;
                Box::new(&*file)
            }
            Self::Text(text) => Box::new(Cursor::new(&*text)),
        };
        Ok(Chunks {
            reader,
            rest: Vec::new(),
            next_line: 1,
            is_finished: false,
        })
    }
}

/// A copy of a text that begins like this and goes on.
fn keep(folder: &Path, start: &[u8], rest: impl Read) -> io::Result<File> {
    let mut kept = nameless(folder)?;
    kept.write_all(start)?;
    let copied = io::copy(&mut { rest }, &mut kept)?;
    if copied == TEXT_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(kept)
}

/// A file in this folder whose name is gone already.
fn nameless(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let mut last = io::ErrorKind::AlreadyExists.into();
    // Another's file of the same name is not touched.
    for attempt in 0..100 {
        let path = folder.join(format!("conntrack-{}-{attempt}", process::id()));
        match options.open(&path) {
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Some lines.
#[derive(Debug)]
pub struct Chunk {
    /// The number of the first one.
    pub first_line: u64,
    /// Their text. Only the last one of a text may lack its end.
    pub text: Vec<u8>,
}

/// A text on its way through.
pub struct Chunks<'a> {
    reader: Box<dyn Read + Send + 'a>,
    /// The beginning of a line whose end has not been read.
    rest: Vec<u8>,
    next_line: u64,
    is_finished: bool,
}

impl Chunks<'_> {
    /// The next lines, `None` when there are no more. Behind a line that is longer than any can be
    /// nothing is read.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let mut text = std::mem::take(&mut self.rest);
        let mut wanted = CHUNK;
        while !self.is_finished {
            if !fill(&mut self.reader, &mut text, wanted)? {
                self.is_finished = true;
            } else if let Some(end) = text.iter().rposition(|byte| *byte == b'\n') {
                self.rest = text.split_off(end + 1);
                break;
            } else if text.len() > LINE_MAX {
                self.is_finished = true;
            } else {
                wanted += CHUNK;
            }
        }
        if text.is_empty() {
            return Ok(None);
        }
        let first_line = self.next_line;
        self.next_line += line_ends(&text);
        Ok(Some(Chunk { first_line, text }))
    }
}

/// Reads until there are so many bytes; whether there were. One call is enough for a file, where
/// `read_to_end` would feel its way.
fn fill(reader: &mut impl Read, text: &mut Vec<u8>, wanted: usize) -> io::Result<bool> {
    let mut len = text.len();
    text.resize(wanted.max(len), 0);
    while let Some(free @ [_, ..]) = text.get_mut(len..) {
        match reader.read(free) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(len);
    Ok(len >= wanted)
}

/// How many lines end in a text. In portions whose count fits a byte: then many bytes are compared
/// at once.
fn line_ends(text: &[u8]) -> u64 {
    let of_portion = |portion: &[u8]| {
        let ends = portion.iter().map(|byte| u8::from(*byte == b'\n'));
        u64::from(ends.sum::<u8>())
    };
    text.chunks(usize::from(u8::MAX)).map(of_portion).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::TextLines;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    /// Every line of a text with its number, by way of chunks.
    fn lines(text: &[u8]) -> Vec<(u64, String)> {
        let mut source = Source::Text(text.to_vec());
        let mut chunks = source.chunks().unwrap();
        let mut found = Vec::new();
        while let Some(Chunk { first_line, text }) = chunks.next_chunk().unwrap() {
            let mut lines = TextLines::starting_at(first_line, &text);
            while let Ok(Some((number, line))) = lines.next_line() {
                found.push((number, line.into_owned()));
            }
        }
        found
    }

    #[test]
    fn chunks_have_whole_lines_and_their_numbers() {
        let text: String = (1..=20_000)
            .map(|number| format!("line {number}\n"))
            .collect();
        let found = lines(text.as_bytes());
        assert_eq!(found.len(), 20_000);
        let is_right = |(number, line): &(u64, String)| *line == format!("line {number}");
        assert!(found.iter().all(is_right));
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\nx"), [(1, String::new()), (2, "x".into())]);
        let long = "y".repeat(LINE_MAX);
        assert_eq!(lines(format!("x\n{long}\nz").as_bytes()).len(), 3);
    }

    #[test]
    fn nothing_is_read_behind_an_endless_line() {
        let text = vec![b'x'; 3 * LINE_MAX];
        let mut source = Source::Text(text);
        let mut chunks = source.chunks().unwrap();
        let chunk = chunks.next_chunk().unwrap().unwrap();
        assert!(chunk.text.len() > LINE_MAX && chunk.text.len() < LINE_MAX + 2 * CHUNK);
        assert!(chunks.next_chunk().unwrap().is_none());
    }

    #[test]
    fn a_long_text_that_comes_once_is_kept_in_a_file() {
        let line = b"# x\n";
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let count = 500_000;
        let writing = std::thread::spawn(move || writer.write_all(&line.repeat(count)));
        let file = File::from(OwnedFd::from(reader));
        let mut source = Source::new(file).unwrap();
        writing.join().unwrap().unwrap();
        assert!(matches!(source, Source::File(..)));
        for _ in 0..2 {
            let mut chunks = source.chunks().unwrap();
            let mut read = 0;
            while let Some(chunk) = chunks.next_chunk().unwrap() {
                read += chunk.text.len();
            }
            assert_eq!(read, line.len() * count);
        }
    }
}
