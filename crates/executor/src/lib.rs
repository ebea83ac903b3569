//! What runs beside a task on the agent: renders, starts, probes, reports, stops
