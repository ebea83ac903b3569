//! Containers within a task's, by the agent's API: sessions and nested containers, with real processes.

use std::net::SocketAddr;
use std::time::Duration;

use cairn_cluster::{Cluster, ClusterOptions};
use cairn_mesos::codec::MediaType;
use cairn_mesos::recordio;
use cairn_mesos::v1::agent::process_io::data;
use cairn_mesos::v1::agent::{Call, ProcessIo, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::containment::{Stage, number, runs, when};
use crate::scene::{accept, scalar};
use crate::web::call as scheduler_call;
use crate::whole::{RESOURCES, command, connect, until};

/// An agent's API, spoken to in one of its forms.
#[derive(Clone)]
struct Door {
    http: reqwest::Client,
    url: String,
    media: MediaType,
}

impl Door {
    fn new(agent: SocketAddr, media: MediaType) -> Self {
        cairn_mesos::client::install_crypto();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { http, url: format!("http://{agent}/api/v1"), media }
    }

    fn encoded(&self, call: &Value) -> Vec<u8> {
        let call: Call = serde_json::from_value(call.clone()).unwrap();
        self.media.encode(&call).unwrap()
    }

    async fn send(&self, call: &Value, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.http.post(&self.url).header("Content-Type", self.media.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(self.encoded(call)).send().await.unwrap()
    }

    /// Status and text of the answer to a call that has no other.
    async fn tell(&self, call: Value) -> (u16, String) {
        let answer = self.send(&call, &[("Accept", self.media.as_str())]).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// How a container has ended.
    async fn wait(&self, id: &Value) -> Result<Option<i32>, u16> {
        let call = json!({"type": "WAIT_NESTED_CONTAINER", "wait_nested_container": {"container_id": id}});
        let answer = self.send(&call, &[("Accept", self.media.as_str())]).await;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        if status != 200 {
            return Err(status);
        }
        let answer: Response = self.media.decode(&body).unwrap();
        Ok(answer.wait_nested_container.unwrap().exit_status)
    }

    async fn about(&self, kind: &str, field: &str, id: &Value) -> (u16, String) {
        let mut call = json!({"type": kind});
        call[field] = json!({"container_id": id});
        self.tell(call).await
    }

    async fn remove(&self, id: &Value) -> u16 {
        self.about("REMOVE_NESTED_CONTAINER", "remove_nested_container", id).await.0
    }

    async fn kill(&self, id: &Value, signal: i32) -> u16 {
        let kill = json!({"container_id": id, "signal": signal});
        self.tell(json!({"type": "KILL_CONTAINER", "kill_container": kill})).await.0
    }

    /// A stream of what a container says.
    async fn hear(&self, call: Value) -> Heard {
        let headers = [("Accept", "application/recordio"), ("Message-Accept", self.media.as_str())];
        let answer = self.send(&call, &headers).await;
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        if answer.status() != 200 {
            panic!("{}: {}", answer.status(), answer.text().await.unwrap());
        }
        assert_eq!(header("content-type").as_deref(), Some("application/recordio"));
        assert_eq!(header("message-content-type").as_deref(), Some(self.media.as_str()));
        Heard { answer, decoder: recordio::Decoder::new(1 << 20), media: self.media }
    }

    async fn session(&self, id: &Value, command: &str) -> Heard {
        self.hear(session(id, command, json!({}))).await
    }

    /// A way to speak to a container, and what comes of that.
    fn speak(&self, id: &Value) -> (mpsc::Sender<Vec<u8>>, JoinHandle<(u16, String)>) {
        let (sender, records) = mpsc::channel::<Vec<u8>>(16);
        let records = futures_util::stream::unfold(records, |mut records| async move {
            Some((Ok::<_, std::io::Error>(records.recv().await?), records))
        });
        let body = reqwest::Body::wrap_stream(records);
        let request = self
            .http
            .post(&self.url)
            .header("Content-Type", "application/recordio")
            .header("Message-Content-Type", self.media.as_str())
            .header("Accept", "application/json")
            .body(body);
        let answered = tokio::spawn(async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        });
        sender.try_send(self.input(json!({"type": "CONTAINER_ID", "container_id": id}))).unwrap();
        (sender, answered)
    }

    /// A record of a stream of input.
    fn input(&self, input: Value) -> Vec<u8> {
        let mut record = Vec::new();
        let call = json!({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": input});
        recordio::encode(&self.encoded(&call), &mut record);
        record
    }

    fn said(&self, text: &str) -> Vec<u8> {
        use base64::Engine;
        let data = base64::engine::general_purpose::STANDARD.encode(text);
        let data = json!({"type": "DATA", "data": {"type": "STDIN", "data": data}});
        self.input(json!({"type": "PROCESS_IO", "process_io": data}))
    }

    fn control(&self, control: Value) -> Vec<u8> {
        self.input(json!({"type": "PROCESS_IO", "process_io": {"type": "CONTROL", "control": control}}))
    }
}

struct Heard {
    answer: reqwest::Response,
    decoder: recordio::Decoder,
    media: MediaType,
}

impl Heard {
    async fn next(&mut self) -> Option<ProcessIo> {
        loop {
            if let Some(record) = self.decoder.next_record().unwrap() {
                return Some(self.media.decode(&record).unwrap());
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.answer.chunk()).await.unwrap();
            self.decoder.feed(&chunk.unwrap()?);
        }
    }

    /// What is said on standard output until that holds `text`.
    async fn until(&mut self, text: &str) -> String {
        let mut said = String::new();
        while !said.contains(text) {
            let next = self.next().await.unwrap_or_else(|| panic!("{text:?} did not come: {said:?}"));
            said.push_str(&String::from_utf8_lossy(next.data.unwrap_or_default().data()));
        }
        said
    }

    /// Standard output and error, until both have ended.
    async fn all(mut self) -> (String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        while let Some(io) = self.next().await {
            let data = io.data.unwrap_or_default();
            let said = if data.r#type() == data::Type::Stderr { &mut err } else { &mut out };
            said.push_str(&String::from_utf8_lossy(data.data()));
        }
        (out, err)
    }
}

fn session(id: &Value, command: &str, container: Value) -> Value {
    let mut launch = json!({"container_id": id, "command": {"value": command}});
    if container != json!({}) {
        launch["container"] = container;
    }
    json!({"type": "LAUNCH_NESTED_CONTAINER_SESSION", "launch_nested_container_session": launch})
}

fn nested(id: &Value, command: &str) -> Value {
    let launch = json!({"container_id": id, "command": {"value": command}});
    json!({"type": "LAUNCH_NESTED_CONTAINER", "launch_nested_container": launch})
}

fn within(parent: &Value, name: &str) -> Value {
    json!({"value": name, "parent": parent})
}

/// A cluster with a command task that runs, and the task's container.
async fn stage(task: &str) -> (Stage, Value, SocketAddr) {
    let mut stage = Stage::new(|_| ()).await.unwrap();
    stage.launch(command("parent", &stage.offer, task)).await;
    let running = until(&stage.client, &mut stage.events, "TASK_RUNNING").await;
    let agent = stage.cluster.agent_addresses()[0];
    (stage, running["container_status"]["container_id"].clone(), agent)
}

async fn kill_parent(stage: &mut Stage) {
    let kill = json!({"task_id": {"value": "parent"}, "agent_id": stage.offer["agent_id"]});
    stage.client.call(scheduler_call(json!({"type": "KILL", "kill": kill}))).await.unwrap();
    until(&stage.client, &mut stage.events, "TASK_KILLED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_says_what_its_command_says_and_how_it_ended() {
    let (mut stage, parent, agent) = stage("exec sleep 1000").await;
    let sandbox = stage.sandbox().canonicalize().unwrap();
    for media in [MediaType::Json, MediaType::Protobuf] {
        let door = Door::new(agent, media);
        let id = within(&parent, &format!("s-{}", media == MediaType::Json));
        let heard =
            door.session(&id, "pwd; echo $MESOS_SANDBOX $MESOS_EXECUTOR_ID; echo oops >&2; exit 3").await;
        let at = sandbox.display();
        assert_eq!(heard.all().await, (format!("{at}\n{at} parent\n"), "oops\n".to_owned()));
        assert_eq!(door.wait(&id).await, Ok(Some(3 << 8)));
        assert_eq!(door.wait(&id).await, Ok(Some(3 << 8)), "it is remembered");
        assert_eq!((door.kill(&id, 9).await, door.remove(&id).await), (404, 200));
        assert_eq!((door.wait(&id).await, door.remove(&id).await), (Err(404), 200));
        // A program that does not exist says so, as a task's would.
        let id = within(&parent, "none");
        let launch = json!({"container_id": id, "command": {"shell": false, "value": "/no/such/program"}});
        let launch =
            json!({"type": "LAUNCH_NESTED_CONTAINER_SESSION", "launch_nested_container_session": launch});
        let (_, err) = door.hear(launch).await.all().await;
        assert!(err.starts_with("Failed to execute command /no/such/program"), "{err}");
        assert_eq!(door.wait(&id).await, Ok(Some(1 << 8)));
    }
    assert!(!sandbox.join("containers").exists(), "a session has no sandbox of its own");
    kill_parent(&mut stage).await;
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_speaks_to_a_session_and_nobody_else_meanwhile() {
    let (mut stage, parent, agent) = stage("exec sleep 1000").await;
    for media in [MediaType::Json, MediaType::Protobuf] {
        let door = Door::new(agent, media);
        let id = within(&parent, &format!("cat-{}", media == MediaType::Json));
        let mut heard = door.session(&id, "cat").await;
        // One that only looks whether it may, as the command line of Mesos does.
        let (first, answered) = door.speak(&id);
        drop(first);
        assert_eq!(answered.await.unwrap(), (200, String::new()));
        let (voice, answered) = door.speak(&id);
        voice.send(door.control(json!({"type": "HEARTBEAT", "heartbeat": {}}))).await.unwrap();
        voice.send(door.said("hello\n")).await.unwrap();
        assert_eq!(heard.until("hello\n").await, "hello\n");
        let (_other, refused) = door.speak(&id);
        let text = "Multiple input connections are not allowed".to_owned();
        assert_eq!(refused.await.unwrap(), (409, text));
        voice.send(door.said("")).await.unwrap();
        assert_eq!(heard.all().await, (String::new(), String::new()));
        assert_eq!(door.wait(&id).await, Ok(Some(0)));
        // It has ended, so nothing that is said further would be heard.
        assert_eq!(answered.await.unwrap(), (200, String::new()));
        let (_late, refused) = door.speak(&id);
        assert_eq!(refused.await.unwrap().0, 500, "as with Mesos");
    }
    kill_parent(&mut stage).await;
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_may_have_a_terminal() {
    let (mut stage, parent, agent) = stage("exec sleep 1000").await;
    let door = Door::new(agent, MediaType::Json);
    let id = within(&parent, "tty");
    let size = json!({"type": "MESOS", "tty_info": {"window_size": {"rows": 24, "columns": 80}}});
    let script = "tty; stty size; read x; stty size; echo got $x >&2; cat /dev/tty";
    let mut heard = door.hear(session(&id, script, size)).await;
    let said = heard.until("24 80\r\n").await;
    assert!(said.starts_with("/dev/"), "{said}");
    let (voice, answered) = door.speak(&id);
    let larger = json!({"window_size": {"rows": 50, "columns": 132}});
    voice.send(door.control(json!({"type": "TTY_INFO", "tty_info": larger}))).await.unwrap();
    voice.send(door.said("yes\n")).await.unwrap();
    heard.until("50 132\r\ngot yes\r\n").await;
    // The terminal shows what is typed, and the program what it has read: it is there to be interrupted.
    voice.send(door.said("again\n")).await.unwrap();
    heard.until("again\r\nagain\r\n").await;
    voice.send(door.said("\u{3}")).await.unwrap();
    heard.all().await;
    assert_eq!(door.wait(&id).await, Ok(Some(2)));
    assert_eq!(answered.await.unwrap().0, 200);
    kill_parent(&mut stage).await;
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_its_client_its_kill_or_its_parent() {
    let (mut stage, parent, agent) = stage("exec sleep 1000").await;
    let door = Door::new(agent, MediaType::Protobuf);
    let sandbox = stage.sandbox();
    let begin = async |name: &str| {
        let id = within(&parent, name);
        let heard =
            door.session(&id, &format!("echo $$ > {name}; setsid sleep 1000 & exec sleep 1000")).await;
        (id, when("it runs", || number(&sandbox.join(name))).await, heard)
    };
    let (left, process, heard) = begin("left").await;
    drop(heard);
    assert_eq!(door.wait(&left).await, Ok(Some(9)), "nobody listens any more");
    assert!(!runs(process));

    let (killed, _, heard) = begin("killed").await;
    assert_eq!(door.kill(&killed, 999).await, 500);
    assert_eq!(door.kill(&killed, 15).await, 200);
    assert_eq!(door.wait(&killed).await, Ok(Some(15)));
    heard.all().await;

    let (orphan, process, heard) = begin("orphan").await;
    let waiting = tokio::spawn({
        let (door, orphan) = (door.clone(), orphan.clone());
        async move { door.wait(&orphan).await }
    });
    kill_parent(&mut stage).await;
    assert!(!runs(process), "the task's end is told when nothing is left");
    heard.all().await;
    assert!(matches!(waiting.await.unwrap(), Ok(Some(9 | 15)) | Err(404)));
    let forgotten = async { while door.wait(&orphan).await != Err(404) {} };
    tokio::time::timeout(Duration::from_secs(10), forgotten).await.expect("with its parent it is forgotten");
    let (status, why) = door.tell(session(&within(&parent, "late"), "true", json!({}))).await;
    assert!(status == 400 && why.ends_with("does not exist"), "{status}: {why}");
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nested_container_has_a_sandbox_until_it_is_removed() {
    let (mut stage, parent, agent) = stage("mkdir out; exec sleep 1000").await;
    let door = Door::new(agent, MediaType::Json);
    let (a, b) = (within(&parent, "a"), within(&within(&parent, "a"), "b"));
    let parent_sandbox = stage.sandbox().canonicalize().unwrap();
    when("the task's directory", || parent_sandbox.join("out").exists().then_some(())).await;
    let volume = json!({"mode": "RW", "container_path": "in",
        "source": {"type": "SANDBOX_PATH", "sandbox_path": {"type": "PARENT", "path": "out"}}});
    let mut launch =
        nested(&a, "pwd; echo $MESOS_SANDBOX; touch in/here; echo oops >&2; echo $$ > pid; exec sleep 1000");
    launch["launch_nested_container"]["container"] = json!({"type": "MESOS", "volumes": [volume]});
    assert_eq!(door.tell(launch.clone()).await, (200, String::new()));
    assert_eq!(door.tell(launch).await.0, 202, "it is there already");
    let sandbox = parent_sandbox.join("containers/a");
    let process = when("it runs", || number(&sandbox.join("pid"))).await;
    let at = sandbox.display().to_string();
    assert_eq!(std::fs::read_to_string(sandbox.join("stdout")).unwrap(), format!("{at}\n{at}\n"));
    assert_eq!(std::fs::read_to_string(sandbox.join("stderr")).unwrap(), "oops\n");
    assert!(parent_sandbox.join("out/here").exists());
    assert_eq!(door.tell(nested(&b, "exec sleep 1000")).await.0, 200);
    assert!(sandbox.join("containers/b/stdout").exists());
    assert_eq!(door.remove(&a).await, 500, "it runs");
    let output = door.about("ATTACH_CONTAINER_OUTPUT", "attach_container_output", &a).await;
    assert_eq!(output, (500, "I/O switchboard server was disabled for this container".to_owned()));

    assert_eq!(door.kill(&a, 9).await, 200);
    assert_eq!(door.wait(&a).await, Ok(Some(9)));
    assert!(!runs(process));
    assert_eq!(door.wait(&b).await, Ok(Some(9)), "what was in it has ended with it");
    assert_eq!((door.remove(&a).await, sandbox.exists(), door.wait(&a).await), (200, false, Err(404)));
    kill_parent(&mut stage).await;
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nested_container_with_a_terminal_is_listened_to() {
    let (mut stage, parent, agent) = stage("exec sleep 1000").await;
    let door = Door::new(agent, MediaType::Protobuf);
    let id = within(&parent, "tty");
    let mut launch = nested(&id, "read x; echo got $x");
    launch["launch_nested_container"]["container"] = json!({"type": "MESOS", "tty_info": {}});
    assert_eq!(door.tell(launch).await.0, 200);
    let listen = json!({"type": "ATTACH_CONTAINER_OUTPUT", "attach_container_output": {"container_id": id}});
    let (one, other) = (door.hear(listen.clone()).await, door.hear(listen).await);
    let (voice, _answered) = door.speak(&id);
    voice.send(door.said("it\n")).await.unwrap();
    let said = one.all().await.0;
    assert!(said.ends_with("got it\r\n"), "{said:?}");
    assert_eq!(other.all().await.0, said);
    let log = stage.sandbox().join("containers/tty/stdout");
    assert_eq!(std::fs::read_to_string(log).unwrap(), said);
    assert_eq!(door.wait(&id).await, Ok(Some(0)));
    kill_parent(&mut stage).await;
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_slowly_makes_a_session_wait() {
    let (mut stage, parent, agent) = stage("exec sleep 1000").await;
    let door = Door::new(agent, MediaType::Protobuf);
    let id = within(&parent, "much");
    const SIZE: usize = 32 << 20;
    let heard = door.session(&id, &format!("head -c {SIZE} /dev/zero; touch written")).await;
    // It cannot have written all of it, for nobody could hold that.
    let waits = async { tokio::time::timeout(Duration::from_millis(500), door.wait(&id)).await.is_err() };
    assert!(waits.await && !stage.sandbox().join("written").exists());
    assert_eq!(heard.all().await.0.len(), SIZE);
    assert_eq!(door.wait(&id).await, Ok(Some(0)));
    kill_parent(&mut stage).await;
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_told_as_by_mesos() {
    let (mut stage, parent, agent) = stage("exec sleep 1000").await;
    let door = Door::new(agent, MediaType::Json);
    let unknown = json!({"value": "no", "parent": {"value": "nobody"}});
    assert_eq!(
        door.about("WAIT_CONTAINER", "wait_container", &unknown).await,
        (404, "Container nobody.no cannot be found".to_owned())
    );
    let output =
        async |id: &Value| door.about("ATTACH_CONTAINER_OUTPUT", "attach_container_output", id).await;
    assert_eq!(output(&unknown).await.0, 404);
    let own = within(&parent, "no");
    let name = format!("{}.no", parent["value"].as_str().unwrap());
    assert_eq!(output(&own).await, (500, format!("Unknown container {name}")));
    assert_eq!(output(&parent).await.1, "I/O switchboard server was disabled for this container");
    assert_eq!(door.remove(&unknown).await, 500);
    assert_eq!(door.about("KILL_CONTAINER", "kill_container", &parent).await.0, 501, "it is the task's");
    let docker = json!({"type": "DOCKER"});
    let (status, why) = door.tell(session(&own, "true", docker)).await;
    assert!(status == 400 && why.starts_with("The provided ContainerInfo is not supported"), "{why}");
    let (status, why) = door.tell(nested(&json!({"value": "alone"}), "true")).await;
    let text = "Failed to validate agent::Call: Expecting 'launch_nested_container.container_id.parent' to be present";
    assert_eq!((status, why.as_str()), (400, text));

    let state = json!({"type": "GET_STATE"});
    let status =
        async |call: &Value, headers: &[(&str, &str)]| door.send(call, headers).await.status().as_u16();
    assert_eq!(status(&state, &[("Accept", "application/recordio")]).await, 406);
    assert_eq!(status(&state, &[("Message-Accept", "application/json")]).await, 406);
    assert_eq!(status(&state, &[("Message-Content-Type", "application/json")]).await, 415);
    let input = json!({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": {"type": "PROCESS_IO"}});
    assert_eq!(status(&input, &[]).await, 415, "it is a stream");
    let stream = async |body: Vec<u8>, message: Option<&str>| {
        let mut request = door.http.post(&door.url).header("Content-Type", "application/recordio").body(body);
        if let Some(message) = message {
            request = request.header("Message-Content-Type", message);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let json_type = Some("application/json");
    assert_eq!(stream(Vec::new(), None).await.0, 400);
    assert_eq!(stream(Vec::new(), Some("text/plain")).await.0, 415);
    assert_eq!(
        stream(Vec::new(), json_type).await,
        (400, "Received EOF while reading request body".to_owned())
    );
    let wanted = "Expecting 'attach_container_input.type' to be CONTAINER_ID";
    assert_eq!(stream(door.input(json!({"type": "PROCESS_IO"})), json_type).await, (400, wanted.to_owned()));
    for broken in ["x", "99999999999\n{", "2\n[]"] {
        assert_eq!(stream(broken.into(), json_type).await.0, 400, "{broken}");
    }
    let record = |id: &Value| door.input(json!({"type": "CONTAINER_ID", "container_id": id}));
    assert_eq!(
        (stream(record(&unknown), json_type).await.0, stream(record(&own), json_type).await.0),
        (404, 500)
    );
    kill_parent(&mut stage).await;
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_a_group_have_sessions_and_so_has_their_executor() {
    let mut stage = Stage::new(|_| ()).await.unwrap();
    let framework = stage.client.framework_id().unwrap().value;
    let executor = json!({"type": "DEFAULT", "executor_id": {"value": "pod"},
        "framework_id": {"value": framework}, "resources": [scalar("cpus", 0.1), scalar("mem", 32.0), scalar("disk", 1.0)]});
    let task = command("member", &stage.offer, "exec sleep 1000");
    let group = json!({"type": "LAUNCH_GROUP", "launch_group": {"executor": executor, "task_group": {"tasks": [task]}}});
    stage.client.call(scheduler_call(accept(&stage.offer, vec![group], 3600.0))).await.unwrap();
    let running = until(&stage.client, &mut stage.events, "TASK_RUNNING").await;
    let member = running["container_status"]["container_id"].clone();
    let door = Door::new(stage.cluster.agent_addresses()[0], MediaType::Json);
    let id = within(&member, "s");
    let (out, _) = door.session(&id, "pwd").await.all().await;
    assert!(out.trim().ends_with(&format!("/containers/{}", member["value"].as_str().unwrap())), "{out}");
    assert_eq!(door.wait(&id).await, Ok(Some(0)));
    assert_eq!(door.wait(&member).await, Err(501), "the default executor waits for it");
    assert_eq!(door.remove(&member).await, 500);

    let above = within(&member["parent"], "above");
    let sandbox = stage.sandbox();
    let heard = door.session(&above, "echo $$ > above; exec sleep 1000").await;
    let process = when("it runs", || number(&sandbox.join("above"))).await;
    let kill = json!({"task_id": {"value": "member"}, "agent_id": stage.offer["agent_id"]});
    stage.client.call(scheduler_call(json!({"type": "KILL", "kill": kill}))).await.unwrap();
    until(&stage.client, &mut stage.events, "TASK_KILLED").await;
    heard.all().await;
    when("the executor's session ends with it", || (!runs(process)).then_some(())).await;
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nested_containers_outlive_their_agent_and_sessions_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let start = async |port: u16| {
        // Addresses of its own: its ports must be free when it comes back.
        let listen = SocketAddr::from(([127, 0, 77, 1], port));
        let options = ClusterOptions {
            first_address: [127, 0, 77, 2].into(),
            ..ClusterOptions::new(listen, 1, dir.path().to_owned(), RESOURCES)
        };
        Cluster::start(options).await.unwrap()
    };
    let cluster = start(0).await;
    let (client, mut events) = connect(cluster.master_address(), None);
    let offer = crate::web::wait_for(&mut events, "OFFERS").await["offers"]["offers"][0].clone();
    let launch = crate::scene::launch(vec![command("parent", &offer, "pwd > at; exec sleep 1000")]);
    client.call(scheduler_call(accept(&offer, vec![launch], 3600.0))).await.unwrap();
    let running = until(&client, &mut events, "TASK_RUNNING").await;
    let parent = running["container_status"]["container_id"].clone();
    let (agent, port) = (cluster.agent_addresses()[0], cluster.master_address().port());
    let door = Door::new(agent, MediaType::Json);
    let (stays, ended, goes) = (within(&parent, "stays"), within(&parent, "ended"), within(&parent, "goes"));
    assert_eq!(
        door.tell(nested(&stays, "echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done; exit 4")).await.0,
        200
    );
    assert_eq!(door.tell(nested(&ended, "pwd; exit 5")).await.0, 200);
    assert_eq!(door.wait(&ended).await, Ok(Some(5 << 8)));
    let mut heard = door.session(&goes, "pwd; echo $$; exec sleep 1000").await;
    let said = heard.until("\n").await;
    let said = if said.lines().count() < 2 { said + &heard.until("\n").await } else { said };
    let mut lines = said.lines();
    let sandbox = std::path::PathBuf::from(lines.next().unwrap());
    let session: i32 = lines.next().unwrap().trim().parse().unwrap();
    let process = when("it runs", || number(&sandbox.join("containers/stays/pid"))).await;
    cluster.shutdown().await;
    assert!(runs(process) && !runs(session));

    let cluster = start(port).await;
    assert_eq!(cluster.agent_addresses()[0], agent);
    let door = Door::new(agent, MediaType::Json);
    assert_eq!((door.wait(&ended).await, door.wait(&goes).await), (Ok(Some(5 << 8)), Err(404)));
    std::fs::write(sandbox.join("containers/stays/go"), "").unwrap();
    assert_eq!(door.wait(&stays).await, Ok(None), "how a child of another process ends nobody knows");
    crate::web::wait_for(&mut events, "SUBSCRIBED").await;
    client.call(scheduler_call(json!({"type": "TEARDOWN"}))).await.unwrap();
    when("it is forgotten with its parent", || {
        let left = std::fs::read_dir(dir.path().join("agent-1/meta/nested")).unwrap().count();
        (left == 0).then_some(())
    })
    .await;
    cluster.shutdown().await;
}
