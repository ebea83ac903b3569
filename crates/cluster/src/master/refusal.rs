//! For how long a framework does not want to be offered something again.

use std::time::Duration;

/// For how long a refusal holds when the framework does not say.
const DEFAULT_REFUSAL: Duration = Duration::from_secs(5);

/// The longest refusal; longer ones are cut to it.
const MAX_REFUSAL: Duration = Duration::from_secs(365 * 24 * 3600);

/// The shortest refusal of an offer that was declined whole. Offers follow events here, so without it a framework
/// that declines for no time would be asked again as fast as it can answer.
const MIN_DECLINE: Duration = Duration::from_millis(200);

/// What `Filters.refuse_seconds` means for what was left of an offer, or was taken back.
pub(crate) fn of_rest(refuse_seconds: Option<f64>) -> Duration {
    match refuse_seconds {
        Some(seconds) if seconds >= 0.0 => {
            Duration::try_from_secs_f64(seconds).unwrap_or(MAX_REFUSAL).min(MAX_REFUSAL)
        }
        _ => DEFAULT_REFUSAL,
    }
}

/// The refusal of an offer of which nothing was used.
pub(crate) fn of_whole(refuse_seconds: Option<f64>) -> Duration {
    of_rest(refuse_seconds).max(MIN_DECLINE)
}
