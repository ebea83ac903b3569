//! How a node goes for good without anything being lost: its shards go elsewhere, then its vote, and what was set for that is
//! taken back. Pure: each answer is what is to be done next.

use std::collections::BTreeSet;

use crate::{Act, Copy, Member, Survey};

impl Survey {
    /// An index that would have fewer copies than it has if only nodes that stay were left, in words.
    pub fn too_tight_without(&self, node: &str, stays: impl Fn(&str) -> bool) -> Option<String> {
        let room = self.room(stays);
        let copy = self.copies_on(node).find(|copy| self.started(copy) > room)?;
        let (index, copies) = (&copy.index, self.started(copy));
        Some(format!(
            "{index} has {copies} copies and {room} nodes with data would be left: lower its number_of_replicas"
        ))
    }

    /// What is next so that a node holds nothing that is not elsewhere, and nothing comes; nothing: that is so. `stays` and
    /// `leaves` tell of nodes by name, and need know nothing of those that somebody else has excluded.
    ///
    /// # Errors
    /// What is waited for.
    pub fn emptied(
        &self,
        node: &str,
        stays: impl Fn(&str) -> bool,
        leaves: impl Fn(&str) -> bool,
    ) -> Result<Option<Act>, String> {
        let leaving = self.members.iter().map(|m| &m.name).filter(|name| leaves(name));
        let others = self.excluded.iter().filter(|name| !stays(name));
        let wanted: BTreeSet<String> = others.chain(leaving).cloned().collect();
        if wanted != self.excluded {
            return Ok(Some(Act::Exclude(wanted)));
        }
        let room = self.room(&stays);
        // A replica that fits nowhere else, since its like are everywhere, may be lost.
        let safe = |copy: &Copy| copy.is_started() && copy.node.as_deref().is_some_and(&stays);
        let spare = |copy: &Copy| self.started(copy) > room && self.others(copy).any(safe);
        let left: Vec<&Copy> = self.copies_on(node).filter(|copy| !spare(copy)).collect();
        let Some(first) = left.first() else { return Ok(None) };
        match self.moving() {
            0 => Ok(Some(Act::Explain((*first).clone(), left.len()))),
            moving => Err(format!("draining: {} of its shards are left, {moving} on their way", left.len())),
        }
    }

    /// What is next so that nobody counts on the vote of a member any more; nothing: that is so.
    ///
    /// # Errors
    /// What is waited for: votes are given back one at a time.
    pub fn voteless(&self, member: &Member) -> Result<Option<Act>, String> {
        let mut others = self.excused.iter().filter(|name| **name != member.name);
        if let Some(other) = others.find(|name| self.member(name).is_some()) {
            return Err(format!("{other} leaves first: one vote at a time"));
        }
        if !self.excused.contains(&member.name) {
            return Ok(Some(Act::TakeVote(member.name.clone())));
        }
        if self.voters.contains(&member.id) { Err("its vote is still counted".into()) } else { Ok(None) }
    }

    /// What a step has set that nobody needs any more, where it is over for these nodes.
    pub fn left_behind(&self, over: impl Fn(&str) -> bool) -> Option<Act> {
        if self.allocation.as_deref() == Some(Act::PRIMARIES) {
            return Some(Act::ReleaseReplicas);
        }
        if self.excluded.iter().any(|name| over(name)) {
            let others = self.excluded.iter().filter(|name| !over(name));
            return Some(Act::Exclude(others.cloned().collect()));
        }
        self.excused.iter().any(|name| over(name)).then_some(Act::GiveVotes)
    }

    /// Nodes with data that stay.
    fn room(&self, stays: impl Fn(&str) -> bool) -> usize {
        self.members.iter().filter(|member| member.data && stays(&member.name)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `node-0` and `node-1` with a shard of two copies, `node-2` with none.
    fn cluster() -> Survey {
        let member = |name: &str| Member {
            name: name.into(),
            id: format!("id-{name}"),
            data: true,
            master: true,
            ..Member::default()
        };
        let copy = |node: &str, primary| Copy {
            index: "logs".into(),
            shard: "0".into(),
            primary,
            state: "STARTED".into(),
            node: Some(node.into()),
        };
        Survey {
            members: ["node-0", "node-1", "node-2"].map(member).into(),
            copies: vec![copy("node-0", true), copy("node-1", false)],
            voters: ["id-node-0", "id-node-1", "id-node-2"].map(str::to_owned).into(),
            ..Survey::default()
        }
    }

    #[test]
    fn shards_go_then_the_vote_and_then_what_was_set_for_it() {
        let mut survey = cluster();
        let stays = |name: &str| name != "node-1";
        let leaves = |name: &str| name == "node-1";
        let mine = BTreeSet::from(["node-1".to_owned()]);
        assert_eq!(survey.too_tight_without("node-1", stays), None);
        assert_eq!(survey.emptied("node-1", stays, leaves), Ok(Some(Act::Exclude(mine.clone()))));
        survey.excluded.clone_from(&mine);
        survey.copies[1].state = "RELOCATING".into();
        assert!(survey.emptied("node-1", stays, leaves).unwrap_err().contains("1 on their way"));
        survey.copies[1].node = Some("node-2".into());
        survey.copies[1].state = "STARTED".into();
        assert_eq!(survey.emptied("node-1", stays, leaves), Ok(None));
        let member = survey.members[1].clone();
        assert_eq!(survey.voteless(&member), Ok(Some(Act::TakeVote("node-1".into()))));
        survey.excused.clone_from(&mine);
        assert_eq!(
            survey.voteless(&survey.members[0]),
            Err("node-1 leaves first: one vote at a time".into())
        );
        assert_eq!(survey.voteless(&member), Err("its vote is still counted".into()));
        survey.voters.remove("id-node-1");
        assert_eq!(survey.voteless(&member), Ok(None));
        assert_eq!(survey.left_behind(leaves), Some(Act::Exclude(BTreeSet::new())));
        survey.excluded.clear();
        assert_eq!(survey.left_behind(leaves), Some(Act::GiveVotes));
        assert_eq!(survey.left_behind(|_| false), None);
    }

    #[test]
    fn an_index_with_more_copies_than_nodes_is_told() {
        let told = cluster().too_tight_without("node-1", |name| name == "node-0");
        assert!(told.unwrap().starts_with("logs has 2 copies and 1 nodes with data would be left"));
    }
}
