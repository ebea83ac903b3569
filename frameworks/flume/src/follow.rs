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

/// Executors of Cairn's frameworks are called `INSTANCE.UUID`; those of others as these like.
fn followed(pattern: &str, sources: &Sources, config: &Config) -> Vec<Followed> {
    let (service, task) = pattern.rsplit_once('/').unwrap_or((pattern, "*"));
    let files = sources.task_files.clone().unwrap_or_else(|| FILES.map(str::to_owned).to_vec());
    let labels = [(LABEL_STACK, config.stack.as_str()), (LABEL_SERVICE, service)];
    let one = |executor: String| Followed {
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        otherwise: format!("{}-{service}", config.stack),
        executor,
        files: files.clone(),
    };
    if task == "*" { vec![one("*".into())] } else { vec![one(task.to_owned()), one(format!("{task}.*"))] }
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
    use super::*;
    use crate::options::Patterns;

    #[test]
    fn patterns_name_services_of_the_own_stack() {
        let config = Config { stack: "logs".into(), ..Config::default() };
        let sources = |tasks: &str| Sources { tasks: Patterns::One(tasks.into()), ..Sources::default() };
        let all = spec(&sources("*"), &config);
        assert_eq!(all[0].select.len(), 1);
        let labels = |service: &str| {
            [("stack", "logs"), ("service", service)].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        };
        assert!(all[0].select[0].admits("x", &labels("kafka")));
        let one = spec(&sources("kafka/broker-0"), &config);
        let admits =
            |executor: &str| one[0].select.iter().any(|f| cairn_task::matches(&f.executor, executor));
        assert!(
            one[0].select[0].admits("x", &labels("kafka"))
                && !one[0].select[0].admits("x", &labels("zookeeper"))
        );
        assert_eq!([admits("broker-0.u1"), admits("broker-0"), admits("broker-01.u1")], [true, true, false]);
        assert!(spec(&Sources::default(), &config).is_empty());
    }
}
