//! What a session does at ECR.

use std::time::SystemTime;

use aws_sdk_ecr::types::{ImageIdentifier, ImageScanningConfiguration, ImageTagMutability};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use windlass_core::{Digest, Secret, Tag};

use super::{Authorization, AwsError, EcrSession};

/// A repository of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryId {
    /// The account, as AWS numbers it; the identity's own where there is none.
    pub registry_id: Option<String>,
    /// The repository's name, which is its path in the registry.
    pub name: String,
}

/// How a repository is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewRepository {
    /// Whether a tag, once pushed, stays where it is.
    pub immutable_tags: bool,
    /// Whether images are scanned when they are pushed.
    pub scan_on_push: bool,
}

/// A repository that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryDescription {
    /// Its ARN.
    pub arn: String,
    /// `registry host/name`.
    pub uri: String,
    /// Whether a tag, once pushed, stays where it is; exceptions by pattern are possible.
    pub immutable_tags: bool,
    /// Whether images are scanned when they are pushed.
    pub scan_on_push: bool,
}

/// An image that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDescription {
    /// Its digest.
    pub digest: Digest,
    /// Every tag that points at it.
    pub tags: Vec<String>,
    /// When it was pushed.
    pub pushed_at: Option<SystemTime>,
}

impl EcrSession {
    /// Logs in to the registries of the accounts `registry_ids`, or of the identity's own account where there are none.
    ///
    /// # Errors
    /// Any of [`AwsError`]; [`AwsError::Answer`] where the answer holds no usable token.
    pub async fn authorize(&self, registry_ids: &[String]) -> Result<Vec<Authorization>, AwsError> {
        const OPERATION: &str = "GetAuthorizationToken";
        let ids = (!registry_ids.is_empty()).then(|| registry_ids.to_vec());
        // AWS would rather not have the accounts named, as one token serves all; but only so it tells all the endpoints.
        #[expect(deprecated, reason = "the endpoint of another account is told only when that account is named")]
        let answer = self.call(OPERATION, async |ecr| ecr.get_authorization_token().set_registry_ids(ids).send().await).await?;
        let data = answer.authorization_data.unwrap_or_default();
        let unusable = |what: &str| AwsError::Answer { operation: OPERATION, what: what.to_owned() };
        if data.is_empty() {
            return Err(unusable("it holds no authorization"));
        }
        let mut authorizations = Vec::new();
        for entry in data {
            let token = Secret::new(entry.authorization_token.ok_or_else(|| unusable("it holds no token"))?);
            let endpoint = entry.proxy_endpoint.ok_or_else(|| unusable("it holds no endpoint"))?;
            let (username, password) = split(&token).map_err(unusable)?;
            let expires_at = entry.expires_at.and_then(|time| SystemTime::try_from(time).ok());
            authorizations.push(Authorization { endpoint, username, password, expires_at });
        }
        Ok(authorizations)
    }

    /// Describes a repository.
    ///
    /// # Errors
    /// Any of [`AwsError`]; [`AwsError::NotFound`] when it does not exist.
    pub async fn repository(&self, id: &RepositoryId) -> Result<RepositoryDescription, AwsError> {
        const OPERATION: &str = "DescribeRepositories";
        let RepositoryId { registry_id, name } = id.clone();
        let answer = self
            .call(OPERATION, async |ecr| {
                ecr.describe_repositories().set_registry_id(registry_id).repository_names(name).send().await
            })
            .await?;
        let found = answer.repositories.unwrap_or_default().into_iter().next();
        found
            .map(RepositoryDescription::from)
            .ok_or_else(|| AwsError::Answer { operation: OPERATION, what: "it holds no repository".to_owned() })
    }

    /// Makes a repository.
    ///
    /// # Errors
    /// Any of [`AwsError`]; [`AwsError::Exists`] when it is there already.
    pub async fn create_repository(&self, id: &RepositoryId, new: NewRepository) -> Result<RepositoryDescription, AwsError> {
        const OPERATION: &str = "CreateRepository";
        let RepositoryId { registry_id, name } = id.clone();
        let mutability = if new.immutable_tags { ImageTagMutability::Immutable } else { ImageTagMutability::Mutable };
        let answer = self
            .call(OPERATION, async |ecr| {
                let request = ecr.create_repository().set_registry_id(registry_id).repository_name(name);
                request.image_tag_mutability(mutability).image_scanning_configuration(scanning(new.scan_on_push)).send().await
            })
            .await?;
        let made = answer.repository.map(RepositoryDescription::from);
        made.ok_or_else(|| AwsError::Answer { operation: OPERATION, what: "it holds no repository".to_owned() })
    }

    /// Sets the lifecycle policy of a repository to `policy`, a JSON text in AWS's form.
    ///
    /// # Errors
    /// Any of [`AwsError`]; [`AwsError::Other`] when the text is not such a policy.
    pub async fn put_lifecycle_policy(&self, id: &RepositoryId, policy: &str) -> Result<(), AwsError> {
        let (RepositoryId { registry_id, name }, policy) = (id.clone(), policy.to_owned());
        let send = self.call("PutLifecyclePolicy", async |ecr| {
            let request = ecr.put_lifecycle_policy().set_registry_id(registry_id).repository_name(name);
            request.lifecycle_policy_text(policy).send().await
        });
        send.await.map(drop)
    }

    /// Sets who may use a repository to `policy`, a JSON text in AWS's form.
    ///
    /// # Errors
    /// Any of [`AwsError`]; [`AwsError::Other`] when the text is not such a policy.
    pub async fn set_repository_policy(&self, id: &RepositoryId, policy: &str) -> Result<(), AwsError> {
        let (RepositoryId { registry_id, name }, policy) = (id.clone(), policy.to_owned());
        let send = self.call("SetRepositoryPolicy", async |ecr| {
            ecr.set_repository_policy().set_registry_id(registry_id).repository_name(name).policy_text(policy).send().await
        });
        send.await.map(drop)
    }

    /// Switches the scanning of pushed images on or off.
    ///
    /// # Errors
    /// Any of [`AwsError`].
    pub async fn put_image_scanning_configuration(&self, id: &RepositoryId, scan_on_push: bool) -> Result<(), AwsError> {
        let RepositoryId { registry_id, name } = id.clone();
        let send = self.call("PutImageScanningConfiguration", async |ecr| {
            let request = ecr.put_image_scanning_configuration().set_registry_id(registry_id).repository_name(name);
            request.image_scanning_configuration(scanning(scan_on_push)).send().await
        });
        send.await.map(drop)
    }

    /// Describes the image that `tag` points at.
    ///
    /// # Errors
    /// Any of [`AwsError`]; [`AwsError::NotFound`] when there is no such tag, or no such repository.
    pub async fn image(&self, id: &RepositoryId, tag: &Tag) -> Result<ImageDescription, AwsError> {
        const OPERATION: &str = "DescribeImages";
        let RepositoryId { registry_id, name } = id.clone();
        let wanted = ImageIdentifier::builder().image_tag(tag.as_str()).build();
        let answer = self
            .call(OPERATION, async |ecr| {
                ecr.describe_images().set_registry_id(registry_id).repository_name(name).image_ids(wanted).send().await
            })
            .await?;
        let unusable = |what: &str| AwsError::Answer { operation: OPERATION, what: what.to_owned() };
        let detail = answer.image_details.unwrap_or_default().into_iter().next().ok_or_else(|| unusable("it holds no image"))?;
        let digest = detail.image_digest.as_deref().map(Digest::parse);
        let Some(Ok(digest)) = digest else { return Err(unusable("the image has no digest")) };
        let pushed_at = detail.image_pushed_at.and_then(|time| SystemTime::try_from(time).ok());
        Ok(ImageDescription { digest, tags: detail.image_tags.unwrap_or_default(), pushed_at })
    }
}

fn scanning(scan_on_push: bool) -> ImageScanningConfiguration {
    ImageScanningConfiguration::builder().scan_on_push(scan_on_push).build()
}

/// User name and password of a token: the base64 form of `username:password`.
fn split(token: &Secret) -> Result<(String, Secret), &'static str> {
    let bytes = STANDARD.decode(token.expose()).map_err(|_| "its token is not base64")?;
    let pair = Secret::new(String::from_utf8(bytes).map_err(|_| "its token is not UTF-8 inside")?);
    match pair.expose().split_once(':') {
        Some((username, password)) if !username.is_empty() && !password.is_empty() => {
            Ok((username.to_owned(), Secret::new(password)))
        }
        _ => Err("its token is not a user name and a password"),
    }
}

impl From<aws_sdk_ecr::types::Repository> for RepositoryDescription {
    fn from(given: aws_sdk_ecr::types::Repository) -> Self {
        let immutable = [ImageTagMutability::Immutable, ImageTagMutability::ImmutableWithExclusion];
        Self {
            immutable_tags: given.image_tag_mutability.as_ref().is_some_and(|mutability| immutable.contains(mutability)),
            scan_on_push: given.image_scanning_configuration.is_some_and(|scanning| scanning.scan_on_push),
            arn: given.repository_arn.unwrap_or_default(),
            uri: given.repository_uri.unwrap_or_default(),
        }
    }
}
