//! Things inside a service that is reached through a client of its own: where what REST, options and scripts ask for comes down
//! to calls of that client.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};

use super::{Contents, Direct, Kept, Kind, Move, Names, Spreads};
use crate::kit::options::merge;
use crate::rest::{Problem, Refused, parsed};
use crate::{Config, Published, View};

/// Things of one kind, as a client of the service knows them. Whoever is one has [`Contents`] and [`Direct`] by that.
#[async_trait]
pub trait Held: Send + Sync {
    /// Through what the service is reached.
    type Client: Send;
    /// Why it does not do what it is asked.
    type Error: ToString + Send;
    /// One as it is declared, or made.
    type One: Serialize + DeserializeOwned + Send + Sync;
    /// What of one is to be otherwise; null resets.
    type Patch: DeserializeOwned + Send + Sync;
    /// One as it is shown.
    type Shown: Serialize + Send;
    /// A move that was begun, as it is shown.
    type Moved: Serialize + Send;

    /// What they are called.
    const KIND: Kind;
    /// On what they lie.
    const SPREADS: Spreads;

    /// Connects.
    async fn client(view: &View) -> Result<Self::Client, Self::Error>;

    /// An error as a problem document.
    fn problem(error: Self::Error) -> Problem;

    /// Those that are meant.
    async fn shown(
        client: &mut Self::Client,
        asked: Asked<'_, Self::One>,
    ) -> Result<Vec<Self::Shown>, Self::Error>;

    /// Brings those that are declared in line, a step at a time, and says what could not be done or takes its time.
    async fn keep(
        client: &mut Self::Client,
        declared: &BTreeMap<String, Self::One>,
    ) -> Result<Kept, Self::Error>;

    /// Makes one, on nodes of these ids if any are named.
    async fn make(
        client: &mut Self::Client,
        name: &str,
        one: &Self::One,
        on: Option<&BTreeSet<u32>>,
    ) -> Result<(), Self::Error>;

    /// Changes one. Of a declared one only what its declaration cannot bring about: that something goes back to its default.
    /// Whether it still goes on.
    async fn change(
        client: &mut Self::Client,
        name: &str,
        patch: &Self::Patch,
        declared: bool,
    ) -> Result<bool, Self::Error>;

    /// Deletes one with all that is in it.
    async fn delete(client: &mut Self::Client, name: &str) -> Result<(), Self::Error>;

    /// Spreads some evenly over nodes; what moves.
    async fn spread(client: &mut Self::Client, spread: Spread<'_>) -> Result<Vec<Self::Moved>, Self::Error>;

    /// What moves right now.
    async fn moving(client: &mut Self::Client) -> Result<Vec<Move>, Self::Error>;

    /// The client, for other requests.
    ///
    /// # Errors
    /// The service cannot be reached.
    async fn reach(published: &Published) -> Refused<Self::Client> {
        Self::client(&published.view).await.map_err(Self::problem)
    }
}

/// Which things are meant, and what is to be said of them.
pub struct Asked<'a, One> {
    /// Those of these names.
    pub which: &'a Names<'a>,
    /// What is declared, by name.
    pub declared: &'a BTreeMap<String, One>,
    /// In detail.
    pub detailed: bool,
}

/// What is to be spread over what.
#[derive(Debug, Clone, Copy)]
pub struct Spread<'a> {
    /// Things of these names.
    pub names: &'a BTreeSet<String>,
    /// Nodes of these ids.
    pub over: &'a BTreeSet<u32>,
    /// With so many copies; as many as they have.
    pub copies: Option<u32>,
}

/// What is declared, by name; what cannot be read was refused with the options.
fn declared<H: Held>(config: &Config) -> BTreeMap<String, H::One> {
    let one = |(name, body): (&String, &Value)| Some((name.clone(), H::One::deserialize(body).ok()?));
    H::KIND.declared(config).filter_map(one).collect()
}

async fn told<H: Held>(published: &Published, which: &Names<'_>, detailed: bool) -> Refused<Vec<Value>> {
    let declared = declared::<H>(&published.config);
    let mut client = H::reach(published).await?;
    let asked = Asked { which, declared: &declared, detailed };
    let shown = H::shown(&mut client, asked).await.map_err(H::problem)?;
    Ok(shown.iter().map(|one| json!(one)).collect())
}

/// Nodes that a request names, by their ids.
fn chosen<H: Held>(published: &Published, text: &str) -> Refused<BTreeSet<u32>> {
    let nodes = H::SPREADS.over;
    nodes.chosen(text, &nodes.target(&published.view), &published.view)
}

#[async_trait]
impl<H: Held> Contents for H {
    fn kind(&self) -> &Kind {
        &H::KIND
    }

    async fn list(&self, published: &Published) -> Refused<Value> {
        Ok(json!({ H::KIND.many: told::<H>(published, &|_| true, false).await? }))
    }

    async fn show(&self, published: &Published, name: &str) -> Refused<Value> {
        Ok(told::<H>(published, &|other| other == name, true).await?.pop().unwrap_or_default())
    }

    async fn keep(&self, config: &Config, view: &View, kept: &mut Kept) {
        let declared = declared::<H>(config);
        if declared.is_empty() {
            return;
        }
        let done = match H::client(view).await {
            Ok(mut client) => H::keep(&mut client, &declared).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(done) => kept.extend(done),
            Err(error) => kept.waits(error.to_string()),
        }
    }

    fn direct(&self) -> Option<&dyn Direct> {
        Some(self)
    }
}

#[async_trait]
impl<H: Held> Direct for H {
    async fn described(&self, published: &Published, which: &Names<'_>) -> Refused<Vec<Value>> {
        told::<H>(published, which, true).await
    }

    /// By the service's own choice of nodes, or on those that are named.
    async fn make(&self, published: &Published, name: &str, mut body: Value) -> Refused<Value> {
        let named = body.as_object_mut().and_then(|body| body.remove(H::SPREADS.over.many));
        let named = named.as_ref().and_then(Value::as_str).filter(|named| named.trim() != "*");
        let on = named.map(|named| chosen::<H>(published, named)).transpose()?;
        let one: H::One = parsed(body.clone())?;
        let mut client = H::reach(published).await?;
        H::make(&mut client, name, &one, on.as_ref()).await.map_err(H::problem)?;
        let mut made = json!({ "name": name });
        // As it was written, with what is usual.
        merge(&mut made, &json!(one));
        merge(&mut made, &body);
        Ok(made)
    }

    async fn change(
        &self,
        published: &Published,
        name: &str,
        patch: &Value,
        declared: bool,
    ) -> Refused<bool> {
        let patch = parsed(patch.clone())?;
        let mut client = H::reach(published).await?;
        H::change(&mut client, name, &patch, declared).await.map_err(H::problem)
    }

    async fn delete(&self, published: &Published, name: &str) -> Refused<()> {
        let mut client = H::reach(published).await?;
        H::delete(&mut client, name).await.map_err(H::problem)
    }

    fn spreads(&self) -> Option<Spreads> {
        Some(H::SPREADS)
    }

    async fn spread(
        &self,
        published: &Published,
        names: &BTreeSet<String>,
        over: Option<&str>,
        copies: Option<u32>,
    ) -> Refused<Vec<Value>> {
        let declared = declared::<H>(&published.config);
        for (name, one) in declared.iter().filter(|(name, _)| names.contains(*name)) {
            let kept = &json!(one)["replication"];
            if copies.is_some_and(|copies| *kept != copies) {
                let Kind { one, many, .. } = H::KIND;
                let what = format!("{one} {name} is declared with replication {kept}");
                let hint =
                    format!("change the declaration: PATCH /v1/{many}/{{name}} {{\"replication\": N}}");
                return Err(Problem::conflict(&format!("{one}-declared"), what).hint(hint));
            }
        }
        let over = chosen::<H>(published, over.unwrap_or("*"))?;
        let mut client = H::reach(published).await?;
        let moved =
            H::spread(&mut client, Spread { names, over: &over, copies }).await.map_err(H::problem)?;
        Ok(moved.iter().map(|moved| json!(moved)).collect())
    }

    async fn moving(&self, published: &Published) -> Refused<Vec<Move>> {
        let mut client = H::reach(published).await?;
        H::moving(&mut client).await.map_err(H::problem)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::InstanceStatus;
    use crate::kit::Nodes;
    use crate::kit::contents::keep;

    /// Crates on shelves; the client is a note of what was asked of it.
    struct Crates;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Crate {
        replication: u32,
    }

    impl Default for Crate {
        fn default() -> Self {
            Self { replication: 1 }
        }
    }

    #[async_trait]
    impl Held for Crates {
        type Client = usize;
        type Error = String;
        type One = Crate;
        type Patch = Crate;
        type Shown = Value;
        type Moved = String;

        const KIND: Kind =
            Kind { one: "crate", many: "crates", body: "{}", names: |_| true, help: "anything" };
        const SPREADS: Spreads = Spreads { over: Nodes::new("shelf", "shelves"), watch: "/v1/crates" };

        async fn client(view: &View) -> Result<usize, String> {
            Some(view.target.len()).filter(|shelves| *shelves > 0).ok_or_else(|| "no shelf".into())
        }

        fn problem(error: String) -> Problem {
            Problem::unavailable(error)
        }

        async fn shown(_: &mut usize, asked: Asked<'_, Crate>) -> Result<Vec<Value>, String> {
            let meant = ["a", "b"].into_iter().filter(|name| (asked.which)(name));
            let show = |name| json!([name, asked.declared.contains_key(name), asked.detailed]);
            Ok(meant.map(show).collect())
        }

        async fn keep(_: &mut usize, declared: &BTreeMap<String, Crate>) -> Result<Kept, String> {
            Ok(Kept::of(declared.keys().cloned().collect(), Vec::new()))
        }

        async fn make(
            shelves: &mut usize,
            name: &str,
            one: &Crate,
            on: Option<&BTreeSet<u32>>,
        ) -> Result<(), String> {
            let what = format!("{name} with {} of {shelves} on {on:?}", one.replication);
            if name == "d" { Ok(()) } else { Err(what) }
        }

        async fn change(_: &mut usize, _: &str, patch: &Crate, declared: bool) -> Result<bool, String> {
            Ok(declared && patch.replication == 2)
        }

        async fn delete(_: &mut usize, name: &str) -> Result<(), String> {
            Err(format!("{name} is nailed down"))
        }

        async fn spread(_: &mut usize, spread: Spread<'_>) -> Result<Vec<String>, String> {
            Ok(vec![format!("{:?} {:?} {:?}", spread.names, spread.over, spread.copies)])
        }

        async fn moving(_: &mut usize) -> Result<Vec<Move>, String> {
            Ok(vec![Move { of: "a".into(), how: "0 -> 1".into() }])
        }
    }

    /// Two shelves; crate a is declared with two copies.
    fn published() -> Published {
        let config = Config {
            options: json!({ "crates": { "a": { "replication": 2 } } }).into(),
            ..Config::default()
        };
        let mut view = View::default();
        for name in ["shelf-0", "shelf-1"] {
            view.target.push(name.into());
            view.instances.insert(name.into(), InstanceStatus::default());
        }
        Published { config, view: view.into(), ..Published::default() }
    }

    #[tokio::test]
    async fn what_is_asked_for_comes_down_to_calls_of_a_client() {
        let (two, none) = (published(), Published { view: View::default().into(), ..published() });
        let all = json!({ "crates": [["a", true, false], ["b", false, false]] });
        assert_eq!(Crates.list(&two).await.unwrap(), all);
        assert_eq!(Crates.show(&two, "b").await.unwrap(), json!(["b", false, true]));
        assert_eq!(Crates.show(&two, "c").await.unwrap(), Value::Null);
        assert_eq!(Crates.list(&none).await.unwrap_err().detail, "no shelf");
        let kept = async |published: &Published| keep(&[&Crates], &published.config, &published.view).await;
        assert_eq!(kept(&two).await, crate::Verdict::Refuse("a".into()));
        assert_eq!(kept(&none).await, crate::Verdict::Wait("no shelf".into()));
        let undeclared = Published { config: Config::default(), ..none };
        assert_eq!(kept(&undeclared).await, crate::Verdict::Go, "nobody is asked for nothing");
        let made = async |body: Value| Crates.make(&two, "c", body).await.unwrap_err().detail;
        assert_eq!(made(json!({ "shelves": "1" })).await, "c with 1 of 2 on Some({1})");
        assert_eq!(made(json!({ "shelves": "*", "replication": 2 })).await, "c with 2 of 2 on None");
        assert_eq!(made(json!({ "shelves": "5" })).await, "there is no shelf 5");
        let body = json!({ "shelves": "0" });
        assert_eq!(Crates.make(&two, "d", body).await.unwrap(), json!({ "name": "d", "replication": 1 }));
        assert!(made(json!({ "size": 1 })).await.contains("unknown field `size`"));
        assert!(Crates.change(&two, "a", &json!({ "replication": 2 }), true).await.unwrap());
        assert_eq!(Crates.delete(&two, "b").await.unwrap_err().detail, "b is nailed down");
        assert_eq!(Crates.moving(&two).await.unwrap()[0].how, "0 -> 1");
    }

    #[tokio::test]
    async fn what_is_declared_is_not_spread_with_other_copies() {
        let published = published();
        let spread =
            async |name: &str, copies| Crates.spread(&published, &[name.into()].into(), None, copies).await;
        assert_eq!(spread("a", Some(2)).await.unwrap(), [json!("{\"a\"} {0, 1} Some(2)")]);
        assert_eq!(spread("b", Some(1)).await.unwrap(), [json!("{\"b\"} {0, 1} Some(1)")]);
        let refused = spread("a", Some(1)).await.unwrap_err();
        assert_eq!(
            (refused.kind.as_str(), refused.detail.as_str()),
            ("crate-declared", "crate a is declared with replication 2")
        );
    }
}
