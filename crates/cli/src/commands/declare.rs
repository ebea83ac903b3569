//! `cairn declare`: what a service holds under names — topics, indices — and is kept as declared, whatever its framework knows.

use cairn_framework::kit::contents::Declared;
use reqwest::Method;
use serde_json::Value;

use crate::args::Globals;
use crate::client::names::ServiceName;
use crate::client::rest::{Client, escape};
use crate::client::scheduler::Scheduler;
use crate::client::table::table;
use crate::client::target::TargetArgs;
use crate::failure::Outcome;
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which service
    #[arg(value_name = "STACK/SERVICE")]
    service: ServiceName,
    /// Kind of thing, for example `indices`; without it, which kinds there are and what is declared
    #[arg(value_name = "KIND", requires = "name")]
    kind: Option<String>,
    /// Name of one; without anything else, what is declared of it and what there is
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// What it should be, as YAML or JSON: `'{settings: {number_of_shards: 3}}'`. The next `apply` of the stack's file declares
    /// what that says again
    #[arg(value_name = "BODY", value_parser = body)]
    body: Option<Value>,
    /// Declare it no more; the thing itself stays as it is
    #[arg(long, requires = "name", conflicts_with = "body")]
    forget: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Lists what is declared, shows one, declares it or declares it no more.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    let scheduler = Scheduler { client, service: args.service.clone(), format: globals.output };
    runtime::small()?.block_on(async {
        let (Some(kind), Some(name)) = (&args.kind, &args.name) else {
            return scheduler
                .show(&scheduler.get("declared", &[]).await?, |declared: &Declared| text(declared));
        };
        let path = format!("{}/{}", escape(kind), escape(name));
        match &args.body {
            Some(body) => scheduler.change(Method::PUT, &path, &[], Some(body)).await,
            None if args.forget => scheduler.change(Method::DELETE, &path, &[("keep", "true")], None).await,
            None => {
                let shown = scheduler.get(&path, &[]).await?;
                scheduler.format.emit(&shown, |shown| format!("{shown:#}\n"))
            }
        }
    })
}

fn body(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

fn text(declared: &Declared) -> String {
    if declared.kinds.is_empty() {
        return "this framework declares nothing inside its service\n".into();
    }
    let row = |kind: &cairn_framework::kit::contents::DeclaredKind| {
        let names: Vec<&str> = kind.declared.keys().map(String::as_str).collect();
        [kind.many.clone(), names.join(", "), kind.body.clone()]
    };
    table(["KIND", "DECLARED", "AS"], declared.kinds.iter().map(row))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_yaml() {
        assert_eq!(body("{settings: {a: 3}}"), Ok(json!({ "settings": { "a": 3 } })));
        assert!(body("{a: ").is_err());
    }

    #[test]
    fn kinds_are_listed_with_what_is_declared_of_them() {
        let declared = Declared::deserialize(json!({ "kinds": [
            { "one": "index", "many": "indices", "body": "{settings?}", "declared": { "a": {}, "b": {} } },
            { "one": "template", "many": "templates", "body": "an object", "declared": {} },
        ]}));
        let expected = "\
KIND       DECLARED  AS
indices    a, b      {settings?}
templates            an object
";
        assert_eq!(text(&declared.unwrap()), expected);
        assert!(text(&Declared { kinds: Vec::new() }).contains("declares nothing"));
    }
}
