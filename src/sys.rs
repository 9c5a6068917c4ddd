//! Everything unsafe, in small functions that explain themselves.
