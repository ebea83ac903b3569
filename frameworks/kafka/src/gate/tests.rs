use cairn_framework::{Config, Phase, Placement, kit};
use cairn_kafka_admin::{Node, PartitionState, Quorum};
use serde_json::json;

use super::*;

/// Three brokers, each with a copy of the one partition of `logs`, which the first leads; tests then hurt it.
struct Scene {
    view: View,
    survey: Survey,
    options: Options,
}

fn scene() -> Scene {
    let config = json!({ "brokers": 3, "mode": "kraft" });
    let config = Config { options: config.into(), ..Config::default() };
    let mut scene = Scene {
        view: View::default(),
        survey: Survey::default(),
        options: config.read::<Options>().unwrap(),
    };
    for id in 0..3 {
        let name = BROKERS.instance(id);
        let placement = Placement {
            address: "h".into(),
            ports: [(CLIENT.to_owned(), u16::try_from(id).unwrap())].into(),
            ..Placement::default()
        };
        let status = InstanceStatus {
            name: name.clone(),
            phase: Phase::Ready,
            task_id: Some("t".into()),
            placement: Some(placement),
            ..InstanceStatus::default()
        };
        scene.view.target.push(name.clone());
        scene.view.instances.insert(name.clone(), status);
        let number = i32::try_from(id).unwrap();
        scene.survey.cluster.brokers.insert(number, Node { endpoint: format!("h:{id}"), rack: None });
        scene.survey.lists.insert(name, Ok([0, 1, 2].into()));
    }
    let partition = PartitionState { leader: Some(0), replicas: vec![0, 1, 2], isr: vec![0, 1, 2] };
    scene.survey.cluster.topics.entry("logs".into()).or_default().partitions.insert(0, partition);
    scene.survey.cluster.controller = Some(0);
    scene.survey.min_isr = [("logs".to_owned(), 2)].into();
    scene
}

impl Scene {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// A quorum of these voters, all caught up, which the first leads.
    fn voters(self, voters: &[i32]) -> Self {
        self.with(|scene| {
            scene.survey.quorum = Some(Quorum {
                leader: voters.first().copied(),
                voters: voters.iter().map(|id| (*id, 100)).collect(),
                high_watermark: 100,
            });
        })
    }

    fn partition(&mut self) -> &mut PartitionState {
        let topic = self.survey.cluster.topics.get_mut("logs").unwrap();
        topic.partitions.get_mut(&0).unwrap()
    }

    fn needs_restart(self, ids: &[u32]) -> Self {
        self.with(|scene| {
            for id in ids {
                scene.view.instances.get_mut(&BROKERS.instance(*id)).unwrap().needs_restart = true;
            }
        })
    }

    fn look(&self) -> Look<'_> {
        Look { options: &self.options, view: &self.view, survey: &self.survey }
    }

    fn ask(&self, moment: Moment, action: Action, id: u32) -> Ask {
        let view = self.view.clone().into();
        Ask { moment, action, instance: BROKERS.instance(id), config: Config::default(), view }
    }

    fn decide(&self, moment: Moment, action: Action, id: u32) -> Decision<Act> {
        kit::decide(&Kafka, &self.ask(moment, action, id), &self.look())
    }

    fn before(&self, action: Action, id: u32) -> String {
        tell(self.decide(Moment::Before, action, id))
    }

    fn after(&self, action: Action, id: u32) -> String {
        tell(self.decide(Moment::After, action, id))
    }
}

fn tell(decision: Decision<Act>) -> String {
    match decision {
        Decision::Say(Verdict::Go) => "go".into(),
        Decision::Say(Verdict::Wait(reason)) => reason,
        Decision::Say(Verdict::Refuse(reason)) => format!("refused: {reason}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_broker_restarts_while_nobody_needs_it() {
    assert_eq!(scene().before(Action::Restart, 1), "go");
    let needed = scene().with(|s| s.partition().isr = vec![0, 1]);
    assert!(needed.before(Action::Restart, 1).contains("would fall under its minimum in sync: logs-0"));
    assert!(needed.before(Action::Stop, 1).contains("would fall under its minimum"));
    assert_eq!(needed.before(Action::Restart, 2), "go", "it is out of sync anyway");
    let dead = needed.with(|s| drop(s.survey.cluster.brokers.remove(&1)));
    assert_eq!(dead.before(Action::Restart, 1), "go", "it can only get better");
}

#[test]
fn the_controller_goes_last() {
    let rolling = scene().needs_restart(&[0, 2]);
    let last = "it is the active controller and goes last: broker-2 first";
    assert_eq!(rolling.before(Action::Restart, 0), last);
    assert_eq!(rolling.before(Action::Restart, 2), "go");
    assert_eq!(scene().needs_restart(&[0]).before(Action::Restart, 0), "go");
    assert_eq!(rolling.before(Action::Stop, 0), "go", "an operator wants it");
    let kraft = scene().needs_restart(&[0, 2]).voters(&[2, 0, 1]);
    assert_eq!(kraft.before(Action::Restart, 0), "go", "with KRaft it is the leader of the quorum");
    assert!(kraft.before(Action::Restart, 2).contains("goes last: broker-0 first"));
}

#[test]
fn a_quorum_keeps_its_majority_and_its_voters() {
    let lagging = scene()
        .voters(&[0, 1, 2])
        .with(|s| *s.survey.quorum.as_mut().unwrap().voters.get_mut(&2).unwrap() = 9);
    assert!(lagging.before(Action::Restart, 1).contains("2 of 3 controllers have to be caught up"));
    assert!(lagging.before(Action::Stop, 1).contains("2 of 3 controllers"));
    assert_eq!(lagging.before(Action::Restart, 2), "go");
    let one = scene().voters(&[0]);
    assert!(one.before(Action::Restart, 1).contains("refused: the controllers of this cluster are {0}"));
    assert!(one.before(Action::Restart, 1).contains("set `controllers: 1`"));
    let joins = one.with(|s| drop(s.survey.cluster.brokers.remove(&2)));
    assert!(joins.before(Action::Launch, 2).starts_with("refused"));
}

#[test]
fn an_id_is_taken_once() {
    assert_eq!(scene().before(Action::Launch, 2), "its id is still taken by the broker at h:2");
    assert_eq!(scene().with(|s| drop(s.survey.cluster.brokers.remove(&2))).before(Action::Launch, 2), "go");
}

#[test]
fn who_is_back_leads_again() {
    assert_eq!(scene().after(Action::Restart, 0), "go");
    let follows = scene().with(|s| s.partition().leader = Some(1));
    let led = [("logs".to_owned(), vec![0])].into();
    assert_eq!(follows.decide(Moment::After, Action::Launch, 0), Decision::Do(Act::Lead(led)));
    let behind = scene().with(|s| s.partition().isr = vec![0, 2]);
    assert_eq!(behind.after(Action::Restart, 1), "it is catching up with 1 partitions: logs-0");
    let silent = scene().with(|s| drop(s.survey.lists.insert("broker-1".into(), Err("refused".into()))));
    assert_eq!(silent.after(Action::Restart, 1), "refused", "it does not answer itself");
}

#[test]
fn a_broker_leaves_without_partitions() {
    let leaves = || scene().with(|s| s.view.target.retain(|name| name != "broker-2"));
    let away = Decision::Do(Act::Evacuate(2, [0, 1].into()));
    assert_eq!(leaves().decide(Moment::Before, Action::Remove, 2), away);
    let empty = || leaves().with(|s| s.partition().replicas = vec![0, 1]);
    assert_eq!(empty().before(Action::Remove, 2), "go");
    let votes = empty().voters(&[0, 1, 2]);
    assert!(votes.before(Action::Remove, 2).starts_with("refused: broker 2 is a controller"));

    assert_eq!(empty().after(Action::Remove, 2), "the cluster still lists it at h:2");
    let gone = || empty().with(|s| drop(s.survey.cluster.brokers.remove(&2)));
    assert_eq!(gone().after(Action::Remove, 2), "go");
    let behind = gone().with(|s| s.partition().isr = vec![0]);
    assert_eq!(behind.after(Action::Remove, 2), "broker-2 is gone; 1 partitions are catching up: logs-0");
    let kraft = gone().voters(&[0, 1]).decide(Moment::After, Action::Remove, 2);
    assert_eq!(kraft, Decision::Do(Act::Unregister(2)));
}

#[test]
fn too_few_brokers_are_told_with_what_to_do() {
    let few = TooFew { topic: "a".into(), replication: 3, brokers: 2 };
    assert_eq!(
        too_few(&few),
        "topic a keeps 3 copies of each partition, and 2 brokers would be there for them; keep 3 brokers, or lower its \
         replication first: PATCH /v1/topics/a {\"replication\": 2}"
    );
}

#[test]
fn all_list_all_before_any_is_given_to_clients() {
    let settled = |scene: &Scene| tell(Kafka.settled(&scene.look()).into());
    assert_eq!(settled(&scene()), "go");
    let torn = scene().with(|s| drop(s.survey.lists.insert("broker-1".into(), Ok([1, 2].into()))));
    assert_eq!(settled(&torn), "broker-1 does not list 0 yet");
    let silent = scene().with(|s| drop(s.survey.lists.insert("broker-1".into(), Err("refused".into()))));
    assert_eq!(settled(&silent), "refused");
}

#[test]
fn where_nobody_serves_nobody_can_be_hurt() {
    let reason = || "no broker serves yet".to_owned();
    let unasked = |scene: &Scene, moment, action| Kafka.unasked(&scene.ask(moment, action, 1), reason());
    let down = scene().with(|s| s.view.instances.values_mut().for_each(|i| i.phase = Phase::BackOff));
    assert_eq!(unasked(&down, Moment::Before, Action::Restart), Verdict::Go);
    let wait = Verdict::Wait("the cluster cannot be asked: no broker serves yet".into());
    assert_eq!(unasked(&down, Moment::Before, Action::Remove), wait);
    assert_eq!(unasked(&down, Moment::After, Action::Launch), wait);
    assert_eq!(
        unasked(&scene(), Moment::Before, Action::Restart),
        wait,
        "somebody serves and does not answer"
    );
}
