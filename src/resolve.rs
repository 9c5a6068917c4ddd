//! Names to addresses: numeric, /etc/hosts, a getent child.
