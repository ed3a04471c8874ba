//! Showing entries: the one place where a command meets the formats.
//!
//! An XML document is opened with its first entry, so that a command that finds nothing shows
//! nothing, and closed at the command's end.

use std::time::Duration;

use flow::render::xml::Document;
use flow::render::{Format, Record, Sender, Unknown};
use flow::{EventKind, Expectation, Flow};
use linux::clock;
use nfnetlink::{Decoded, UnknownAttributes};

use crate::cli::hiargs::Style;

/// A flow or expectation of the kernel's, and what of its message was not understood.
#[derive(Clone, Copy)]
pub struct Entry<'a, T = Flow<'a>> {
    /// The flow or expectation.
    pub object: &'a T,
    unknown: Option<&'a dyn Unknown>,
}

impl<'a, T> Entry<'a, T> {
    /// What was decoded from a message with these unknown attributes.
    pub fn new(decoded: &'a Decoded<T>, unknown: &'a UnknownAttributes<'a>) -> Self {
        Self::of(&decoded.value, decoded.unknown, unknown)
    }

    /// An object from a message with so many unknown attributes.
    pub fn of(object: &'a T, count: u32, unknown: &'a UnknownAttributes<'a>) -> Self {
        Self {
            object,
            unknown: (count > 0).then_some(unknown),
        }
    }
}

/// What has happened to an entry, and who asked for it.
pub type Happened<'a> = (EventKind, Option<Sender<'a>>);

/// Shows entries in a style.
pub struct Printer<'a> {
    style: &'a Style,
    /// The document that was opened.
    document: Option<Document>,
    /// Since 1970.
    now: Duration,
}

impl<'a> Printer<'a> {
    /// Nothing is shown yet.
    pub fn new(style: &'a Style) -> Self {
        Self {
            style,
            document: None,
            now: clock::wall(),
        }
    }

    /// Looks at the clock. What is shown until the next look is of this moment.
    pub fn look_at_clock(&mut self) {
        self.now = clock::wall();
    }

    /// Shows a flow.
    pub fn flow(&mut self, out: &mut Vec<u8>, entry: &Entry<'_>) {
        self.open(out, Document::Flows);
        self.flow_line(out, entry, None);
    }

    /// Shows what has happened to a flow.
    pub fn flow_event(&mut self, out: &mut Vec<u8>, entry: &Entry<'_>, happened: Happened<'_>) {
        self.open(out, Document::Flows);
        self.flow_line(out, entry, Some(happened));
    }

    /// Shows a flow without opening a document: for lines that may yet be thrown away.
    pub fn flow_line(&self, out: &mut Vec<u8>, entry: &Entry<'_>, happened: Option<Happened<'_>>) {
        let show = &self.style.show;
        let record = self.record(entry, happened);
        show.format.flow(out, &record, show);
        out.push(b'\n');
    }

    /// Shows an expectation, and what has happened to it.
    pub fn expectation(
        &mut self,
        out: &mut Vec<u8>,
        entry: &Entry<'_, Expectation<'_>>,
        happened: Option<Happened<'_>>,
    ) {
        self.open(out, Document::Expectations);
        let show = &self.style.show;
        let record = self.record(entry, happened);
        show.format.expectation(out, &record, show);
        out.push(b'\n');
    }

    /// Opens the document, if the format has one, before the first entry.
    pub fn open(&mut self, out: &mut Vec<u8>, document: Document) {
        if self.document.is_none() && self.style.show.format == Format::Xml {
            document.open(out);
            self.document = Some(document);
        }
    }

    /// Closes the document, if one was opened.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(document) = self.document.take() {
            document.close(out);
        }
    }

    /// Closes the document of something that may have failed on the way; then it says that it is not
    /// whole (compat: cli-122).
    pub fn close_after<T, E>(&mut self, result: Result<T, E>, out: &mut Vec<u8>) -> Result<T, E> {
        if result.is_err() && self.document.is_some() {
            out.extend_from_slice(b"<!-- not whole: an error ended it -->\n");
        }
        self.close(out);
        result
    }

    fn record<'b, T>(
        &'b self,
        entry: &Entry<'b, T>,
        happened: Option<Happened<'b>>,
    ) -> Record<'b, T> {
        let (event, sender) = happened.unzip();
        Record {
            object: entry.object,
            event,
            now: self.now.as_secs(),
            time: u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX),
            sender: sender.flatten(),
            unknown: entry.unknown,
            labels: self.style.labels.as_deref(),
            utc_offset: |seconds| clock::utc_offset(Duration::from_secs(seconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::{Addrs, L4, Protocol, Tuple};

    /// An unknown attribute 60 of two bytes.
    #[derive(Debug)]
    struct Sixty;

    impl Unknown for Sixty {
        fn each(&self, sink: &mut dyn FnMut(&[u16], &[u8])) {
            sink(&[4, 60], &[10, 11]);
        }
    }

    fn tuple() -> Tuple {
        let addrs = Addrs::V4 {
            src: [1, 1, 1, 1].into(),
            dst: [2, 2, 2, 2].into(),
        };
        Tuple::new(addrs, L4::Other(Protocol(200)))
    }

    fn style(format: Format) -> Style {
        let mut style = Style::default();
        style.show.format = format;
        style.show.time = true;
        style
    }

    #[test]
    fn a_time_stamp_is_shown_with_a_tab() {
        let style = style(Format::Text);
        let mut out = Vec::new();
        let entry = Entry {
            object: &Expectation::new(tuple(), tuple()),
            unknown: None,
        };
        Printer::new(&style).expectation(&mut out, &entry, Some((EventKind::New, None)));
        let line = String::from_utf8(out).unwrap();
        assert!(line.starts_with('['), "{line}");
        assert!(line.contains("]\t    [NEW] "), "{line}");
    }

    #[test]
    fn a_document_is_opened_once_and_closed_if_it_was_opened() {
        let style = style(Format::Xml);
        let flow = Flow::new(tuple());
        let entry = Entry {
            object: &flow,
            unknown: None,
        };
        for count in 0..3 {
            let mut out = Vec::new();
            let mut printer = Printer::new(&style);
            for _ in 0..count {
                printer.flow(&mut out, &entry);
            }
            printer.close(&mut out);
            let text = String::from_utf8(out).unwrap();
            let expected = if count == 0 { 0 } else { count + 3 };
            assert_eq!(text.lines().count(), expected, "{text}");
        }
    }

    #[test]
    fn json_keeps_what_was_not_understood() {
        let style = style(Format::Json);
        let flow = Flow::new(tuple());
        let entry = Entry {
            object: &flow,
            unknown: Some(&Sixty),
        };
        let mut out = Vec::new();
        Printer::new(&style).flow(&mut out, &entry);
        let line = String::from_utf8(out).unwrap();
        let unknown = r#""unknown":[{"attribute":[4,60],"payload":"0a0b"}]"#;
        assert!(line.contains(unknown), "{line}");
    }
}
