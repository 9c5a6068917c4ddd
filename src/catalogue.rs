//! Reads the built-in catalogues on first use.
