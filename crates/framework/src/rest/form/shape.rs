//! Instances in the shape that an earlier framework gave them, as data: which field is what.

use axum::Json;
use axum::extract::State;
use axum::routing::{MethodRouter, get};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Handle, InstanceStatus, Options, Published};

/// What a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// Name of the instance.
    Name,
    /// Id of its task.
    Task,
    /// How it is, in our words.
    Phase,
    /// Its agent's host.
    Hostname,
    /// `address:port` of the port of this name.
    Endpoint(&'static str),
    /// The service's option of this name.
    Option(&'static str),
}

impl Is {
    fn of(self, instance: &InstanceStatus, options: &Value) -> Value {
        let place = instance.placement.as_ref();
        match self {
            Self::Name => instance.name.as_str().into(),
            Self::Task => instance.task_id.as_deref().into(),
            Self::Phase => serde_json::to_value(instance.phase).unwrap_or_default(),
            Self::Hostname => place.map(|place| place.hostname.as_str()).into(),
            Self::Endpoint(port) => place.and_then(|place| place.endpoint(port)).into(),
            Self::Option(name) => options.get(name).cloned().unwrap_or_default(),
        }
    }
}

/// `GET` lists the instances that have a task; `O` are the service's options.
pub fn tasks<O: Options + Serialize>(shape: &'static [(&'static str, Is)]) -> MethodRouter<Handle> {
    get(async move |State(handle): State<Handle>| Json(listed::<O>(&handle.published(), shape)))
}

fn listed<O: Options + Serialize>(published: &Published, shape: &[(&str, Is)]) -> Value {
    let options = published.config.read::<O>().ok();
    let options = options.and_then(|options| serde_json::to_value(options).ok()).unwrap_or_default();
    let running = published.view.instances.values().filter(|i| i.task_id.is_some() && i.placement.is_some());
    let shaped =
        |i| shape.iter().map(|(field, is)| ((*field).to_owned(), is.of(i, &options))).collect::<Map<_, _>>();
    running.map(shaped).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::{Config, Phase, Placement, Problem, View};

    #[derive(Serialize, Deserialize)]
    #[serde(default)]
    struct Choice {
        version: String,
    }

    impl Default for Choice {
        fn default() -> Self {
            Self { version: "1.2".into() }
        }
    }

    impl Options for Choice {
        fn check(&self, _: &Config, _: &mut Vec<Problem>) {}
    }

    #[test]
    fn who_has_a_task_is_listed_in_that_shape() {
        let placement = Placement {
            address: "127.0.0.1".into(),
            hostname: "h1".into(),
            ports: [("http".to_owned(), 31000)].into(),
            ..Placement::default()
        };
        let running = InstanceStatus {
            name: "node-0".into(),
            task_id: Some("t0".into()),
            phase: Phase::Ready,
            placement: Some(placement),
            ..InstanceStatus::default()
        };
        let idle = InstanceStatus { name: "node-1".into(), task_id: None, ..running.clone() };
        let instances = [running, idle].map(|i| (i.name.clone(), i)).into();
        let view = View { instances, ..View::default() };
        let published = Published {
            config: Config { options: json!({}).into(), ..Config::default() },
            view: view.into(),
            ..Published::default()
        };
        let shape = [
            ("id", Is::Task),
            ("name", Is::Name),
            ("state", Is::Phase),
            ("version", Is::Option("version")),
            ("host", Is::Hostname),
            ("web", Is::Endpoint("http")),
            ("other", Is::Endpoint("none")),
        ];
        assert_eq!(
            listed::<Choice>(&published, &shape),
            json!([{ "id": "t0", "name": "node-0", "state": Phase::Ready, "version": "1.2", "host": "h1",
                "web": "127.0.0.1:31000", "other": null }])
        );
    }
}
