//! The command. It calls the library and maps the outcome to an exit code, nothing else.

fn main() {}
