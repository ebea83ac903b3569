//! The status tree: stack, nested stacks, services, instances.

use std::fmt::Write as _;

use cairn_controller::view::{InstanceView, ServiceState, ServiceView, StackView};

use super::words;
use crate::console::Paint;

/// A line below the stack: what stands before it, its name, its state, and what there is to say.
struct Row {
    lead: String,
    name: String,
    state: words::Word,
    detail: String,
}

/// A stack with everything in it; for what waits, why.
pub(crate) fn tree(stack: &StackView, paint: Paint) -> String {
    let rows = rows(stack);
    let width = |of: &dyn Fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let names = width(&|row| row.lead.chars().count() + row.name.chars().count());
    let states = width(&|row| row.state.text.len());
    let mut text = format!("{}  {}\n", paint.bold(&stack.name), words::stack(stack.state).painted(paint));
    for row in &rows {
        let gap = " ".repeat(names - row.lead.chars().count() - row.name.chars().count());
        let state = row.state.padded(paint, if row.detail.is_empty() { 0 } else { states });
        let detail = if row.detail.is_empty() { String::new() } else { format!("  {}", row.detail) };
        let _ = writeln!(text, "{}{}{gap}  {state}{detail}", paint.dim(&row.lead), row.name);
    }
    for note in &stack.notes {
        let _ = writeln!(text, "{} {note}", paint.cyan("note:"));
    }
    text
}

fn rows(stack: &StackView) -> Vec<Row> {
    let services: Vec<(&str, &ServiceView)> =
        stack.services.iter().map(|service| (service.name.as_str(), service)).collect();
    let mut rows = Vec::new();
    below("", &services, &mut rows);
    rows
}

/// The services of a group, each with the rest of its path; nested stacks stand where their first service does.
fn below(indent: &str, services: &[(&str, &ServiceView)], rows: &mut Vec<Row>) {
    let mut groups: Vec<(&str, Vec<(&str, &ServiceView)>)> = Vec::new();
    for (path, service) in services {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        match groups.iter_mut().find(|(group, _)| *group == name && !rest.is_empty()) {
            Some((_, members)) => members.push((rest, service)),
            None => groups.push((name, vec![(rest, service)])),
        }
    }
    let count = groups.len();
    for (index, (name, members)) in groups.into_iter().enumerate() {
        let last = index + 1 == count;
        let lead = format!("{indent}{}", if last { "└─ " } else { "├─ " });
        let inner = format!("{indent}{}", if last { "   " } else { "│  " });
        match members.as_slice() {
            [("", service)] => service_rows(name, service, lead, &inner, rows),
            _ => {
                rows.push(group_row(name, &members, lead));
                below(&inner, &members, rows);
            }
        }
    }
}

/// A nested stack: how many of its services serve.
fn group_row(name: &str, members: &[(&str, &ServiceView)], lead: String) -> Row {
    let ready = members.iter().filter(|(_, service)| service.complete).count();
    let worst = members.iter().map(|(_, service)| words::service(service.state)).max_by_key(|word| word.mood);
    let done = ready == members.len();
    let detail = if done { String::new() } else { format!("{ready} of {} services ready", members.len()) };
    Row { lead, name: name.to_owned(), state: worst.unwrap_or(words::service(ServiceState::Ready)), detail }
}

fn service_rows(name: &str, service: &ServiceView, lead: String, below: &str, rows: &mut Vec<Row>) {
    let kind = match (service.existing, service.framework.as_str()) {
        (true, "") => "existing".to_owned(),
        (true, interface) => format!("existing {interface}"),
        (false, framework) => framework.to_owned(),
    };
    rows.push(Row {
        lead,
        name: format!("{name} ({kind})"),
        state: words::service(service.state),
        detail: service_detail(service),
    });
    let count = service.instances.len();
    rows.extend(service.instances.iter().enumerate().map(|(index, instance)| Row {
        lead: format!("{below}{}", if index + 1 == count { "└─ " } else { "├─ " }),
        name: instance.name.clone(),
        state: words::phase(instance.phase),
        detail: instance_detail(instance),
    }));
}

fn service_detail(service: &ServiceView) -> String {
    let drifted = service.drifted.then(|| "changed over REST; the next apply undoes that".to_owned());
    let url = service.scheduler.url.as_ref().filter(|_| service.complete);
    let at = url.map(|url| format!("scheduler {url}"));
    let why = Some(service.message.clone()).filter(|message| !message.is_empty());
    join([why, at, drifted])
}

fn instance_detail(instance: &InstanceView) -> String {
    let failures = (instance.failures > 0).then(|| match instance.failures {
        1 => "failed once".to_owned(),
        n => format!("failed {n} times in a row"),
    });
    join([place(instance), Some(instance.message.clone()), failures])
}

/// `127.0.0.1 client:31000 peer:31001`
fn place(instance: &InstanceView) -> Option<String> {
    let mut text = instance.address.clone()?;
    for (name, endpoint) in &instance.endpoints {
        let port = endpoint.rsplit_once(':').map_or(endpoint.as_str(), |(_, port)| port);
        let _ = write!(text, " {name}:{port}");
    }
    Some(text)
}

fn join<const N: usize>(parts: [Option<String>; N]) -> String {
    words::one_line(&parts.into_iter().flatten().collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
pub(crate) mod tests {
    use cairn_controller::view::{SchedulerView, StackState};
    use cairn_framework::Phase;

    use super::*;

    /// A stack of two services: one serves, one waits.
    pub(crate) fn half_way() -> StackView {
        let server = |name: &str, phase, port: Option<u16>, message: &str| InstanceView {
            name: name.into(),
            phase,
            message: message.into(),
            address: port.map(|_| "127.0.0.1".into()),
            endpoints: port.iter().map(|p| ("client".to_owned(), format!("127.0.0.1:{p}"))).collect(),
            ..InstanceView::default()
        };
        let mut flaky = server("server-1", Phase::BackOff, Some(31001), "exited with status 1");
        flaky.failures = 2;
        StackView {
            name: "demo".into(),
            state: StackState::Deploying,
            services: vec![
                ServiceView {
                    name: "zookeeper".into(),
                    framework: "zookeeper".into(),
                    state: ServiceState::Deploying,
                    message: "server-1: waits for its next try".into(),
                    scheduler: SchedulerView {
                        url: Some("http://127.0.0.1:31005".into()),
                        ..SchedulerView::default()
                    },
                    instances: vec![server("server-0", Phase::Ready, Some(31000), ""), flaky],
                    ..ServiceView::default()
                },
                ServiceView {
                    name: "kafka".into(),
                    framework: "kafka".into(),
                    message: "waits for ${zookeeper.connect}".into(),
                    instances: vec![server("broker-0", Phase::Waiting, None, "")],
                    ..ServiceView::default()
                },
            ],
            ..StackView::default()
        }
    }

    /// The same when all is well.
    pub(crate) fn ready() -> StackView {
        let mut stack = half_way();
        stack.state = StackState::Ready;
        stack.complete = true;
        for (index, service) in stack.services.iter_mut().enumerate() {
            service.state = ServiceState::Ready;
            service.complete = true;
            service.message.clear();
            service.scheduler.url = Some(format!("http://127.0.0.1:3100{}", index + 5));
            service
                .outputs
                .insert(if index == 0 { "connect" } else { "bootstrap" }.into(), "127.0.0.1:31000".into());
            for instance in &mut service.instances {
                instance.phase = Phase::Ready;
                instance.message.clear();
                instance.failures = 0;
                instance.address = Some("127.0.0.1".into());
            }
        }
        stack
    }

    /// The same two services in a nested stack, beside one that exists already.
    pub(crate) fn nested() -> StackView {
        let mut stack = half_way();
        for service in &mut stack.services {
            service.name = format!("bus/{}", service.name);
        }
        let store = ServiceView {
            name: "store".into(),
            framework: "elasticsearch".into(),
            existing: true,
            state: ServiceState::Ready,
            complete: true,
            outputs: [("http".to_owned(), "10.0.0.9:9200".to_owned())].into(),
            ..ServiceView::default()
        };
        stack.services.insert(0, store);
        stack
    }

    #[test]
    fn a_nested_stack_is_a_level_of_its_own() {
        insta::assert_snapshot!(tree(&nested(), Paint::plain()));
    }

    #[test]
    fn what_a_program_has_printed_stays_in_its_row() {
        let mut stack = half_way();
        stack.services[0].instances[1].message = "exited with status 1\nno such file\n".into();
        let shown = tree(&stack, Paint::plain());
        assert!(
            shown.contains(":31001; exited with status 1; no such file; failed 2 times in a row\n"),
            "{shown}"
        );
    }

    #[test]
    fn a_stack_on_its_way_says_what_waits_and_why() {
        insta::assert_snapshot!(tree(&half_way(), Paint::plain()));
    }

    #[test]
    fn a_stack_that_serves_says_where() {
        let mut stack = ready();
        stack.notes = vec!["service kafka has 4 brokers; the file says 3".into()];
        stack.services[1].drifted = true;
        insta::assert_snapshot!(tree(&stack, Paint::plain()));
    }
}
