//! When a step on a child scheduler may happen, and when it is really done.

use cairn_framework::store::{Place, StoreError};
use cairn_framework::{Action, Ask, Moment, Phase, Verdict, View};
use cairn_planted::planted;

use crate::child::Observed;
use crate::outside::Outside;
use crate::planted::Bug;
use crate::settings::Settings;
use crate::state::{Stacks, StoredStack};

/// A mark on a scheduler's state once its service is down: only then may the state go.
const DOWN: &str = "destroyed";

/// Another one if its volumes were kept then: only this state knows them, so it stays as well.
const KEPT: &str = "data-kept";

/// Judges a step.
pub(crate) async fn gate(settings: &Settings, outside: &dyn Outside, stacks: &Stacks, ask: &Ask) -> Verdict {
    let Some((stack, service)) = stacks.locate(&ask.instance) else {
        // What no stack knows holds nothing that could be lost.
        return Verdict::Go;
    };
    let step = Step { settings, outside, ask, stack, service };
    match (ask.moment, ask.action) {
        (Moment::After, Action::Launch | Action::Restart) => step.launched(),
        (Moment::Before, Action::Remove) => step.take_down().await,
        (Moment::After, Action::Remove) => step.clean_up().await,
        (Moment::Before, Action::Launch) => step.launch().await,
        (Moment::Before, _) | (Moment::After, Action::Stop) => Verdict::Go,
    }
}

/// A service that has to be gone before `service` may go, and is not.
pub(crate) fn held_by<'a>(stack: &'a StoredStack, service: &str, view: &View) -> Option<&'a str> {
    let first = if planted(Bug::AnyOrder) { Vec::new() } else { stack.go_before(service) };
    first.into_iter().find(|dependent| {
        let instance = stack.instance(dependent);
        view.instances.contains_key(&instance) && !Observed::of(view, &instance).destroyed()
    })
}

struct Step<'a> {
    settings: &'a Settings,
    outside: &'a dyn Outside,
    ask: &'a Ask,
    stack: &'a StoredStack,
    service: &'a str,
}

impl Step<'_> {
    /// What an earlier life has left behind says nothing about this one.
    async fn launch(&self) -> Verdict {
        let Some(state) = self.state() else { return Verdict::Go };
        for mark in [DOWN, KEPT] {
            if let Err(e) = self.outside.unmark(&state, mark).await {
                return Verdict::Wait(format!("its state cannot be written: {e}"));
            }
        }
        Verdict::Go
    }

    /// The child is launched when its service serves with the right configuration.
    fn launched(&self) -> Verdict {
        let revision = self.stack.service(self.service).map(|(_, r)| r).unwrap_or_default();
        match Observed::of(&self.ask.view, &self.ask.instance).serving(revision) {
            Ok(_) => Verdict::Go,
            Err(why) => Verdict::Wait(why),
        }
    }

    /// Dependents first; then the child takes its service down, and only then may it be stopped itself.
    async fn take_down(&self) -> Verdict {
        if let Some(dependent) = held_by(self.stack, self.service, &self.ask.view) {
            return Verdict::Wait(format!("waits until {dependent} is gone"));
        }
        let observed = Observed::of(&self.ask.view, &self.ask.instance);
        if observed.destroyed() {
            return match self.note_down().await {
                Ok(()) => Verdict::Go,
                Err(e) => Verdict::Wait(format!("its state cannot be written: {e}")),
            };
        }
        let Some(endpoint) = self.endpoint() else {
            return match self.never_launched().await {
                Ok(true) => Verdict::Go,
                Ok(false) => Verdict::Wait("its scheduler has to run to take its service down".into()),
                Err(e) => Verdict::Wait(format!("its state cannot be looked at: {e}")),
            };
        };
        match self.request_destroy(&endpoint).await {
            Ok(()) => {
                Verdict::Wait(observed.status.filter(|s| s.plan.name == "destroy").map_or_else(
                    || "is told to take its service down".into(),
                    |s| crate::child::progress(&s),
                ))
            }
            Err(why) => {
                Verdict::Wait(format!("its scheduler cannot be told to take its service down: {why}"))
            }
        }
    }

    fn endpoint(&self) -> Option<String> {
        let instance = self.ask.view.instances.get(&self.ask.instance)?;
        instance.task_id.as_ref()?;
        instance.placement.as_ref()?.endpoint(crate::model::API)
    }

    async fn never_launched(&self) -> Result<bool, StoreError> {
        let known = self.ask.view.instances.get(&self.ask.instance);
        let idle = known.is_none_or(|i| i.phase == Phase::Waiting && i.task_id.is_none());
        match self.state() {
            Some(state) if idle => Ok(!self.outside.exists(&state).await?),
            _ => Ok(idle),
        }
    }

    /// Nothing has been launched since the stack has had it.
    fn never_placed(&self) -> bool {
        let known = self.ask.view.instances.get(&self.ask.instance);
        known.is_some_and(|i| i.task_id.is_none() && i.placement.is_none() && i.replaces.is_none())
    }

    fn state(&self) -> Option<Place> {
        let (service, _) = self.stack.service(self.service)?;
        Some(self.settings.state(&self.stack.spec.name, &service.name, &service.framework))
    }

    async fn request_destroy(&self, endpoint: &str) -> Result<(), String> {
        let delete_data = self.stack.going(self.service).is_some_and(|d| d.delete_data);
        let token = self.settings.key.for_stack(&self.stack.spec.name);
        self.outside.take_down(&self.ask.instance, endpoint, &token, delete_data).await
    }

    async fn note_down(&self) -> Result<(), StoreError> {
        let Some(state) = self.state() else { return Ok(()) };
        if Observed::of(&self.ask.view, &self.ask.instance).data_kept() {
            self.outside.mark(&state, KEPT).await?;
        }
        self.outside.mark(&state, DOWN).await
    }

    /// With its data, the state of the scheduler goes; but never while its service may still run.
    async fn clean_up(&self) -> Verdict {
        let Some(state) = self.state() else { return Verdict::Go };
        self.remove(&state)
            .await
            .unwrap_or_else(|e| Verdict::Wait(format!("its state cannot be removed: {e}")))
    }

    async fn remove(&self, state: &Place) -> Result<Verdict, StoreError> {
        if !self.outside.exists(state).await? {
            return Ok(Verdict::Go);
        }
        if self.never_placed() {
            // Its service is that of an earlier life, which was taken down and has kept its data; and so it stays.
            return Ok(Verdict::Go);
        }
        let down = self.outside.exists(&state.below(DOWN)).await?;
        let observed = Observed::of(&self.ask.view, &self.ask.instance);
        if !down && !observed.destroyed() {
            return Ok(Verdict::Wait("its scheduler stopped before its service was down".into()));
        }
        // Whoever wants the data gone as well may say so only when the service is down already.
        let kept = observed.data_kept() || self.outside.exists(&state.below(KEPT)).await?;
        if !kept && self.stack.going(self.service).is_some_and(|d| d.delete_data) {
            self.outside.remove(state, &self.settings.states).await?;
        }
        Ok(Verdict::Go)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cairn_framework::Status;

    use super::*;
    use crate::state::{Destroying, Options};
    use crate::testing::{complete, config_of, observe, options, settings, status, view};

    fn ask(moment: Moment, action: Action, instance: &str, delete_data: Option<bool>) -> Ask {
        let mut options = options();
        options.stacks.get_mut("demo").unwrap().destroying =
            delete_data.map(|delete_data| Destroying { delete_data });
        let mut view = view();
        let known = view.instances.entry(instance.to_owned()).or_default();
        known.placement = Some(cairn_framework::Placement::default());
        Ask { moment, action, instance: instance.into(), config: config_of(&options), view: view.into() }
    }

    async fn judge(settings: &Settings, ask: &Ask) -> Verdict {
        let stacks = Stacks::new(Options::read(&ask.config.options).unwrap());
        let client = cairn_framework::http::client().unwrap();
        gate(settings, &crate::outside::Real(&client), &stacks, ask).await
    }

    #[tokio::test]
    async fn a_launch_is_done_when_the_service_serves() {
        let mut ask = ask(Moment::After, Action::Launch, "demo-zookeeper", None);
        observe(Arc::make_mut(&mut ask.view), status("demo-zookeeper", 1));
        assert_eq!(judge(&settings(), &ask).await, Verdict::Wait("server-1 starting".into()));
        observe(Arc::make_mut(&mut ask.view), complete("demo-zookeeper", 1, &[("connect", "a:1")]));
        assert_eq!(judge(&settings(), &ask).await, Verdict::Go);
    }

    #[tokio::test]
    async fn a_provider_stays_until_its_dependents_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { states: dir.path().to_owned().into(), ..settings() };
        let mut ask = ask(Moment::Before, Action::Remove, "demo-zookeeper", Some(false));
        Arc::make_mut(&mut ask.view).instances.entry("demo-kafka".into()).or_default();
        assert_eq!(judge(&settings, &ask).await, Verdict::Wait("waits until kafka is gone".into()));
        Arc::make_mut(&mut ask.view).instances.remove("demo-kafka");
        assert_eq!(judge(&settings, &ask).await, Verdict::Go, "it never ran");
        settings.state("demo", "zookeeper", "zookeeper").mark("anything").await.unwrap();
        assert!(
            matches!(judge(&settings, &ask).await, Verdict::Wait(_)),
            "it has run: its scheduler must come back"
        );
    }

    #[tokio::test]
    async fn what_has_come_back_and_was_never_placed_goes_at_once_and_keeps_what_it_had() {
        let root = tempfile::tempdir().unwrap();
        let settings = Settings { states: root.path().to_owned().into(), ..settings() };
        let state = settings.state("demo", "kafka", "kafka");
        state.mark(DOWN).await.unwrap();
        let launch = ask(Moment::Before, Action::Launch, "demo-kafka", None);
        assert_eq!(judge(&settings, &launch).await, Verdict::Go);
        let mut delete = ask(Moment::After, Action::Remove, "demo-kafka", Some(true));
        assert!(matches!(judge(&settings, &delete).await, Verdict::Wait(_)), "it may have run");
        Arc::make_mut(&mut delete.view).instances.get_mut("demo-kafka").unwrap().placement = None;
        assert_eq!(judge(&settings, &delete).await, Verdict::Go);
        assert!(state.exists().await.unwrap(), "its volumes are still there");
    }

    #[tokio::test]
    async fn state_goes_only_with_its_data_and_only_when_the_service_is_down() {
        let root = tempfile::tempdir().unwrap();
        let states = root.path().join("schedulers");
        let settings = Settings { states: states.clone().into(), ..settings() };
        let dir = states.join("demo/kafka/kafka");
        std::fs::create_dir_all(&dir).unwrap();
        let keep = ask(Moment::After, Action::Remove, "demo-kafka", Some(false));
        let delete = ask(Moment::After, Action::Remove, "demo-kafka", Some(true));
        assert!(matches!(judge(&settings, &delete).await, Verdict::Wait(_)));
        assert!(dir.exists());

        let mut before = ask(Moment::Before, Action::Remove, "demo-kafka", Some(false));
        let mut gone = status("demo-kafka", 1);
        gone.destroyed = true;
        observe(Arc::make_mut(&mut before.view), gone);
        assert_eq!(judge(&settings, &before).await, Verdict::Go);
        assert_eq!(judge(&settings, &keep).await, Verdict::Go);
        assert!(dir.exists());

        let launch = ask(Moment::Before, Action::Launch, "demo-kafka", None);
        assert_eq!(judge(&settings, &launch).await, Verdict::Go);
        assert!(matches!(judge(&settings, &delete).await, Verdict::Wait(_)), "it lives again");
        assert_eq!(judge(&settings, &before).await, Verdict::Go);
        assert_eq!(judge(&settings, &delete).await, Verdict::Go);
        assert!(!dir.exists());
        assert!(states.exists(), "the root itself stays");
    }

    #[tokio::test]
    async fn state_stays_while_volumes_are_kept_that_only_it_knows() {
        let root = tempfile::tempdir().unwrap();
        let settings = Settings { states: root.path().to_owned().into(), ..settings() };
        let state = settings.state("demo", "kafka", "kafka");
        let mut before = ask(Moment::Before, Action::Remove, "demo-kafka", Some(false));
        let gone = Status { destroyed: true, data_kept: true, ..status("demo-kafka", 1) };
        observe(Arc::make_mut(&mut before.view), gone);
        assert_eq!(judge(&settings, &before).await, Verdict::Go);
        // An operator has thought better of it meanwhile, and the scheduler does not run any more.
        let delete = ask(Moment::After, Action::Remove, "demo-kafka", Some(true));
        assert_eq!(judge(&settings, &delete).await, Verdict::Go);
        assert!(state.exists().await.unwrap());
        let launch = ask(Moment::Before, Action::Launch, "demo-kafka", None);
        assert_eq!(judge(&settings, &launch).await, Verdict::Go);
        assert!(matches!(judge(&settings, &delete).await, Verdict::Wait(_)), "it lives again");
    }
}
