//! JSON as Mesos writes and reads it, beyond what serde does by itself.
//!
//! The build script puts these helpers on the fields of the generated messages. Mesos reads leniently: `null` is unset,
//! an unknown name in an optional enum is unset too, numbers and booleans may come as strings, and integers as floats.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// An enum of the protocol, which JSON writes by its name.
pub(crate) trait NamedEnum {
    fn name_of(number: i32) -> Option<&'static str>;
    fn number_of(name: &str) -> Option<i32>;
}

/// Required enum fields: an unknown name is an error.
pub(crate) struct EnumName<E>(PhantomData<E>);

impl<E: NamedEnum> EnumName<E> {
    pub(crate) fn serialize<S: Serializer>(number: &i32, out: S) -> Result<S::Ok, S::Error> {
        match E::name_of(*number) {
            Some(name) => out.serialize_str(name),
            None => out.serialize_i32(*number),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(from)?;
        E::number_of(&name).ok_or_else(|| de::Error::custom(format!("Failed to find enum for '{name}'")))
    }
}

/// Optional enum fields: an unknown name counts as absent, so that newer peers may be talked to.
pub(crate) struct EnumOption<E>(PhantomData<E>);

impl<E: NamedEnum> EnumOption<E> {
    /// Unset, or a number from a newer peer: neither is written.
    pub(crate) fn is_unnamed(number: &Option<i32>) -> bool {
        number.and_then(E::name_of).is_none()
    }

    pub(crate) fn serialize<S: Serializer>(number: &Option<i32>, out: S) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => EnumName::<E>::serialize(number, out),
            None => out.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i32>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.and_then(|name| E::number_of(&name)))
    }
}

/// Repeated enum fields: unknown names are dropped.
pub(crate) struct EnumList<E>(PhantomData<E>);

impl<E: NamedEnum> EnumList<E> {
    pub(crate) fn serialize<S: Serializer>(numbers: &[i32], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(numbers.iter().filter_map(|number| E::name_of(*number)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<i32>, D::Error> {
        let names: Vec<String> = list(from)?;
        Ok(names.iter().filter_map(|name| E::number_of(name)).collect())
    }
}

/// Lists: `null` is an empty one, what is no list is the only one in it, and a `null` in a list counts for nothing.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    from.deserialize_any(ListVisitor(PhantomData))
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> ListVisitor<T> {
    fn one<E: de::Error>(value: impl IntoDeserializer<'de, E>) -> Result<Vec<T>, E> {
        Ok(vec![T::deserialize(value.into_deserializer())?])
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Option<T>>()? {
            list.extend(item);
        }
        Ok(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Vec<T>, A::Error> {
        Ok(vec![T::deserialize(MapAccessDeserializer::new(fields))?])
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Vec<T>, E> {
        Ok(vec![T::deserialize(value.to_owned().into_deserializer())?])
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Vec<T>, E> {
        Self::one(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Vec<T>, E> {
        Self::one(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Vec<T>, E> {
        Self::one(value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Vec<T>, E> {
        Self::one(value)
    }
}

/// Maps: `null` is an empty one.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// Required numbers and booleans.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: Lenient>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(LenientVisitor(PhantomData))
}

/// Optional numbers and booleans.
pub(crate) fn lenient_option<'de, D: Deserializer<'de>, T: Lenient>(from: D) -> Result<Option<T>, D::Error> {
    struct Wrapped<T>(T);
    impl<'de, T: Lenient> Deserialize<'de> for Wrapped<T> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            lenient(from).map(Wrapped)
        }
    }
    Ok(Option::<Wrapped<T>>::deserialize(from)?.map(|wrapped| wrapped.0))
}

/// A number or boolean that may be told in more than one JSON type. The default of each form is: not accepted.
pub(crate) trait Lenient: std::str::FromStr {
    const EXPECTED: &'static str;
    fn of_bool(_: bool) -> Option<Self> {
        None
    }
    fn of_integer(_: i128) -> Option<Self> {
        None
    }
    fn of_float(_: f64) -> Option<Self> {
        None
    }
}

macro_rules! lenient_integer {
    ($($integer:ty),*) => {$(
        impl Lenient for $integer {
            const EXPECTED: &'static str = concat!("an integer that fits ", stringify!($integer));
            fn of_integer(value: i128) -> Option<Self> {
                Self::try_from(value).ok()
            }
            fn of_float(value: f64) -> Option<Self> {
                // `as` saturates; the bounds keep a number that does not fit from passing as one that does.
                (value >= <$integer>::MIN as f64 && value <= <$integer>::MAX as f64).then_some(value as $integer)
            }
        }
    )*};
}
lenient_integer!(i32, i64, u32, u64);

impl Lenient for f64 {
    const EXPECTED: &'static str = "a number";
    fn of_integer(value: i128) -> Option<Self> {
        Some(value as f64)
    }
    fn of_float(value: f64) -> Option<Self> {
        Some(value)
    }
}

impl Lenient for bool {
    const EXPECTED: &'static str = "a boolean";
    fn of_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

struct LenientVisitor<T>(PhantomData<T>);

impl<T: Lenient> Visitor<'_> for LenientVisitor<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(T::EXPECTED)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        T::of_bool(value).ok_or_else(|| E::invalid_type(de::Unexpected::Bool(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        T::of_integer(value.into()).ok_or_else(|| E::invalid_value(de::Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        T::of_integer(value.into()).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
        T::of_float(value).ok_or_else(|| E::invalid_value(de::Unexpected::Float(value), &self))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<T, E> {
        let text = value.trim();
        text.parse::<T>()
            .ok()
            .or_else(|| text.parse::<f64>().ok().and_then(T::of_float))
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(value), &self))
    }
}

/// Some clients leave the padding out, and Mesos does not look at the bits that belong to no byte.
const READ: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// As Mesos reads it: white space, with which some encoders break lines, means nothing, and the first `=` is the end.
fn decode_base64<E: de::Error>(text: &str) -> Result<Vec<u8>, E> {
    let is_space = |c: &char| matches!(c, ' ' | '\t'..='\r');
    let said: String = text.chars().take_while(|c| *c != '=').filter(|c| !is_space(c)).collect();
    READ.decode(said).map_err(|error| E::custom(format!("Failed to base64 decode bytes field: {error}")))
}

/// Required bytes.
pub(crate) mod bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        decode_base64(&String::deserialize(from)?)
    }
}

/// Optional bytes.
pub(crate) mod bytes_option {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, out: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| STANDARD.encode(bytes)).serialize(out)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(from)?.map(|text| decode_base64(&text)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use crate::v1::scheduler::{Call, call};
    use crate::v1::{FileInfo, Filters, FrameworkInfo, TaskStatus, TimeInfo};

    fn read<M: serde::de::DeserializeOwned>(json: &str) -> M {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn null_unknown_fields_and_unknown_names_count_as_unset() {
        let call: Call = read(
            r#"{"type": "INVENTED", "framework_id": null, "revive": {"roles": null}, "new": {"a": [1]},
                "accept": {"offer_ids": null, "operations": [{"type": "NEW"}], "filters": null}}"#,
        );
        assert_eq!(call.r#type, None);
        assert_eq!(call.framework_id, None);
        assert_eq!(call.revive, Some(call::Revive::default()));
        let accept = call.accept.unwrap();
        assert_eq!((accept.offer_ids.len(), accept.operations[0].r#type, accept.filters), (0, None, None));
    }

    #[test]
    fn what_is_no_list_is_the_only_one_in_it() {
        let framework: FrameworkInfo = read(
            r#"{"user": "u", "name": "n", "roles": "one", "capabilities": {"type": "MULTI_ROLE"},
                "offer_filters": {}, "labels": {"labels": [null, {"key": "k"}, null]}}"#,
        );
        assert_eq!((framework.roles, framework.capabilities.len()), (vec!["one".to_owned()], 1));
        assert_eq!(framework.labels.unwrap().labels.len(), 1);
        for bad in [r#"{"roles": 1}"#, r#"{"roles": [1]}"#, r#"{"roles": {"a": 1}}"#, r#"{"roles": true}"#] {
            assert!(serde_json::from_str::<call::Revive>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_come_as_floats_and_strings_too() {
        assert_eq!(read::<TimeInfo>(r#"{"nanoseconds": 3.6e+06}"#).nanoseconds, 3_600_000);
        assert_eq!(read::<TimeInfo>(r#"{"nanoseconds": "-5"}"#).nanoseconds, -5);
        assert_eq!(read::<Filters>(r#"{"refuse_seconds": 5}"#).refuse_seconds, Some(5.0));
        let framework: FrameworkInfo = read(r#"{"user": "u", "name": "n", "checkpoint": "true"}"#);
        assert_eq!(framework.checkpoint, Some(true));
        for bad in
            [r#"{"path": "", "nlink": 3e9}"#, r#"{"path": "", "nlink": "x"}"#, r#"{"path": "", "size": -1}"#]
        {
            assert!(serde_json::from_str::<FileInfo>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_required_must_be_there() {
        for (bad, hint) in [
            (r#"{"state": "TASK_RUNNING"}"#, "task_id"),
            (r#"{"task_id": {"value": "t"}}"#, "state"),
            (r#"{"task_id": {"value": "t"}, "state": "TASK_NEW"}"#, "TASK_NEW"),
            (r#"{"task_id": {"value": "t"}, "state": 1}"#, "integer"),
            (r#"{"task_id": {"value": "t"}, "state": "TASK_RUNNING", "uuid": "%"}"#, "base64"),
        ] {
            let error = serde_json::from_str::<TaskStatus>(bad).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn set_defaults_are_kept_unset_ones_left_out_and_doubles_have_a_point() {
        let json = |filters: &Filters| serde_json::to_string(filters).unwrap();
        assert_eq!(json(&Filters::default()), "{}");
        assert_eq!(json(&Filters { refuse_seconds: Some(5.0) }), r#"{"refuse_seconds":5.0}"#);
        assert_eq!(Filters::default().refuse_seconds(), 5.0);
        let precise = 1_795_233_386.131_384_1;
        assert_eq!(
            read::<Filters>(&json(&Filters { refuse_seconds: Some(precise) })).refuse_seconds(),
            precise
        );
    }

    #[test]
    fn bytes_are_base64_with_or_without_padding() {
        let status: TaskStatus =
            read(r#"{"task_id": {"value": "t"}, "state": "TASK_RUNNING", "data": "AAE", "uuid": "AAEC"}"#);
        assert_eq!((status.data(), status.uuid()), (&[0, 1][..], &[0, 1, 2][..]));
        assert!(serde_json::to_string(&status).unwrap().contains(r#""data":"AAE=""#));
        let broken: TaskStatus =
            read("{\"task_id\": {\"value\": \"t\"}, \"state\": \"TASK_RUNNING\", \"data\": \"AA\\nE=\\n\"}");
        assert_eq!(broken.data(), [0, 1], "some encoders break lines, and end them");
        // The uuid of the public documentation of ACKNOWLEDGE.
        let uuid = "jhadf73jhakdlfha723adf";
        let documented =
            format!(r#"{{"task_id": {{"value": "t"}}, "state": "TASK_RUNNING", "uuid": "{uuid}"}}"#);
        assert_eq!(read::<TaskStatus>(&documented).uuid().len(), 16);
    }
}
