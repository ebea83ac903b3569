//! Names as they are written on the command line: STACK, STACK/SERVICE, STACK/SERVICE/INSTANCE.

use std::str::FromStr;

/// A stack, or a service of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StackOrService {
    pub(crate) stack: String,
    pub(crate) service: Option<String>,
}

/// A service of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceName {
    pub(crate) stack: String,
    pub(crate) service: String,
}

/// A service of a stack, or an instance of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceOrInstance {
    pub(crate) stack: String,
    pub(crate) service: String,
    pub(crate) instance: Option<String>,
}

impl ServiceName {
    /// The path of one of its resources at the controller.
    pub(crate) fn path(&self, resource: &str) -> String {
        let escape = super::rest::escape;
        format!("/v1/stacks/{}/services/{}/{resource}", escape(&self.stack), escape(&self.service))
    }
}

impl FromStr for StackOrService {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match parts(text)?.as_slice() {
            [stack] => Ok(Self { stack: (*stack).to_owned(), service: None }),
            [stack, service] => Ok(Self { stack: (*stack).to_owned(), service: Some((*service).to_owned()) }),
            _ => Err("write STACK or STACK/SERVICE".into()),
        }
    }
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match parts(text)?.as_slice() {
            [stack, service] => Ok(Self { stack: (*stack).to_owned(), service: (*service).to_owned() }),
            _ => Err("write STACK/SERVICE".into()),
        }
    }
}

impl FromStr for ServiceOrInstance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (stack, service, instance) = match parts(text)?.as_slice() {
            [stack, service] => (*stack, *service, None),
            [stack, service, instance] => (*stack, *service, Some((*instance).to_owned())),
            _ => return Err("write STACK/SERVICE or STACK/SERVICE/INSTANCE".into()),
        };
        Ok(Self { stack: stack.to_owned(), service: service.to_owned(), instance })
    }
}

fn parts(text: &str) -> Result<Vec<&str>, String> {
    let parts: Vec<&str> = text.split('/').collect();
    if parts.iter().any(|part| part.is_empty()) { Err("a name is empty".into()) } else { Ok(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_as_many_parts_as_they_need() {
        let service: ServiceName = "kafka/kafka".parse().unwrap();
        assert_eq!(service.path("scale"), "/v1/stacks/kafka/services/kafka/scale");
        assert_eq!("kafka".parse::<ServiceName>().unwrap_err(), "write STACK/SERVICE");
        assert_eq!("kafka".parse::<StackOrService>().unwrap().service, None);
        assert_eq!("a//b".parse::<ServiceOrInstance>().unwrap_err(), "a name is empty");
        assert_eq!("a/b/c".parse::<ServiceOrInstance>().unwrap().instance.as_deref(), Some("c"));
        assert!("a/b/c/d".parse::<ServiceOrInstance>().is_err());
    }
}
