//! Services that wait for each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

use super::{Checker, Edge};
use crate::Diagnostic;

impl Checker<'_> {
    /// One diagnostic for each group of services that wait for each other, with a whole circle shown.
    pub(super) fn check_cycles(&mut self) {
        let mut graph: DiGraph<&str, ()> = DiGraph::new();
        let nodes: BTreeMap<&str, _> =
            self.services.keys().map(|name| (*name, graph.add_node(*name))).collect();
        let known = self.edges.iter().filter_map(|edge| Some((*nodes.get(edge.from)?, *nodes.get(edge.to)?)));
        graph.extend_with_edges(known);
        let groups = tarjan_scc(&graph).into_iter().filter(|group| group.len() > 1);
        let names = groups.map(|group| group.into_iter().map(|node| graph[node]).collect::<BTreeSet<&str>>());
        let found: Vec<Diagnostic> = names.map(|group| describe(&circle(&self.edges, &group))).collect();
        self.diagnostics.extend(found);
    }
}

/// A shortest circle through the first service of the group, as its edges.
fn circle<'a>(edges: &[Edge<'a>], members: &BTreeSet<&str>) -> Vec<Edge<'a>> {
    let inside: Vec<Edge<'a>> =
        edges.iter().filter(|e| members.contains(e.from) && members.contains(e.to)).copied().collect();
    let Some(start) = inside.iter().min_by_key(|edge| edge.span.start).map(|edge| edge.from) else {
        return Vec::new();
    };
    let mut reached: BTreeMap<&str, Edge<'a>> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for edge in inside.iter().filter(|edge| edge.from == at) {
            if !reached.contains_key(edge.to) {
                reached.insert(edge.to, *edge);
                queue.push_back(edge.to);
            }
        }
    }
    let mut path = Vec::new();
    let mut at = start;
    while let Some(edge) = reached.get(at) {
        path.push(*edge);
        at = edge.from;
        if at == start {
            break;
        }
    }
    path.reverse();
    path
}

fn describe(circle: &[Edge<'_>]) -> Diagnostic {
    let names: Vec<&str> =
        circle.iter().map(|edge| edge.from).chain(circle.first().map(|edge| edge.from)).collect();
    let message = format!("services wait for each other in a circle: {}", names.join(" -> "));
    let diagnostic =
        Diagnostic::error("cycle", message).help("none of them could start first: remove one of these needs");
    circle.iter().fold(diagnostic, |diagnostic, edge| {
        diagnostic.label(edge.span, format!("`{}` needs `{}`", edge.from, edge.to))
    })
}
