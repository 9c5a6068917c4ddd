//! The path-MTU search: a state machine without socket or clock.
