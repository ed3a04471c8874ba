//! What an update does to a flow.
//!
//! The kernel is asked for what differs only, so that a flow that already is as wanted is left
//! alone and not counted.

use flow::filter::State;
use flow::{DccpInfo, Flow, Labels, Mark, PerDir, ProtoInfo, SctpInfo, Status};

use super::new_flow::{status_value, tcp_info};
use crate::cli::error::Error;
use crate::cli::lowargs::LowArgs;
use crate::cli::protocols::Field;

/// What an update changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// New remaining life.
    pub timeout: Option<u32>,
    /// New mark, and which of its bits are replaced.
    pub mark: Option<(u32, Option<u32>)>,
    /// Status bits to set.
    pub status: Option<Status>,
    /// New state of the protocol.
    pub state: Option<State>,
    /// New verification tags of SCTP.
    pub vtag: PerDir<Option<u32>>,
    /// Labels to set.
    pub label_add: Option<Labels>,
    /// Labels to clear.
    pub label_del: Option<Labels>,
}

pub(super) fn change(args: &LowArgs) -> Result<Change, Error> {
    Ok(Change {
        timeout: args.timeout,
        mark: args.mark,
        status: status_value(args)?,
        state: args.state,
        vtag: PerDir {
            orig: args.number(Field::OrigVtag),
            reply: args.number(Field::ReplyVtag),
        },
        label_add: args.labels.add,
        label_del: args.labels.del,
    })
}

impl Change {
    /// What to ask of the kernel so that a flow is changed; `None` if it already is as wanted.
    pub fn request(&self, flow: &Flow<'_>) -> Option<Flow<'static>> {
        let mut request = Flow::new(flow.orig);
        request.zone = flow.zone;
        let old_mark = flow.mark.unwrap_or_default().0;
        let mark = self.mark.map(|(value, mask)| match mask {
            // What the kernel does with a masked mark, so that bits beside the mask toggle.
            Some(mask) => old_mark & !mask ^ value,
            None => value,
        });
        request.mark = mark.filter(|mark| *mark != old_mark).map(Mark);
        let old_status = flow.status.unwrap_or_default();
        let status = self.status.map(|bits| old_status | bits);
        request.status = status.filter(|status| *status != old_status);
        request.timeout = self.timeout.filter(|new| flow.timeout != Some(*new));
        let info = self.protoinfo(flow);
        request.protoinfo = info.filter(|_| !self.has_state_of(flow));
        self.change_labels(flow, &mut request);
        let changes = request.mark.is_some()
            || request.labels.is_some()
            || request.status.is_some()
            || request.timeout.is_some()
            || request.protoinfo.is_some();
        changes.then_some(request)
    }

    /// As in stock, labels are set and cleared again where they already are as wanted.
    ///
    /// The kernel clears the bits of the mask and then toggles those of the value, so that all
    /// other labels stay, whatever the number of a label (compat: cli-14a).
    fn change_labels(&self, flow: &Flow<'_>, request: &mut Flow<'static>) {
        if let Some(add) = self.label_add {
            request.labels = Some(add);
            request.labels_mask = Some(add);
        }
        if let Some(del) = self.label_del.filter(|_| flow.labels.is_some()) {
            request.labels = Some(Labels::empty());
            request.labels_mask = Some(del);
        }
    }

    /// Whether a flow has the wanted state and tags already.
    fn has_state_of(&self, flow: &Flow<'_>) -> bool {
        match (self.state, flow.protoinfo) {
            (Some(State::Tcp(state)), Some(ProtoInfo::Tcp(tcp))) => tcp.state == Some(state),
            (Some(State::Dccp(state)), Some(ProtoInfo::Dccp(dccp))) => dccp.state == Some(state),
            (_, Some(info)) => self.protoinfo(flow) == Some(info),
            (_, None) => false,
        }
    }

    fn protoinfo(&self, flow: &Flow<'_>) -> Option<ProtoInfo> {
        match (self.state, flow.protoinfo) {
            (Some(State::Tcp(state)), _) => Some(ProtoInfo::Tcp(tcp_info(state))),
            (Some(State::Dccp(state)), _) => Some(ProtoInfo::Dccp(DccpInfo {
                state: Some(state),
                ..DccpInfo::default()
            })),
            // The kernel wants state and tags together.
            (state, Some(ProtoInfo::Sctp(old))) => {
                let state = match state {
                    Some(State::Sctp(state)) => Some(state),
                    _ => old.state,
                };
                let vtag = PerDir {
                    orig: self.vtag.orig.or(old.vtag.orig),
                    reply: self.vtag.reply.or(old.vtag.reply),
                };
                Some(ProtoInfo::Sctp(SctpInfo { state, vtag }))
            }
            _ => None,
        }
    }
}
