//! Renders a report: table, JSON.
