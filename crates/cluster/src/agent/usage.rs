//! What the process of a container has used so far.

use super::process;

/// CPU times in seconds, memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    pub(crate) user: f64,
    pub(crate) system: f64,
    pub(crate) resident: u64,
}

/// Clock ticks a second and the size of a page, which Linux tells all programs alike on the machines this runs on.
const TICKS: f64 = 100.0;
const PAGE: u64 = 4096;

/// `None` when the process is gone.
pub(crate) fn of(pid: u32) -> Option<Usage> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// From the text of `/proc/PID/stat`.
fn parse(stat: &str) -> Option<Usage> {
    let fields = process::fields(stat)?;
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let seconds = |place: usize| number(place).map(|ticks| ticks as f64 / TICKS);
    Some(Usage { user: seconds(11)?, system: seconds(12)?, resident: number(21)?.saturating_mul(PAGE) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_name_does_not_shift_the_fields() {
        let stat =
            "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 5 6 20 0 1 0 100 5000 12 18446744073709551615";
        assert_eq!(parse(stat), Some(Usage { user: 1.5, system: 0.5, resident: 12 * 4096 }));
        assert_eq!(parse("7 (a"), None);
    }
}
