//! The command line of a broker's JVM, scaled by its heap.

use crate::broker::Broker;

/// Up to this heap (MiB) a broker is small: one collecting thread, and the quick compiler only.
const SMALL_HEAP: u64 = 512;

/// The command line. `own`: the archive is the user's, with a logging back end that is not known.
pub(super) fn command(broker: &Broker, own: bool) -> Vec<String> {
    let heap = broker.heap.mib();
    let mut command = vec!["java".to_owned(), format!("-Xmx{heap}m")];
    let mut add = |flags: &[&str]| command.extend(flags.iter().map(|f| (*f).to_owned()));
    if heap <= SMALL_HEAP {
        add(&["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    } else {
        // As Kafka's own start script has them.
        add(&[
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:InitiatingHeapOccupancyPercent=35",
            "-XX:+ExplicitGCInvokesConcurrent",
        ]);
    }
    add(&[
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.logFile=System.out",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    ]);
    if own {
        add(&["-Dlog4j.configuration=file:log4j.properties", "-Dlog4j2.configurationFile=log4j2.yaml"]);
    }
    command.extend(broker.jvm_options.iter().cloned());
    command.extend(["-cp", "lib/*", "kafka.Kafka", "server.properties"].map(str::to_owned));
    command
}

#[cfg(test)]
mod tests {
    use cairn_units::Size;

    use super::*;
    use crate::options::Options;

    #[test]
    fn flags_follow_the_heap() {
        let mut broker = Broker::common(&Options::default());
        assert!(command(&broker, false).contains(&"-XX:+UseSerialGC".to_owned()));
        broker.heap = Size::from_mib(4096);
        broker.jvm_options = vec!["-Dx=y".to_owned()];
        let line = command(&broker, true).join(" ");
        assert!(line.starts_with("java -Xmx4096m -XX:+UseG1GC"), "{line}");
        assert!(line.ends_with("log4j2.yaml -Dx=y -cp lib/* kafka.Kafka server.properties"), "{line}");
    }
}
