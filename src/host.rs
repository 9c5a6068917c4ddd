//! Where facts are read from: this machine, a recorded tree, later ssh.
