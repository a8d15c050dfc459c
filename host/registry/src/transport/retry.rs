//! When a request is made again, and how long to wait before.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::fault::Fault;
use crate::error::Error;
use crate::options::Options;

const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// All the `Retry-After` that one request obeys, in multiples of the longest single one.
const PATIENT_TIMES: u32 = 2;
/// A request that ran out of time is worth one more attempt, no more.
const SLOW_ATTEMPTS: u32 = 1;

/// The attempts that one request has left.
#[derive(Debug)]
pub(crate) struct Retry {
    left: u32,
    slow_left: u32,
    pause: Duration,
    longest_retry_after: Duration,
    patience: Duration,
}

/// What to do after an answer that means "later".
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Wait, then go again.
    Again(Duration),
    /// Give up.
    Enough,
}

impl Retry {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            left: options.retries,
            slow_left: SLOW_ATTEMPTS.min(options.retries),
            pause: options.backoff,
            longest_retry_after: options.longest_retry_after,
            patience: options.longest_retry_after * PATIENT_TIMES,
        }
    }

    /// After an exchange without an answer.
    pub(crate) fn after_fault(&mut self, fault: &Fault) -> Verdict {
        if fault.is_certificate_refusal() || matches!(fault, Fault::Source(_)) {
            return Verdict::Enough;
        }
        if fault.is_slow() {
            if self.slow_left == 0 {
                return Verdict::Enough;
            }
            self.slow_left -= 1;
        }
        self.again(None)
    }

    /// After a whole operation that can be started over failed in its midst.
    pub(crate) fn after_error(&mut self, error: &Error) -> Verdict {
        match error {
            Error::TimedOut { .. } if self.slow_left == 0 => Verdict::Enough,
            Error::TimedOut { .. } => {
                self.slow_left -= 1;
                self.again(None)
            }
            Error::RateLimited { retry_after, .. } => self.again(*retry_after),
            // 400, 404 and 416 are what registries say when they have lost an upload.
            Error::Broken { .. }
            | Error::Unreachable { .. }
            | Error::NotFound { .. }
            | Error::Refused { status: 400 | 404 | 416, .. } => self.again(None),
            Error::Refused { status, .. } if StatusCode::from_u16(*status).is_ok_and(is_temporary) => self.again(None),
            _ => Verdict::Enough,
        }
    }

    /// After an answer that [`is_temporary`].
    pub(crate) fn after_answer(&mut self, retry_after: Option<Duration>) -> Verdict {
        self.again(retry_after)
    }

    fn again(&mut self, retry_after: Option<Duration>) -> Verdict {
        let too_long = |wait: Duration| wait > self.longest_retry_after || wait > self.patience;
        if self.left == 0 || retry_after.is_some_and(too_long) {
            return Verdict::Enough;
        }
        self.left -= 1;
        let pause = jittered(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        if let Some(wait) = retry_after {
            self.patience -= wait;
            return Verdict::Again(wait.max(pause));
        }
        Verdict::Again(pause)
    }
}

/// Whether an answer means that the same request may succeed later.
pub(crate) fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504 | 520..=524)
}

/// Between half and the whole of `pause`, so that parallel requests do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    // Every hasher is seeded anew: random enough for this.
    let random = RandomState::new().hash_one(0) % 512;
    pause / 2 + pause / 1024 * u32::try_from(random).unwrap_or(0)
}

/// The wait that an answer asks for: RFC 9110, section 10.2.3, in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(http_date(text)?).saturating_sub(now))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let [day, month, year, time, "GMT"] = rest.split(' ').collect::<Vec<_>>()[..] else { return None };
    let [hour, minute, second] = time.split(':').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?[..] else {
        return None;
    };
    let (day, year) = (day.parse::<u64>().ok()?, year.parse::<u64>().ok().filter(|y| (1970..10_000).contains(y))?);
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    if day == 0 || day > 31 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970, by counting years from March so that the leap day is the last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            retries: 3,
            backoff: Duration::from_millis(100),
            longest_retry_after: Duration::from_secs(30),
            ..Options::default()
        }
    }

    #[test]
    fn pauses_grow_and_attempts_end() {
        let mut retry = Retry::new(&options());
        for longest in [100, 200, 400] {
            let Verdict::Again(pause) = retry.after_answer(None) else { panic!("gave up early") };
            assert!((longest / 2..=longest).contains(&(pause.as_millis() as u64)), "{pause:?}");
        }
        assert_eq!(retry.after_answer(None), Verdict::Enough);
    }

    #[test]
    fn a_wait_that_is_too_long_is_not_waited_for() {
        assert_eq!(Retry::new(&options()).after_answer(Some(Duration::from_secs(3600))), Verdict::Enough);
        assert_eq!(Retry::new(&options()).after_answer(Some(Duration::MAX)), Verdict::Enough);
        let mut retry = Retry::new(&options());
        let wait = Duration::from_secs(30);
        assert_eq!(retry.after_answer(Some(wait)), Verdict::Again(wait));
        assert_eq!(retry.after_answer(Some(wait)), Verdict::Again(wait));
        assert_eq!(retry.after_answer(Some(wait)), Verdict::Enough, "waits add up");
    }

    #[test]
    fn slow_requests_get_one_more_attempt() {
        let mut retry = Retry::new(&options());
        let slow = Fault::Silent(Duration::from_secs(1));
        assert!(matches!(retry.after_fault(&slow), Verdict::Again(_)));
        assert_eq!(retry.after_fault(&slow), Verdict::Enough);
    }

    #[test]
    fn waits_are_read_as_seconds_and_as_dates() {
        let header = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(header("7"), Some(Duration::from_secs(7)));
        assert_eq!(header("99999999999999999999999"), Some(Duration::MAX));
        assert_eq!(header("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(header("Fri, 31 Dec 9999 23:59:59 GMT").unwrap() > Duration::from_secs(1_000_000));
        for text in ["", "-1", "soon", "Sun, 99 Xxx 1994 08:49:37 GMT"] {
            assert_eq!(header(text), None, "{text}");
        }
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
    }
}
