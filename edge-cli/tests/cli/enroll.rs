//! Enrolment and sync: what goes wrong before or without a server.

use insta::assert_snapshot;

use crate::device::{Device, Role};

#[test]
fn a_ticket_that_is_no_ticket_is_refused() {
    let mut device = Device::fresh();
    assert_snapshot!(device.transcript(&["enroll hello", "enroll outlet1:abcd", "enroll outlet9:abcd"]), @"");
    assert!(!device.home().exists(), "nothing is made for a ticket that cannot be read");
}

#[test]
fn sync_options_are_checked() {
    assert_snapshot!(Device::of("张三", Role::Inspector, None).transcript(&[
        "sync --max-bytes lots",
        "sync --max-time soon",
        "sync --server nowhere",
        "sync --fetch all",
    ]), @"");
}
