//! What every request to AWS has in common.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::http_client_fn;

use super::options::Endpoints;
use super::{AwsError, transport};
use crate::environment::Environment;

/// How long an operation may take, with everything it needs and all its repetitions.
pub(super) const OPERATION_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Ecr,
    Sts,
}

#[derive(Debug)]
pub(super) struct Context {
    pub(super) environment: Environment,
    pub(super) region: String,
    pub(super) endpoints: Endpoints,
}

impl Context {
    /// The endpoint that is used instead of the one of AWS.
    fn custom_endpoint(&self, service: Service) -> Option<String> {
        let (option, variable) = match service {
            Service::Ecr => (&self.endpoints.ecr, "AWS_ENDPOINT_URL_ECR"),
            Service::Sts => (&self.endpoints.sts, "AWS_ENDPOINT_URL_STS"),
        };
        if option.is_some() || self.environment.is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
            return option.clone();
        }
        self.environment.first(&[variable, "AWS_ENDPOINT_URL"]).map(|(_, url)| url.to_owned())
    }

    /// Where requests for `service` go, for messages.
    pub(super) fn endpoint(&self, service: Service) -> String {
        let name = match service {
            Service::Ecr => "api.ecr",
            Service::Sts => "sts",
        };
        self.custom_endpoint(service).unwrap_or_else(|| format!("https://{name}.{}.amazonaws.com", self.region))
    }

    /// The SDK's configuration for `service`, signing with `credentials`.
    pub(super) fn sdk_config(&self, service: Service, credentials: Option<Credentials>) -> Result<SdkConfig, AwsError> {
        let endpoint = self.custom_endpoint(service);
        if let Some(url) = &endpoint {
            check(url)?;
        }
        let connector = transport::to_service(endpoint.as_deref().unwrap_or("https://"), &self.environment)?;
        let limits = TimeoutConfig::builder()
            .connect_timeout(transport::CONNECT_LIMIT)
            .read_timeout(transport::READ_LIMIT)
            .operation_timeout(OPERATION_LIMIT)
            .build();
        let mut builder = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(limits)
            .use_fips(self.environment.is_true("AWS_USE_FIPS_ENDPOINT"))
            .use_dual_stack(self.environment.is_true("AWS_USE_DUALSTACK_ENDPOINT"))
            .app_name(AppName::new("windlass").expect("letters are allowed in an application's name"));
        builder.set_endpoint_url(endpoint);
        builder.set_credentials_provider(credentials.map(SharedCredentialsProvider::new));
        Ok(builder.build())
    }
}

fn check(endpoint: &str) -> Result<(), AwsError> {
    match url::Url::parse(endpoint) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        _ => Err(AwsError::Settings(format!(
            "`{endpoint}` is not the URL of an AWS endpoint: expected http:// or https:// and a host"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> Context {
        let environment = pairs.iter().copied().collect();
        Context { environment, region: "us-east-1".to_owned(), endpoints: Endpoints::default() }
    }

    #[test]
    fn the_most_particular_endpoint_wins() {
        let general = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        let ecr = ("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:2");
        let mut both = context(&[general, ecr]);
        assert_eq!(both.endpoint(Service::Ecr), ecr.1);
        assert_eq!(both.endpoint(Service::Sts), general.1);
        both.endpoints.ecr = Some("http://127.0.0.1:3".to_owned());
        assert_eq!(both.endpoint(Service::Ecr), "http://127.0.0.1:3");
        let ignored = context(&[general, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")]);
        assert_eq!(ignored.endpoint(Service::Ecr), "https://api.ecr.us-east-1.amazonaws.com");
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_an_error() {
        for text in ["localhost:5000", "ftp://x", "http://"] {
            let error = context(&[("AWS_ENDPOINT_URL", text)]).sdk_config(Service::Ecr, None).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
