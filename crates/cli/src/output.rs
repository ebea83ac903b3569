//! Answers in the form that was asked for.

use clap::ValueEnum;
use serde::Serialize;

use crate::console;
use crate::failure::{Exit, Failure, Outcome};

/// The form of what goes to stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

impl Format {
    /// Whether a program reads it.
    pub(crate) fn is_data(self) -> bool {
        self != Self::Text
    }

    /// Writes `data`, or what `text` makes of it for people.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn emit<T: Serialize>(self, data: &T, text: impl FnOnce(&T) -> String) -> Outcome {
        console::print(&self.render(data, text)?)?;
        Ok(Exit::Done)
    }

    /// The text that [`Self::emit`] writes.
    ///
    /// # Errors
    /// When the data has no such form.
    pub(crate) fn render<T: Serialize>(
        self,
        data: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<String, Failure> {
        match self {
            Self::Text => Ok(text(data)),
            Self::Json => serde_json::to_string_pretty(data)
                .map(|json| json + "\n")
                .map_err(|error| Failure::new(format!("cannot write the answer as JSON: {error}"))),
            Self::Yaml => serde_saphyr::to_string(data)
                .map_err(|error| Failure::new(format!("cannot write the answer as YAML: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_answer_in_three_forms() {
        let data = json!({"name": "kafka", "ports": [1, 2], "empty": {}, "odd": "no: \"yes\"", "none": null});
        let render = |format: Format| format.render(&data, |d| format!("{}\n", d["name"])).unwrap();
        assert_eq!(render(Format::Text), "\"kafka\"\n");
        assert!(render(Format::Json).starts_with("{\n  \"name\": \"kafka\",\n"));
        let yaml = render(Format::Yaml);
        assert!(yaml.starts_with("name: kafka\n") && yaml.ends_with('\n'), "{yaml}");
        let back: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(back, data);
    }
}
