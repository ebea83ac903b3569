//! Which master leads, as the masters of a cluster say in ZooKeeper.
//!
//! Each of them has an ephemeral sequential node `json.info_N` with its `MasterInfo` as JSON; the lowest one leads
//! (Apache Mesos, src/master/contender/zookeeper.cpp and src/master/detector/zookeeper.cpp).

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use tokio::sync::Mutex;
use zookeeper_client::{Client, Error};

use super::{ClientError, ZooKeeperAddress};

const LABEL: &str = "json.info_";
const SESSION: Duration = Duration::from_secs(10);
/// How long finding out may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks while ZooKeeper cannot be reached.
const AGAIN: Duration = Duration::from_secs(1);

/// Asks ZooKeeper, over one session for all who ask.
#[derive(Debug)]
pub(crate) struct Detector {
    address: ZooKeeperAddress,
    session: Mutex<Option<Client>>,
}

/// What is needed of `MasterInfo`.
#[derive(Deserialize)]
struct MasterInfo {
    address: Address,
}

#[derive(Deserialize)]
struct Address {
    ip: Option<String>,
    hostname: Option<String>,
    port: u16,
}

impl Detector {
    /// Nothing is asked yet.
    pub(crate) fn new(address: ZooKeeperAddress) -> Self {
        Self { address, session: Mutex::default() }
    }

    pub(crate) fn address(&self) -> &ZooKeeperAddress {
        &self.address
    }

    /// Where the leading master is.
    pub(crate) async fn leader(&self) -> Result<Url, ClientError> {
        let found = async {
            let client = self.session().await?;
            let names = client.list_children(self.address.path()).await;
            self.first(&client, names.map_err(|e| self.failed(&e))?).await
        };
        let late = |_| self.unknown(format!("ZooKeeper did not answer within {PATIENCE:?}"));
        let found = tokio::time::timeout(PATIENCE, found).await.map_err(late)??;
        found.ok_or_else(|| self.unknown("no master leads at present".into()))
    }

    /// Ends when another master than this one leads.
    pub(crate) async fn replaced(&self, master: &Url) {
        loop {
            match self.other_than(master).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, "cannot follow the master");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Looks, and if this one leads, waits until something changes.
    async fn other_than(&self, master: &Url) -> Result<bool, ClientError> {
        let client = self.session().await?;
        let looked = client.get_and_watch_children(self.address.path()).await;
        let (names, _, changes) = looked.map_err(|e| self.failed(&e))?;
        let leader = self.first(&client, names).await?;
        if leader.is_some_and(|leader| leader.origin() != master.origin()) {
            return Ok(true);
        }
        changes.changed().await;
        Ok(false)
    }

    /// The first of these that is there and can be read.
    async fn first(&self, client: &Client, names: Vec<String>) -> Result<Option<Url>, ClientError> {
        for name in in_order(names) {
            match client.get_data(&format!("{}/{name}", self.address.path())).await {
                Ok((info, _)) => return self.read(&name, &info).map(Some),
                // It has left a moment ago.
                Err(Error::NoNode) => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(None)
    }

    fn read(&self, name: &str, info: &[u8]) -> Result<Url, ClientError> {
        let strange = |why: String| self.unknown(format!("the node {name} holds no MasterInfo: {why}"));
        let MasterInfo { address } = serde_json::from_slice(info).map_err(|e| strange(e.to_string()))?;
        let host = address.ip.or(address.hostname).ok_or_else(|| strange("it has no address".into()))?;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        Url::parse(&format!("http://{host}:{}/", address.port)).map_err(|e| strange(e.to_string()))
    }

    async fn session(&self) -> Result<Client, ClientError> {
        let mut session = self.session.lock().await;
        if let Some(client) = session.as_ref().filter(|client| !client.state().is_terminated()) {
            return Ok(client.clone());
        }
        let connector = Client::connector().with_session_timeout(SESSION);
        let client = connector.connect(&self.address.servers()).await.map_err(|e| self.failed(&e))?;
        *session = Some(client.clone());
        Ok(client)
    }

    fn failed(&self, error: &Error) -> ClientError {
        match error {
            Error::NoNode => self.unknown("there is no such node: no master has ever been there".into()),
            other => self.unknown(other.to_string()),
        }
    }

    fn unknown(&self, reason: String) -> ClientError {
        ClientError::Detection { address: self.address.to_string(), reason }
    }
}

/// The nodes of masters, the leading one first.
fn in_order(names: Vec<String>) -> Vec<String> {
    let sequence = |name: &String| name.strip_prefix(LABEL).and_then(|number| number.parse::<u64>().ok());
    let mut masters: Vec<_> = names.into_iter().filter_map(|name| Some((sequence(&name)?, name))).collect();
    masters.sort();
    masters.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cairn_tests::ZooKeeperServer;
    use zookeeper_client::{Acls, CreateMode};

    use super::*;

    #[test]
    fn the_lowest_number_leads() {
        let names = [
            "json.info_0000000012",
            "log_replicas",
            "json.info_0000000003",
            "info_0000000001",
            "json.info_x",
        ];
        let ordered = in_order(names.map(str::to_owned).to_vec());
        assert_eq!(ordered, ["json.info_0000000003", "json.info_0000000012"]);
    }

    #[test]
    fn masters_are_read_as_mesos_writes_them() {
        let detector = Detector::new("zk://h/mesos".parse().unwrap());
        let url = |text: &str| detector.read("n", text.as_bytes()).map(|url| url.to_string());
        // As a master of 1.11 writes it, shortened.
        let whole = r#"{"address":{"hostname":"m1","ip":"10.0.0.1","port":5050},"hostname":"m1","id":"5f","ip":16777226,
            "pid":"master@10.0.0.1:5050","port":5050,"version":"1.11.0"}"#;
        assert_eq!(url(whole).unwrap(), "http://10.0.0.1:5050/");
        assert_eq!(url(r#"{"address":{"hostname":"m1","port":5051}}"#).unwrap(), "http://m1:5051/");
        assert_eq!(url(r#"{"address":{"ip":"::1","port":5051}}"#).unwrap(), "http://[::1]:5051/");
        for bad in ["", "{}", r#"{"address":{"port":5050}}"#, r#"{"address":{"ip":"a b","port":1}}"#] {
            assert!(url(bad).unwrap_err().to_string().contains("holds no MasterInfo"), "{bad}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Java and the distribution of ZooKeeper"]
    async fn a_master_that_takes_over_is_found() {
        let server = tokio::task::spawn_blocking(ZooKeeperServer::start).await.unwrap();
        let detector = Arc::new(Detector::new(server.url("mesos").parse().unwrap()));
        assert!(detector.leader().await.unwrap_err().to_string().contains("no such node"));
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        let client = Client::connect(&server.address()).await.unwrap();
        client.mkdir("/mesos", &options).await.unwrap();
        assert!(detector.leader().await.unwrap_err().to_string().contains("no master leads"));
        let master = |port: u16| {
            let address = server.address();
            async move {
                let client = Client::connect(&address).await.unwrap();
                let info = format!(r#"{{"address":{{"ip":"127.0.0.1","port":{port}}}}}"#);
                let node = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
                client.create("/mesos/json.info_", info.as_bytes(), &node).await.unwrap();
                client
            }
        };
        let first = master(5050).await;
        let leader = detector.leader().await.unwrap();
        assert_eq!(leader.as_str(), "http://127.0.0.1:5050/");
        let second = master(5051).await;
        let following = Arc::clone(&detector);
        let mut replaced = tokio::spawn(async move { following.replaced(&leader).await });
        let early = tokio::time::timeout(Duration::from_millis(300), &mut replaced).await;
        assert!(early.is_err(), "the second one stands by");
        drop(first);
        tokio::time::timeout(Duration::from_secs(10), replaced).await.unwrap().unwrap();
        assert_eq!(detector.leader().await.unwrap().as_str(), "http://127.0.0.1:5051/");
        drop(second);
    }
}
