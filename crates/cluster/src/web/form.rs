//! Bodies like `name=value&name=value`, whatever their media type says: Mesos does not look at it.
//!
//! They are read as Mesos reads them, which is stricter than the URL standard and what its readers do: `;` separates too,
//! and what is no escape or no UTF-8 is refused, not guessed at.

use std::collections::BTreeMap;

/// What a form says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Read a body. The problem is a line of text.
    pub(crate) fn read(body: &str) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        // Mesos takes `;` between fields as well.
        for field in body.split(['&', ';']).filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            values.insert(decode(name)?, decode(value)?);
        }
        Ok(Self(values))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A field that has to be there.
    pub(crate) fn need(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("Missing '{name}' query parameter in the request body"))
    }
}

fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| digit.and_then(hex));
                let [Some(high), Some(low)] = digits else {
                    return Err(format!("Malformed % escape in '{text}'"));
                };
                high * 16 + low
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| format!("'{text}' is no UTF-8 text"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded() {
        let form =
            Form::read("slaveId=S0&resources=%5B%7B%22a+b%22%3A1%7D%5D;flag&&raw=[{\"x\":\"=\"}]").unwrap();
        assert_eq!(form.need("slaveId"), Ok("S0"));
        assert_eq!(form.get("resources"), Some("[{\"a b\":1}]"));
        assert_eq!(form.get("flag"), Some(""));
        assert_eq!(form.get("raw"), Some("[{\"x\":\"=\"}]"));
        assert_eq!(Form::read(""), Ok(Form::default()));
        let missing = Form::default().need("frameworkId").unwrap_err();
        assert_eq!(missing, "Missing 'frameworkId' query parameter in the request body");
        for broken in ["a=%", "a=%4", "a=%zz", "a=%ff", "%=a", "a=%+1"] {
            assert!(Form::read(broken).is_err(), "{broken}");
        }
    }
}
