//! Bytes and structs that no library has.
