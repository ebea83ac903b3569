//! A scheduler's connection to the master: how it comes about, and how it breaks.

use cairn_cluster::master::{Input, StreamKey};
use cairn_framework::core::{Core, Event};
use cairn_framework::simulation;
use cairn_mesos::client::SchedulerEvent;
use cairn_mesos::v1::scheduler::{Call, Event as MasterEvent, call, event};

use crate::fault::Fault;
use crate::scheduler::{Incoming, MASTER};
use crate::world::{Happening, Lane, World};

/// A subscription, and the way of the calls that go with it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Connection {
    pub(crate) key: u64,
    /// Given with the subscription.
    pub(crate) framework_id: Option<String>,
}

/// What its calls name it by.
pub(crate) fn stream_id(connection: u64) -> String {
    format!("stream-{connection}")
}

impl World {
    pub(crate) fn connect_soon(&mut self, index: usize, wait: u64) {
        let life = self.schedulers[index].life;
        self.after(wait, Happening::SchedulerConnects { index, life });
    }

    pub(crate) fn connect_scheduler(&mut self, index: usize, life: u64) {
        let key = self.number();
        let (now, reachable) = (self.now, self.master.core.is_some());
        let run = self.master.run;
        let scheduler = &mut self.schedulers[index];
        if !scheduler.hears(life, None) || scheduler.connection.is_some() {
            return;
        }
        let Some(core) = &scheduler.core else { return };
        if core.destroyed() || core.refused() {
            return;
        }
        if now < scheduler.cut_until || !reachable {
            return self.connect_soon(index, 700);
        }
        let info = simulation::framework_info(&scheduler.name, MASTER, core.framework_id())
            .expect("the master's address is one");
        let subscribe = call::Subscribe { framework_info: info, ..call::Subscribe::default() };
        let call = Call {
            r#type: Some(call::Type::Subscribe as i32),
            subscribe: Some(subscribe),
            ..Call::default()
        };
        scheduler.connection = Some(Connection { key, framework_id: None });
        self.check_program(index, "subscribes");
        self.open.insert(key);
        let input = Input::Subscribe {
            stream: StreamKey(key),
            stream_id: stream_id(key),
            principal: None,
            call: Box::new(call),
        };
        self.send(Lane::ToMaster(key), Happening::Master { run, over: Some(key), input: Box::new(input) });
    }

    /// The connection breaks. Both sides learn of it, each in its own time.
    pub(crate) fn break_connection(&mut self, index: usize) {
        let Some(key) = self.schedulers[index].connection_key() else { return };
        if !self.open.remove(&key) {
            return;
        }
        self.calls_outlive(key);
        let life = self.schedulers[index].life;
        let run = self.master.run;
        let closed = Box::new(Input::StreamClosed { stream: StreamKey(key) });
        let (theirs, ours) = (self.delays.between(0, 15_000), self.delays.between(0, 15_000));
        self.after(theirs, Happening::Master { run, over: None, input: closed });
        let message = Incoming::Disconnected;
        // Told to whoever still has that connection by then.
        self.after(ours, Happening::Scheduler { index, life, over: None, message });
    }

    /// Calls come on connections of their own: those that are on their way may arrive all the same.
    fn calls_outlive(&mut self, key: u64) {
        if self.luck.strikes(Fault::CallLate, 10_000) {
            let late = self.luck.draw(Fault::CallLate).between(0, 20_000);
            self.note(|| format!("what was sent over {key} arrives in {late} ms"));
            self.detach(key, late);
        }
    }

    /// A process has ended that had this connection.
    pub(crate) fn hang_up(&mut self, key: u64) {
        self.detach(key, 0);
        if self.open.remove(&key) {
            let (run, wait) = (self.master.run, self.delays.between(0, 15_000));
            let closed = Box::new(Input::StreamClosed { stream: StreamKey(key) });
            self.after(wait, Happening::Master { run, over: None, input: closed });
        }
    }

    /// A destroyed service leaves once its last calls are through.
    pub(crate) fn hang_up_if_gone(&mut self, index: usize) {
        let scheduler = &mut self.schedulers[index];
        if !scheduler.core.as_ref().is_some_and(Core::destroyed) {
            return;
        }
        if let Some(connection) = scheduler.connection.take() {
            let (key, run) = (connection.key, self.master.run);
            let input = Box::new(Input::StreamClosed { stream: StreamKey(key) });
            self.send(Lane::ToMaster(key), Happening::Master { run, over: Some(key), input });
        }
    }

    pub(crate) fn heard(&mut self, index: usize, event: MasterEvent) -> Option<Event> {
        let event = match event.r#type() {
            event::Type::Subscribed => SchedulerEvent::Subscribed(event.subscribed?),
            _ => SchedulerEvent::Event(Box::new(event)),
        };
        let event = simulation::meaning(event)?;
        if let (Event::Subscribed { framework_id }, Some(connection)) =
            (&event, &mut self.schedulers[index].connection)
        {
            connection.framework_id = Some(framework_id.clone());
            self.ledger.streams.insert(connection.key, framework_id.clone());
        }
        Some(event)
    }
}
