//! Numbers of the expectation subsystem, under the kernel's names.

use crate::conntrack::constants::attributes;

/// Messages of the expectation table (`enum ctnl_exp_msg_types`).
pub mod msg {
    /// `IPCTNL_MSG_EXP_NEW`.
    pub const NEW: u8 = 0;
    /// `IPCTNL_MSG_EXP_GET`.
    pub const GET: u8 = 1;
    /// `IPCTNL_MSG_EXP_DELETE`.
    pub const DELETE: u8 = 2;
    /// `IPCTNL_MSG_EXP_GET_STATS_CPU`.
    pub const GET_STATS_CPU: u8 = 3;
}

attributes! {
    /// An expectation (`enum ctattr_expect`).
    expect {
        CTA_EXPECT_MASTER = 1,
        CTA_EXPECT_TUPLE = 2,
        CTA_EXPECT_MASK = 3,
        CTA_EXPECT_TIMEOUT = 4,
        CTA_EXPECT_ID = 5,
        CTA_EXPECT_HELP_NAME = 6,
        CTA_EXPECT_ZONE = 7,
        CTA_EXPECT_FLAGS = 8,
        CTA_EXPECT_CLASS = 9,
        CTA_EXPECT_NAT = 10,
        CTA_EXPECT_FN = 11,
    }
}

attributes! {
    /// Translation of the expected flow (`enum ctattr_expect_nat`).
    nat {
        CTA_EXPECT_NAT_DIR = 1,
        CTA_EXPECT_NAT_TUPLE = 2,
    }
}
