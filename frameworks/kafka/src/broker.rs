//! One broker, with what holds for all and what holds only for it put together.

use cairn_framework::kit::{Nodes, Ports, Settings, check};
use cairn_units::{Constraint, Size};
use serde::Serialize;

use crate::options::Options;
use crate::task::CLIENT_PORT;

/// Brokers, numbered from 0.
pub(crate) const BROKERS: Nodes = Nodes {
    port: CLIENT_PORT,
    gaps: true,
    overrides: &["cpus", "mem", "heap", "port", "constraints", "options", "jvmOptions"],
    ..Nodes::new("broker", "brokers")
};

const DEFAULT_MEM: u64 = 512;
const MOST_HEAP: u64 = 6 * 1024;

/// Name of the instance with this broker id.
pub(crate) fn instance_name(id: u32) -> String {
    BROKERS.instance(id)
}

/// Broker id of an instance.
pub(crate) fn broker_id(instance: &str) -> Option<u32> {
    BROKERS.id(instance)
}

/// A broker as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Broker {
    /// CPUs.
    pub(crate) cpus: f64,
    /// Memory.
    pub(crate) mem: Size,
    /// Heap.
    pub(crate) heap: Size,
    /// Ports that its client port has to be among.
    pub(crate) port: Option<Ports>,
    /// Where it may run.
    pub(crate) constraints: Vec<String>,
    /// Entries of server.properties that the operator set.
    pub(crate) options: Settings,
    /// JVM options that the operator set.
    pub(crate) jvm_options: Vec<String>,
}

impl Broker {
    /// The broker with this id.
    pub(crate) fn of(options: &Options, id: u32) -> Self {
        Self::common(&BROKERS.options_of(options, id))
    }

    /// A broker of which nothing is special.
    pub(crate) fn common(options: &Options) -> Self {
        let (mem, heap) = memory(options.mem, options.heap);
        Self {
            cpus: options.cpus,
            mem,
            heap,
            port: options.port,
            constraints: options.constraints.clone(),
            options: options.options.clone(),
            jvm_options: options.jvm_options.clone(),
        }
    }

    /// Its constraints, parsed.
    pub(crate) fn constraints(&self) -> Vec<Constraint> {
        check::read_constraints(&self.constraints)
    }
}

/// Memory and heap, each from the other where it is not given.
fn memory(mem: Option<Size>, heap: Option<Size>) -> (Size, Size) {
    let half = |mem: Size| Size::from_mib((mem.mib() / 2).min(MOST_HEAP));
    match (mem, heap) {
        (Some(mem), Some(heap)) => (mem, heap),
        (Some(mem), None) => (mem, half(mem)),
        (None, Some(heap)) => (Size::from_mib((heap.mib() * 2).max(heap.mib() + 256)), heap),
        (None, None) => (Size::from_mib(DEFAULT_MEM), Size::from_mib(DEFAULT_MEM / 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_framework::kit::JvmOverride;

    #[test]
    fn memory_and_heap_follow_each_other() {
        let mib = |m: Option<u64>, h: Option<u64>| {
            let (mem, heap) = memory(m.map(Size::from_mib), h.map(Size::from_mib));
            (mem.mib(), heap.mib())
        };
        assert_eq!(mib(None, None), (512, 256));
        assert_eq!(mib(Some(4096), None), (4096, 2048));
        assert_eq!(mib(Some(65536), None), (65536, 6144));
        assert_eq!(mib(None, Some(128)), (384, 128));
        assert_eq!(mib(None, Some(1024)), (2048, 1024));
        assert_eq!(mib(Some(1024), Some(300)), (1024, 300));
    }

    #[test]
    fn what_is_special_wins() {
        let options = Options {
            options: [("a".to_owned(), "1".into()), ("b".to_owned(), "1".into())].into(),
            overrides: [(
                "2".to_owned(),
                crate::options::Override {
                    jvm: JvmOverride { cpus: Some(2.0), ..JvmOverride::default() },
                    options: [("b".to_owned(), "2".into())].into(),
                    ..crate::options::Override::default()
                },
            )]
            .into(),
            ..Options::default()
        };
        let broker = Broker::of(&options, 2);
        assert_eq!(
            (broker.cpus, broker.options["a"].to_string(), broker.options["b"].to_string()),
            (2.0, "1".into(), "2".into())
        );
        assert_eq!(Broker::of(&options, 1).cpus, 0.5);
    }

    #[test]
    fn names_carry_ids() {
        assert_eq!(broker_id(&instance_name(17)), Some(17));
        assert_eq!(broker_id("other-1"), None);
    }
}
