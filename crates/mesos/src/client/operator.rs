//! The operator's side of the API: one question, one answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;
use serde::Deserialize;

use super::http::{Answer, Http};
use super::masters::parse_address;
use super::{ClientError, Masters, Options};
use crate::v1::{agent, master};

const PATH: &str = "/api/v1";

/// Asks the leading master.
#[derive(Debug)]
pub struct OperatorClient {
    http: Http,
    masters: Masters,
    /// Counts masters found unreachable, so that the next call begins with the one that answered last.
    choice: AtomicUsize,
}

impl OperatorClient {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// The client cannot be made as the options say, for example because they have authorities and an address is not `https`.
    pub fn new(masters: Masters, options: Options) -> Result<Self, ClientError> {
        Ok(Self { http: Http::new(masters.urls(), options)?, masters, choice: AtomicUsize::new(0) })
    }

    /// Calls that only do something give an empty response.
    ///
    /// # Errors
    /// No master answers, it refuses the call, or its answer cannot be read.
    pub async fn call(&self, call: &master::Call) -> Result<master::Response, ClientError> {
        self.ask(call).await?.decode()
    }

    /// Where the leading master is, as redirects tell.
    ///
    /// # Errors
    /// No master answers, or it refuses to be asked.
    pub async fn leader(&self) -> Result<Url, ClientError> {
        let mut call = master::Call::default();
        call.set_type(master::call::Type::GetHealth);
        let mut url = self.ask(&call).await?.url;
        url.set_path("/");
        Ok(url)
    }

    /// Tries each master once, as long as they cannot be reached.
    async fn ask(&self, call: &master::Call) -> Result<Answer, ClientError> {
        let mut tried = 1;
        loop {
            let master = self.masters.pick(self.choice.load(Ordering::Relaxed)).await?;
            let mut url = self.http.toward(master);
            url.set_path(PATH);
            match self.http.call(&url, call, None).await {
                Err(ClientError::Unreachable { .. }) if tried < self.masters.urls().len() => {
                    self.choice.fetch_add(1, Ordering::Relaxed);
                    tried += 1;
                }
                answer => return answer,
            }
        }
    }
}

/// Asks one agent.
#[derive(Debug)]
pub struct AgentClient {
    http: Http,
    url: Url,
}

/// A piece of a file in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Piece {
    /// Where it begins; the length of the file when -1 was asked for.
    pub offset: u64,
    /// What stands there.
    pub data: String,
}

impl AgentClient {
    /// `address` is `host:port` or a URL. Nothing is sent yet.
    ///
    /// # Errors
    /// The address cannot be used, or the client cannot be made as the options say.
    pub fn new(address: &str, options: Options) -> Result<Self, ClientError> {
        let mut url = parse_address(address)?;
        url.set_path(PATH);
        Ok(Self { http: Http::new(std::slice::from_ref(&url), options)?, url })
    }

    /// Calls that only do something give an empty response.
    ///
    /// # Errors
    /// The agent does not answer, refuses the call, or its answer cannot be read.
    pub async fn call(&self, call: &agent::Call) -> Result<agent::Response, ClientError> {
        self.http.call(&self.url, call, None).await?.decode()
    }
    /// A piece of a file, by the path under which agents serve it; an offset of -1 asks for the length only.
    ///
    /// # Errors
    /// As [`Self::call`]; a file that is not there is refused with status 404.
    pub async fn read(&self, path: &str, offset: i64, length: u64) -> Result<Piece, ClientError> {
        let mut url = self.url.clone();
        url.set_path("/files/read");
        url.query_pairs_mut()
            .append_pair("path", path)
            .append_pair("offset", &offset.to_string())
            .append_pair("length", &length.to_string());
        self.http.get(&url).await?.json()
    }
}
