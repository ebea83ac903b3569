//! A port, or a range of ports, that an operator insists on.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::PortSpec;

/// Ports from the first to the last, both included; written `9092` or `31000..31100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports(pub u16, pub u16);

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a port: write `9092` or a range, `31000..31100`");
        let port = |t: &str| t.trim().parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(bad);
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(text)?, port(text)?),
        };
        if first <= last { Ok(Self(first, last)) } else { Err(bad()) }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 { self.0.fmt(f) } else { write!(f, "{}..{}", self.0, self.1) }
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u16),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(port) => port.to_string().parse().map_err(de::Error::custom),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl JsonSchema for Ports {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ports".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"], "minimum": 1, "maximum": 65535, "pattern": r"^\d+(\.\.\d+)?$",
        })
    }
}

impl Ports {
    /// The port of this name, which is among these if an operator insists.
    pub fn spec(name: &str, among: Option<Self>) -> PortSpec {
        PortSpec {
            name: name.to_owned(),
            within: among.map(|ports| (ports.0, ports.1)),
            ..PortSpec::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_or_a_range() {
        assert_eq!("9092".parse(), Ok(Ports(9092, 9092)));
        assert_eq!("31000..31100".parse(), Ok(Ports(31000, 31100)));
        for text in ["", "0", "2..1", "70000", "a", "1..", "1...3"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }
}
