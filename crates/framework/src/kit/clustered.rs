//! Services whose instances form a cluster, with an opinion of its own about how it is.
//!
//! Whatever is to be done to one of the instances, the cluster is looked at, a pure decision is made from what it says, and
//! where that finds that something has to be done first, it is done and the cluster looked at again. A service says what a
//! look is, when each step is safe and what can be done; which step is judged when, and the loop, are here.
//!
//! ```ignore
//! fn cluster(&self) -> Option<&dyn kit::Cluster> {
//!     Some(self)
//! }
//! ```

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::Value;

use super::{Decided, Decision, Note, growth};
use crate::service::told;
use crate::{Action, Ask, Config, Handle, Moment, Options, Verdict, View};

/// Most acts of one answer; then it is asked again anyway.
const ACTS: usize = 3;

/// What is different about a service whose instances form a cluster. Steps are judged by the name of the instance and a look
/// at the cluster; none is judged where the whole service goes, which nobody's safety stands against.
#[async_trait]
pub trait Clustered: Send + Sync {
    /// Its options.
    type Options: Options + Send + Sync;
    /// What the instances say of the cluster and of themselves.
    type Survey: Send + Sync;
    /// What can have to be done before there is a verdict.
    type Act: Debug + Clone + PartialEq + Send + Sync;

    /// An operation that the members need once another one has joined a cluster that was in use: it is begun when all is at
    /// rest again.
    const AFTER_GROWTH: Option<&'static str> = None;

    /// Asks the instances, or says why there is nobody to ask.
    async fn survey(&self, view: &View, options: &Self::Options) -> Result<Self::Survey, String>;

    /// The answer when there is nobody to ask.
    fn unasked(&self, ask: &Ask, why: String) -> Verdict {
        let _ = ask;
        Verdict::Wait(why)
    }

    /// May it be launched for the first time?
    fn launch(&self, me: &str, look: &Look<'_, Self>) -> Decided<Self::Act> {
        let _ = (me, look);
        Ok(Decision::GO)
    }

    /// It serves for the first time, or again: does it belong to the cluster, and has it all it needs?
    fn arrived(&self, me: &str, look: &Look<'_, Self>) -> Decided<Self::Act>;

    /// The same after a restart, where that is another question.
    fn back(&self, me: &str, look: &Look<'_, Self>) -> Decided<Self::Act> {
        self.arrived(me, look)
    }

    /// May it be restarted?
    fn restart(&self, me: &str, look: &Look<'_, Self>) -> Decided<Self::Act>;

    /// May it be stopped by an operator, who may start it again?
    fn stop(&self, me: &str, look: &Look<'_, Self>) -> Decided<Self::Act>;

    /// May it be stopped for good? Where it has to hand something over, that is done first.
    fn leave(&self, me: &str, look: &Look<'_, Self>) -> Decided<Self::Act>;

    /// It has stopped for good: does nobody count on it any more?
    fn gone(&self, me: &str, look: &Look<'_, Self>) -> Decided<Self::Act>;

    /// Is all as it should be, when no step is due?
    fn settled(&self, look: &Look<'_, Self>) -> Decided<Self::Act>;

    /// Does what was decided.
    async fn perform(&self, handle: &Handle, look: &Look<'_, Self>, act: Self::Act) -> Performed;

    /// Where REST shows the cluster as a whole, for example `/v1/ring`, and what that says.
    const RESOURCE: Option<(&'static str, &'static str)> = None;

    /// The cluster as a whole, as [`Self::RESOURCE`] shows it.
    fn whole(&self, look: &Look<'_, Self>) -> Value {
        let _ = look;
        Value::Null
    }

    /// What the cluster has to say of its members, by instance: see [`crate::Service::describe`].
    fn members(&self, look: &Look<'_, Self>) -> BTreeMap<String, Value> {
        let _ = look;
        BTreeMap::new()
    }
}

/// What an act has come to: an answer, or, with `None`, something to look at again. An error is a reason to wait.
pub type Performed = Result<Option<Verdict>, String>;

/// The cluster at one moment.
#[derive(Debug)]
pub struct Look<'a, C: Clustered + ?Sized> {
    /// Options in effect.
    pub options: &'a C::Options,
    /// All instances as they are.
    pub view: &'a View,
    /// What they say.
    pub survey: &'a C::Survey,
}

impl<C: Clustered + ?Sized> Clone for Look<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Clustered + ?Sized> Copy for Look<'_, C> {}

/// Judges a step.
pub fn decide<C: Clustered + ?Sized>(service: &C, ask: &Ask, look: &Look<'_, C>) -> Decision<C::Act> {
    let me = ask.instance.as_str();
    let decided = match (ask.moment, ask.action) {
        (Moment::Before, Action::Launch) => service.launch(me, look),
        (Moment::Before, Action::Restart) => service.restart(me, look),
        (Moment::Before, Action::Stop) => service.stop(me, look),
        (Moment::Before, Action::Remove) => service.leave(me, look),
        (Moment::After, Action::Launch) => service.arrived(me, look),
        (Moment::After, Action::Restart) => service.back(me, look),
        (Moment::After, Action::Stop) => Ok(Decision::GO),
        (Moment::After, Action::Remove) => service.gone(me, look),
    };
    decided.into()
}

/// A [`Clustered`] service as [`crate::Service::cluster`] gives it to the SDK.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// The answer of [`crate::Service::gate`].
    async fn judge(&self, handle: &Handle, ask: &Ask) -> Verdict;

    /// The answer of [`crate::Service::settle`].
    async fn keep(&self, handle: &Handle, config: &Config, view: &View) -> Verdict;

    /// The answer of [`crate::Service::describe`].
    async fn listed(&self, config: &Config, view: &View) -> BTreeMap<String, Value>;

    /// [`Clustered::RESOURCE`].
    fn resource(&self) -> Option<(&'static str, &'static str)>;

    /// [`Clustered::whole`], or why there is nothing to show.
    async fn shown(&self, config: &Config, view: &View) -> Result<Value, String>;
}

#[async_trait]
impl<C: Clustered> Cluster for C {
    async fn judge(&self, handle: &Handle, ask: &Ask) -> Verdict {
        let all_go = ask.action == Action::Remove && ask.view.target.is_empty();
        let has_stopped = (ask.moment, ask.action) == (Moment::After, Action::Stop);
        if all_go || has_stopped {
            return Verdict::Go;
        }
        let options = match ask.config.read::<C::Options>() {
            Ok(options) => options,
            Err(problems) => return problems.into(),
        };
        let decided = |look: &Look<'_, C>| decide(self, ask, look);
        let unasked = |why| self.unasked(ask, why);
        answer(self, handle, &options, &ask.view, decided, unasked).await
    }

    async fn keep(&self, handle: &Handle, config: &Config, view: &View) -> Verdict {
        let options = match config.read::<C::Options>() {
            Ok(options) => options,
            Err(problems) => return problems.into(),
        };
        let decided = |look: &Look<'_, C>| self.settled(look).into();
        let verdict = answer(self, handle, &options, view, decided, Verdict::Wait).await;
        if let (Verdict::Go, Some(operation)) = (&verdict, C::AFTER_GROWTH) {
            growth::tidy(handle, view, operation).await;
        }
        verdict
    }

    async fn listed(&self, config: &Config, view: &View) -> BTreeMap<String, Value> {
        let Ok(options) = config.read::<C::Options>() else { return BTreeMap::new() };
        match self.survey(view, &options).await {
            Ok(survey) => self.members(&Look { options: &options, view, survey: &survey }),
            Err(_) => BTreeMap::new(),
        }
    }

    fn resource(&self) -> Option<(&'static str, &'static str)> {
        C::RESOURCE
    }

    async fn shown(&self, config: &Config, view: &View) -> Result<Value, String> {
        let options = config.read::<C::Options>().map_err(|problems| told(&problems))?;
        let survey = self.survey(view, &options).await?;
        Ok(self.whole(&Look { options: &options, view, survey: &survey }))
    }
}

/// Looks, decides, and does what the decision asks for, until it is an answer.
async fn answer<C: Clustered>(
    service: &C,
    handle: &Handle,
    options: &C::Options,
    view: &View,
    decide: impl Fn(&Look<'_, C>) -> Decision<C::Act> + Send,
    unasked: impl Fn(String) -> Verdict + Send,
) -> Verdict {
    let mut done: Vec<C::Act> = Vec::new();
    loop {
        let survey = match service.survey(view, options).await {
            Ok(survey) => survey,
            Err(why) => return unasked(why),
        };
        let look = Look { options, view, survey: &survey };
        let act = match decide(&look) {
            Decision::Say(verdict) => return verdict,
            Decision::Run(errand) => return errand.run(handle).await,
            Decision::Note(Note { key, value, meanwhile }) => {
                handle.observe(key, value).await;
                return Verdict::Wait(meanwhile);
            }
            Decision::Do(act) => act,
        };
        if done.len() == ACTS || done.contains(&act) {
            return Verdict::Wait("the cluster is taking up what it was told".into());
        }
        tracing::info!(?act, "the cluster is changed");
        match service.perform(handle, &look, act.clone()).await {
            Ok(Some(verdict)) => return verdict,
            Ok(None) => done.push(act),
            Err(reason) => return Verdict::Wait(reason),
        }
    }
}

#[cfg(test)]
mod tests;
