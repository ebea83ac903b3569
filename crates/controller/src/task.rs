//! A child scheduler as a task: its command line, its configuration file, and what it waits for.

use std::collections::{BTreeMap, BTreeSet};

use cairn_framework::{Artifact, Config, Credentials, Master, View, Wait};
use cairn_planted::planted;
use cairn_stack::{
    FrameworkSpec, Missing, Outputs, Secrets, Service, resolve, resolve_known, resolve_text, secret_names,
    secret_places,
};
use cairn_task::{ConfigFile, FileMode, HealthSpec, Probe, ProbeKind, ReadySpec, TaskSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::child::Observed;
use crate::distribution::FACT;
use crate::planted::Bug;
use crate::settings::Settings;
use crate::state::{Options, Stacks, StoredStack};

const CONFIG_FILE: &str = "config.json";
const TOKEN_FILE: &str = "token";
const CREDENTIAL_FILE: &str = "credential";
const AUTHORITIES_FILE: &str = "ca.pem";
/// A scheduler that does not serve REST within this time is started anew.
const READY_DEADLINE_MS: u64 = 120_000;
/// SIGTERM only detaches, so this is soon over.
const GRACE_MS: u64 = 5_000;

/// The task of an instance.
///
/// # Errors
/// What it waits for.
pub(crate) fn task(
    settings: &Settings,
    stacks: &Stacks,
    instance: &str,
    view: &View,
) -> Result<TaskSpec, Wait> {
    let (stack, name) =
        stacks.locate(instance).ok_or_else(|| Wait::For("no stack has this service any more".to_owned()))?;
    let (service, revision) =
        stack.service(name).ok_or_else(|| Wait::For("its stack has no such service".to_owned()))?;
    let framework = stack
        .framework(name, &settings.catalog)
        .ok_or_else(|| Wait::For(format!("there is no framework `{}`", service.framework)))?;
    let needed = secret_names(&service.options);
    let secrets = settings.vault.values(&stacks.options, &stack.spec.name, needed).map_err(Wait::For)?;
    let child = child_config(settings, stack, service, revision, framework, view, &secrets)?;
    let content = serde_json::to_string_pretty(&child)
        .map_err(|e| Wait::For(format!("its configuration cannot be written: {e}")))?;
    Ok(TaskSpec {
        command: command_line(settings, stack, service, framework),
        env: framework.scheduler.env.clone(),
        files: [
            private(CONFIG_FILE, content),
            private(TOKEN_FILE, settings.key.for_stack(&stack.spec.name).reveal().to_owned()),
        ]
        .into_iter()
        .chain(access(&settings.master).into_iter().map(|(_, file)| file))
        .collect(),
        ready: Some(ReadySpec { probe: alive(100, 2_000), deadline_ms: READY_DEADLINE_MS }),
        health: Some(HealthSpec { probe: alive(10_000, 5_000), failures: 6, kill: true }),
        grace_ms: GRACE_MS,
        ..TaskSpec::default()
    })
}

/// How a scheduler comes to the cluster: as this controller does. Options, and the files that they name.
fn access(master: &Master) -> Vec<(&'static str, ConfigFile)> {
    let credential = master.access.credentials.as_ref().and_then(Credentials::to_file);
    let authorities = master.access.authorities.as_ref().map(|known| known.to_file().to_owned());
    let credential = credential.map(|content| ("--credential", private(CREDENTIAL_FILE, content)));
    // They are no secret, but none of the files is for others.
    let authorities = authorities.map(|content| ("--ca", private(AUTHORITIES_FILE, content)));
    credential.into_iter().chain(authorities).collect()
}

fn private(path: &str, content: String) -> ConfigFile {
    let mode = if planted(Bug::OpenFiles) { FileMode::Normal } else { FileMode::Private };
    ConfigFile { path: path.into(), content, raw: true, mode, keep: false }
}

/// Whether it serves REST. One that cannot go on, for example because its state is lost, says why over that.
fn alive(interval_ms: u64, timeout_ms: u64) -> Probe {
    let url = "http://{{ address }}:{{ ports.api }}/v1/health?alive=true".to_owned();
    Probe { kind: ProbeKind::Http { url, headers: BTreeMap::new() }, interval_ms, timeout_ms }
}

/// The command of the framework spec followed by what every scheduler is told. `cairn` is the program that lies in
/// every sandbox.
fn command_line(
    settings: &Settings,
    stack: &StoredStack,
    service: &Service,
    framework: &FrameworkSpec,
) -> Vec<String> {
    let mut command = framework.scheduler.command.argv();
    if let Some(program) = command.first_mut().filter(|p| *p == "cairn") {
        *program = "./cairn".into();
    }
    let state = settings.state(&stack.spec.name, &service.name, &service.framework);
    let flags = [
        ("--master", settings.master.address.clone()),
        ("--framework", stack.instance(&service.name)),
        ("--state", state.to_string()),
        ("--config", CONFIG_FILE.into()),
        ("--listen", "{{ address }}".into()),
        ("--port", "{{ ports.api }}".into()),
        ("--token-file", TOKEN_FILE.into()),
    ];
    let access = access(&settings.master).into_iter().map(|(flag, file)| (flag, file.path));
    command.extend(flags.into_iter().chain(access).flat_map(|(flag, value)| [flag.to_owned(), value]));
    command
}

/// What the child is configured with: options and inputs with the outputs of its providers filled in.
fn child_config(
    settings: &Settings,
    stack: &StoredStack,
    service: &Service,
    revision: u64,
    framework: &FrameworkSpec,
    view: &View,
    secrets: &Secrets,
) -> Result<Config, Wait> {
    let Provided { outputs, all_known } = provided(stack, service, view)?;
    let fill = |value: &Value| match all_known {
        true => resolve(value, &outputs, secrets),
        false => Ok(resolve_known(value, &outputs, secrets)),
    };
    let unknown = |missing: Missing| Wait::For(format!("waits for {}", missing.references.join(", ")));
    let options = fill(&service.options).map_err(unknown)?;
    let input = |(name, text): (&String, &String)| {
        let text = fill(&json!(text))?;
        Ok((name.clone(), text.as_str().unwrap_or_default().to_owned()))
    };
    let inputs = service.inputs.iter().map(input).collect::<Result<_, Missing>>().map_err(unknown)?;
    let distribution = service.distribution.as_ref().map(|own| Artifact {
        uri: own.uri.clone(),
        sha256: own.sha256.to_ascii_lowercase(),
        extract: true,
        output: None,
    });
    let distributions = archives(settings, framework, view)?;
    let definition =
        framework.service.as_ref().and_then(|_| serde_json::to_value(framework).ok().map(Box::new));
    Ok(Config {
        revision,
        keeps: !all_known,
        options: options.into(),
        secrets: secret_places(&service.options),
        inputs,
        distributions,
        distribution,
        definition,
        stack: stack.spec.name.clone(),
        service: service.name.clone(),
    })
}

/// What a service is given.
struct Provided {
    outputs: Outputs,
    /// None of them is to be left blank.
    all_known: bool,
}

/// Outputs of all that the service needs.
///
/// A running scheduler gets new values only from a provider that is complete, so that it is not bothered with what
/// is half done. One that has crashed comes back with the last known ones: it must not stay away because its
/// provider is busy.
///
/// What nobody knows, yet or any more, is left blank for one that was there before, and it goes on with what it has stored. Its
/// provider may wait for an agent that is drained, and that agent for it: for somebody who acknowledges the ends of its tasks
/// there. One whose service is on its way out comes back in any case, since what it rests on goes after it.
fn provided(stack: &StoredStack, service: &Service, view: &View) -> Result<Provided, Wait> {
    let crashed = view
        .instances
        .get(&stack.instance(&service.name))
        .is_some_and(|i| i.task_id.is_none() && i.placement.is_some());
    let going = stack.going(&service.name).is_some();
    let mut provided = Provided { outputs: Outputs::new(), all_known: true };
    for need in &service.needs {
        let observed = Observed::of(view, &stack.instance(need));
        let revision = stack.service(need).map(|(_, revision)| revision).unwrap_or_default();
        let given = match observed.serving(revision) {
            Ok(status) => status.outputs.clone(),
            Err(why) => {
                let last = observed.status.map(|s| s.outputs).filter(|o| !o.is_empty());
                match last {
                    Some(outputs) if crashed || going || planted(Bug::EarlyOutputs) => outputs,
                    None if going || crashed => {
                        provided.all_known = false;
                        continue;
                    }
                    _ => return Err(Wait::For(format!("waits for {need}: {why}"))),
                }
            }
        };
        provided.outputs.insert(need.clone(), given);
    }
    Ok(provided)
}

/// The framework's archives that are at hand, as agents fetch them from this controller.
fn archives(
    settings: &Settings,
    framework: &FrameworkSpec,
    view: &View,
) -> Result<BTreeMap<String, Artifact>, Wait> {
    if framework.distributions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let checksums = view
        .observed
        .get(FACT)
        .and_then(|v| BTreeMap::<String, String>::deserialize(&**v).ok())
        .ok_or_else(|| Wait::For("waits for the checksums of the distributions".to_owned()))?;
    let artifact = |(version, archive): (&String, &cairn_stack::Archive)| {
        let found = checksums.get(&archive.archive)?;
        let sha256 = archive.sha256.as_ref().unwrap_or(found).to_ascii_lowercase();
        let uri = format!("http://{}/v1/artifacts/{}?sha256={sha256}", settings.advertise, archive.archive);
        Some((version.clone(), Artifact { uri, sha256, extract: true, output: None }))
    };
    Ok(framework.distributions.iter().filter_map(artifact).collect())
}

/// The stack's own outputs, as far as they are known.
pub(crate) fn stack_outputs(stack: &StoredStack, view: &View) -> BTreeMap<String, String> {
    let known: Outputs = stack
        .spec
        .services
        .keys()
        .filter_map(|name| {
            let outputs = Observed::of(view, &stack.instance(name)).status?.outputs;
            Some((name.clone(), outputs))
        })
        .collect();
    let secret_free = |text: &str| !mentions_secret(text);
    stack
        .spec
        .outputs
        .iter()
        .filter(|(_, text)| secret_free(text))
        .filter_map(|(name, text)| Some((name.clone(), resolve_text(text, &known, &Secrets::new()).ok()?)))
        .collect()
}

/// Outputs are for everybody who may read, so a secret among them is left out.
fn mentions_secret(text: &str) -> bool {
    cairn_stack::Template::parse(text)
        .is_ok_and(|t| t.references().any(|r| r.target() == cairn_stack::Target::Secret))
}

/// The archives that the catalog names, and those that stacks' own frameworks name.
pub(crate) fn archive_names(settings: &Settings, options: &Options) -> BTreeSet<String> {
    let own = options.stacks.values().flat_map(|stack| {
        let leaving = stack.leaving.values().filter_map(|leaving| leaving.framework.as_ref());
        stack.spec.frameworks.values().chain(leaving)
    });
    let all = settings.catalog.iter().chain(own);
    all.flat_map(|framework| framework.distributions.values()).map(|a| a.archive.clone()).collect()
}

/// The configuration that a rendered task carries; for tests and for nobody else.
#[cfg(test)]
pub(crate) fn rendered_config(task: &TaskSpec) -> serde_json::Value {
    let file = task.files.iter().find(|f| f.path == CONFIG_FILE).unwrap();
    serde_json::from_str(&file.content).unwrap()
}

#[cfg(test)]
mod tests {
    use cairn_framework::{Access, Authorities};
    use cairn_tests::Authority;

    use super::*;
    use crate::testing::{complete, observe, options, settings, status, view};

    fn render(instance: &str, view: &View) -> Result<TaskSpec, Wait> {
        task(&settings(), &Stacks::new(options()), instance, view)
    }

    #[test]
    fn a_scheduler_is_told_where_everything_is() {
        let task = render("demo-zookeeper", &view()).unwrap();
        assert_eq!(
            task.command.join(" "),
            "./cairn scheduler zookeeper --master 127.0.0.1:5050 --framework demo-zookeeper \
             --state /state/demo/zookeeper/zookeeper --config config.json --listen {{ address }} \
             --port {{ ports.api }} --token-file token"
        );
        assert!(task.files.iter().all(|f| f.raw && f.mode == FileMode::Private));
        assert!(!task.command.join(" ").contains(settings().key.for_stack("demo").reveal()));
        assert_eq!(
            rendered_config(&task),
            json!({
                "revision": 1,
                "options": {"nodes": 3},
                "inputs": {},
                "distributions": {"3.9": {
                    "uri": "http://127.0.0.1:7000/v1/artifacts/zookeeper-3.9.tar?sha256=aa",
                    "sha256": "aa", "extract": true, "output": null
                }},
                "distribution": null,
                "stack": "demo",
                "service": "zookeeper"
            })
        );
    }

    #[test]
    fn a_scheduler_comes_to_the_cluster_as_the_controller_does() {
        let credentials = Some(Credentials::Basic { principal: "ops".into(), secret: "hush hush".into() });
        let pem = Authority::new().certificate();
        let authorities = Some(Authorities::parse(pem.clone()).unwrap());
        let access = Access { credentials, authorities };
        let settings = Settings { master: Master { access, ..settings().master }, ..settings() };
        let task = task(&settings, &Stacks::new(options()), "demo-zookeeper", &view()).unwrap();
        let told = "--token-file token --credential credential --ca ca.pem";
        assert!(task.command.join(" ").ends_with(told));
        let trusted = task.files.iter().find(|file| file.path == AUTHORITIES_FILE).unwrap();
        assert_eq!(trusted.content, pem);
        let file = task.files.iter().find(|file| file.path == CREDENTIAL_FILE).unwrap();
        assert_eq!(file.content, r#"{"principal":"ops","secret":"hush hush"}"#);
        assert!(file.raw && file.mode == FileMode::Private);
        assert!(!format!("{:?}{:?}", task.command, task.env).contains("hush"));
    }

    #[test]
    fn a_scheduler_is_given_the_spec_that_describes_its_service() {
        let web = "framework: web\noffers: { web: { outputs: [url] } }\nservice: { groups: { web: { command: x, count: 2 } }, outputs: { url: a } }\n";
        let catalog = cairn_stack::Catalog::load([("web.yaml", web.as_bytes())]).unwrap();
        let mut options = options();
        let spec = &mut options.stacks.get_mut("demo").unwrap().spec;
        spec.services.get_mut("zookeeper").unwrap().framework = "web".into();
        let settings = Settings { catalog, ..settings() };
        let task = task(&settings, &Stacks::new(options), "demo-zookeeper", &view()).unwrap();
        assert_eq!(task.command[..3], ["./cairn", "scheduler", "service"]);
        let definition = &rendered_config(&task)["definition"];
        assert_eq!(definition["service"]["groups"]["web"]["count"], "2");
        assert_eq!(definition["offers"], json!({"web": {"outputs": ["url"]}}));
    }

    #[test]
    fn a_dependent_waits_and_says_for_what() {
        let mut view = view();
        let wait = |view: &View| render("demo-kafka", view).unwrap_err();
        assert_eq!(wait(&view), Wait::For("waits for zookeeper: its scheduler starts".into()));
        observe(&mut view, status("demo-zookeeper", 1));
        assert_eq!(wait(&view), Wait::For("waits for zookeeper: server-1 starting".into()));
        observe(&mut view, complete("demo-zookeeper", 0, &[("connect", "a:1")]));
        assert_eq!(
            wait(&view),
            Wait::For("waits for zookeeper: its scheduler has configuration 0, not 1 yet".into())
        );
        observe(&mut view, complete("demo-zookeeper", 1, &[]));
        assert_eq!(wait(&view), Wait::For("waits for ${zookeeper.connect}".into()));
    }

    #[test]
    fn outputs_flow_and_a_changed_output_changes_exactly_the_dependents() {
        let mut view = view();
        observe(&mut view, complete("demo-zookeeper", 1, &[("connect", "a:1")]));
        let before = (render("demo-zookeeper", &view).unwrap(), render("demo-kafka", &view).unwrap());
        assert_eq!(rendered_config(&before.1)["inputs"], json!({"zookeeper": "a:1"}));
        observe(&mut view, complete("demo-zookeeper", 1, &[("connect", "a:1,b:2")]));
        let after = (render("demo-zookeeper", &view).unwrap(), render("demo-kafka", &view).unwrap());
        assert_eq!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_eq!(rendered_config(&after.1)["inputs"], json!({"zookeeper": "a:1,b:2"}));
    }

    #[test]
    fn a_scheduler_comes_back_to_take_its_service_down_though_nobody_knows_what_it_rests_on() {
        let mut going = options();
        going.stacks.get_mut("demo").unwrap().destroying = Some(crate::state::Destroying::default());
        let mut view = view();
        // The provider's scheduler has been started anew and its service does not serve: it says nothing of outputs.
        observe(&mut view, status("demo-zookeeper", 1));
        view.instances.entry("demo-kafka".into()).or_default();
        let kafka = task(&settings(), &Stacks::new(going.clone()), "demo-kafka", &view).unwrap();
        assert_eq!(rendered_config(&kafka)["inputs"], json!({"zookeeper": ""}));
        assert_eq!(rendered_config(&kafka)["keeps"], true, "it goes on with what it has stored");
        // It has never run, and is forgotten already.
        going.stacks.get_mut("demo").unwrap().spec.services.remove("zookeeper");
        assert_eq!(task(&settings(), &Stacks::new(going), "demo-kafka", &view).unwrap(), kafka);
    }

    #[test]
    fn a_crashed_dependent_comes_back_to_what_it_has_stored_though_nobody_knows_its_providers_outputs() {
        let mut view = view();
        observe(&mut view, status("demo-zookeeper", 1));
        assert!(render("demo-kafka", &view).is_err(), "it was never there");
        let kafka = view.instances.entry("demo-kafka".into()).or_default();
        kafka.placement = Some(cairn_framework::Placement::default());
        assert_eq!(rendered_config(&render("demo-kafka", &view).unwrap())["keeps"], true);
        view.instances.get_mut("demo-kafka").unwrap().task_id = Some("t".into());
        assert!(render("demo-kafka", &view).is_err(), "one that runs is left alone");
    }

    #[test]
    fn a_crashed_dependent_comes_back_though_its_provider_is_busy() {
        let mut view = view();
        let mut busy = complete("demo-zookeeper", 1, &[("connect", "a:1")]);
        busy.complete = false;
        observe(&mut view, busy);
        let kafka = view.instances.entry("demo-kafka".into()).or_default();
        kafka.placement = Some(cairn_framework::Placement::default());
        kafka.task_id = Some("t".into());
        assert!(render("demo-kafka", &view).is_err(), "one that runs is left alone");
        view.instances.get_mut("demo-kafka").unwrap().task_id = None;
        assert!(render("demo-kafka", &view).is_ok());
    }

    #[test]
    fn archives_without_a_file_are_left_out_and_unknown_checksums_are_awaited() {
        let mut view = view();
        view.observed.insert(FACT.into(), json!({}).into());
        let task = render("demo-zookeeper", &view).unwrap();
        assert_eq!(rendered_config(&task)["distributions"], json!({}));
        view.observed.remove(FACT);
        assert_eq!(
            render("demo-zookeeper", &view).unwrap_err(),
            Wait::For("waits for the checksums of the distributions".into())
        );
    }

    #[test]
    fn an_unknown_instance_waits() {
        assert!(render("demo-nothing", &view()).is_err());
    }
}
