//! The four kinds of trouble that a user can see.
