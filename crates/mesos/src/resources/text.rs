//! The textual forms that operators write: `cpus:4;mem:8192;ports:[31000-31999]` and `rack:r1;zone:z1`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::quantity::Quantity;
use super::{Entry, Ranges, ResourceError, Resources};
use crate::v1::resource::{ReservationInfo, reservation_info};
use crate::v1::{Attribute, Resource, value};

/// A value as written: `4`, `[1-2,5-6]`, `{a,b}`, or else text.
enum Parsed {
    Scalar(f64),
    Ranges(Ranges),
    Set(Vec<String>),
    Text(String),
}

impl FromStr for Resources {
    type Err = ResourceError;

    /// Entries are `name:value` or `name(role):value`, the latter a static reservation.
    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let mut resources = Self::new();
        for (piece, name, value) in pairs(text)? {
            let (name, role) = split_role(piece, name)?;
            let quantity = match parse_value(piece, value)? {
                Parsed::Scalar(amount) if amount < 0.0 => {
                    return Err(ResourceError::BadScalar { name: name.to_owned(), amount });
                }
                Parsed::Scalar(amount) => Quantity::scalar(amount),
                Parsed::Ranges(ranges) => Quantity::Ranges(ranges),
                Parsed::Set(items) => Quantity::Set(items.into_iter().collect()),
                Parsed::Text(_) => return Err(ResourceError::Text(name.to_owned())),
            };
            let mut identity = Resource { name: name.to_owned(), ..Default::default() };
            quantity.put_into(&mut identity);
            let mut identity = super::identity::strip(&identity);
            if let Some(role) = role.filter(|role| *role != "*") {
                let mut reservation = ReservationInfo { role: Some(role.to_owned()), ..Default::default() };
                reservation.set_type(reservation_info::Type::Static);
                identity.reservations.push(reservation);
            }
            resources.insert(Entry { identity: Arc::new(identity), quantity });
        }
        Ok(resources)
    }
}

impl fmt::Display for Resources {
    /// The same form; of reservations the innermost role, of volumes the persistence id (`disk(role)[id]:64`).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(out, "{separator}{}", entry.identity.name)?;
            if let Some(reservation) = entry.identity.reservations.last() {
                write!(out, "({})", reservation.role())?;
            }
            if let Some(id) = super::persistence_id(&entry.identity) {
                write!(out, "[{id}]")?;
            }
            write!(out, ":{}", entry.quantity)?;
        }
        Ok(())
    }
}

/// Reads the attributes of an agent: numbers are scalars, `[…]` ranges, `{…}` sets, anything else text.
///
/// # Errors
/// Which piece cannot be read, and why.
pub fn parse_attributes(text: &str) -> Result<Vec<Attribute>, ResourceError> {
    let mut attributes = Vec::new();
    for (piece, name, value) in pairs(text)? {
        let mut attribute = Attribute { name: name.to_owned(), ..Default::default() };
        match parse_value(piece, value)? {
            Parsed::Scalar(amount) => {
                attribute.set_type(value::Type::Scalar);
                attribute.scalar = Some(value::Scalar { value: amount });
            }
            Parsed::Ranges(ranges) => {
                attribute.set_type(value::Type::Ranges);
                attribute.ranges = Some((&ranges).into());
            }
            Parsed::Set(item) => {
                attribute.set_type(value::Type::Set);
                attribute.set = Some(value::Set { item });
            }
            Parsed::Text(text) => {
                attribute.set_type(value::Type::Text);
                attribute.text = Some(value::Text { value: text });
            }
        }
        attributes.push(attribute);
    }
    Ok(attributes)
}

/// Writes attributes in the form that [`parse_attributes`] reads.
pub fn format_attributes(attributes: &[Attribute]) -> String {
    let value = |attribute: &Attribute| match attribute.r#type() {
        value::Type::Scalar => attribute.scalar.as_ref().map(|scalar| scalar.value.to_string()),
        value::Type::Ranges => attribute.ranges.as_ref().map(|ranges| Ranges::from(ranges).to_string()),
        value::Type::Set => attribute.set.as_ref().map(|set| format!("{{{}}}", set.item.join(","))),
        value::Type::Text => attribute.text.as_ref().map(|text| text.value.clone()),
    };
    let pieces: Vec<String> = attributes
        .iter()
        .map(|attribute| format!("{}:{}", attribute.name, value(attribute).unwrap_or_default()))
        .collect();
    pieces.join(";")
}

fn syntax(piece: &str, reason: &'static str) -> ResourceError {
    ResourceError::Syntax { piece: piece.to_owned(), reason }
}

/// The non-empty pieces between semicolons, each with its name and value.
fn pairs(text: &str) -> Result<Vec<(&str, &str, &str)>, ResourceError> {
    text.split([';', '\n'])
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let (name, value) = piece.split_once(':').ok_or_else(|| syntax(piece, "it is not NAME:VALUE"))?;
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() {
                return Err(syntax(piece, "the name is missing"));
            }
            if value.is_empty() {
                return Err(syntax(piece, "the value is missing"));
            }
            Ok((piece, name, value))
        })
        .collect()
}

fn split_role<'a>(piece: &str, name: &'a str) -> Result<(&'a str, Option<&'a str>), ResourceError> {
    match name.split_once('(') {
        None => Ok((name, None)),
        Some((name, rest)) => match rest.strip_suffix(')') {
            Some(role) if !role.is_empty() && !name.is_empty() => Ok((name.trim(), Some(role.trim()))),
            _ => Err(syntax(piece, "the role is not in the form NAME(ROLE):VALUE")),
        },
    }
}

fn parse_value(piece: &str, value: &str) -> Result<Parsed, ResourceError> {
    if let Some(inner) = value.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(|| syntax(piece, "the closing ] is missing"))?;
        return parse_ranges(piece, inner).map(Parsed::Ranges);
    }
    if let Some(inner) = value.strip_prefix('{') {
        let inner = inner.strip_suffix('}').ok_or_else(|| syntax(piece, "the closing } is missing"))?;
        let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Ok(Parsed::Set(items.map(str::to_owned).collect()));
    }
    let number = value.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'));
    match value.parse::<f64>() {
        Ok(amount) if number && amount.is_finite() => Ok(Parsed::Scalar(amount)),
        _ => Ok(Parsed::Text(value.to_owned())),
    }
}

fn parse_ranges(piece: &str, inner: &str) -> Result<Ranges, ResourceError> {
    let mut ranges = Vec::new();
    for range in inner.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        let (begin, end) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| {
            text.trim().parse::<u64>().map_err(|_| syntax(piece, "a range is not BEGIN-END in whole numbers"))
        };
        let (begin, end) = (number(begin)?, number(end)?);
        if begin > end {
            return Err(syntax(piece, "a range ends before it begins"));
        }
        ranges.push((begin, end));
    }
    Ok(Ranges::new(ranges))
}
