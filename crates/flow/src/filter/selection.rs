//! The flows that a command is about: those that its options describe and, where it was given a
//! file of filters, that one of these wants as well.
//!
//! What the kernel is asked for is a part of both, and never more than either says.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::flow::FlowFilter;
use super::kernel::{KernelFilter, PartialTuple};
use super::set::FilterSet;
use crate::flow::Flow;
use crate::tuple::PerDir;

/// A filter, and perhaps a set of which one has to hold too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// What has to hold for every flow.
    pub all: FlowFilter,
    /// Of these, one has to hold.
    pub any: Option<Arc<FilterSet>>,
}

impl From<FlowFilter> for Selection {
    fn from(all: FlowFilter) -> Self {
        Self { all, any: None }
    }
}

impl Selection {
    /// Whether every flow is wanted, so that none has to be looked at.
    pub fn is_everything(&self) -> bool {
        self.any.is_none() && self.all == FlowFilter::default()
    }

    /// Whether a flow is wanted.
    pub fn matches(&self, flow: &Flow<'_>) -> bool {
        self.all.matches(flow) && self.any.as_ref().is_none_or(|any| any.matches(flow))
    }

    /// What the kernel may test before it copies an entry, for each dump that is needed: none when
    /// nothing can be wanted.
    pub fn kernel(&self) -> Vec<KernelFilter> {
        let Some(any) = &self.any else {
            return self.all.kernel().collect();
        };
        let any = any.kernel();
        let pairs = self
            .all
            .kernel()
            .flat_map(|all| any.iter().map(move |any| (all, any)));
        pairs.filter_map(|(all, any)| joined(&all, any)).collect()
    }
}

/// What both ask for; `None` when their families differ. Where they contradict each other nothing is
/// wanted, and it does not matter what the kernel tests.
fn joined(a: &KernelFilter, b: &KernelFilter) -> Option<KernelFilter> {
    if a.family.is_some() && b.family.is_some() && a.family != b.family {
        return None;
    }
    Some(KernelFilter {
        family: a.family.or(b.family),
        tuple: PerDir {
            orig: joined_parts(&a.tuple.orig, &b.tuple.orig),
            reply: joined_parts(&a.tuple.reply, &b.tuple.reply),
        },
        mark: a.mark.or(b.mark),
        status: a.status.or(b.status),
        zone: a.zone.or(b.zone),
    })
}

fn joined_parts(a: &PartialTuple, b: &PartialTuple) -> PartialTuple {
    PartialTuple {
        src: a.src.or(b.src),
        dst: a.dst.or(b.dst),
        protocol: a.protocol.or(b.protocol),
        src_port: a.src_port.or(b.src_port),
        dst_port: a.dst_port.or(b.dst_port),
        icmp_kind: a.icmp_kind.or(b.icmp_kind),
        icmp_code: a.icmp_code.or(b.icmp_code),
        icmp_id: a.icmp_id.or(b.icmp_id),
    }
}
