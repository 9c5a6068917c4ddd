//! The part of pathvet that thinks: evidence goes in, verdicts come out.
//!
//! Nothing here opens a file or a socket, reads a clock or the environment, or starts a process. The one front door for
//! verdicts is [`judge`]; [`search`] is the path-MTU search as a state machine that the command's probing loop drives.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod baseline;
pub mod builtin;
pub mod catalogue;
mod chain;
pub mod check;
mod dcb;
pub mod diagnose;
pub mod evidence;
pub mod expect;
mod fabric;
mod facts;
pub mod guid;
mod judge;
pub mod parse;
mod partition;
pub mod report;
pub mod search;
pub mod size;
pub mod tune;
pub mod wire;

pub use judge::{Case, expected_mtu, judge, judge_owned};
