//! A stack of stacks, from a bundle of files with an overlay, with small programs as stand-ins: the same stack twice side
//! by side, a service that exists already, and a framework that comes along with the stack.

use cairn_tests::{Cairn, Http};
use libtest_mimic::Trial;

use crate::Story;

/// A web server that shows whom it was told of.
const PAGE: &str = r#"
framework: page
count: servers
needs:
  upstream: { interface: page, output: address, optional: true }
offers:
  page: { outputs: [address] }
options:
  properties:
    servers: { type: integer, minimum: 0, default: 1 }
    text: { type: string, default: Hello }
service:
  groups:
    web:
      count: "{{ options.servers }}"
      command: python3 -m http.server {{ ports.http }} --bind {{ address }} --directory www
      cpus: 0.05
      mem: 32MiB
      ports: [http]
      files:
        www/index.html: "{{ options.text }} after {{ inputs.upstream | default('nobody') }}\n"
      ready: { http: "http://{{ address }}:{{ ports.http }}/" }
      grace: 2s
  outputs:
    address: "{{ (peers.web | endpoints('http'))[0] }}"
"#;

const PAIR: &str = r#"
stack: pair
params:
  text: Hello
  upstream: { type: string }
services:
  front: { framework: ./page.yaml, text: "${param.text}", upstream: "${param.upstream}" }
  back: { framework: ./page.yaml, text: "${param.text}", upstream: "${front.address}" }
outputs:
  address: ${back.address}
"#;

const STACK: &str = r#"
stack: house
services:
  old: { existing: { interface: page, outputs: { address: "10.0.0.1:80" } } }
  one: { stack: ./parts/pair.yaml, params: { upstream: "${old.address}" } }
  two: { stack: ./parts/pair.yaml, params: { upstream: "${one.address}", text: Hi } }
outputs:
  door: ${two.address}
"#;

pub(crate) fn story() -> Vec<Trial> {
    Story::new("nested")
        .step("the_same_stack_serves_twice_side_by_side", || Cairn::new(2).up(), side_by_side)
        .step("a_restarted_controller_knows_the_stack_and_its_framework", || Cairn::new(2).up(), restart)
        .end()
}

/// Brings the stack up, under an overlay.
fn up(cairn: &Cairn) {
    cairn.file("house/parts/page.yaml", PAGE);
    cairn.file("house/parts/pair.yaml", PAIR);
    let stack = cairn.file("house/stack.yaml", STACK);
    let overlay = cairn.file("house/overlay.yaml", "services:\n  two: { params: { text: Good evening } }\n");
    let applied = cairn.run(&["apply", "-f", &stack, "-f", &overlay, "--timeout", "3m"]);
    assert_eq!(applied.code, 0, "{applied:#?}\n{}", cairn.logs());
}

fn address(cairn: &Cairn, path: &str) -> String {
    let outputs = cairn.run(&["endpoints", path, "-o", "json"]).expect(0).json();
    outputs["address"].as_str().unwrap_or_default().to_owned()
}

fn page(address: &str) -> String {
    Http::new(&format!("http://{address}"), None).get("/").as_str().unwrap_or_default().to_owned()
}

fn side_by_side(cairn: &mut Cairn) {
    up(cairn);
    let [first, second] = ["house/one/back", "house/two/front"].map(|path| address(cairn, path));
    assert_eq!(page(&address(cairn, "house/one/front")), "Hello after 10.0.0.1:80\n");
    assert_eq!(page(&second), format!("Good evening after {first}\n"), "the overlay counts");
    let house = cairn.run(&["endpoints", "house"]).expect(0).stdout;
    let door = address(cairn, "house/two/back");
    for line in [format!("house.door {door}"), format!("house/one.address {first}")] {
        let found = house.lines().any(|l| l.split_whitespace().eq(line.split_whitespace()));
        assert!(found, "{line} is not in\n{house}");
    }

    let tree = cairn.run(&["status", "house"]).expect(0).stdout;
    let names: Vec<&str> = tree
        .lines()
        .map(|line| line.trim_start_matches([' ', '│', '├', '└', '─']))
        .filter_map(|line| line.split("  ").next())
        .collect();
    let expected = [
        "house",
        "old (existing page)",
        "one",
        "front (page)",
        "web-0",
        "back (page)",
        "web-0",
        "two",
        "front (page)",
        "web-0",
        "back (page)",
        "web-0",
    ];
    assert_eq!(names, expected, "{tree}");
    let part = cairn.run(&["status", "house/two/back"]).expect(0).stdout;
    assert!(part.contains("back (page)") && !part.contains("front"), "{part}");

    cairn.run(&["scale", "house/two/back", "2"]).expect(0);
    cairn.run(&["logs", "house/two/back/web-1", "--stderr"]).expect(0);
    let unknown = cairn.run(&["logs", "house/two"]).expect(1).stderr;
    assert!(unknown.contains("name one of them: house/two/front, house/two/back"), "{unknown}");
    assert_eq!(cairn.processes(&["http.server"]).len(), 5);
}

fn restart(cairn: &mut Cairn) {
    up(cairn);
    let pids = |cairn: &Cairn| {
        let mut pids: Vec<_> = cairn.processes(&["http.server"]).iter().map(|p| p.pid).collect();
        pids.sort_unstable();
        pids
    };
    let before = pids(cairn);
    cairn.kill_controller();
    cairn.start_controller();
    let folder = cairn.folder().join("house");
    let [stack, overlay] = ["stack.yaml", "overlay.yaml"].map(|f| folder.join(f).display().to_string());
    let same = cairn.run(&["plan", "-f", &stack, "-f", &overlay]);
    assert_eq!(same.code, 0, "{same:#?}");
    let rendered = cairn.run(&["render", "-f", &stack, "-f", &overlay]).expect(0).stdout;
    let rendered = cairn.file("rendered.yaml", &rendered);
    let same = cairn.run(&["plan", "-f", &rendered]);
    assert_eq!(same.code, 0, "what is rendered is the same stack: {same:#?}");
    let applied = cairn.run(&["apply", "-f", &rendered, "--timeout", "2m"]);
    assert_eq!(applied.code, 0, "{applied:#?}\n{}", cairn.logs());
    assert_eq!(pids(cairn), before, "nothing was started anew");
    cairn.run(&["destroy", "house", "--yes"]).expect(0);
    assert!(cairn.processes(&["http.server"]).is_empty());
}
