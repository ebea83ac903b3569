//! What a gate has done about the cluster.

use axum::http::Method;
use cairn_framework::http::{ApiError, JsonClient};
use cairn_framework::kit::Decision;
use cairn_framework::{Verdict, View};
use serde_json::{Value, json};

use crate::gate::Act;
use crate::nodes::client;
use crate::survey::{Copy, ENABLE, EXCLUDE, Survey};

/// Most acts of one answer; then it is asked again anyway.
const ACTS: usize = 3;

/// Looks, decides, and does what the decision asks for, until it is an answer.
pub(crate) async fn carry_out(
    view: &View,
    decide: impl Fn(Result<&Survey, String>) -> Decision<Act>,
) -> Verdict {
    let client = client(view);
    for _ in 0..ACTS {
        let survey = Survey::take(view).await.map_err(|e| e.to_string());
        let act = match decide(survey.as_ref().map_err(Clone::clone)) {
            Decision::Say(verdict) => return verdict,
            Decision::Do(Act::Explain(copy, left)) => {
                return Verdict::Wait(stalled(&client, &copy, left).await);
            }
            Decision::Do(act) => act,
        };
        tracing::info!(?act, "the cluster is changed");
        if let Err(error) = perform(&client, &act).await {
            return Verdict::Wait(format!("{act:?}: {error}"));
        }
    }
    Verdict::Wait("the cluster is taking up what it was told".into())
}

async fn perform(client: &JsonClient, act: &Act) -> Result<(), ApiError> {
    match act {
        Act::HoldReplicas => {
            set(client, ENABLE, json!("primaries")).await?;
            // What is not flushed is replayed after the restart; that is slower and no harm.
            drop(client.call(Method::POST, "/_flush", None).await);
            Ok(())
        }
        Act::ReleaseReplicas => set(client, ENABLE, Value::Null).await,
        Act::Exclude(names) if names.is_empty() => set(client, EXCLUDE, Value::Null).await,
        Act::Exclude(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            set(client, EXCLUDE, names.join(",").into()).await
        }
        Act::TakeVote(name) => {
            let path = format!("/_cluster/voting_config_exclusions?node_names={name}&timeout=5s");
            client.call(Method::POST, &path, None).await.map(drop)
        }
        // It is answered, not done.
        Act::Explain(..) => Ok(()),
        Act::GiveVotes => {
            let path = "/_cluster/voting_config_exclusions?wait_for_removal=false";
            client.call(Method::DELETE, path, None).await.map(drop)
        }
    }
}

/// Where a setting of this name was made does not matter: it is gone afterwards.
async fn set(client: &JsonClient, name: &str, value: Value) -> Result<(), ApiError> {
    let body = json!({ "persistent": { name: value }, "transient": { name: null } });
    client.call(Method::PUT, "/_cluster/settings?master_timeout=5s", Some(&body)).await.map(drop)
}

/// Why a copy does not leave its node, in the cluster's words.
async fn stalled(client: &JsonClient, copy: &Copy, left: usize) -> String {
    let body = json!({
        "index": copy.index, "shard": copy.shard.parse::<u64>().unwrap_or_default(), "primary": copy.primary,
        "current_node": copy.node,
    });
    let path = "/_cluster/allocation/explain?filter_path=move_explanation,can_move_to_other_node,\
        node_allocation_decisions.deciders.explanation";
    let told = client.call(Method::POST, path, Some(&body)).await.unwrap_or_default();
    let decider = &told["node_allocation_decisions"][0]["deciders"][0]["explanation"];
    let why = decider
        .as_str()
        .or_else(|| told["move_explanation"].as_str())
        .unwrap_or("the cluster does not say why");
    format!(
        "draining: STALLED with {left} of its shards left, {}[{}] for example: {why}",
        copy.index, copy.shard
    )
}
