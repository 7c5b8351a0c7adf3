//! Moments at which a test build kills its own process: `PUMPHOUSE_FAILPOINT=name:n` means the n-th
//! time that `name` is reached. A release build has none of it.

/// A moment that a test can choose to die at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A block was sealed; the ledger does not know it.
    AfterSeal,
    /// The next write lies ready, uncommitted, while an attempt is under way.
    Staged,
    /// The ledger's transaction is on its way, unanswered.
    LedgerSent,
    /// The ledger carries the batch; nothing was sent to ClickHouse.
    LedgerAnswered,
    /// The entry in KeeperMap passes records whose letters were not sent.
    Owing,
    /// They were sent; the entry says still that it owes them.
    Paid,
    /// Half of the block's body was sent.
    HalfBody,
    /// ClickHouse said 200; the ledger does not know.
    Accepted,
    /// The group protocol gives or takes partitions.
    Rebalance,
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Moment;

    struct Armed {
        moment: Moment,
        left: AtomicU64,
    }

    fn armed() -> Option<&'static Armed> {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        ARMED.get_or_init(|| read(&std::env::var("PUMPHOUSE_FAILPOINT").ok()?)).as_ref()
    }

    fn read(text: &str) -> Option<Armed> {
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let moment = match name {
            "after_seal" => Moment::AfterSeal,
            "staged" => Moment::Staged,
            "ledger_sent" => Moment::LedgerSent,
            "ledger_answered" => Moment::LedgerAnswered,
            "owing" => Moment::Owing,
            "paid" => Moment::Paid,
            "half_body" => Moment::HalfBody,
            "accepted" => Moment::Accepted,
            "rebalance" => Moment::Rebalance,
            other => panic!("PUMPHOUSE_FAILPOINT: no moment is called {other}"),
        };
        let left = nth.parse().unwrap_or_else(|_| panic!("PUMPHOUSE_FAILPOINT: {nth} is no number"));
        Some(Armed { moment, left: AtomicU64::new(left) })
    }

    pub(super) fn is_now(moment: Moment) -> bool {
        let Some(armed) = armed().filter(|armed| armed.moment == moment) else { return false };
        armed.left.fetch_sub(1, Ordering::SeqCst) == 1
    }

    pub(super) fn die() -> ! {
        // As a machine that loses its power: nothing is flushed, nothing is answered.
        let _ = std::process::Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
        std::process::abort();
    }
}

/// Dies here, if a test asked for it.
pub fn reach(moment: Moment) {
    #[cfg(feature = "failpoints")]
    if armed::is_now(moment) {
        armed::die();
    }
    #[cfg(not(feature = "failpoints"))]
    let _ = moment;
}

/// Dies a millisecond from now, if a test asked for it: in the middle of a call that blocks.
pub fn reach_during(moment: Moment) {
    #[cfg(feature = "failpoints")]
    if armed::is_now(moment) {
        std::thread::spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            armed::die();
        });
    }
    #[cfg(not(feature = "failpoints"))]
    let _ = moment;
}
