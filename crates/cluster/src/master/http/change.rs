//! The endpoints from before the v1 API that change something: forms and bits of JSON, carried out as calls of the operator
//! API.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use cairn_mesos::codec::MediaType;
use cairn_mesos::v1::master::Call;
use cairn_mesos::v1::master::call::{self, Type};
use cairn_mesos::v1::{AgentId, FrameworkId, Resource};
use serde::de::DeserializeOwned;

use super::{Web, answer};
use crate::master::driver::Command;
use crate::web::body::{self, Refusal};
use crate::web::form::Form;

/// The methods of a path that is particular about them; the others show the same whatever they are asked by.
pub(crate) fn methods(path: &str) -> Option<Vec<Method>> {
    Some(match path {
        "/teardown" | "/reserve" | "/unreserve" | "/create-volumes" | "/destroy-volumes"
        | "/machine/down" | "/machine/up" => vec![Method::POST],
        "/maintenance/schedule" => vec![Method::GET, Method::POST],
        "/weights" => vec![Method::GET, Method::PUT],
        "/flags" | "/maintenance/status" => vec![Method::GET],
        _ if path == "/quota" || path.starts_with("/quota/") => {
            vec![Method::GET, Method::POST, Method::DELETE]
        }
        _ => return None,
    })
}

/// Do what is asked for.
pub(crate) async fn handle(
    web: Web,
    request: Request,
    path: &str,
    principal: Option<String>,
) -> Result<Response, Refusal> {
    let (head, payload) = request.into_parts();
    refuse_pages(&head.headers)?;
    let payload = body::read(&head.headers, payload).await?;
    let text =
        std::str::from_utf8(&payload).map_err(|_| Refusal::bad_request("The body is no UTF-8 text"))?;
    let call = Box::new(read(path, text).map_err(Refusal::bad_request)?);
    let reply = web.ask(|answer| Command::Operator { call, principal, answer }).await?;
    Ok(answer::respond(reply, MediaType::Json))
}

/// Browsers send forms of any page to any host, and say whose page it is. The v1 API is safe from that by its media types.
fn refuse_pages(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let page = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    if page.is_some_and(|(_, host)| Some(host) == body::header_text(headers, header::HOST)) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, "A page of another host may not change anything here"))
}

/// The call that a request stands for. The problem is a line of text, as far as possible that of Mesos.
fn read(path: &str, body: &str) -> Result<Call, String> {
    if let Some(role) = path.strip_prefix("/quota/") {
        return Ok(removal(role));
    }
    match path {
        "/quota" if body.trim().is_empty() => Err(format!(
            "Failed to parse remove quota request for path '{path}': expected the role behind it"
        )),
        "/quota" => set_quota(body),
        "/weights" => update_weights(body),
        "/maintenance/schedule" => schedule(body),
        "/machine/down" | "/machine/up" => machines(path, body),
        _ => form(path, body),
    }
}

fn of(kind: Type) -> Call {
    Call { r#type: Some(kind as i32), ..Call::default() }
}

fn removal(role: &str) -> Call {
    Call { remove_quota: Some(call::RemoveQuota { role: role.to_owned() }), ..of(Type::RemoveQuota) }
}

fn json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("Failed to parse {what} JSON '{text}': {error}"))
}

fn set_quota(body: &str) -> Result<Call, String> {
    let quota_request = json(body, "set quota request")?;
    Ok(Call { set_quota: Some(call::SetQuota { quota_request }), ..of(Type::SetQuota) })
}

fn update_weights(body: &str) -> Result<Call, String> {
    let weight_infos = json(body, "update weights request")?;
    Ok(Call { update_weights: Some(call::UpdateWeights { weight_infos }), ..of(Type::UpdateWeights) })
}

fn schedule(body: &str) -> Result<Call, String> {
    let update = call::UpdateMaintenanceSchedule { schedule: json(body, "maintenance schedule")? };
    Ok(Call { update_maintenance_schedule: Some(update), ..of(Type::UpdateMaintenanceSchedule) })
}

fn machines(path: &str, body: &str) -> Result<Call, String> {
    let machines = json(body, "machines")?;
    Ok(if path == "/machine/down" {
        let start = call::StartMaintenance { machines };
        Call { start_maintenance: Some(start), ..of(Type::StartMaintenance) }
    } else {
        Call { stop_maintenance: Some(call::StopMaintenance { machines }), ..of(Type::StopMaintenance) }
    })
}

fn form(path: &str, body: &str) -> Result<Call, String> {
    let form = Form::read(body).map_err(|problem| format!("Unable to decode query string: {problem}"))?;
    if path == "/teardown" {
        let framework_id = FrameworkId { value: form.need("frameworkId")?.to_owned() };
        return Ok(Call { teardown: Some(call::Teardown { framework_id }), ..of(Type::Teardown) });
    }
    let agent_id = AgentId { value: form.need("slaveId")?.to_owned() };
    Ok(match path {
        "/reserve" => {
            let source = if form.get("source").is_some() { resources(&form, "source")? } else { Vec::new() };
            let reserve =
                call::ReserveResources { agent_id, source, resources: resources(&form, "resources")? };
            Call { reserve_resources: Some(reserve), ..of(Type::ReserveResources) }
        }
        "/unreserve" => {
            let unreserve = call::UnreserveResources { agent_id, resources: resources(&form, "resources")? };
            Call { unreserve_resources: Some(unreserve), ..of(Type::UnreserveResources) }
        }
        "/create-volumes" => {
            let create = call::CreateVolumes { agent_id, volumes: resources(&form, "volumes")? };
            Call { create_volumes: Some(create), ..of(Type::CreateVolumes) }
        }
        _ => {
            let destroy = call::DestroyVolumes { agent_id, volumes: resources(&form, "volumes")? };
            Call { destroy_volumes: Some(destroy), ..of(Type::DestroyVolumes) }
        }
    })
}

fn resources(form: &Form, name: &str) -> Result<Vec<Resource>, String> {
    serde_json::from_str(form.need(name)?)
        .map_err(|error| format!("Error in parsing '{name}' query parameter in the request body: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_as_mesos_says_it() {
        let missing = |name: &str| Err(format!("Missing '{name}' query parameter in the request body"));
        assert_eq!(read("/teardown", "frameworkid=x"), missing("frameworkId"));
        for path in ["/reserve", "/unreserve", "/create-volumes", "/destroy-volumes"] {
            assert_eq!(read(path, ""), missing("slaveId"), "{path}");
        }
        assert_eq!(read("/reserve", "slaveId=S0"), missing("resources"));
        assert_eq!(read("/create-volumes", "slaveId=S0"), missing("volumes"));
        let broken = read("/reserve", "slaveId=S0&resources=[}").unwrap_err();
        assert!(
            broken.starts_with("Error in parsing 'resources' query parameter in the request body: "),
            "{broken}"
        );
        assert!(
            read("/teardown", "frameworkId=%").unwrap_err().starts_with("Unable to decode query string: ")
        );
        let quota = read("/quota", "[").unwrap_err();
        assert!(quota.starts_with("Failed to parse set quota request JSON '[': "), "{quota}");
        assert!(read("/quota", "").is_err());
    }

    #[test]
    fn a_role_of_a_quota_may_be_nested() {
        let call = read("/quota/a/b", "").unwrap();
        assert_eq!(call.remove_quota.unwrap().role, "a/b");
    }

    #[test]
    fn pages_of_other_hosts_are_refused() {
        let from = |origin: &'static str| {
            let own = (header::HOST, "127.0.0.1:5050".parse().unwrap());
            refuse_pages(&HeaderMap::from_iter([own, (header::ORIGIN, origin.parse().unwrap())])).is_ok()
        };
        assert!(refuse_pages(&HeaderMap::new()).is_ok(), "no browser");
        assert!(from("http://127.0.0.1:5050") && from("https://127.0.0.1:5050"));
        for other in ["http://127.0.0.1:5051", "http://example.org", "null", "127.0.0.1:5050"] {
            assert!(!from(other), "{other}");
        }
    }
}
