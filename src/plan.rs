//! Reads a plan: what the user expects of which paths.
