//! Checks of options that a JSON Schema cannot express. Each adds what it finds to `problems`, so that all mistakes are
//! told at once; `at` is the path of the option.

use std::ops::RangeInclusive;

use cairn_units::{Constraint, Size};

use super::Settings;
use super::ids::glob;
use crate::Problem;

/// CPUs are a positive number.
pub fn cpus(at: &str, cpus: f64, problems: &mut Vec<Problem>) {
    if !(cpus.is_finite() && cpus > 0.0) {
        problems.push(Problem::new(at, "must be above 0"));
    }
}

/// A number is in a range.
pub fn within(at: &str, number: u32, range: RangeInclusive<u32>, problems: &mut Vec<Problem>) {
    if !range.contains(&number) {
        problems.push(Problem::new(at, format!("must be from {} to {}", range.start(), range.end())));
    }
}

/// A size has a lower bound.
pub fn at_least(at: &str, size: Size, least: Size, problems: &mut Vec<Problem>) {
    if size < least {
        problems.push(Problem::new(at, format!("{size} is too little: at least {least}")));
    }
}

/// The heap has a lower bound, and the memory holds it and what a JVM needs `beside` it: code, metadata, threads,
/// buffers. `prefix` comes before `heap` and `mem`: empty, or `overrides.1.`.
pub fn memory(prefix: &str, heap: Size, least: Size, mem: Size, beside: Size, problems: &mut Vec<Problem>) {
    at_least(&format!("{prefix}heap"), heap, least, problems);
    let needed = Size::from_mib(heap.mib().saturating_add(beside.mib()));
    if mem < needed {
        let message = format!("{}MiB does not hold a heap of {}MiB", mem.mib(), heap.mib());
        let help = format!("leave `mem` out, or give at least {}MiB", needed.mib());
        problems.push(Problem::new(format!("{prefix}mem"), message).help(help));
    }
}

/// Options of the JVM begin with `-`, and leave the heap to its own option.
pub fn jvm_options(at: &str, options: &[String], problems: &mut Vec<Problem>) {
    for (index, option) in options.iter().enumerate() {
        let path = format!("{at}.{index}");
        if option.starts_with("-Xmx") || option.starts_with("-Xms") {
            problems.push(Problem::new(path, "the heap has an option of its own: `heap`"));
        } else if !option.starts_with('-') {
            problems.push(Problem::new(path, format!("`{option}` is not an option: each starts with `-`")));
        }
    }
}

/// Constraints can be read.
pub fn constraints(at: &str, texts: &[String], problems: &mut Vec<Problem>) {
    for (index, text) in texts.iter().enumerate() {
        if let Err(error) = text.parse::<Constraint>() {
            problems.push(Problem::new(format!("{at}.{index}"), error.to_string()).help(error.help));
        }
    }
}

/// Those of the constraints that can be read; the others were refused with the options.
pub fn read_constraints(texts: &[String]) -> Vec<Constraint> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// A value stays on its line.
pub fn line(at: &str, value: &str, problems: &mut Vec<Problem>) {
    if value.contains(['\n', '\r']) {
        problems.push(Problem::new(at, "the value must be on one line"));
    }
}

/// What [`is_plain`] takes, for people.
pub const PLAIN: &str = "letters, digits, `_`, `-` and `.`";

/// A name that means nothing else wherever it is put: into a file of entries, a path, a command line.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

/// A name is one of these.
pub fn plain(at: &str, name: &str, problems: &mut Vec<Problem>) {
    if !is_plain(name) {
        problems.push(Problem::new(at, format!("`{name}` cannot be a name here")).help(PLAIN));
    }
}

/// Entries of a file of `name=value` lines, for example `zoo.cfg`: names that can stand there, none that the framework
/// sets itself, values of one line. `reserved` tells its own names, see [`reserved`].
pub fn entries(
    at: &str,
    file: &str,
    settings: &Settings,
    reserved: impl Fn(&str) -> bool,
    problems: &mut Vec<Problem>,
) {
    names(at, file, settings.keys(), reserved, problems);
    for (key, value) in settings {
        line(&format!("{at}.{key}"), &value.to_string(), problems);
    }
}

/// The same for names alone, of a file whose values may be anything.
pub fn names<'a>(
    at: &str,
    file: &str,
    names: impl IntoIterator<Item = &'a String>,
    reserved: impl Fn(&str) -> bool,
    problems: &mut Vec<Problem>,
) {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "=:#!\\".contains(c);
    for key in names {
        let option = format!("{at}.{key}");
        if reserved(key) {
            let help = "take it out: the framework sets it, from the options and the places of the instances";
            problems.push(Problem::new(option, "cannot be overridden").help(help));
        } else if key.is_empty() || key.contains(odd) {
            problems.push(Problem::new(option, format!("is not the name of an entry of {file}")));
        }
    }
}

/// Tells names that a framework keeps for itself: a list, one a line, where `*` stands for any characters (`server.*`) and `#`
/// begins a comment.
pub fn reserved(names: &str) -> impl Fn(&str) -> bool {
    let names = names.lines().map(str::trim).filter(|name| !name.is_empty() && !name.starts_with('#'));
    move |key| {
        let key = key.to_ascii_lowercase();
        names.clone().any(|name| glob(&name.to_ascii_lowercase(), &key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(check: impl Fn(&mut Vec<Problem>)) -> Vec<String> {
        let mut problems = Vec::new();
        check(&mut problems);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn memory_holds_the_heap_and_more() {
        let mib = Size::from_mib;
        let check = |heap, mem| told(|p| memory("overrides.1.", mib(heap), mib(96), mib(mem), mib(128), p));
        assert!(check(256, 384).is_empty());
        assert_eq!(check(256, 383), ["overrides.1.mem: 383MiB does not hold a heap of 256MiB"]);
        assert_eq!(check(64, 512), ["overrides.1.heap: 64MiB is too little: at least 96MiB"]);
    }

    #[test]
    fn entries_name_what_is_wrong() {
        let settings = ["dataDir", "server.1", "a b", "ok"].map(|k| (k.to_owned(), "x".into())).into();
        let ours = "# ours\ndatadir\n\nserver.*\n";
        let found = told(|p| entries("config", "zoo.cfg", &settings, reserved(ours), p));
        assert_eq!(
            found,
            [
                "config.a b: is not the name of an entry of zoo.cfg",
                "config.dataDir: cannot be overridden",
                "config.server.1: cannot be overridden",
            ]
        );
    }

    #[test]
    fn constraints_and_jvm_options_are_told_by_position() {
        let texts = ["hostname:unique".to_owned(), "rack:uniqe".to_owned()];
        assert!(told(|p| constraints("constraints", &texts, p))[0].starts_with("constraints.1: "));
        assert_eq!(read_constraints(&texts).len(), 1);
        let jvm = ["-Xmx1g".to_owned(), "x".to_owned(), "-Dx=1".to_owned()];
        assert_eq!(told(|p| jvm_options("jvmOptions", &jvm, p)).len(), 2);
    }
}
