//! Services that framework specs describe, with small programs as stand-ins. The first is the one of
//! `docs/framework-specs.md`, as its reader would try it.

use cairn_tests::{Cairn, Http, cairn};
use libtest_mimic::Trial;

use crate::Story;

pub(crate) fn story() -> (Vec<Trial>, Box<dyn FnOnce()>) {
    Story::new("service").step("the_worked_example_of_the_docs_serves_and_scales", docs, example).end()
}

/// The code block of the docs that follows `<!-- name -->`.
fn block(name: &str) -> String {
    let path = cairn::checkout().join("docs/framework-specs.md");
    let text = std::fs::read_to_string(path).expect("the docs are there");
    let after = text.split(&format!("<!-- {name} -->\n```yaml\n")).nth(1).expect("the block is there");
    after.split("```").next().unwrap_or_default().to_owned()
}

fn docs() -> Cairn {
    let cairn = Cairn::new(2).frameworks("frameworks");
    cairn.file("frameworks/web.yaml", &block("web.yaml"));
    cairn.up()
}

fn example(cairn: &mut Cairn) {
    let site = cairn.file("site.yaml", &block("site.yaml"));
    let applied = cairn.run(&["apply", "-f", &site, "--timeout", "1m"]);
    assert_eq!(applied.code, 0, "{applied:#?}\n{}", cairn.logs());
    let outputs = || cairn.run(&["endpoints", "site/web", "-o", "json"]).expect(0).json();
    let first = outputs()["first"].as_str().unwrap_or_default().to_owned();
    let page = || Http::new(&format!("http://{first}"), None).get("/");
    assert_eq!(page(), "Welcome from web-0\n");
    cairn.run(&["scale", "site/web", "3"]).expect(0);
    let urls = outputs()["urls"].as_str().unwrap_or_default().to_owned();
    assert_eq!(urls.split(' ').count(), 3, "{urls}");
    let changed = block("site.yaml").replace("Welcome", "Hi").replace("servers: 2", "servers: 3");
    let site = cairn.file("site.yaml", &changed);
    cairn.run(&["apply", "-f", &site]).expect(0);
    assert_eq!(page(), "Hi from web-0\n");
    cairn.run(&["destroy", "site", "--yes"]).expect(0);
    assert!(cairn.processes(&["http.server"]).is_empty());
}
