//! Which files of which tasks of the stack are followed.

use cairn_framework::{Config, Problem};
use cairn_task::{FollowSpec, Followed, LABEL_SERVICE, LABEL_STACK};

use crate::options::Sources;

/// Where the executor keeps the links, below the volume.
pub(crate) const DIRECTORY: &str = "tasks";
/// Files of a task that are followed when nothing else is said.
const FILES: [&str; 2] = ["stdout", "stderr"];

/// What the executor is told to follow; nothing if no tasks are named.
pub(crate) fn spec(sources: &Sources, config: &Config) -> Vec<FollowSpec> {
    let select: Vec<Followed> =
        sources.tasks.list().iter().flat_map(|p| followed(p, sources, config)).collect();
    if select.is_empty() {
        return Vec::new();
    }
    vec![FollowSpec { directory: format!("data/{DIRECTORY}"), select, interval_ms: 1_000 }]
}

/// A pattern may name a service, a nested stack, or a task of a service: what there is decides.
fn followed(pattern: &str, sources: &Sources, config: &Config) -> Vec<Followed> {
    let task = pattern.rsplit_once('/').into_iter();
    // Executors of Cairn's frameworks are called `INSTANCE.UUID`; those of others as they like.
    let tasks = task.flat_map(|(service, task)| {
        [(service.to_owned(), task.to_owned()), (service.to_owned(), format!("{task}.*"))]
    });
    let services = [pattern.to_owned(), format!("{pattern}/*")].map(|service| (service, "*".to_owned()));
    let files = sources.task_files.clone().unwrap_or_else(|| FILES.map(str::to_owned).to_vec());
    let one = |(service, executor): (String, String)| {
        let service = format!("{}{service}", own_group(config));
        let labels = [(LABEL_STACK, config.stack.clone()), (LABEL_SERVICE, service.clone())];
        Followed {
            labels: labels.map(|(k, v)| (k.to_owned(), v)).into(),
            otherwise: format!("{}-{}", config.stack, service.replace('/', "-")),
            executor,
            files: files.clone(),
        }
    };
    services.into_iter().chain(tasks).map(one).collect()
}

/// What the paths of services of one's own stack begin with, where that is nested in another: `logging/`.
fn own_group(config: &Config) -> &str {
    config.service.rfind('/').and_then(|at| config.service.get(..=at)).unwrap_or_default()
}

/// Checks what is said of tasks.
pub(crate) fn check(sources: &Sources, config: &Config, problems: &mut Vec<Problem>) {
    for pattern in sources.tasks.list() {
        if pattern.split('/').any(str::is_empty) {
            let message = format!("`{pattern}` is not `SERVICE`, `SERVICE/TASK` or `*`");
            problems.push(Problem::new("sources.tasks", message));
        }
    }
    if !sources.tasks.list().is_empty() && config.stack.is_empty() {
        problems.push(Problem::new(
            "sources.tasks",
            "this scheduler belongs to no stack whose tasks it could follow",
        ));
    }
    for (at, file) in sources.task_files.iter().flatten().enumerate() {
        if file.is_empty() || file.starts_with('/') || file.split('/').any(|part| part == "..") {
            let message = format!("`{file}` is not a path below a task's sandbox");
            problems.push(Problem::new(format!("sources.taskFiles.{at}"), message));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use cairn_framework::kit::Many;

    fn labels(service: &str) -> BTreeMap<String, String> {
        [("stack", "logs"), ("service", service)].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    /// Whether a shipper in `service` with this pattern follows the task of another.
    fn follows(shipper: &str, pattern: &str, service: &str, executor: &str) -> bool {
        let config = Config { stack: "logs".into(), service: shipper.into(), ..Config::default() };
        let sources = Sources { tasks: Many::One(pattern.into()), ..Sources::default() };
        let all = spec(&sources, &config);
        let one =
            |f: &Followed| f.admits("x", &labels(service)) && cairn_task::matches(&f.executor, executor);
        all[0].select.iter().any(one)
    }

    #[test]
    fn patterns_name_services_and_tasks() {
        assert!(follows("shipper", "*", "kafka", "broker-0.u1"));
        for pattern in ["kafka", "kafka/*", "kafka/broker-0", "kafka/broker-*", "*/broker-0"] {
            assert!(follows("shipper", pattern, "kafka", "broker-0.u1"), "{pattern}");
            assert!(!follows("shipper", pattern, "zookeeper", "server-1.u1"), "{pattern}");
        }
        assert!(!follows("shipper", "kafka/broker-0", "kafka", "broker-01.u1"));
        assert!(spec(&Sources::default(), &Config::default()).is_empty());
    }

    #[test]
    fn nested_stacks_are_named_by_their_paths_and_from_within() {
        for pattern in ["*", "kafka", "kafka/*", "kafka/kafka", "kafka/kafka/broker-0"] {
            assert!(follows("shipper", pattern, "kafka/kafka", "broker-0.u1"), "{pattern}");
            assert!(follows("inner/shipper", pattern, "inner/kafka/kafka", "broker-0.u1"), "{pattern}");
            assert!(!follows("inner/shipper", pattern, "kafka/kafka", "broker-0.u1"), "{pattern}");
        }
    }
}
