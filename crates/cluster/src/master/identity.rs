//! What the master says about itself.

use std::net::IpAddr;

use cairn_mesos::v1::{Address, DomainInfo, MasterInfo, master_info};
use uuid::Uuid;

/// The version of the protocol that is spoken: that of the Apache Mesos release it was compared with.
pub const PROTOCOL_VERSION: &str = "1.11.0";

/// One run of the master.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// A uuid made at the start; the ids that this run gives out begin with it.
    pub id: Uuid,
    /// The name clients know the host by.
    pub hostname: String,
    /// The address it listens on.
    pub ip: IpAddr,
    /// The port it listens on.
    pub port: u16,
    /// The region and zone it is in.
    pub domain: Option<DomainInfo>,
}

impl Identity {
    /// The message for SUBSCRIBED and GET_MASTER.
    pub fn master_info(&self) -> MasterInfo {
        let capability =
            |kind: master_info::capability::Type| master_info::Capability { r#type: Some(kind as i32) };
        MasterInfo {
            id: self.id.to_string(),
            ip: self.ip_number(),
            port: u32::from(self.port),
            pid: Some(format!("master@{}:{}", self.ip, self.port)),
            hostname: Some(self.hostname.clone()),
            version: Some(PROTOCOL_VERSION.to_owned()),
            address: Some(Address {
                hostname: Some(self.hostname.clone()),
                ip: Some(self.ip.to_string()),
                port: i32::from(self.port),
            }),
            capabilities: vec![
                capability(master_info::capability::Type::AgentUpdate),
                capability(master_info::capability::Type::AgentDraining),
            ],
            domain: self.domain.clone(),
        }
    }

    /// Whether somebody in this domain is in another region than the master, which not every framework can cope with.
    pub(crate) fn is_foreign(&self, domain: Option<&DomainInfo>) -> bool {
        let region =
            |domain: &DomainInfo| domain.fault_domain.as_ref().map(|fault| fault.region.name.clone());
        match (self.domain.as_ref().and_then(region), domain.and_then(region)) {
            (Some(own), Some(other)) => own != other,
            _ => false,
        }
    }

    /// The address as a number in memory order, as `MasterInfo.ip` has it.
    fn ip_number(&self) -> u32 {
        match self.ip {
            IpAddr::V4(ip) => u32::from_le_bytes(ip.octets()),
            IpAddr::V6(_) => 0,
        }
    }

    /// A uuid for the numbered thing of this run.
    pub(crate) fn uuid_number(&self, number: u64) -> Vec<u8> {
        let mut bytes = *self.id.as_bytes();
        for (byte, part) in bytes[8..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= part;
        }
        // The id itself is no number's uuid.
        bytes[0] ^= 0xff;
        bytes.to_vec()
    }
}
