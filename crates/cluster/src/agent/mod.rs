//! The agent: executors, sandboxes, volumes and status updates on one machine.
