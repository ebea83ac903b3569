//! Framework specs and stack specs: parsed, checked, resolved into a graph, compared. No I/O
