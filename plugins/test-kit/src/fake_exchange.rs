//! Something to exchange credentials with: answers from a script, and a record of what was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use windlass_core::Secret;
use windlass_runtime::host::exchange::{Request, Response, Transport, TransportError};

/// Answers requests in the order of a script.
#[derive(Debug, Default)]
pub struct FakeExchange {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answers: VecDeque<(u16, String)>,
    sent: Vec<Sent>,
}

/// A request as it would have gone out, secrets included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// `GET` or `POST`.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: String,
}

impl FakeExchange {
    /// Gives these answers, a status and a body each, and nothing after the last one.
    #[must_use]
    pub fn answering(answers: &[(u16, &str)]) -> Arc<Self> {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        Arc::new(Self { state: Mutex::new(State { answers, sent: Vec::new() }) })
    }

    /// What was sent, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.lock().sent.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for FakeExchange {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut state = self.lock();
        state.sent.push(Sent {
            method: request.method.to_owned(),
            url: request.url.to_string(),
            headers: request.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect(),
            body: request.body.as_ref().map(|body| body.expose().to_owned()).unwrap_or_default(),
        });
        let answer = state.answers.pop_front();
        let (status, body) = answer.ok_or_else(|| TransportError::Unreachable("the script has no more answers".to_owned()))?;
        Ok(Response { status, body: Secret::new(body) })
    }
}
