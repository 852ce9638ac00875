//! The one reader of time: a clock that goes on while the machine sleeps, and the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use ac_cred_proto::time::Timestamp;

use crate::policy::Moment;

/// Both readings of time that a decision may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that neither steps nor stops in suspend.
    pub moment: Moment,
    /// The wall clock, which a person or a time server may step.
    pub wall: Timestamp,
}

/// Where the daemon reads time; tests bring their own.
pub trait Clock: Send + Sync + 'static {
    /// Both readings, taken at once.
    fn now(&self) -> Now;
}

/// The clocks of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now {
            moment: boot_time(),
            wall: wall_time(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the place that the others ask"
)]
fn wall_time() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix(since.as_secs())
}

/// Milliseconds since the machine started, time asleep included: `CLOCK_BOOTTIME` on Linux; Apple's
/// `CLOCK_MONOTONIC` counts sleep too.
#[cfg(unix)]
fn boot_time() -> Moment {
    #[cfg(target_os = "linux")]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(CLOCK);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    Moment(
        seconds
            .saturating_mul(1_000)
            .saturating_add(nanoseconds / 1_000_000),
    )
}

/// Milliseconds since the first reading; Windows' performance counter counts sleep.
#[cfg(windows)]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place that the others ask"
)]
fn boot_time() -> Moment {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    Moment(u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX))
}
