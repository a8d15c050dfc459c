//! Identities that the machine hands out over HTTP: to containers (ECS, EKS Pod Identity) and to instances (EC2, IMDSv2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use url::{Host, Url};
use windlass_core::Secret;

use windlass_core::chain;

use super::{SIZE_LIMIT, Step, read_document, read_small};
use crate::aws::context::Context;
use crate::aws::transport;
use crate::environment::Environment;

/// How long the agent of a container may take; it asks AWS in turn.
const CONTAINER_LIMIT: Duration = Duration::from_secs(5);
/// How long the instance's metadata service may take: it is next door, or not there.
const INSTANCE_LIMIT: Duration = Duration::from_secs(1);
/// How often it is asked.
const INSTANCE_TRIES: u32 = 2;

/// Where ECS serves relative addresses, and the other addresses that a container's agent may have.
const ECS_HOST: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
const EKS_HOST: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 23);
const EKS_HOST_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23);

/// The container's identity.
pub(super) async fn container(context: &Context) -> Step {
    let environment = &context.environment;
    let url = match container_url(environment).await {
        Ok(Some(url)) => url,
        Ok(None) => {
            let names = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set";
            return Step::Absent(names.to_owned());
        }
        Err(why) => return Step::Broken(why, None),
    };
    let token = match environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => match read_small(Path::new(file)) {
            Ok(token) => Some(token),
            Err(why) => return Step::Broken(format!("the authorization token in `{file}` cannot be read: {why}"), None),
        },
        None => environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new),
    };
    let connector = match transport::to_machine(url.as_str(), CONTAINER_LIMIT, environment) {
        Ok(connector) => connector,
        Err(error) => return Step::from(error),
    };
    let headers: Vec<_> = token.iter().map(|token| ("authorization", token.expose())).collect();
    let broken = |why: String| Step::Broken(format!("{}: {why}", shown(&url)), None);
    match request(&connector, "GET", url.as_str(), &headers, CONTAINER_LIMIT).await {
        Err(why) => broken(why),
        Ok((200, body)) => read_document(body.expose(), "Token", "container").map_or_else(broken, Step::Found),
        Ok((status, _)) => broken(format!("the answer has status {status}")),
    }
}

/// Scheme, host and port: paths and queries may hold secrets.
fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

async fn container_url(environment: &Environment) -> Result<Option<Url>, String> {
    if let Some(path) = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        let url = Url::parse(&format!("http://{ECS_HOST}/{}", path.trim_start_matches('/')));
        return url.map(Some).map_err(|_| "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path".to_owned());
    }
    let Some(text) = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") else { return Ok(None) };
    let url = Url::parse(text).map_err(|_| "AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL".to_owned())?;
    let allowed = match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Ipv4(address))) => is_agent(IpAddr::V4(address)),
        ("http", Some(Host::Ipv6(address))) => is_agent(IpAddr::V6(address)),
        ("http", Some(Host::Domain(name))) => resolves_to_agent(name).await,
        _ => false,
    };
    if allowed {
        Ok(Some(url))
    } else {
        Err(format!(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI names {}; plain HTTP is allowed to loopback, {ECS_HOST}, {EKS_HOST} and {EKS_HOST_V6} only",
            shown(&url)
        ))
    }
}

fn is_agent(address: IpAddr) -> bool {
    address.is_loopback() || address == ECS_HOST || address == EKS_HOST || address == EKS_HOST_V6
}

async fn resolves_to_agent(name: &str) -> bool {
    match tokio::time::timeout(CONTAINER_LIMIT, tokio::net::lookup_host((name, 80))).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.collect();
            !addresses.is_empty() && addresses.iter().all(|address| is_agent(address.ip()))
        }
        _ => false,
    }
}

/// The instance's identity, by version 2 of its metadata service.
pub(super) async fn instance(context: &Context) -> Step {
    let environment = &context.environment;
    if environment.is_true("AWS_EC2_METADATA_DISABLED") {
        return Step::Absent("turned off by AWS_EC2_METADATA_DISABLED".to_owned());
    }
    let mode = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").unwrap_or("IPv4");
    let usual = if mode.eq_ignore_ascii_case("ipv6") { "http://[fd00:ec2::254]" } else { "http://169.254.169.254" };
    let base = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(usual).trim_end_matches('/');
    let Ok(url) = Url::parse(base) else {
        return Step::Broken("AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL".to_owned(), None);
    };
    let connector = match transport::to_machine(base, INSTANCE_LIMIT, environment) {
        Ok(connector) => connector,
        Err(error) => return Step::from(error),
    };
    ask_instance(&connector, base, &shown(&url)).await
}

async fn ask_instance(connector: &SharedHttpConnector, base: &str, shown: &str) -> Step {
    let broken = |why: String| Step::Broken(format!("{shown}: {why}"), None);
    let life = [("x-aws-ec2-metadata-token-ttl-seconds", "300")];
    let token = match patient(connector, "PUT", &format!("{base}/latest/api/token"), &life).await {
        Ok((200, token)) => token,
        Ok((403, _)) => return Step::Absent(format!("the metadata service at {shown} is turned off")),
        Ok((status, _)) => return Step::Absent(format!("{shown} is no metadata service: the answer has status {status}")),
        // A container that is one network hop too far away gets no answer either.
        Err(why) => {
            return Step::Absent(format!("no metadata service at {shown}: {why}; in a container, its hop limit must be 2"));
        }
    };
    let headers = [("x-aws-ec2-metadata-token", token.expose().trim())];
    let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
    let role = match patient(connector, "GET", &roles, &headers).await {
        Ok((200, names)) => names.expose().lines().next().unwrap_or_default().trim().to_owned(),
        Ok((404, _)) => String::new(),
        Ok((status, _)) => return broken(format!("the list of roles has status {status}")),
        Err(why) => return broken(why),
    };
    if role.is_empty() {
        return Step::Absent("the instance has no role".to_owned());
    }
    match patient(connector, "GET", &format!("{roles}{role}"), &headers).await {
        Ok((200, body)) => read_document(body.expose(), "Token", "instance").map_or_else(broken, Step::Found),
        Ok((status, _)) => broken(format!("the credentials of the instance's role have status {status}")),
        Err(why) => broken(why),
    }
}

/// Asks again where there was no answer, or one that says that the service is in trouble.
async fn patient(
    connector: &SharedHttpConnector,
    method: &str,
    url: &str,
    headers: &[(&'static str, &str)],
) -> Result<(u16, Secret), String> {
    let mut last = Err("it was not asked".to_owned());
    for _ in 0..INSTANCE_TRIES {
        last = request(connector, method, url, headers, INSTANCE_LIMIT).await;
        if matches!(last, Ok((status, _)) if status < 500) {
            break;
        }
    }
    last
}

/// Sends one request; gives status and body. Errors hold nothing of what was sent or received.
async fn request(
    connector: &SharedHttpConnector,
    method: &str,
    url: &str,
    headers: &[(&'static str, &str)],
    limit: Duration,
) -> Result<(u16, Secret), String> {
    let mut request = HttpRequest::empty();
    request.set_method(method).map_err(|_| "the method is not one of HTTP".to_owned())?;
    request.set_uri(url).map_err(|_| "its address is not a URL".to_owned())?;
    for (name, value) in headers {
        let set = request.headers_mut().try_insert(*name, (*value).to_owned());
        set.map_err(|_| format!("the value of the header `{name}` cannot be sent"))?;
    }
    let exchange = async {
        let response = connector.call(request).await.map_err(|error| chain(&error))?;
        let status = response.status().as_u16();
        let mut body = ByteStream::new(response.into_body());
        let mut bytes = Vec::new();
        while let Some(piece) = body.try_next().await.map_err(|_| "the answer was cut off".to_owned())? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > SIZE_LIMIT {
                return Err(format!("the answer is larger than {SIZE_LIMIT} bytes"));
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| "the answer is not UTF-8".to_owned())?;
        Ok((status, Secret::new(text)))
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}
