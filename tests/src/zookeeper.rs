//! A ZooKeeper server on this machine, for what needs a real one.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use zookeeper_client::{Acls, Client, CreateMode};

use crate::{checkout, until};

/// A tick is short, so that sessions end soon after their time-out.
const TICK_MS: u32 = 500;
const ARCHIVE: &str = "zookeeper-3.9.4.tar";

/// One server with an ensemble of its own. It ends with this value.
pub struct ZooKeeperServer {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

#[expect(clippy::unwrap_used, reason = "a test's failure is a panic")]
impl ZooKeeperServer {
    /// Starts it from the archive that `make dist` puts together, and waits until it serves.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("cairn-zookeeper").tempdir().unwrap();
        let archive =
            checkout().join(std::env::var_os("CAIRN_DIST").unwrap_or_else(|| "dist".into())).join(ARCHIVE);
        assert!(archive.exists(), "{} is missing: run `make dist`", archive.display());
        let unpacked =
            Command::new("tar").arg("xf").arg(&archive).arg("-C").arg(folder.path()).status().unwrap();
        assert!(unpacked.success(), "tar xf {}", archive.display());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "tickTime={TICK_MS}\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n\
             admin.enableServer=false\n4lw.commands.whitelist=ruok\n",
            folder.path().join("data").display()
        );
        fs::write(folder.path().join("zoo.cfg"), config).unwrap();
        let mut server = Self { folder, port, process: None };
        server.start_again();
        server
    }

    fn jars(&self) -> PathBuf {
        self.folder.path().join(Path::new(ARCHIVE).file_stem().unwrap()).join("lib/*")
    }

    /// Starts it on what it kept.
    pub fn start_again(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut java = Command::new("java");
        java.args(["-Xmx128m", "-XX:+UseSerialGC", "-cp"]).arg(self.jars());
        java.args(["org.apache.zookeeper.server.quorum.QuorumPeerMain", "zoo.cfg"]);
        java.current_dir(self.folder.path()).stdin(Stdio::null());
        java.stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(java.spawn().unwrap());
        until("ZooKeeper serves", Duration::from_secs(60), || self.serves().then_some(()));
    }

    fn serves(&self) -> bool {
        use std::io::{Read, Write};
        let asked = std::net::TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"ruok")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        asked.is_ok_and(|answer| answer == "imok")
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Makes a node as the leading master of a cluster does; `master` is `host:port`.
    pub fn announce_master(&self, path: &str, master: &str) {
        let (ip, port) = master.rsplit_once(':').unwrap();
        let info = format!(r#"{{"address":{{"ip":"{ip}","port":{port}}}}}"#);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::connect(&self.address()).await.unwrap();
            client.mkdir(path, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await.unwrap();
            let node = CreateMode::PersistentSequential.with_acls(Acls::anyone_all());
            client.create(&format!("{path}/json.info_"), info.as_bytes(), &node).await.unwrap();
        });
    }

    /// `zk://host:port/path`.
    pub fn url(&self, path: &str) -> String {
        format!("zk://{}/{path}", self.address())
    }
}

impl Drop for ZooKeeperServer {
    fn drop(&mut self) {
        self.kill();
    }
}
