//! How readiness and health are usually asked.

use cairn_task::{HealthSpec, Probe, ProbeKind, ReadySpec};

/// Ready as soon as the probe succeeds, however long that takes; afterwards unhealthy once it has failed for half a
/// minute, which is told but not killed for: a service that has lost its peers fails too, and killing it would help
/// nobody.
pub fn probes(kind: ProbeKind) -> (Option<ReadySpec>, Option<HealthSpec>) {
    let ready = Probe { kind: kind.clone(), interval_ms: 50, timeout_ms: 1_000 };
    let health = Probe { kind, interval_ms: 5_000, timeout_ms: 5_000 };
    (
        Some(ReadySpec { probe: ready, deadline_ms: 0 }),
        Some(HealthSpec { probe: health, failures: 6, kill: false }),
    )
}

/// The same for a service that serves as soon as it listens at its port of this name.
pub fn listens(port: &str) -> (Option<ReadySpec>, Option<HealthSpec>) {
    probes(ProbeKind::Tcp { target: format!("{{{{ address }}}}:{{{{ ports.{port} }}}}") })
}
