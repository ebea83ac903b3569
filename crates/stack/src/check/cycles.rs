//! Services that wait for each other.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

use super::{Checker, Edge, ServiceId};
use crate::Diagnostic;

impl Checker<'_> {
    /// One diagnostic for each group of services that wait for each other, with a whole circle shown.
    pub(super) fn check_cycles(&mut self) {
        let mut graph: DiGraph<ServiceId, ()> = DiGraph::new();
        let nodes: Vec<_> = (0..self.services.len()).map(|id| graph.add_node(id)).collect();
        let known = self.edges.iter().filter_map(|edge| Some((*nodes.get(edge.from)?, *nodes.get(edge.to)?)));
        graph.extend_with_edges(known);
        let groups = tarjan_scc(&graph).into_iter().filter(|group| group.len() > 1);
        let members = groups.map(|group| group.into_iter().map(|node| graph[node]).collect::<BTreeSet<_>>());
        let found: Vec<Diagnostic> =
            members.map(|group| self.describe(&circle(&self.edges, &group))).collect();
        self.diagnostics.extend(found);
    }

    fn describe(&self, circle: &[Edge]) -> Diagnostic {
        let name = |id: ServiceId| self.services[id].path.as_str();
        let names: Vec<&str> =
            circle.iter().map(|edge| name(edge.from)).chain(circle.first().map(|e| name(e.from))).collect();
        let message = format!("services wait for each other in a circle: {}", names.join(" -> "));
        let diagnostic = Diagnostic::error("cycle", message)
            .help("none of them could start first: remove one of these needs");
        circle.iter().fold(diagnostic, |diagnostic, edge| {
            diagnostic.label(edge.span, format!("`{}` needs `{}`", name(edge.from), name(edge.to)))
        })
    }
}

/// A shortest circle through the first service of the group, as its edges.
fn circle(edges: &[Edge], members: &BTreeSet<ServiceId>) -> Vec<Edge> {
    let inside: Vec<Edge> =
        edges.iter().filter(|e| members.contains(&e.from) && members.contains(&e.to)).copied().collect();
    let Some(start) = inside.iter().min_by_key(|edge| edge.span).map(|edge| edge.from) else {
        return Vec::new();
    };
    let mut reached: BTreeMap<ServiceId, Edge> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for edge in inside.iter().filter(|edge| edge.from == at) {
            if let Entry::Vacant(new) = reached.entry(edge.to) {
                new.insert(*edge);
                queue.push_back(edge.to);
            }
        }
    }
    let mut path = Vec::new();
    let mut at = start;
    while let Some(edge) = reached.get(&at) {
        path.push(*edge);
        at = edge.from;
        if at == start {
            break;
        }
    }
    path.reverse();
    path
}
