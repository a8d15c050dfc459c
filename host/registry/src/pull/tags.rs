//! Listing tags: OCI distribution specification, "Listing Tags".

use reqwest::header::LINK;
use reqwest::{Method, Response};
use serde::Deserialize;
use windlass_core::{Repository, Tag};

use super::manifest::small_body;
use crate::credential::Action;
use crate::error::Error;
use crate::registry::Registry;
use crate::transport::host;
use crate::transport::route::{Answered, Route, Target};

const LARGEST_PAGE: u64 = 16 * 1024 * 1024;
/// No repository that people read through has more.
const MOST_TAGS: usize = 200_000;
const MOST_PAGES: usize = 1_000;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Registry {
    /// Every tag of a repository that is pushed to, in the registry's order.
    ///
    /// # Errors
    /// When the repository does not exist or cannot be read, and when it has more than 200,000 tags.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, Error> {
        let route = self.route(repository, Action::Push)?;
        let what = "the list of tags";
        let mut tags = Vec::new();
        let mut target = Target::Path("tags/list?n=1000".to_owned());
        for _ in 0..MOST_PAGES {
            let mut ask = route.ask(Method::GET, "", what);
            ask.target = target;
            let response = match route.send(ask, &|_| {}).await? {
                Answered::Good(response) => response,
                Answered::Bad(refusal) => return Err(route.failed(refusal, what, None)),
            };
            let next = next_page(&route, &response, what)?;
            let body = small_body(&route, response, LARGEST_PAGE, what).await?;
            let page: Page = serde_json::from_slice(&body)
                .map_err(|error| route.wire().protocol(what, format!("the answer is no list: {error}")))?;
            // What is no tag cannot be pulled or pushed either.
            tags.extend(page.tags.unwrap_or_default().iter().filter_map(|text| Tag::parse(text).ok()));
            match next {
                None => return Ok(tags),
                Some(_) if tags.len() > MOST_TAGS => break,
                Some(url) => target = Target::Url(url),
            }
        }
        Err(route.wire().protocol(what, format!("it goes on after {MOST_PAGES} pages or {MOST_TAGS} tags")))
    }
}

/// The page that a `Link: <…>; rel="next"` header leads to.
fn next_page(route: &Route, response: &Response, what: &str) -> Result<Option<url::Url>, Error> {
    let Some(link) = response.headers().get(LINK).and_then(|v| v.to_str().ok()) else { return Ok(None) };
    let Some(location) = next_link(link) else { return Ok(None) };
    let faulty = || route.wire().protocol(what, format!("`{}` is not a link to a page", crate::text::clean(link, 200)));
    let value = location.parse().map_err(|_| faulty())?;
    let url = route.wire().location(&value, response.url(), what)?;
    if host::same_origin(&url, response.url()) { Ok(Some(url)) } else { Err(faulty()) }
}

fn next_link(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (location, parameters) = part.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |parameter: &str| matches!(parameter.trim().replace('"', "").as_str(), "rel=next");
        parameters.split(';').any(is_next).then_some(location)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        assert_eq!(next_link(r#"</v2/a/tags/list?last=x&n=2>; rel="next""#), Some("/v2/a/tags/list?last=x&n=2"));
        assert_eq!(next_link(r#"</first>; rel="first", </n>; title=t; rel=next"#), Some("/n"));
        assert_eq!(next_link("</n>; rel=last"), None);
        assert_eq!(next_link("garbage"), None);
    }
}
