//! Showing entries: the one place where a command meets the formats.
//!
//! An XML document is opened with its first entry, so that a command that finds nothing shows
//! nothing, and closed at the command's end.

use std::time::Duration;

use flow::render::xml::Document;
use flow::render::{Format, Record, Sender};
use flow::{EventKind, Flow};
use linux::clock;

use crate::cli::hiargs::Style;

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
    pub fn flow(&mut self, out: &mut Vec<u8>, flow: &Flow<'_>) {
        self.open(out, Document::Flows);
        self.flow_line(out, flow);
    }

    /// Shows a flow without opening a document: for lines that may yet be thrown away.
    pub fn flow_line(&self, out: &mut Vec<u8>, flow: &Flow<'_>) {
        self.flow_record(out, &self.record(flow, None, None));
    }

    /// Shows what has happened to a flow.
    pub fn flow_event(
        &mut self,
        out: &mut Vec<u8>,
        flow: &Flow<'_>,
        kind: EventKind,
        sender: Option<Sender<'_>>,
    ) {
        self.open(out, Document::Flows);
        self.flow_record(out, &self.record(flow, Some(kind), sender));
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

    fn flow_record(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        let Style { show, .. } = self.style;
        show.format.flow(out, record, show);
        out.push(b'\n');
    }

    fn record<'b>(
        &'b self,
        object: &'b Flow<'b>,
        event: Option<EventKind>,
        sender: Option<Sender<'b>>,
    ) -> Record<'b> {
        Record {
            object,
            event,
            now: self.now.as_secs(),
            time: u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX),
            sender,
            unknown: None,
            labels: self.style.labels.as_deref(),
            utc_offset: |seconds| clock::utc_offset(Duration::from_secs(seconds)),
        }
    }
}
