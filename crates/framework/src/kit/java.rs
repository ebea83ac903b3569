//! Services that run on a JVM: the command line, scaled by the heap.

use std::collections::BTreeMap;

use cairn_task::{ConfigFile, TaskSpec};
use cairn_units::Size;

/// Up to this heap a service is small: one collecting thread, and the quick compiler only.
pub const SMALL_HEAP: Size = Size::from_mib(512);

/// Flags of most services with a small heap.
pub const SMALL: [&str; 2] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// Flags of slf4j's simple logger, for archives that bring it: to standard output, with the time.
pub const SIMPLE_LOGGER: [&str; 3] = [
    "-Dorg.slf4j.simpleLogger.logFile=System.out",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
];

/// A JVM to be started in the sandbox, with the archive's jars in `lib`.
#[derive(Debug, Clone, Copy)]
pub struct Java<'a> {
    /// Greatest heap.
    pub heap: Size,
    /// Flags of a heap up to [`SMALL_HEAP`].
    pub small: &'a [&'a str],
    /// Flags of a heap above that, usually the collector's as the service's own start script has them.
    pub large: &'a [&'a str],
    /// Flags that the service needs, whatever its heap.
    pub flags: &'a [&'a str],
    /// Flags that the operator wants. They come last, and so win over all others.
    pub own: &'a [String],
    /// What classes are looked for in before the jars. A JVM takes those of a folder in whatever order it lists them.
    pub first: Option<&'a str>,
    /// Main class and its arguments.
    pub main: &'a [&'a str],
}

impl<'a> Java<'a> {
    /// The same with a place that classes are looked for in first.
    pub fn first(self, place: &'a str) -> Self {
        Self { first: Some(place), ..self }
    }

    /// The command line.
    pub fn command(&self) -> Vec<String> {
        let always = ["-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-Djava.awt.headless=true"];
        let owned = |flags: &[&str]| flags.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>();
        let mut command = vec!["java".to_owned(), format!("-Xmx{}m", self.heap.mib())];
        for flags in [self.scaled(), &always, self.flags] {
            command.extend(owned(flags));
        }
        command.extend_from_slice(self.own);
        let places: Vec<&str> = self.first.into_iter().chain(["lib/*"]).collect();
        command.extend(["-cp".to_owned(), places.join(":")]);
        command.extend(owned(self.main));
        command
    }

    /// A file of its flags, one a line, for services whose own start reads one. The whole heap is there from the beginning, but
    /// a small one is not touched before it is used.
    pub fn file(&self) -> String {
        let heap = self.heap.mib();
        let mut flags = vec![format!("-Xms{heap}m"), format!("-Xmx{heap}m")];
        let small = (self.heap <= SMALL_HEAP).then_some("-XX:-AlwaysPreTouch");
        let scaled = self.scaled().iter().copied();
        let fixed = scaled.chain(small).chain(["-XX:-UsePerfData"]).chain(self.flags.iter().copied());
        flags.extend(fixed.map(str::to_owned));
        flags.extend_from_slice(self.own);
        flags.join("\n") + "\n"
    }

    /// Those that follow the heap. None where an operator has chosen a collector: a JVM refuses to have two.
    fn scaled(&self) -> &[&str] {
        let chosen = |flag: &String| flag.starts_with("-XX:+Use") && flag.ends_with("GC");
        match self.own.iter().any(chosen) {
            true => &[],
            false if self.heap <= SMALL_HEAP => self.small,
            false => self.large,
        }
    }
}

/// The task of a JVM whose jars are those of the service's archive. `needs` is for example `Java 17`; more files, preparations
/// and probes are added by whoever calls.
pub fn task(service: &str, needs: &str, java: &Java<'_>) -> TaskSpec {
    let (link, jars) = jars(service);
    TaskSpec {
        command: java.command(),
        prepare: vec![jars],
        files: vec![link],
        requires: required(&format!("{service} needs {needs}")),
        ..TaskSpec::default()
    }
}

/// Makes the jars of the archive, unpacked as `NAME/lib`, the folder `lib` of [`Java::command`]: a file, and the preparation
/// that runs it. `service` is for people.
pub fn jars(service: &str) -> (ConfigFile, Vec<String>) {
    (ConfigFile::raw("jars.sh", include_str!("jars.sh")), super::sh(&["jars.sh", service]))
}

/// For [`cairn_task::TaskSpec::requires`]. `who` is for example `Kafka needs Java 17`.
pub fn required(who: &str) -> BTreeMap<String, String> {
    let hint = format!(
        "{who}: install a JRE, for example `apt-get install openjdk-17-jre-headless`, and see that `java` is on the \
         agent's PATH"
    );
    BTreeMap::from([("java".to_owned(), hint)])
}

/// A value as a file of properties has it: backslashes begin escapes there, and white space before a value is dropped.
pub fn property(value: &str) -> String {
    let value = value.replace('\\', "\\\\");
    if value.starts_with(' ') { format!("\\{value}") } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T>(heap: u64, tell: impl Fn(&Java<'_>) -> T) -> T {
        let java = Java {
            heap: Size::from_mib(heap),
            small: &SMALL,
            large: &["-XX:+UseG1GC"],
            flags: &["-Da=b"],
            own: &["-Dx=y".to_owned()],
            first: None,
            main: &["kafka.Kafka", "server.properties"],
        };
        tell(&java)
    }

    fn line(heap: u64) -> String {
        told(heap, |java| java.command().join(" "))
    }

    #[test]
    fn a_file_of_flags_has_the_whole_heap() {
        assert_eq!(
            told(256, |java| java.file()),
            "-Xms256m\n-Xmx256m\n-XX:+UseSerialGC\n-XX:TieredStopAtLevel=1\n-XX:-AlwaysPreTouch\n-XX:-UsePerfData\n-Da=b\n-Dx=y\n"
        );
        assert_eq!(
            told(4096, |java| java.file()),
            "-Xms4096m\n-Xmx4096m\n-XX:+UseG1GC\n-XX:-UsePerfData\n-Da=b\n-Dx=y\n"
        );
    }

    #[test]
    fn values_stay_what_they_are_in_files_of_properties() {
        assert_eq!(property(r"C:\x y"), r"C:\\x y");
        assert_eq!(property(" a"), r"\ a");
    }

    #[test]
    fn something_may_go_before_the_jars() {
        let command = told(256, |java| java.first("conf").command().join(" "));
        assert!(command.ends_with("-Dx=y -cp conf:lib/* kafka.Kafka server.properties"), "{command}");
    }

    #[test]
    fn flags_follow_the_heap() {
        let small = line(256);
        assert!(
            small.starts_with("java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+Exit"),
            "{small}"
        );
        let large = line(4096);
        assert!(large.starts_with("java -Xmx4096m -XX:+UseG1GC -XX:+Exit"), "{large}");
        assert!(large.ends_with("-Da=b -Dx=y -cp lib/* kafka.Kafka server.properties"), "{large}");
        let own = ["-XX:+UseZGC".to_owned()];
        assert!(told(4096, |java| Java { own: &own, ..*java }.scaled().is_empty()), "one collector");
    }
}
