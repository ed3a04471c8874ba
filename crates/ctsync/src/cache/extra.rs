//! What few flows have, kept apart from the entry so that the others do not pay for it.
//!
//! Master, labels, sequence adjustment, helper and the like; IPv6 addresses are the entry's own
//! business, since whole networks have them.

use flow::{Labels, Name, PerDir, SeqAdj, Synproxy, Tuple, Zone};

/// Longest helper name of the kernel (`NF_CT_HELPER_NAME_LEN` less its zero).
const HELPER_NAME_LEN_MAX: usize = 15;

/// What few flows have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) master: Option<Tuple>,
    pub(crate) labels: Option<Labels>,
    pub(crate) seq_adj: PerDir<Option<SeqAdj>>,
    pub(crate) synproxy: Option<Synproxy>,
    pub(crate) helper: Option<HelperName>,
    pub(crate) sctp_vtag: PerDir<Option<u32>>,
    pub(crate) dccp_role: Option<u8>,
    pub(crate) zone_reply: Option<Zone>,
}

impl Extra {
    /// Takes over what is not known, SYN proxy data aside.
    pub(super) fn fill(&mut self, other: &Self) {
        self.master = self.master.or(other.master);
        self.labels = self.labels.or(other.labels);
        self.seq_adj.orig = self.seq_adj.orig.or(other.seq_adj.orig);
        self.seq_adj.reply = self.seq_adj.reply.or(other.seq_adj.reply);
        self.helper = self.helper.or(other.helper);
        self.sctp_vtag.orig = self.sctp_vtag.orig.or(other.sctp_vtag.orig);
        self.sctp_vtag.reply = self.sctp_vtag.reply.or(other.sctp_vtag.reply);
        self.dccp_role = self.dccp_role.or(other.dccp_role);
        self.zone_reply = self.zone_reply.or(other.zone_reply);
    }
}

/// A helper's name, kept in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HelperName {
    bytes: [u8; HELPER_NAME_LEN_MAX],
    len: u8,
}

impl HelperName {
    pub(super) fn new(name: Name<'_>) -> Option<Self> {
        let mut bytes = [0; HELPER_NAME_LEN_MAX];
        let len = name.as_bytes().len();
        bytes.get_mut(..len)?.copy_from_slice(name.as_bytes());
        Some(Self {
            bytes,
            len: u8::try_from(len).ok()?,
        })
    }

    pub(super) fn name(&self) -> Name<'_> {
        Name::new(self.bytes.get(..usize::from(self.len)).unwrap_or(&[]))
    }
}
