//! Against real servers: the rendered tasks are run, and the gates bring about what they wait for. Needs Java and the
//! archive that `make dist` puts together, hence ignored unless asked for.

mod rig;

use cairn_framework::{Action, Moment};
use serde_json::json;

use rig::Rig;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and the distributions"]
async fn three_grow_to_five_and_shrink_again() {
    let mut rig = Rig::new(3);
    for id in 1..=3 {
        rig.launch(id);
    }
    for id in 1..=3 {
        rig.pass(id, Action::Launch, Moment::After).await;
    }
    rig.note().await;
    assert_eq!(rig.voters().await, [1, 2, 3]);
    rig.create("/kept").await;

    // Options apply, membership stays, in a sandbox that knows nothing.
    rig.options["config"] = json!({ "tickTime": 400 });
    for id in rig.followers_first().await {
        rig.pass(id, Action::Restart, Moment::Before).await;
        rig.stop(id);
        rig.launch(id);
        rig.pass(id, Action::Restart, Moment::After).await;
        assert!(rig.conf(id).await.contains("tickTime=400"));
    }
    assert_eq!(rig.voters().await, [1, 2, 3]);

    rig.scale(5);
    assert!(rig.ask(5, Action::Launch, Moment::Before).await.unwrap_err().contains("server-4 joins first"));
    rig.pass(4, Action::Launch, Moment::Before).await;
    rig.launch(4);
    rig.serves(4).await;
    // It dies before it is added, and comes back.
    rig.crash(4);
    rig.launch(4);
    for id in [4, 5] {
        rig.pass(id, Action::Launch, Moment::Before).await;
        if id == 5 {
            rig.launch(5);
        }
        rig.pass(id, Action::Launch, Moment::After).await;
    }
    assert_eq!(rig.voters().await, [1, 2, 3, 4, 5]);
    assert!(rig.exists("/kept", 5).await);

    // A member that has been added later restarts as a member.
    rig.pass(4, Action::Restart, Moment::Before).await;
    rig.stop(4);
    rig.launch(4);
    rig.pass(4, Action::Restart, Moment::After).await;

    rig.scale(3);
    rig.remove(&[4, 5]).await;
    assert_eq!(rig.voters().await, [1, 2, 3]);

    // With the volume it had before.
    rig.scale(5);
    rig.pass(4, Action::Launch, Moment::Before).await;
    rig.launch(4);
    rig.pass(4, Action::Launch, Moment::After).await;
    assert_eq!(rig.voters().await, [1, 2, 3, 4]);
    assert!(rig.exists("/kept", 4).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and the distributions"]
async fn one_grows_to_three_and_shrinks_to_one() {
    let mut rig = Rig::new(1);
    rig.launch(1);
    rig.pass(1, Action::Launch, Moment::After).await;
    rig.note().await;
    rig.create("/kept").await;
    rig.scale(3);
    for id in [2, 3] {
        rig.pass(id, Action::Launch, Moment::Before).await;
        rig.launch(id);
        rig.pass(id, Action::Launch, Moment::After).await;
    }
    assert_eq!(rig.voters().await, [1, 2, 3]);
    // The leader moves to a server that leaves, so that a leader leaves.
    rig.crash(1);
    rig.launch(1);
    rig.pass(1, Action::Restart, Moment::After).await;
    assert_ne!(rig.leader().await, Some(1));
    rig.scale(1);
    rig.remove(&[2, 3]).await;
    assert_eq!(rig.voters().await, [1]);
    rig.stop(1);
    rig.launch(1);
    rig.pass(1, Action::Restart, Moment::After).await;
    assert!(rig.exists("/kept", 1).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and the distributions"]
async fn an_interrupted_foundation_is_finished() {
    let mut rig = Rig::new(3);
    rig.launch(1);
    rig.forget();
    rig.pass(2, Action::Launch, Moment::Before).await;
    rig.launch(2);
    rig.pass(1, Action::Launch, Moment::After).await;
    // It founds the ensemble too, whoever was quicker.
    rig.pass(3, Action::Launch, Moment::Before).await;
    rig.launch(3);
    rig.pass(3, Action::Launch, Moment::After).await;
    assert_eq!(rig.voters().await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and the distributions"]
async fn an_ensemble_that_is_down_is_not_founded_again() {
    let mut rig = Rig::new(1);
    rig.launch(1);
    rig.pass(1, Action::Launch, Moment::After).await;
    rig.create("/kept").await;
    rig.note().await;
    rig.crash(1);
    rig.forget();
    rig.scale(3);
    rig.pass(2, Action::Launch, Moment::Before).await;
    rig.launch(2);
    assert!(rig.ask(3, Action::Launch, Moment::Before).await.is_err());
    assert!(rig.ask(2, Action::Launch, Moment::After).await.is_err(), "alone it is nobody");
    rig.launch(1);
    rig.serves(1).await;
    rig.note().await;
    for id in [2, 3] {
        if id == 3 {
            rig.pass(3, Action::Launch, Moment::Before).await;
            rig.launch(3);
        }
        rig.pass(id, Action::Launch, Moment::After).await;
    }
    assert_eq!(rig.voters().await, [1, 2, 3]);
    assert!(rig.exists("/kept", 3).await);
}
