//! What a cluster holds and options declare.

use cairn_elasticsearch_admin::declared;
use cairn_framework::kit::contents::{JsonContents, Kind};

use crate::nodes::HTTP;

/// Indices. One that leaves the options stays.
pub(crate) const INDICES: JsonContents = JsonContents {
    kind: kind("index", "indices", "{settings?, mappings?, aliases?}, as for PUT /INDEX"),
    port: HTTP,
    all: "/_cat/indices?format=json&expand_wildcards=all&bytes=b",
    at: declared::index_at,
    changes: declared::index,
};

/// Index templates.
pub(crate) const TEMPLATES: JsonContents = JsonContents {
    kind: kind("template", "templates", "as for PUT /_index_template/NAME"),
    port: HTTP,
    all: "/_index_template",
    at: declared::template_at,
    changes: declared::template,
};

const fn kind(one: &'static str, many: &'static str, body: &'static str) -> Kind {
    let help = "small letters, digits, `-`, `_` and `.`, a letter or digit first";
    Kind { one, many, body, names: declared::is_name, help }
}
