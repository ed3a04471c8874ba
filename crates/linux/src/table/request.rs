//! Changes to the tables, as values.
//!
//! One type for what [`Table::execute`](crate::table::Table::execute) does at once and what
//! [`Batch::push`](crate::table::Batch::push) collects.

use flow::filter::KernelFilter;
use flow::{Expectation, Flow};
use nfnetlink::EncodeError;
use nfnetlink::conntrack::request::{self as flows, Call, FlowKey};
use nfnetlink::expect::request::{self as expectations, ExpectationKey};
use nfnetlink::nl::Builder;

/// One change.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a, 'b> {
    /// Creates a flow; fails with `EEXIST` if it is there.
    Create(&'a Flow<'b>),
    /// Creates a flow, or updates the one that is there.
    CreateOrUpdate(&'a Flow<'b>),
    /// Changes a flow that is there.
    Update(&'a Flow<'b>),
    /// Removes a flow.
    Delete(&'a FlowKey),
    /// Removes all flows that the filter lets through. One request, however many there are: it
    /// holds the caller until it is done.
    Flush(&'a KernelFilter),
    /// Creates an expectation; fails with `EEXIST` if it is there.
    CreateExpectation(&'a Expectation<'b>),
    /// Creates an expectation, or refreshes the one that is there.
    CreateOrUpdateExpectation(&'a Expectation<'b>),
    /// Removes an expectation.
    DeleteExpectation(&'a ExpectationKey),
    /// Removes all expectations.
    FlushExpectations,
}

impl Request<'_, '_> {
    /// The change as a verb phrase, for errors.
    pub(super) const fn operation(&self) -> &'static str {
        match self {
            Self::Create(_) => "create flow",
            Self::CreateOrUpdate(_) => "create or update flow",
            Self::Update(_) => "update flow",
            Self::Delete(_) => "delete flow",
            Self::Flush(_) => "flush flows",
            Self::CreateExpectation(_) => "create expectation",
            Self::CreateOrUpdateExpectation(_) => "create or update expectation",
            Self::DeleteExpectation(_) => "delete expectation",
            Self::FlushExpectations => "flush expectations",
        }
    }

    pub(super) fn encode(&self, b: &mut Builder<'_>, call: Call) -> Result<(), EncodeError> {
        match self {
            Self::Create(flow) => flows::create(b, call, flow),
            Self::CreateOrUpdate(flow) => flows::create_or_update(b, call, flow),
            Self::Update(flow) => flows::update(b, call, flow),
            Self::Delete(key) => flows::delete(b, call, key),
            Self::Flush(filter) => flows::flush(b, call, filter),
            Self::CreateExpectation(expectation) => expectations::create(b, call, expectation),
            Self::CreateOrUpdateExpectation(expectation) => {
                expectations::create_or_update(b, call, expectation)
            }
            Self::DeleteExpectation(key) => expectations::delete(b, call, key),
            Self::FlushExpectations => expectations::flush(b, call),
        }
    }
}
