//! Sizes in the units that people write, and what they mean as an IP packet.
