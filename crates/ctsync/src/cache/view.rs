//! The caches as clients see them (`conntrackd -i`, `-e`).
//!
//! A view is walked in steps of the caller's choice; between two steps the cache may change.

use flow::{Expectation, Flow};

use super::entry::Entry;
use super::expectation::Expected;
use super::external::External;
use super::internal::Internal;
use super::table::{Cursor, Record, Table};
use super::tracked::{Life, Tracked};
use crate::time::Instant;

/// What a flow has gone through in its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// Never updated.
    New,
    /// Updated at least once.
    Updated,
}

/// A flow of a cache.
#[derive(Clone, Debug)]
pub struct FlowView<'a> {
    /// What is known of it. A flow of the peer has `nat_src` and `nat_dst` in place of a reply.
    pub flow: Flow<'a>,
    /// When it entered the cache, to the second.
    pub created: Instant,
    /// When the cache was last told something of it, to the second.
    pub updated: Instant,
    /// What it has gone through; a flow of the peer is always new.
    pub state: EntryState,
}

/// One of the two caches, to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a>(Cache<'a>);

#[derive(Clone, Copy, Debug)]
enum Cache<'a> {
    Internal(&'a Internal),
    External(&'a External),
}

impl<'a> View<'a> {
    pub(crate) const fn internal(cache: &'a Internal) -> Self {
        Self(Cache::Internal(cache))
    }

    pub(crate) const fn external(cache: &'a External) -> Self {
        Self(Cache::External(cache))
    }

    /// Number of flows.
    pub const fn len(&self) -> usize {
        match self.0 {
            Cache::Internal(cache) => cache.live(),
            Cache::External(cache) => cache.table.len(),
        }
    }

    /// Whether there is no flow.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows the flows in the next `limit` slots and says where to go on; `None` after the last
    /// one. A walk begins at `Cursor::default()`. A flow that stays in the cache during the whole
    /// walk is shown exactly once; ended flows are not shown.
    pub fn next(
        &self,
        cursor: Cursor,
        limit: u32,
        mut show: impl FnMut(FlowView<'_>),
    ) -> Option<Cursor> {
        match self.0 {
            Cache::Internal(cache) => walk(&cache.table, cursor, limit, |tracked: &Tracked| {
                if let Some(view) = FlowView::of_tracked(tracked) {
                    show(view);
                }
            }),
            Cache::External(cache) => walk(&cache.table, cursor, limit, |entry: &Entry| {
                show(FlowView::of_peer(entry));
            }),
        }
    }
}

impl<'a> FlowView<'a> {
    fn of_tracked(tracked: &'a Tracked) -> Option<Self> {
        let state = match tracked.life {
            Life::New => EntryState::New,
            Life::Updated => EntryState::Updated,
            Life::Dead => return None,
        };
        Some(Self {
            flow: Flow {
                id: tracked.id(),
                ..tracked.entry.flow()
            },
            created: tracked.entry.created(),
            updated: tracked.entry.updated(),
            state,
        })
    }

    fn of_peer(entry: &'a Entry) -> Self {
        Self {
            flow: entry.peer_flow(),
            created: entry.created(),
            updated: entry.updated(),
            state: EntryState::New,
        }
    }
}

/// An expectation of a cache.
#[derive(Clone, Debug)]
pub struct ExpectationView<'a> {
    /// What is known of it, with the life that was last told of.
    pub expectation: Expectation<'a>,
    /// When it entered the cache.
    pub created: Instant,
    /// When the cache was last told something of it.
    pub updated: Instant,
}

impl<'a> ExpectationView<'a> {
    fn new(expected: &'a Expected) -> Self {
        Self {
            expectation: expected.expectation(),
            created: expected.created(),
            updated: expected.updated(),
        }
    }
}

/// The expectations of one of the two caches, to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct ExpectationsView<'a>(Expectations<'a>);

#[derive(Clone, Copy, Debug)]
enum Expectations<'a> {
    Internal(&'a Internal<Expected>),
    External(&'a External<Expected>),
}

impl<'a> ExpectationsView<'a> {
    pub(crate) const fn internal(cache: &'a Internal<Expected>) -> Self {
        Self(Expectations::Internal(cache))
    }

    pub(crate) const fn external(cache: &'a External<Expected>) -> Self {
        Self(Expectations::External(cache))
    }

    /// Number of expectations.
    pub const fn len(&self) -> usize {
        match self.0 {
            Expectations::Internal(cache) => cache.live(),
            Expectations::External(cache) => cache.table.len(),
        }
    }

    /// Whether there is no expectation.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As [`View::next`].
    pub fn next(
        &self,
        cursor: Cursor,
        limit: u32,
        mut show: impl FnMut(ExpectationView<'_>),
    ) -> Option<Cursor> {
        match self.0 {
            Expectations::Internal(cache) => {
                walk(&cache.table, cursor, limit, |it: &Tracked<Expected>| {
                    if it.life != Life::Dead {
                        show(ExpectationView::new(&it.entry));
                    }
                })
            }
            Expectations::External(cache) => walk(&cache.table, cursor, limit, |it: &Expected| {
                show(ExpectationView::new(it))
            }),
        }
    }
}

fn walk<R: Record>(
    table: &Table<R>,
    cursor: Cursor,
    limit: u32,
    show: impl FnMut(&R),
) -> Option<Cursor> {
    let (slots, next) = table.walk(cursor, limit)?;
    slots.filter_map(|slot| table.get(slot)).for_each(show);
    Some(next)
}
