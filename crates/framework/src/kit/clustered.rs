//! Services whose instances form a cluster, with an opinion of its own about how it is.
//!
//! Whatever is to be done to one of the instances, the cluster is looked at, a pure decision is made from what it says, and
//! where that finds that something has to be done first, it is done and the cluster looked at again. A service says what a
//! look is, what is decided and what can be done; the loop is here.
//!
//! ```ignore
//! async fn gate(&self, handle: &Handle, ask: &Ask) -> Verdict {
//!     kit::judge(self, handle, ask).await
//! }
//!
//! async fn settle(&self, handle: &Handle, config: &Config, view: &View) -> Verdict {
//!     kit::settle(self, handle, config, view).await
//! }
//! ```

use std::fmt::Debug;

use async_trait::async_trait;

use super::{Decision, growth};
use crate::{Ask, Config, Handle, Options, Verdict, View};

/// Most acts of one answer; then it is asked again anyway.
const ACTS: usize = 3;

/// What is different about a service whose instances form a cluster.
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

    /// Asks the instances.
    async fn survey(&self, view: &View) -> Self::Survey;

    /// Judges a step.
    fn judge(&self, ask: &Ask, options: &Self::Options, survey: &Self::Survey) -> Decision<Self::Act>;

    /// Whether all is as it should be, when no step is due.
    fn settled(&self, options: &Self::Options, view: &View, survey: &Self::Survey) -> Decision<Self::Act>;

    /// Does what was decided.
    async fn perform(&self, site: Site<'_, Self>, act: Self::Act) -> Performed;

    /// What is left to do when all is settled.
    async fn at_rest(&self, site: Site<'_, Self>) -> Verdict {
        let _ = site;
        Verdict::Go
    }
}

/// What an act has come to: an answer, or, with `None`, something to look at again. An error is a reason to wait.
pub type Performed = Result<Option<Verdict>, String>;

/// Where something is done.
#[derive(Debug)]
pub struct Site<'a, C: Clustered + ?Sized> {
    /// The scheduler.
    pub handle: &'a Handle,
    /// Options in effect.
    pub options: &'a C::Options,
    /// All instances as they are.
    pub view: &'a View,
    /// What they say.
    pub survey: &'a C::Survey,
}

/// The answer of [`crate::Service::gate`].
pub async fn judge<C: Clustered>(service: &C, handle: &Handle, ask: &Ask) -> Verdict {
    let options = match ask.config.read::<C::Options>() {
        Ok(options) => options,
        Err(problems) => return problems.into(),
    };
    let decide = |survey: &C::Survey| service.judge(ask, &options, survey);
    carry_out(service, handle, &options, &ask.view, decide).await.0
}

/// The answer of [`crate::Service::settle`].
pub async fn settle<C: Clustered>(service: &C, handle: &Handle, config: &Config, view: &View) -> Verdict {
    let options = match config.read::<C::Options>() {
        Ok(options) => options,
        Err(problems) => return problems.into(),
    };
    let decide = |survey: &C::Survey| service.settled(&options, view, survey);
    let (mut verdict, survey) = carry_out(service, handle, &options, view, decide).await;
    if verdict == Verdict::Go {
        verdict = service.at_rest(Site { handle, options: &options, view, survey: &survey }).await;
    }
    if let (Verdict::Go, Some(operation)) = (&verdict, C::AFTER_GROWTH) {
        growth::tidy(handle, view, operation).await;
    }
    verdict
}

/// Looks, decides, and does what the decision asks for, until it is an answer; with the last look.
async fn carry_out<C: Clustered>(
    service: &C,
    handle: &Handle,
    options: &C::Options,
    view: &View,
    decide: impl Fn(&C::Survey) -> Decision<C::Act> + Send,
) -> (Verdict, C::Survey) {
    let mut survey = service.survey(view).await;
    let mut done: Vec<C::Act> = Vec::new();
    let verdict = loop {
        let act = match decide(&survey) {
            Decision::Say(verdict) => break verdict,
            Decision::Do(act) => act,
        };
        if done.len() == ACTS || done.contains(&act) {
            break Verdict::Wait("the cluster is taking up what it was told".into());
        }
        tracing::info!(?act, "the cluster is changed");
        match service.perform(Site { handle, options, view, survey: &survey }, act.clone()).await {
            Ok(Some(verdict)) => break verdict,
            Ok(None) => {}
            Err(reason) => break Verdict::Wait(reason),
        }
        done.push(act);
        survey = service.survey(view).await;
    };
    (verdict, survey)
}

#[cfg(test)]
mod tests;
