//! Names as they are written on the command line: STACK, STACK/SERVICE, STACK/SERVICE/INSTANCE. A service of a nested
//! stack has a path: STACK/NESTED/SERVICE.

use std::fmt;
use std::str::FromStr;

use cairn_controller::view::StackView;

use crate::failure::Failure;

/// A stack, or something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StackPath {
    pub(crate) stack: String,
    /// A nested stack, a service or an instance.
    pub(crate) path: Option<String>,
}

/// A service of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceName {
    pub(crate) stack: String,
    /// Its path within the stack.
    pub(crate) service: String,
}

/// What a path within a stack leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A nested stack.
    Group,
    /// A service, by path.
    Service(String),
    /// An instance of a service.
    Instance(String, String),
}

impl ServiceName {
    /// The path of one of its resources at the controller.
    pub(crate) fn path(&self, resource: &str) -> String {
        let escape = super::rest::escape;
        format!("/v1/stacks/{}/services/{}/{resource}", escape(&self.stack), escape(&self.service))
    }
}

/// What `path` leads to in the stack.
///
/// # Errors
/// When there is nothing; with all that there is.
pub(crate) fn find(stack: &StackView, path: &str) -> Result<Found, Failure> {
    for service in &stack.services {
        match path.strip_prefix(service.name.as_str()) {
            Some("") => return Ok(Found::Service(service.name.clone())),
            Some(rest) => {
                let name = rest.strip_prefix('/');
                if let Some(instance) = service.instances.iter().find(|i| Some(i.name.as_str()) == name) {
                    return Ok(Found::Instance(service.name.clone(), instance.name.clone()));
                }
            }
            None => {}
        }
    }
    if stack.services.iter().any(|service| is_below(&service.name, path)) {
        return Ok(Found::Group);
    }
    let names: Vec<&str> = stack.services.iter().map(|service| service.name.as_str()).collect();
    Err(Failure::hint(
        format!("stack {} has no `{path}`", stack.name),
        format!("there are: {}", names.join(", ")),
    ))
}

/// Whether a path is within a group.
pub(crate) fn is_below(path: &str, group: &str) -> bool {
    path.strip_prefix(group).is_some_and(|rest| rest.starts_with('/'))
}

impl FromStr for StackPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (stack, path) = split(text)?;
        Ok(Self { stack, path })
    }
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match split(text)? {
            (stack, Some(service)) => Ok(Self { stack, service }),
            (_, None) => Err("write STACK/SERVICE".into()),
        }
    }
}

impl fmt::Display for StackPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stack)?;
        self.path.iter().try_for_each(|path| write!(f, "/{path}"))
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stack, self.service)
    }
}

fn split(text: &str) -> Result<(String, Option<String>), String> {
    if text.split('/').any(str::is_empty) {
        return Err("a name is empty".into());
    }
    Ok(match text.split_once('/') {
        Some((stack, path)) => (stack.to_owned(), Some(path.to_owned())),
        None => (text.to_owned(), None),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::nested;
    use super::*;

    #[test]
    fn names_have_as_many_parts_as_they_need() {
        let service: ServiceName = "kafka/kafka".parse().unwrap();
        assert_eq!(service.path("scale"), "/v1/stacks/kafka/services/kafka/scale");
        let nested: ServiceName = "logging/kafka/broker".parse().unwrap();
        assert_eq!(nested.path("scale"), "/v1/stacks/logging/services/kafka%2Fbroker/scale");
        assert_eq!("kafka".parse::<ServiceName>().unwrap_err(), "write STACK/SERVICE");
        assert_eq!("kafka".parse::<StackPath>().unwrap().path, None);
        assert_eq!("a//b".parse::<StackPath>().unwrap_err(), "a name is empty");
        assert_eq!("a/b/c".parse::<StackPath>().unwrap().path.as_deref(), Some("b/c"));
    }

    #[test]
    fn names_are_shown_as_they_are_written() {
        for text in ["a", "a/b", "a/b/c"] {
            assert_eq!(text.parse::<StackPath>().unwrap().to_string(), text);
        }
        assert_eq!("a/b/c".parse::<ServiceName>().unwrap().to_string(), "a/b/c");
    }

    #[test]
    fn a_path_leads_to_a_group_a_service_or_an_instance() {
        let stack = nested();
        assert_eq!(find(&stack, "bus").unwrap(), Found::Group);
        assert_eq!(find(&stack, "bus/kafka").unwrap(), Found::Service("bus/kafka".into()));
        let broker = Found::Instance("bus/kafka".into(), "broker-0".into());
        assert_eq!(find(&stack, "bus/kafka/broker-0").unwrap(), broker);
        let Err(Failure::Error { message, hint }) = find(&stack, "bus/kafka/broker-7") else {
            panic!("there is none")
        };
        assert_eq!(message, "stack demo has no `bus/kafka/broker-7`");
        assert_eq!(hint.as_deref(), Some("there are: store, bus/zookeeper, bus/kafka"));
        assert!(find(&stack, "bu").is_err());
    }
}
