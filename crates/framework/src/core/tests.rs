//! Tests of whole scenarios.
