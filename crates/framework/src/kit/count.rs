//! How many instances an option asks for.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How many instances there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// One on every agent.
    EveryAgent,
    /// So many.
    Number(u32),
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::EveryAgent => serializer.serialize_str("*"),
            Self::Number(number) => serializer.serialize_u32(*number),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self::Number(number)),
            Written::Text(text) if text == "*" => Ok(Self::EveryAgent),
            Written::Text(text) => Err(de::Error::custom(format!("`{text}` is neither a number nor `*`"))),
        }
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 1, "maximum": 1000, "pattern": r"^\*$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn a_number_or_a_star() {
        for (written, count) in [(json!("*"), Count::EveryAgent), (json!(3), Count::Number(3))] {
            assert_eq!(from_value::<Count>(written.clone()).unwrap(), count);
            assert_eq!(to_value(count).unwrap(), written);
        }
        assert!(from_value::<Count>(json!("all")).unwrap_err().to_string().contains("neither a number nor"));
    }
}
