//! The Mesos v1 HTTP API: messages, JSON mapping, RecordIO, clients, resource arithmetic
