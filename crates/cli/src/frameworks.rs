//! The frameworks that stacks may name: those that come with Cairn, in one table, and those of the user.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cairn_framework::{Artifact, Config, Service};
use cairn_stack::{Beside, Catalog, FrameworkFile, FrameworkFiles, Mistake, Proposed, named_files};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// A service that comes with Cairn.
pub(crate) struct BuiltIn {
    /// What stacks call it, and `cairn scheduler`.
    pub(crate) name: &'static str,
    /// What is different about it.
    pub(crate) service: fn() -> Arc<dyn Service>,
    spec: &'static str,
    options: fn() -> Value,
}

/// All of them.
pub(crate) const BUILT_IN: [BuiltIn; 6] = [
    BuiltIn {
        name: "camel",
        service: cairn_camel::service,
        spec: cairn_camel::SPEC,
        options: cairn_camel::options_schema,
    },
    BuiltIn {
        name: "cassandra",
        service: cairn_cassandra::service,
        spec: cairn_cassandra::SPEC,
        options: cairn_cassandra::options_schema,
    },
    BuiltIn {
        name: "elasticsearch",
        service: cairn_elasticsearch::service,
        spec: cairn_elasticsearch::SPEC,
        options: cairn_elasticsearch::options_schema,
    },
    BuiltIn {
        name: "flume",
        service: cairn_flume::service,
        spec: cairn_flume::SPEC,
        options: cairn_flume::options_schema,
    },
    BuiltIn {
        name: "kafka",
        service: cairn_kafka::service,
        spec: cairn_kafka::SPEC,
        options: cairn_kafka::options_schema,
    },
    BuiltIn {
        name: "zookeeper",
        service: cairn_zookeeper::service,
        spec: cairn_zookeeper::SPEC,
        options: cairn_zookeeper::options_schema,
    },
];

/// The scheduler that runs what a framework spec describes; it has no spec of its own.
const DESCRIBED: &str = "service";

/// The scheduler of that name.
///
/// # Errors
/// The names that there are.
pub(crate) fn scheduler(name: &str) -> Result<Arc<dyn Service>, Failure> {
    if name == DESCRIBED {
        return Ok(cairn_service::service());
    }
    let found = BUILT_IN.iter().find(|built_in| built_in.name == name);
    found.map(|built_in| (built_in.service)()).ok_or_else(|| {
        let known: Vec<&str> = BUILT_IN.iter().map(|built_in| built_in.name).chain([DESCRIBED]).collect();
        Failure::hint(
            format!("there is no built-in scheduler `{name}`"),
            format!("there are: {}", known.join(", ")),
        )
    })
}

/// What the scheduler that a framework spec names says of a service: the same as when it would be started with it. Programs that are
/// not ours are not asked.
fn mistakes(proposed: &Proposed<'_>) -> Vec<Mistake> {
    let spec = proposed.framework;
    let command = spec.scheduler.command.argv();
    let [program, verb, name, ..] = command.as_slice() else { return Vec::new() };
    let Some(scheduler) = scheduler(name).ok().filter(|_| program == "cairn" && verb == "scheduler") else {
        return Vec::new();
    };
    let problems = scheduler.model(&config(proposed)).err().unwrap_or_default();
    // What is wrong with a described service is told by places in its description.
    let of = |problem: cairn_framework::Problem| match spec.service {
        Some(_) => Mistake { option: String::new(), message: problem.to_string(), help: problem.help },
        None => Mistake { option: problem.option, message: problem.message, help: problem.help },
    };
    problems.into_iter().map(of).collect()
}

/// A scheduler's configuration as far as the stack says it. Where archives are is not known yet, but which ones there are.
fn config(&Proposed { framework: spec, stack, service }: &Proposed<'_>) -> Config {
    let archive = |uri: &str| Artifact { uri: uri.to_owned(), extract: true, ..Artifact::default() };
    let archives = spec.distributions.iter();
    Config {
        options: service.options.clone().into(),
        inputs: service.inputs.clone(),
        distributions: archives.map(|(version, of)| (version.clone(), archive(&of.archive))).collect(),
        distribution: service.distribution.as_ref().map(|own| archive(&own.uri)),
        definition: spec.service.as_ref().and_then(|_| serde_json::to_value(spec).ok().map(Box::new)),
        stack: stack.to_owned(),
        service: service.name.clone(),
        ..Config::default()
    }
}

/// Framework specs beside those that come with Cairn.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct FrameworkArgs {
    /// More frameworks: every NAME.yaml and NAME/framework.yaml in there; may be repeated
    #[arg(long, value_name = "DIR", env = "CAIRN_FRAMEWORKS", value_delimiter = ':')]
    pub(crate) frameworks: Vec<PathBuf>,
}

impl FrameworkArgs {
    /// The frameworks that come with Cairn and those of the directories.
    ///
    /// # Errors
    /// When a directory cannot be read, or a spec has mistakes.
    pub(crate) fn catalog(&self) -> Result<Catalog, Failure> {
        let mut files = Vec::new();
        for dir in &self.frameworks {
            let failed = |error: std::io::Error| {
                Failure::hint(
                    format!("cannot read frameworks from {}: {error}", dir.display()),
                    "name a directory of framework specs with --frameworks",
                )
            };
            for path in spec_files(dir).map_err(failed)? {
                let bytes = std::fs::read(&path).map_err(failed)?;
                let name = path.display().to_string();
                let beside = read_beside(path.parent().unwrap_or(dir), &named_files(&name, &bytes));
                files.push(SpecFile { name, bytes, beside });
            }
        }
        catalog(files)
    }
}

/// A framework spec of the user with all that it consists of.
struct SpecFile {
    name: String,
    bytes: Vec<u8>,
    beside: Beside,
}

/// Largest file that may be a part of a spec, in bytes: it travels in the description of each task.
const LARGEST_FILE: u64 = 256 * 1024;

/// The files beside a spec in `dir`.
fn read_beside(dir: &Path, names: &[String]) -> Beside {
    names.iter().map(|name| (name.clone(), read_one(dir, name))).collect()
}

fn read_one(dir: &Path, name: &str) -> Result<String, String> {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(name).components().all(inside) {
        return Err("it must be below the directory of the spec".to_owned());
    }
    let path = dir.join(name);
    let found = std::fs::metadata(&path).map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is no file".to_owned());
    }
    if found.len() > LARGEST_FILE {
        let limit = LARGEST_FILE / 1024;
        return Err(format!("it has more than {limit} KiB: let agents fetch it, as one of the `artifacts`"));
    }
    std::fs::read_to_string(&path).map_err(|error| error.to_string())
}

/// Framework specs in a directory and one level below, in the order of their names.
fn spec_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let below = path.join("framework.yaml");
        if below.is_file() {
            found.push(below);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// All specs; those of Cairn with the options that their programs know.
fn catalog(mut more: Vec<SpecFile>) -> Result<Catalog, Failure> {
    let names: Vec<String> =
        BUILT_IN.iter().map(|b| format!("frameworks/{}/framework.yaml", b.name)).collect();
    let files = BUILT_IN.iter().zip(&names).map(|(built_in, name)| FrameworkFile {
        name,
        bytes: built_in.spec.as_bytes(),
        options: Some(object((built_in.options)())),
    });
    let more = more.iter_mut().map(|file| FrameworkFiles {
        spec: FrameworkFile { name: &file.name, bytes: &file.bytes, options: None },
        beside: std::mem::take(&mut file.beside),
    });
    let loaded = Catalog::load(files.map(FrameworkFiles::from).chain(more)).map_err(|reports| {
        Failure::Rendered(reports.iter().map(|report| report.render(false)).collect::<Vec<_>>().join("\n"))
    })?;
    Ok(loaded.with_own_check(mistakes))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(mut map) => {
            // They become a part of another schema, which has its own.
            map.remove("$schema");
            map.remove("title");
            map
        }
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cairn_framework::View;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_built_in_framework_has_the_name_of_its_spec_and_options() {
        let catalog = catalog(Vec::new()).unwrap();
        for built_in in &BUILT_IN {
            let spec = catalog.get(built_in.name).unwrap();
            assert!(spec.option_names().count() > 0, "{} has options", built_in.name);
            assert_eq!((built_in.service)().name(), built_in.name);
        }
        assert_eq!(catalog.iter().count(), BUILT_IN.len());
    }

    #[test]
    fn specs_say_what_the_programs_do() {
        let catalog = catalog(Vec::new()).unwrap();
        // Kafka gives it on where it has got it.
        let inputs = [("zookeeper".to_owned(), "127.0.0.1:2181".to_owned())].into();
        let config = Config { inputs, ..Config::default() };
        for built_in in &BUILT_IN {
            let spec = catalog.get(built_in.name).unwrap();
            let given = (built_in.service)().outputs(&config, &View::default());
            let named: BTreeSet<&str> = spec.outputs().collect();
            assert_eq!(named, given.keys().map(String::as_str).collect(), "outputs of {}", built_in.name);
            if let Some(version) = spec.default_of("version").and_then(Value::as_str) {
                assert!(
                    spec.distributions.contains_key(version),
                    "{} {version} comes with it",
                    built_in.name
                );
            }
        }
        for (framework, option, usual) in [
            ("zookeeper", "nodes", json!(3)),
            ("zookeeper", "heap", json!("128MiB")),
            ("cassandra", "nodes", json!(3)),
            ("cassandra", "heap", json!("256MiB")),
            ("elasticsearch", "nodes", json!(3)),
        ] {
            assert_eq!(
                catalog.get(framework).unwrap().default_of(option),
                Some(&usual),
                "{framework}.{option}"
            );
        }
    }

    #[test]
    fn frameworks_of_ones_own_join_those_that_come_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let args = FrameworkArgs { frameworks: vec![dir.path().to_owned()] };
        std::fs::create_dir(dir.path().join("job")).unwrap();
        std::fs::write(
            dir.path().join("web.yaml"),
            "framework: web\nservice: { groups: { web: { command: x, files: { a: { from: web.conf } } } } }\n",
        )
        .unwrap();
        std::fs::write(dir.path().join("web.conf"), "port 80").unwrap();
        std::fs::write(dir.path().join("job/framework.yaml"), "framework: job\nscheduler: { command: x }\n")
            .unwrap();
        std::fs::write(dir.path().join("README.md"), "not a spec").unwrap();
        let catalog = args.catalog().unwrap();
        assert_eq!(catalog.get("web").unwrap().scheduler.command.argv(), ["cairn", "scheduler", "service"]);
        assert!(catalog.get("job").is_some() && catalog.get("kafka").is_some());
        let web = catalog.get("web").and_then(|web| web.service.clone()).unwrap();
        assert_eq!(web.groups["web"].files["a"].whole().text.unwrap(), "port 80");
        std::fs::write(dir.path().join("kafka.yaml"), "framework: kafka\nscheduler: { command: x }\n")
            .unwrap();
        let Err(Failure::Rendered(text)) = args.catalog() else { panic!("a name is taken") };
        assert!(
            text.contains("frameworks/kafka/framework.yaml describes a framework `kafka` already"),
            "{text}"
        );
    }
}
