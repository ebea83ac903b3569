//! Types that exist for their JSON Schema only.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A placement constraint, as text.
pub(super) struct ConstraintText;

impl JsonSchema for ConstraintText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Constraint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "constraint" })
    }
}
