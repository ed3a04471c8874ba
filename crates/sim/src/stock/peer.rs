//! A daemon of stock's making in FT-FW, written down from the description of its behaviour
//! (docs/wire.md, "FT-FW"), with the holes through which it loses flows: a HELLO that arrives
//! empties its resend queue and passes unchecked, what is behind is dropped for ever, a number is
//! asked for once, and an acknowledgement may cover what was lost during a greeting.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ctsync::wire::{Control, Flags, FlowMessage, Kind, Message, SeqRange, split};
use ctsync::{Instant, Seq};
use flow::EventKind;

use super::own::{Own, Slot, State};
use crate::essence::{Essence, Key};

/// Silence after which it acknowledges, or gives a sign of life.
const TICK: Duration = Duration::from_secs(1);

/// `ACKWindowSize`.
const WINDOW: u32 = 300;

/// Room of a datagram: its length stays below this.
const PAYLOAD_LEN_MAX: usize = 1_472;

/// Whether it was greeted back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hello {
    Init,
    Say,
    Done,
}

/// Something in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Object(Slot),
    /// With the flags that it was sent with before.
    Control(Control, Flags),
}

/// A stock daemon.
#[derive(Debug)]
pub struct Stock {
    next: Seq,
    last: Option<Seq>,
    hello: Hello,
    owes_hello_back: bool,
    ack_from: Option<Seq>,
    window: u32,
    transmit: VecDeque<Item>,
    resend: VecDeque<(Seq, Item)>,
    resend_len_max: usize,
    /// Its internal cache.
    pub own: Own,
    /// Its external cache.
    pub external: BTreeMap<Key, Essence>,
    /// When it speaks if it has been silent until then.
    pub tick_at: Instant,
    /// Messages sent.
    pub sent: u64,
}

impl Stock {
    /// A daemon that starts now, and asks for a bulk (`StartupResync`).
    pub fn new(now: Instant, first: Seq, resend_len_max: usize, own: Own) -> Self {
        Self {
            next: first,
            last: None,
            hello: Hello::Init,
            owes_hello_back: false,
            ack_from: None,
            window: WINDOW,
            transmit: VecDeque::from([Item::Control(Control::Resync, Flags::NONE)]),
            resend: VecDeque::new(),
            resend_len_max,
            own,
            external: BTreeMap::new(),
            tick_at: now + TICK,
            sent: 0,
        }
    }

    /// Something has happened to one of its flows.
    pub fn on_change(&mut self, slot: Slot, state: State) {
        let is_it = |item: &Item| *item == Item::Object(slot);
        if state == State::New {
            // The old object goes from all queues.
            self.transmit.retain(|item| !is_it(item));
        }
        self.resend.retain(|(_, item)| !is_it(item));
        if !self.transmit.iter().any(is_it) {
            self.transmit.push_back(Item::Object(slot));
        }
    }

    /// An operator wants everything to be asked for (`-n`).
    pub fn request_bulk(&mut self) {
        self.say(Control::Resync);
    }

    /// The time has come to speak.
    pub fn on_tick(&mut self, now: Instant) {
        if now < self.tick_at {
            return;
        }
        self.tick_at = now + TICK;
        let control = match (self.ack_from.take(), self.last) {
            (Some(from), Some(to)) => Control::Ack(SeqRange { from, to }),
            _ => Control::Alive,
        };
        self.say(control);
    }

    /// Sends all that waits.
    pub fn drain(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let mut datagram = Vec::new();
        while let Some(item) = self.transmit.pop_front() {
            let mut message = Vec::new();
            let item = self.build(item, &mut message);
            if message.is_empty() {
                // It has ended since, and the peer knows.
                continue;
            }
            if datagram.len() + message.len() >= PAYLOAD_LEN_MAX {
                datagrams.push(std::mem::take(&mut datagram));
            }
            datagram.extend_from_slice(&message);
            self.keep(item);
            self.sent += 1;
            self.next = self.next.next();
        }
        if !datagram.is_empty() {
            datagrams.push(datagram);
            self.tick_at = now + TICK;
        }
        datagrams
    }

    fn build(&mut self, item: Item, out: &mut Vec<u8>) -> Item {
        if self.hello == Hello::Init {
            self.hello = Hello::Say;
        }
        let mut flags = Flags::NONE;
        if self.hello == Hello::Say {
            flags = flags | Flags::HELLO;
        }
        if std::mem::take(&mut self.owes_hello_back) {
            flags = flags | Flags::HELLO_BACK;
        }
        match item {
            Item::Object(slot) => {
                self.own.encode(slot, flags, self.next, out);
                item
            }
            Item::Control(control, before) => {
                let flags = flags | before;
                control.encode(flags, self.next, out);
                Item::Control(control, flags)
            }
        }
    }

    /// What was sent waits for its acknowledgement; the oldest falls out.
    fn keep(&mut self, item: Item) {
        if matches!(item, Item::Control(Control::Alive, _)) {
            return;
        }
        self.resend.push_back((self.next, item));
        if self.resend.len() > self.resend_len_max {
            if let Some((_, Item::Object(slot))) = self.resend.pop_front() {
                self.own.release(slot);
            }
        }
    }

    fn say(&mut self, control: Control) {
        self.transmit.push_back(Item::Control(control, Flags::NONE));
    }

    /// A datagram arrives.
    pub fn on_datagram(&mut self, bytes: &[u8]) {
        for message in split(bytes).flatten() {
            self.on_message(&message);
        }
    }

    fn on_message(&mut self, message: &Message<'_>) {
        let (seq, flags) = (message.header.seq, message.header.flags);
        if flags.contains(Flags::HELLO_BACK) && self.hello == Hello::Say {
            self.hello = Hello::Done;
        }
        if flags.contains(Flags::HELLO) {
            self.owes_hello_back = true;
            if self.ack_from.is_some_and(|from| seq.is_before(from)) {
                self.window = WINDOW - 1;
                self.ack_from = Some(seq);
            }
            for (_, item) in std::mem::take(&mut self.resend) {
                if let Item::Object(slot) = item {
                    self.own.release(slot);
                }
            }
            self.go_on(message);
            return;
        }
        match self.last {
            Some(last) if seq.is_after(last.next()) => self.on_gap(message, last),
            Some(last) if seq != last.next() => {}
            Some(_) | None => self.go_on(message),
        }
    }

    fn on_gap(&mut self, message: &Message<'_>, last: Seq) {
        let seq = message.header.seq;
        if !self.digest(message) {
            return;
        }
        if let Some(from) = self.ack_from {
            self.say(Control::Ack(SeqRange { from, to: last }));
        }
        self.say(Control::Nack(SeqRange {
            from: last.next(),
            to: seq.previous(),
        }));
        self.window = WINDOW - 1;
        self.ack_from = Some(seq);
        self.accept(message);
    }

    fn go_on(&mut self, message: &Message<'_>) {
        let seq = message.header.seq;
        if !self.digest(message) {
            return;
        }
        let from = *self.ack_from.get_or_insert(seq);
        self.window = self.window.wrapping_sub(1);
        if self.window == 0 {
            self.say(Control::Ack(SeqRange { from, to: seq }));
            self.window = WINDOW;
            self.ack_from = None;
        }
        self.accept(message);
    }

    /// What a control message says is done; `false` for a malformed one.
    fn digest(&mut self, message: &Message<'_>) -> bool {
        if message.header.kind != Kind::Control {
            return true;
        }
        match Control::decode(message) {
            Ok(Control::Ack(range)) => {
                for (_, item) in self.take(range) {
                    if let Item::Object(slot) = item {
                        self.own.release(slot);
                    }
                }
            }
            Ok(Control::Nack(range)) => {
                let asked = self.take(range);
                self.transmit
                    .extend(asked.into_iter().map(|(_, item)| item));
            }
            Ok(Control::Resync) => self.bulk(),
            Ok(Control::Alive) => {}
            Err(_) => return false,
        }
        true
    }

    /// Takes a range out of the resend queue; the first number beyond it ends the walk.
    fn take(&mut self, range: SeqRange) -> VecDeque<(Seq, Item)> {
        let beyond = |(seq, _): &(Seq, Item)| seq.is_after(range.to);
        let end = self.resend.iter().position(beyond);
        let behind = self.resend.split_off(end.unwrap_or(self.resend.len()));
        let walked = std::mem::take(&mut self.resend);
        let (kept, taken): (VecDeque<_>, _) = walked
            .into_iter()
            .partition(|(seq, _)| seq.is_before(range.from));
        self.resend = kept;
        self.resend.extend(behind);
        taken
    }

    fn bulk(&mut self) {
        for slot in self.own.slots() {
            let is_it = |item: &Item| *item == Item::Object(slot);
            self.resend.retain(|(_, item)| !is_it(item));
            if !self.transmit.iter().any(is_it) {
                self.transmit.push_back(Item::Object(slot));
            }
        }
    }

    fn accept(&mut self, message: &Message<'_>) {
        self.last = Some(message.header.seq);
        let Kind::Flow(kind) = message.header.kind else {
            return;
        };
        let Ok(told) = FlowMessage::decode(message.body) else {
            return;
        };
        let key = Key::of_message(&told);
        let essence = Essence::of_message(&told);
        match (kind, self.external.get_mut(&key)) {
            (EventKind::Destroy, _) => {
                self.external.remove(&key);
            }
            (EventKind::Update, Some(known)) => merge(known, essence),
            (EventKind::New | EventKind::Update, _) => {
                self.external.insert(key, essence);
            }
        }
    }

    /// Messages that wait or are not acknowledged.
    pub fn waiting(&self) -> usize {
        self.transmit.len() + self.resend.len()
    }
}

/// What a message leaves out stays.
fn merge(known: &mut Essence, told: Essence) {
    let Essence {
        status,
        state,
        wscale,
        vtag,
        mark,
        labels,
        helper,
        master,
        nat,
        seq_adj,
        synproxy,
    } = told;
    known.status = status;
    known.state = state.or(known.state);
    known.wscale.orig = wscale.orig.or(known.wscale.orig);
    known.wscale.reply = wscale.reply.or(known.wscale.reply);
    known.vtag.orig = vtag.orig.or(known.vtag.orig);
    known.vtag.reply = vtag.reply.or(known.vtag.reply);
    known.mark = mark.or(known.mark);
    known.labels = labels.or(known.labels);
    known.helper = helper.or_else(|| known.helper.take());
    known.master = master.or(known.master);
    known.nat.src = nat.src.or(known.nat.src);
    known.nat.dst = nat.dst.or(known.nat.dst);
    known.nat.src_port = nat.src_port.or(known.nat.src_port);
    known.nat.dst_port = nat.dst_port.or(known.nat.dst_port);
    known.seq_adj = seq_adj.or(known.seq_adj);
    known.synproxy = synproxy.or(known.synproxy);
}
