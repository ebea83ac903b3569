//! Watching a running service: readiness first, then health.

use std::future::pending;
use std::path::Path;
use std::time::Duration;

use cairn_task::{HealthSpec, ReadySpec, TaskSpec};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::probe::{Surroundings, attempt, describe};
use crate::service::Report;

/// Reasons that change faster than this are not all reported.
const REPORT_PAUSE: Duration = Duration::from_secs(2);

/// Watches until the service must be given up, and says why. Reports on the way.
pub(crate) async fn watch(spec: &TaskSpec, sandbox: &Path, reports: &mpsc::Sender<Report>) -> String {
    let around = Surroundings { sandbox, env: &spec.env, run_as: spec.run_as };
    if let Some(ready) = &spec.ready
        && let Err(why) = until_ready(ready, &around, reports).await
    {
        return why;
    }
    report(reports, Some(true), None).await;
    match &spec.health {
        Some(health) => until_unhealthy(health, &around, reports).await,
        None => pending().await,
    }
}

async fn until_ready(
    ready: &ReadySpec,
    around: &Surroundings<'_>,
    reports: &mpsc::Sender<Report>,
) -> Result<(), String> {
    let what = describe(&ready.probe.kind);
    report(reports, None, Some(format!("waiting for {what}"))).await;
    let start = Instant::now();
    let mut reported = (start, String::new());
    loop {
        let why = match attempt(&ready.probe, around).await {
            Ok(()) => return Ok(()),
            Err(why) => why,
        };
        let now = Instant::now();
        if ready.deadline_ms != 0 && now - start >= Duration::from_millis(ready.deadline_ms) {
            let limit = ready.deadline_ms as f64 / 1000.0;
            return Err(format!("Not ready within {limit} s: {what}: {why}"));
        }
        if why != reported.1 && now - reported.0 >= REPORT_PAUSE {
            report(reports, None, Some(format!("waiting for {what}: {why}"))).await;
            reported = (now, why);
        }
        tokio::time::sleep(Duration::from_millis(ready.probe.interval_ms.max(1))).await;
    }
}

async fn until_unhealthy(
    health: &HealthSpec,
    around: &Surroundings<'_>,
    reports: &mpsc::Sender<Report>,
) -> String {
    let what = describe(&health.probe.kind);
    let mut count = Count::default();
    loop {
        tokio::time::sleep(Duration::from_millis(health.probe.interval_ms.max(1))).await;
        let result = attempt(&health.probe, around).await;
        match count.next(result.is_ok(), health.failures) {
            Change::None => {}
            Change::Recovered => report(reports, Some(true), None).await,
            Change::Failed => {
                let why = format!("health check {what}: {}", result.err().unwrap_or_default());
                report(reports, Some(false), Some(why.clone())).await;
                if health.kill {
                    return format!("Unhealthy after {} failures: {why}", health.failures.max(1));
                }
            }
        }
    }
}

async fn report(reports: &mpsc::Sender<Report>, healthy: Option<bool>, message: Option<String>) {
    let _ = reports.send(Report::Running { healthy, message }).await;
}

/// Consecutive failures.
#[derive(Debug, Default)]
struct Count {
    failures: u32,
    unhealthy: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    None,
    Failed,
    Recovered,
}

impl Count {
    fn next(&mut self, ok: bool, limit: u32) -> Change {
        if ok {
            self.failures = 0;
            return if std::mem::take(&mut self.unhealthy) { Change::Recovered } else { Change::None };
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= limit.max(1) && !self.unhealthy {
            self.unhealthy = true;
            return Change::Failed;
        }
        Change::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_in_a_row_count_and_each_change_is_told_once() {
        let mut count = Count::default();
        let changes: Vec<Change> =
            [false, true, false, false, false, true, true].map(|ok| count.next(ok, 2)).into();
        use Change::{Failed, None, Recovered};
        assert_eq!(changes, [None, None, None, Failed, None, Recovered, None]);
    }
}
