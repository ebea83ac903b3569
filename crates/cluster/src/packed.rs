//! Messages that are kept for long and looked at seldom: as bytes, which are far smaller than open messages.

use std::marker::PhantomData;

use prost::Message;

/// A message in its encoded form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed<M> {
    bytes: Box<[u8]>,
    of: PhantomData<M>,
}

impl<M: Message + Default> Packed<M> {
    pub(crate) fn new(message: &M) -> Self {
        Self { bytes: message.encode_to_vec().into(), of: PhantomData }
    }

    /// The message as it was. The bytes are our own, so they can be read.
    pub(crate) fn open(&self) -> M {
        M::decode(&*self.bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use cairn_mesos::v1::{Task, TaskId, TaskStatus};

    use super::*;

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let task_id = TaskId { value: "t".to_owned() };
        let status = TaskStatus { healthy: Some(false), uuid: Some(vec![0; 16]), ..TaskStatus::default() };
        let task = Task { task_id, statuses: vec![status], user: Some(String::new()), ..Task::default() };
        assert_eq!(Packed::new(&task).open(), task);
    }
}
