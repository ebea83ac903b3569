//! Compiles the `.proto` files and puts on every field the serde attributes that make its JSON the one Mesos uses.

use std::env;
use std::path::PathBuf;

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};

const ROOTS: [&str; 5] = ["scheduler", "executor", "master", "agent", "cluster"];

/// Lists that Mesos writes even when they are empty: its operator API makes these by hand.
const ALWAYS_WRITTEN: [&str; 17] = [
    ".mesos.v1.master.Response.GetTasks.tasks",
    ".mesos.v1.master.Response.GetTasks.unreachable_tasks",
    ".mesos.v1.master.Response.GetTasks.completed_tasks",
    ".mesos.v1.master.Response.GetExecutors.executors",
    ".mesos.v1.master.Response.GetFrameworks.frameworks",
    ".mesos.v1.master.Response.GetFrameworks.completed_frameworks",
    ".mesos.v1.master.Response.GetAgents.agents",
    ".mesos.v1.master.Response.GetAgents.recovered_agents",
    ".mesos.v1.agent.Response.GetTasks.pending_tasks",
    ".mesos.v1.agent.Response.GetTasks.queued_tasks",
    ".mesos.v1.agent.Response.GetTasks.launched_tasks",
    ".mesos.v1.agent.Response.GetTasks.terminated_tasks",
    ".mesos.v1.agent.Response.GetTasks.completed_tasks",
    ".mesos.v1.agent.Response.GetExecutors.executors",
    ".mesos.v1.agent.Response.GetExecutors.completed_executors",
    ".mesos.v1.agent.Response.GetFrameworks.frameworks",
    ".mesos.v1.agent.Response.GetFrameworks.completed_frameworks",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let roots = ROOTS.map(|name| format!("mesos/v1/{name}.proto"));
    let files = protox::compile(roots, ["proto"])?;

    let mut config = prost_build::Config::new();
    config.btree_map(["."]);
    // Three quarters of a resource would be room for a disk, which few have.
    config.boxed(".mesos.v1.Resource.disk");
    config.include_file("messages.rs");
    config.message_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]");
    let mut enums = String::new();
    for file in &files.file {
        annotate_file(file, &mut config, &mut enums);
    }
    config.compile_fds(files)?;
    std::fs::write(PathBuf::from(env::var("OUT_DIR")?).join("enums.rs"), enums)?;
    Ok(())
}

fn annotate_file(file: &FileDescriptorProto, config: &mut prost_build::Config, enums: &mut String) {
    let package = format!(".{}", file.package());
    for message in &file.message_type {
        annotate_message(&package, message, config, enums);
    }
    for declared in &file.enum_type {
        implement_enum(&package, declared, enums);
    }
}

fn annotate_message(
    scope: &str,
    message: &DescriptorProto,
    config: &mut prost_build::Config,
    enums: &mut String,
) {
    let path = format!("{scope}.{}", message.name());
    for field in &message.field {
        let map = is_map(&path, field, message);
        let name = format!("{path}.{}", field.name());
        if ALWAYS_WRITTEN.contains(&name.as_str()) {
            config.field_attribute(name, "#[serde(default, deserialize_with = \"crate::json::list\")]");
            continue;
        }
        config.field_attribute(name, serde_attribute(field, map));
    }
    for nested in message.nested_type.iter().filter(|nested| !is_map_entry(nested)) {
        annotate_message(&path, nested, config, enums);
    }
    for declared in &message.enum_type {
        implement_enum(&path, declared, enums);
    }
}

fn is_map_entry(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|options| options.map_entry())
}

fn is_map(path: &str, field: &FieldDescriptorProto, message: &DescriptorProto) -> bool {
    message
        .nested_type
        .iter()
        .any(|nested| is_map_entry(nested) && field.type_name() == format!("{path}.{}", nested.name()))
}

/// How one field is written and read: left out when unset, `null` taken as unset, enums by name, bytes as base64.
fn serde_attribute(field: &FieldDescriptorProto, map: bool) -> String {
    let json = "crate::json";
    if map {
        return format!(
            "#[serde(default, skip_serializing_if = \"std::collections::BTreeMap::is_empty\", \
             deserialize_with = \"{json}::null_as_default\")]"
        );
    }
    let skip = |test: &str, with: String| {
        if with.is_empty() {
            format!("#[serde(default, skip_serializing_if = \"{test}\")]")
        } else {
            format!("#[serde(default, skip_serializing_if = \"{test}\", {with})]")
        }
    };
    let enumeration = || rust_path(field.type_name());
    match (field.label(), field.r#type()) {
        (Label::Repeated, Type::Enum) => {
            skip("Vec::is_empty", format!("with = \"{json}::EnumList::<{}>\"", enumeration()))
        }
        (Label::Repeated, _) => skip("Vec::is_empty", format!("deserialize_with = \"{json}::list\"")),
        (Label::Required, Type::Enum) => {
            format!("#[serde(with = \"{json}::EnumName::<{}>\")]", enumeration())
        }
        (Label::Optional, Type::Enum) => {
            let helper = format!("{json}::EnumOption::<{}>", enumeration());
            skip(&format!("{helper}::is_unnamed"), format!("with = \"{helper}\""))
        }
        (Label::Required, Type::Bytes) => format!("#[serde(with = \"{json}::bytes\")]"),
        (Label::Optional, Type::Bytes) => skip("Option::is_none", format!("with = \"{json}::bytes_option\"")),
        (Label::Required, scalar) if is_lenient(scalar) => {
            format!("#[serde(deserialize_with = \"{json}::lenient\")]")
        }
        (Label::Optional, scalar) if is_lenient(scalar) => {
            skip("Option::is_none", format!("deserialize_with = \"{json}::lenient_option\""))
        }
        (Label::Required, _) => String::new(),
        (Label::Optional, _) => skip("Option::is_none", String::new()),
    }
}

/// Numbers and booleans, which Mesos also reads from strings, and integers from floats.
fn is_lenient(kind: Type) -> bool {
    !matches!(kind, Type::String | Type::Bytes | Type::Message | Type::Group | Type::Enum)
}

fn implement_enum(scope: &str, declared: &EnumDescriptorProto, out: &mut String) {
    let path = rust_path(&format!("{scope}.{}", declared.name()));
    out.push_str(&format!(
        "impl crate::json::NamedEnum for {path} {{\n    \
             fn name_of(number: i32) -> Option<&'static str> {{ Self::try_from(number).ok().map(|value| value.as_str_name()) }}\n    \
             fn number_of(name: &str) -> Option<i32> {{ Self::from_str_name(name).map(|value| value as i32) }}\n}}\n"
    ));
}

/// `.mesos.v1.scheduler.Call.Type` → `crate::v1::scheduler::call::Type`, as prost names it.
fn rust_path(proto: &str) -> String {
    let parts: Vec<&str> = proto.trim_start_matches('.').split('.').skip(1).collect();
    let (name, scopes) = parts.split_last().map_or(("", &[][..]), |(name, scopes)| (*name, scopes));
    let scopes: Vec<String> = scopes.iter().map(|scope| scope.to_snake_case()).collect();
    format!("crate::{}::{}", scopes.join("::"), name.to_upper_camel_case())
}
