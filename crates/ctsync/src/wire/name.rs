//! Names short enough for the wire.
//!
//! Stock refuses a whole message for a name that is too long, although the kernel has such names
//! and stock sends them. A [`ShortName`] cannot be too long, so what we send is accepted
//! (compat: sync-3).

use flow::Name;

use crate::wire::DropReason;

/// Name of a helper: at most 11 bytes, so that attribute header and final zero fit in 16.
pub type HelperName<'a> = ShortName<'a, 11>;

/// Name of an expectation's function: at most 27 bytes.
pub type FunctionName<'a> = ShortName<'a, 27>;

/// A name of at most `MAX` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortName<'a, const MAX: usize>(Name<'a>);

impl<'a, const MAX: usize> ShortName<'a, MAX> {
    /// The name if it fits. One that does not is left out of the message.
    pub fn new(name: Name<'a>) -> Option<Self> {
        (name.as_bytes().len() <= MAX).then_some(Self(name))
    }

    /// The name.
    pub const fn name(&self) -> Name<'a> {
        self.0
    }

    /// Reads an attribute. Its final zero may be missing if there was room for it.
    pub(super) fn decode(payload: &'a [u8]) -> Result<Self, DropReason> {
        if payload.len() > MAX + 1 {
            return Err(DropReason::BadPayload);
        }
        Self::new(Name::new(payload)).ok_or(DropReason::BadPayload)
    }
}
