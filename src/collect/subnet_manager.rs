//! Subnet managers.
use crate::host::Host;
use pathvet_checks::evidence;
use std::time::Duration;
/// x
pub fn subnet_managers(_host: &dyn Host, _found: &mut evidence::Host, _timeout: Duration) {}
