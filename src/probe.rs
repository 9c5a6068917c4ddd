//! The one loop with a clock and sockets: drives the searches of all paths.
