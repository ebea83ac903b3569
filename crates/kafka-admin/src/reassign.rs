//! Which brokers partitions should be on. Pure: the same arguments give the same plan.
//!
//! Every plan keeps as many replicas where they are as it can, since each one that moves is copied over the network.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Assignment, Cluster, Ongoing};

/// Brokers that may hold replicas, with their racks.
pub type Brokers = BTreeMap<i32, Option<String>>;

/// A partition wants more replicas than there are brokers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "topic {topic} keeps {replication} copies of each partition, and {brokers} brokers would be there for them"
)]
pub struct TooFew {
    /// Topic.
    pub topic: String,
    /// Its replication.
    pub replication: usize,
    /// Brokers there would be.
    pub brokers: usize,
}

/// Where all partitions are, or will be once the moves under way are over.
pub fn current(cluster: &Cluster, ongoing: &[Ongoing]) -> Vec<Assignment> {
    let leaving: BTreeMap<(&str, i32), &Vec<i32>> =
        ongoing.iter().map(|o| ((o.topic.as_str(), o.partition), &o.removing)).collect();
    let stays =
        |topic: &str, number, id: &i32| !leaving.get(&(topic, number)).is_some_and(|gone| gone.contains(id));
    cluster
        .partitions()
        .map(|(topic, number, p)| Assignment {
            topic: topic.to_owned(),
            partition: number,
            replicas: p.replicas.iter().copied().filter(|id| stays(topic, number, id)).collect(),
        })
        .collect()
}

/// What has to move so that `leaving` holds nothing: its replicas go to the least loaded of `brokers`, everything else
/// stays.
///
/// # Errors
/// A topic with more replicas than brokers remain.
pub fn drain(current: &[Assignment], leaving: i32, brokers: &Brokers) -> Result<Vec<Assignment>, TooFew> {
    let remaining: Brokers =
        brokers.iter().filter(|(id, _)| **id != leaving).map(|(i, r)| (*i, r.clone())).collect();
    let mut load = Load::of(current, &remaining);
    let mut moves = Vec::new();
    for assignment in current {
        let Some(position) = assignment.replicas.iter().position(|id| *id == leaving) else { continue };
        let mut moved = assignment.clone();
        let others: Vec<i32> = moved.replicas.iter().copied().filter(|id| *id != leaving).collect();
        let Some(heir) = load.choose(&others, position == 0) else {
            return Err(TooFew {
                topic: moved.topic,
                replication: moved.replicas.len(),
                brokers: remaining.len(),
            });
        };
        moved.replicas[position] = heir;
        load.add(heir, position == 0);
        moves.push(moved);
    }
    Ok(moves)
}

/// What has to move so that the partitions are spread evenly over `brokers` and their racks, each with `replication`
/// copies (absent: as many as it has).
///
/// # Errors
/// More replicas than brokers.
pub fn spread(
    current: &[Assignment],
    brokers: &Brokers,
    replication: Option<usize>,
) -> Result<Vec<Assignment>, TooFew> {
    let mut wanted = current.to_vec();
    for a in &mut wanted {
        let copies = replication.unwrap_or(a.replicas.len());
        if copies > brokers.len() {
            return Err(TooFew { topic: a.topic.clone(), replication: copies, brokers: brokers.len() });
        }
    }
    let kept: Vec<Assignment> = wanted
        .iter()
        .map(|a| Assignment {
            replicas: a.replicas.iter().copied().filter(|id| brokers.contains_key(id)).collect(),
            ..a.clone()
        })
        .collect();
    let mut load = Load::of(&kept, brokers);
    for (a, kept) in wanted.iter_mut().zip(kept) {
        let copies = replication.unwrap_or(a.replicas.len());
        a.replicas = kept.replicas;
        resize(&mut a.replicas, copies, &mut load);
    }
    separate_racks(&mut wanted, &mut load);
    even_out(&mut wanted, &mut load);
    even_out_leaders(&mut wanted, &mut load);
    Ok(wanted.into_iter().zip(current).filter(|(new, old)| new != *old).map(|(new, _)| new).collect())
}

/// Adds or drops replicas until there are `copies`.
fn resize(replicas: &mut Vec<i32>, copies: usize, load: &mut Load<'_>) {
    while replicas.len() < copies {
        let leads = replicas.is_empty();
        let Some(id) = load.choose(replicas, leads) else { return };
        load.add(id, leads);
        replicas.push(id);
    }
    while replicas.len() > copies.max(1) {
        // The preferred leader stays; of the rest goes whoever shares a rack, then whoever is loaded most.
        let goes = (1..replicas.len()).max_by_key(|at| {
            let id = replicas[*at];
            let others: Vec<i32> = replicas.iter().copied().filter(|o| *o != id).collect();
            (load.shared_rack(id, &others), load.replicas(id), id)
        });
        let Some(at) = goes else { return };
        let id = replicas.remove(at);
        load.remove(id, false);
    }
}

/// Moves replicas that share a rack with a sister to racks without one.
fn separate_racks(wanted: &mut [Assignment], load: &mut Load<'_>) {
    for a in wanted {
        for at in (0..a.replicas.len()).rev() {
            let id = a.replicas[at];
            let others: Vec<i32> = a.replicas.iter().copied().filter(|o| *o != id).collect();
            let shared = load.shared_rack(id, &others);
            let Some(better) =
                load.choose(&others, at == 0).filter(|b| load.shared_rack(*b, &others) < shared)
            else {
                continue;
            };
            load.remove(id, at == 0);
            load.add(better, at == 0);
            a.replicas[at] = better;
        }
    }
}

/// Moves replicas from the most to the least loaded brokers until they differ by one at most, or nothing helps.
fn even_out(wanted: &mut [Assignment], load: &mut Load<'_>) {
    let bound = wanted.iter().map(|a| a.replicas.len()).sum::<usize>();
    for _ in 0..bound {
        if !relieve_one(wanted, load) {
            return;
        }
    }
}

fn relieve_one(wanted: &mut [Assignment], load: &mut Load<'_>) -> bool {
    let by_load = load.by_replicas();
    for (from, many) in by_load.iter().rev() {
        for (to, few) in &by_load {
            if many - few.min(many) <= 1 {
                break;
            }
            if move_one(wanted, load, *from, *to) {
                return true;
            }
        }
    }
    false
}

fn move_one(wanted: &mut [Assignment], load: &mut Load<'_>, from: i32, to: i32) -> bool {
    for a in wanted {
        let Some(at) = a.replicas.iter().position(|id| *id == from) else { continue };
        let others: Vec<i32> = a.replicas.iter().copied().filter(|o| *o != from).collect();
        if others.contains(&to) || load.shared_rack(to, &others) > load.shared_rack(from, &others) {
            continue;
        }
        load.remove(from, at == 0);
        load.add(to, at == 0);
        a.replicas[at] = to;
        return true;
    }
    false
}

/// Changes the order of replicas, which moves no data, until every broker is the preferred leader about equally often.
fn even_out_leaders(wanted: &mut [Assignment], load: &mut Load<'_>) {
    for _ in 0..=wanted.len() {
        let mut changed = false;
        for a in &mut *wanted {
            let Some(leader) = a.replicas.first().copied() else { continue };
            let least = (1..a.replicas.len()).min_by_key(|at| (load.leaders(a.replicas[*at]), *at));
            let Some(at) = least.filter(|at| load.leaders(a.replicas[*at]) + 1 < load.leaders(leader)) else {
                continue;
            };
            load.remove(leader, true);
            load.add(leader, false);
            load.remove(a.replicas[at], false);
            load.add(a.replicas[at], true);
            a.replicas.swap(0, at);
            changed = true;
        }
        if !changed {
            return;
        }
    }
}

/// How much each broker carries.
struct Load<'a> {
    brokers: &'a Brokers,
    replicas: BTreeMap<i32, usize>,
    leaders: BTreeMap<i32, usize>,
}

impl<'a> Load<'a> {
    fn of(assignments: &[Assignment], brokers: &'a Brokers) -> Self {
        let none: BTreeMap<i32, usize> = brokers.keys().map(|id| (*id, 0)).collect();
        let mut load = Self { brokers, replicas: none.clone(), leaders: none };
        for a in assignments {
            for (at, id) in a.replicas.iter().enumerate().filter(|(_, id)| brokers.contains_key(id)) {
                load.add(*id, at == 0);
            }
        }
        load
    }

    fn add(&mut self, id: i32, leads: bool) {
        *self.replicas.entry(id).or_default() += 1;
        if leads {
            *self.leaders.entry(id).or_default() += 1;
        }
    }

    fn remove(&mut self, id: i32, leads: bool) {
        let less = |n: Option<&mut usize>| n.into_iter().for_each(|n| *n = n.saturating_sub(1));
        less(self.replicas.get_mut(&id));
        if leads {
            less(self.leaders.get_mut(&id));
        }
    }

    fn replicas(&self, id: i32) -> usize {
        self.replicas.get(&id).copied().unwrap_or(0)
    }

    fn leaders(&self, id: i32) -> usize {
        self.leaders.get(&id).copied().unwrap_or(0)
    }

    /// Brokers with their replicas, the least loaded first.
    fn by_replicas(&self) -> Vec<(i32, usize)> {
        let mut all: Vec<(i32, usize)> = self.brokers.keys().map(|id| (*id, self.replicas(*id))).collect();
        all.sort_by_key(|(id, n)| (*n, *id));
        all
    }

    /// Of `others`, how many are in the rack of `id`. Without a rack: none.
    fn shared_rack(&self, id: i32, others: &[i32]) -> usize {
        let rack = |id: &i32| self.brokers.get(id).and_then(Option::as_ref);
        rack(&id).map_or(0, |mine| others.iter().filter(|o| rack(o) == Some(mine)).count())
    }

    /// The best broker for one more replica beside `others`.
    fn choose(&self, others: &[i32], leads: bool) -> Option<i32> {
        let taken: BTreeSet<i32> = others.iter().copied().collect();
        self.brokers.keys().copied().filter(|id| !taken.contains(id)).min_by_key(|id| {
            (
                self.shared_rack(*id, others),
                self.replicas(*id),
                if leads { self.leaders(*id) } else { 0 },
                *id,
            )
        })
    }
}

#[cfg(test)]
mod tests;
