//! Templates: what they may name, and how they are filled in.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// Where a task finds itself: the variables of its templates.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Place {
    /// `{{ address }}`: IP address of the agent, which services listen on and advertise.
    pub address: String,
    /// `{{ hostname }}`: host name of the agent.
    pub hostname: String,
    /// `{{ sandbox }}`: absolute path of the task's directory. Volumes are directories below it.
    pub sandbox: String,
    /// `{{ ports.NAME }}`: the task's ports by name.
    pub ports: BTreeMap<String, u16>,
    /// `{{ task_id }}`: id of this task.
    pub task_id: String,
    /// `{{ instance }}`: name of the instance, for example `broker-0`; the same over restarts.
    pub instance: String,
    /// `{{ attributes.NAME }}`: text attributes of the agent, for example `rack`.
    pub attributes: BTreeMap<String, String>,
}

/// A template that cannot be rendered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what}: {reason}")]
pub struct RenderError {
    /// Which string of the spec.
    pub what: String,
    /// The engine's reason, in words.
    pub reason: String,
}

impl Place {
    /// Renders one template. `what` names it in the error. Unknown variables are errors.
    ///
    /// # Errors
    /// A syntax error or a variable that does not exist.
    pub fn render(&self, what: &str, template: &str) -> Result<String, RenderError> {
        if !template.contains('{') {
            return Ok(template.to_owned());
        }
        let mut env = Environment::empty();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_keep_trailing_newline(true);
        env.render_str(template, minijinja::Value::from_serialize(self))
            // Not its debug form, which in a debug build draws the template and panics where a span ends before it begins.
            .map_err(|e| RenderError { what: what.to_owned(), reason: e.to_string() })
    }

    pub(crate) fn render_all(&self, what: &str, templates: &[String]) -> Result<Vec<String>, RenderError> {
        templates.iter().map(|t| self.render(what, t)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            address: "127.0.0.2".into(),
            ports: BTreeMap::from([("client".into(), 31005)]),
            ..Place::default()
        }
    }

    #[test]
    fn fills_in_address_and_ports() {
        let out = place().render("x", "listeners=PLAINTEXT://{{ address }}:{{ ports.client }}\n");
        assert_eq!(out.as_deref(), Ok("listeners=PLAINTEXT://127.0.0.2:31005\n"));
    }

    #[test]
    fn a_loop_without_a_name_is_an_error_in_words() {
        let error = place().render("x", "{% for in ports %}{{ name }}\n{% endfor %}").unwrap_err();
        assert_eq!(error.reason, "cannot unpack: value is not iterable (in <string>:1)");
    }

    #[test]
    fn an_unknown_port_is_an_error_that_names_the_string() {
        let error = place().render("file zoo.cfg", "{{ ports.admin }}").unwrap_err();
        assert_eq!(error.what, "file zoo.cfg");
        assert!(error.reason.contains("undefined"), "{}", error.reason);
    }

    #[test]
    fn text_without_braces_is_left_alone() {
        assert_eq!(place().render("x", "a % # b").as_deref(), Ok("a % # b"));
    }
}
