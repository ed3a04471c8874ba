//! Giving up rights.
//!
//! After its start the daemon needs `CAP_NET_ADMIN` alone: to change the kernel's table and to
//! enlarge socket buffers. What it gives up it cannot get back, nor can a program it starts.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};

use super::User;
use crate::error::{Context, Result};

/// The rights that stay, in all sets where they are now.
const KEPT: CapabilitySet = CapabilitySet::NET_ADMIN;

/// Becomes another user, if one is given, and drops every capability of this thread but
/// `CAP_NET_ADMIN`; call it while there is only one.
pub fn confine(user: Option<User>) -> Result<()> {
    let now = capabilities(None).during("read capabilities")?;
    // Without `CAP_SETPCAP` the bounding set stays, which matters to children only, and those
    // are kept from gaining rights by the line below.
    if now.effective.contains(CapabilitySet::SETPCAP) {
        for bit in 0..u64::BITS {
            let capability = CapabilitySet::from_bits_retain(1 << bit);
            if capability != KEPT {
                // Fails for the numbers that this kernel does not know.
                let _ = remove_capability_from_bounding_set(capability);
            }
        }
    }
    if let Some(user) = user {
        user.assume()?;
    }
    set_no_new_privs(true).during("refuse new privileges")?;
    let left = CapabilitySets {
        // After a change of user the effective ones are gone, the permitted ones are not.
        effective: now.permitted & KEPT,
        permitted: now.permitted & KEPT,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, left).during("drop capabilities")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::no_new_privs;

    /// Capabilities belong to a thread, so only this test's thread loses them.
    #[test]
    fn only_net_admin_stays() {
        let before = capabilities(None).unwrap();
        confine(None).unwrap();
        let after = capabilities(None).unwrap();
        assert_eq!(after.effective, before.effective & KEPT);
        assert_eq!(after.permitted, before.permitted & KEPT);
        assert!(no_new_privs().unwrap());
        assert!(set_capabilities(None, before).is_err() || before.permitted == after.permitted);
    }
}
