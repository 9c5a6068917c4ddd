//! Collectors: each reads one table of the evidence and returns it with its gaps.
