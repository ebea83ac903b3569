//! Schedulers of others: whether they have registered, and that nothing of theirs stays.

use cairn_framework::{Foreign, ForeignError, Verdict};

/// Waits until a framework of that name is connected.
pub(crate) async fn registered(master: &str, name: &str) -> Verdict {
    let asked = async { Foreign::on(master)?.is_registered(name).await };
    match asked.await {
        Ok(true) => Verdict::Go,
        Ok(false) => Verdict::Wait(format!("waits until it has registered with the master as `{name}`")),
        Err(error) => Verdict::Wait(error.to_string()),
    }
}

/// Tears down the frameworks of these names, and waits until they are gone.
pub(crate) async fn gone(master: &str, names: &[String]) -> Verdict {
    match tear_down(master, names).await {
        Ok(None) => Verdict::Go,
        Ok(Some(name)) => Verdict::Wait(format!("the framework `{name}` is being torn down")),
        Err(error) => Verdict::Wait(error.to_string()),
    }
}

async fn tear_down<'a>(master: &str, names: &'a [String]) -> Result<Option<&'a String>, ForeignError> {
    for name in names {
        if !Foreign::on(master)?.tear_down(name).await? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
