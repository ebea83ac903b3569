//! What is safe when. Pure: from what was seen of the cluster to a verdict, or to what has to be done first; and the doing.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cairn_framework::kit::{Clustered, Decided, Decision, Performed};
use cairn_framework::{Action, Ask, Handle, InstanceStatus, Moment, Verdict, View};
use cairn_kafka_admin::reassign::TooFew;
use cairn_kafka_admin::{Act, ClientError, Done, Next, Step, Survey};
use serde_json::{Value, json};

use crate::options::Options;
use crate::service::{BROKERS, CLIENT, Kafka};

const GO: Decision<Act> = Decision::GO;

type Look<'a> = cairn_framework::kit::Look<'a, Kafka>;

#[async_trait]
impl Clustered for Kafka {
    type Options = Options;
    type Survey = Survey;
    type Act = Act;

    async fn survey(&self, view: &View, options: &Options) -> Result<Survey, String> {
        let survey = Survey::take(&view.serving(CLIENT), view.servers(CLIENT), options.mode).await;
        survey.map_err(|error| error.to_string())
    }

    /// While nobody serves, whatever a start or a restart brings can only be better.
    fn unasked(&self, ask: &Ask, why: String) -> Verdict {
        let nobody = !ask.view.instances.values().any(InstanceStatus::is_ready);
        match (ask.moment, ask.action) {
            (Moment::Before, Action::Launch | Action::Restart | Action::Stop) if nobody => Verdict::Go,
            _ => Verdict::Wait(format!("the cluster cannot be asked: {why}")),
        }
    }

    fn launch(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        decided(look.survey.may_join(id(me), &ids(&look.options.voters())))
    }

    fn arrived(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        let endpoint = look.view.endpoint(me, CLIENT).ok_or("it has no address yet")?;
        decided(look.survey.is_back(me, id(me), &endpoint))
    }

    /// The active controller goes last, so that the role moves once only.
    fn restart(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        let next = decided(look.survey.may_restart(id(me), &ids(&look.options.voters())))?;
        let mut pending = look.view.others(me).filter(|name| look.view.restarts(name));
        match pending.find(|name| look.view.serves(name)) {
            Some(first) if next == GO && look.survey.controller() == Some(id(me)) => {
                Err(format!("it is the active controller and goes last: {first} first"))
            }
            _ => Ok(next),
        }
    }

    fn stop(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        decided(look.survey.may_stop(id(me)))
    }

    fn leave(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        decided(look.survey.may_leave(id(me), ids(look.view.others(me))))
    }

    fn gone(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        decided(look.survey.is_gone(me, id(me), ids(look.view.others(me))))
    }

    /// Every broker lists all brokers of the target: only then any of them can be given to clients.
    fn settled(&self, look: &Look<'_>) -> Decided<Act> {
        look.survey.all_list(&ids(&look.view.target), |name| look.view.stays(name)).map(|()| GO)
    }

    async fn perform(&self, _: &Handle, look: &Look<'_>, act: Act) -> Performed {
        match act.perform(&look.view.serving(CLIENT)).await {
            Ok(Done::Through) => Ok(Some(Verdict::Go)),
            Ok(Done::Again) => Ok(None),
            Ok(Done::Begun(how)) => Err(how),
            Ok(Done::Never(reason)) => Ok(Some(Verdict::Refuse(reason))),
            Err(ClientError::TooFew(few)) => Ok(Some(Verdict::Refuse(too_few(&few)))),
            Err(error) => Err(error.to_string()),
        }
    }

    fn members(&self, look: &Look<'_>) -> BTreeMap<String, Value> {
        let part = |name: &String| (name.clone(), json!(look.survey.part_of(id(name))));
        look.view.instances.keys().map(part).collect()
    }
}

/// The id of a broker; none that there is for another instance.
fn id(instance: &str) -> i32 {
    BROKERS.id(instance).and_then(|id| i32::try_from(id).ok()).unwrap_or(i32::MAX)
}

fn ids<'a>(instances: impl IntoIterator<Item = &'a String>) -> BTreeSet<i32> {
    instances.into_iter().map(|name| id(name)).collect()
}

fn decided(next: Next) -> Decided<Act> {
    Ok(match next? {
        Step::Go => GO,
        Step::Do(act) => Decision::Do(act),
        Step::Never(reason) => Decision::refuse(reason),
    })
}

fn too_few(few: &TooFew) -> String {
    let TooFew { topic, replication, brokers } = few;
    format!(
        "{few}; keep {replication} brokers, or lower its replication first: \
         PATCH /v1/topics/{topic} {{\"replication\": {brokers}}}"
    )
}

#[cfg(test)]
mod tests;
