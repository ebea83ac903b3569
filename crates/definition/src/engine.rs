//! The template language: minijinja, strict about names, with a few filters for what schedulers know.

use cairn_units::{Duration, Size};
use minijinja::value::Value as Item;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value;

/// Why a template cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// In words.
    pub reason: String,
    /// Line within the template, from 1.
    pub line: usize,
    /// A name that the language does not have, rather than a value that does not fit.
    pub unknown_word: bool,
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 1 {
            write!(f, "{} (line {} of the text)", self.reason, self.line)
        } else {
            f.write_str(&self.reason)
        }
    }
}

impl From<Error> for TemplateError {
    fn from(error: Error) -> Self {
        let reason = match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        let unknown_word = matches!(
            error.kind(),
            ErrorKind::UnknownFilter
                | ErrorKind::UnknownTest
                | ErrorKind::UnknownFunction
                | ErrorKind::UnknownMethod
        );
        Self { reason, line: error.line().unwrap_or(1), unknown_word }
    }
}

/// Whether a text has anything to fill in.
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|tag| text.contains(tag))
}

/// Fills in a template.
///
/// # Errors
/// A syntax error, a name that does not exist, or a value that does not fit.
pub fn render(template: &str, variables: &Value) -> Result<String, TemplateError> {
    if !is_template(template) {
        return Ok(template.to_owned());
    }
    Ok(environment().render_str(template, Item::from_serialize(variables))?)
}

/// The variables that a template looks up, with their attributes as far as they are written plainly: `ports.http`.
///
/// # Errors
/// A syntax error.
pub fn variables(template: &str) -> Result<Vec<String>, TemplateError> {
    if !is_template(template) {
        return Ok(Vec::new());
    }
    let environment = environment();
    let known: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
    let found = environment.template_from_str(template)?.undeclared_variables(true);
    let mut found: Vec<String> = found.into_iter().filter(|name| !known.contains(&name.as_str())).collect();
    found.sort();
    Ok(found)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_filter("endpoints", endpoints);
    environment.add_filter("names", names);
    environment.add_filter("mib", mib);
    environment.add_filter("ms", ms);
    environment
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// `peers.web | endpoints("http")`: a list of `address:port`.
fn endpoints(peers: &Item, port: &str) -> Result<Vec<String>, Error> {
    with_port(peers, port, "address")
}

/// `peers.web | names("http")`: a list of `name:port`, with the names that the cluster's DNS knows.
fn names(peers: &Item, port: &str) -> Result<Vec<String>, Error> {
    with_port(peers, port, "dns")
}

fn with_port(peers: &Item, port: &str, host: &str) -> Result<Vec<String>, Error> {
    let one = |peer: Item| {
        let number = peer.get_attr("ports")?.get_attr(port)?;
        if number.is_undefined() {
            return Err(invalid(format!("they have no port `{port}`")));
        }
        Ok(format!("{}:{number}", peer.get_attr(host)?))
    };
    peers.try_iter()?.map(one).collect()
}

/// `options.heap | mib`: a size as a number of MiB.
fn mib(size: &Item) -> Result<u64, Error> {
    let text = size.to_string();
    text.parse::<Size>().map(|size| size.mib()).map_err(|e| invalid(format!("`{text}`: {e}")))
}

/// `options.timeout | ms`: a duration as a number of milliseconds.
fn ms(duration: &Item) -> Result<u64, Error> {
    let text = duration.to_string();
    text.parse::<Duration>().map(|d| d.as_millis()).map_err(|e| invalid(format!("`{text}`: {e}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn knows_peers_sizes_and_durations() {
        let variables = json!({
            "peers": { "web": [
                { "address": "127.0.0.2", "dns": "web-0.demo.mesos", "ports": { "http": 31000 } },
                { "address": "127.0.0.3", "dns": "web-1.demo.mesos", "ports": { "http": 31001 } },
            ] },
            "options": { "heap": "1GiB", "wait": "2s" },
        });
        let render = |template: &str| render(template, &variables).unwrap();
        assert_eq!(
            render("{{ peers.web | endpoints('http') | join(',') }}"),
            "127.0.0.2:31000,127.0.0.3:31001"
        );
        assert_eq!(render("{{ (peers.web | names('http'))[0] }}"), "web-0.demo.mesos:31000");
        assert_eq!(render("-Xmx{{ options.heap | mib }}m {{ options.wait | ms }}"), "-Xmx1024m 2000");
        assert_eq!(render("a: <{{ options.heap }}>\n"), "a: <1GiB>\n");
    }

    #[test]
    fn names_that_are_not_there_are_told() {
        let error = render("x\n{{ options.hep }}", &json!({ "options": {} })).unwrap_err();
        assert_eq!(error.to_string(), "undefined value (line 2 of the text)");
        assert!(render("{{ 'a' | nope }}", &json!({})).unwrap_err().unknown_word);
    }

    #[test]
    fn variables_are_found_with_their_attributes() {
        let found = variables(
            "{% for p in peers.web %}{{ p.address }}{{ options.a.b }}{{ address }}{% endfor %}{{ range(3) }}",
        );
        assert_eq!(found.unwrap(), ["address", "options.a.b", "peers.web"]);
        assert_eq!(variables("plain").unwrap(), [""; 0]);
        assert!(variables("{{ a").is_err());
    }
}
