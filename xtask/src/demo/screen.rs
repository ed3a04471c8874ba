//! What the audience sees: 80 columns, colours only on a terminal.
//!
//! Everything goes through [`Screen`], one line at a time. A line that cannot be written ends the
//! demo, which then cleans up: nobody is watching any more.

use std::io::{self, IsTerminal, Write as _};

use testbed::{Error, Result};

/// Echoes of the steady connection in half a second that fill the bar.
const FULL: usize = 45;
/// Columns of the bar.
const BAR: usize = 24;

/// The terminal, or whatever standard output is.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    coloured: bool,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
}

impl Screen {
    /// Standard output.
    pub fn new() -> Self {
        let coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { coloured }
    }

    /// The heading of an act.
    pub fn heading(self, text: &str) -> Result<()> {
        self.line(&format!("\n{}\n", self.paint(Tone::Strong, text)))
    }

    /// Text as it stands.
    pub fn text(self, text: &str) -> Result<()> {
        self.line(text)
    }

    /// One line of the story.
    pub fn note(self, tone: Tone, text: &str) -> Result<()> {
        let text = if text.is_empty() {
            String::new()
        } else {
            format!("  {text}")
        };
        self.line(&self.paint(tone, &text))
    }

    /// Half a second of the steady connection, `at` seconds from the failure.
    pub fn half_second(self, at: f64, echoes: usize) -> Result<()> {
        let time = self.paint(Tone::Faint, &format!("{at:>+8.3} s"));
        if echoes == 0 {
            return self.line(&format!("{time}  {}", self.paint(Tone::Bad, "no answer")));
        }
        let length = (echoes * BAR).div_ceil(FULL).min(BAR);
        let bar = self.paint(Tone::Good, &"█".repeat(length));
        self.line(&format!(
            "{time}  {bar}{}{echoes:>4} answered",
            " ".repeat(BAR - length)
        ))
    }

    /// Something that happened `at` seconds from the failure.
    pub fn event(self, at: f64, tone: Tone, text: &str) -> Result<()> {
        let time = self.paint(tone, &format!("{at:>+8.3} s"));
        self.line(&format!("{time}  {}", self.paint(tone, text)))
    }

    fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Bad => "31",
        };
        if self.coloured {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn line(self, text: &str) -> Result<()> {
        writeln!(io::stdout(), "{text}").map_err(Error::io("writing to the terminal"))
    }
}

/// `1003` as `1,003`.
pub fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number
        .try_into()
        .map(|n: u64| n.to_string())
        .unwrap_or_default();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1003, "1,003"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
