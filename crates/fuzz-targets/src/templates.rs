//! Templates: those of specs, and those that executors fill in.

use cairn_stack::Template;
use cairn_task::Place;

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Template::parse(&text);
    let place = Place {
        address: "127.0.0.1".into(),
        hostname: "here".into(),
        sandbox: "/tmp".into(),
        ports: [("client".to_owned(), 31_000)].into(),
        task_id: "broker-0.id".into(),
        instance: "broker-0".into(),
        attributes: [("rack".to_owned(), "r1".to_owned())].into(),
    };
    let _ = place.render("a text", &text);
}

pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let texts = [
        "${zookeeper.connect}",
        "${param.nodes} and ${secret.word}, $${not} one",
        "{{ address }}:{{ ports.client }}",
        "{% if attributes.rack is defined %}rack={{ attributes.rack }}{% else %}none{% endif %}",
        "{% for name in ports %}{{ name }}={{ ports[name] }}\n{% endfor %}",
        "{{ [1, 2, 3] | join(',') }}{{ 1 // 2 }}{{ -9223372036854775808 % 7 }}{{ 'a' ~ 2 ** 8 }}{{ 'abc'[1:2] }}",
        "{% set a = 1 %}{% macro m(x) %}{{ x }}{% endmacro %}{{ m(a) }}",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
