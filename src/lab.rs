//! The built-in network: real namespaces, bridges and routers, without root.
