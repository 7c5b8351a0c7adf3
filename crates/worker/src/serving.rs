//! The REST API beside the connectors, until the process is asked to stop.
use std::sync::Arc;
use std::time::Duration;

use pumphouse_rest::{Herder, Loggers, Server};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Jobs that are cut off by the end of the process are those of tasks that have ended already.
pub(crate) const RUNTIME_STOP: Duration = Duration::from_secs(1);

/// Serves until the process is asked to stop (SIGTERM, SIGINT), and goes on to show what happens while `stop` lets the
/// tasks land what they have taken. Errors: the system gives no signals; then it stops at once.
pub(crate) fn serve_until_asked(
    runtime: Runtime,
    server: Server,
    herder: Arc<dyn Herder>,
    loggers: Arc<Loggers>,
    stop: impl FnOnce(),
) -> std::io::Result<()> {
    let asked = runtime.block_on(async {
        let (ended, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = tokio::spawn(server.serve(herder, loggers, async move {
            let _ = stopped.await;
        }));
        let asked = match StopSignals::listen() {
            Ok(signals) => {
                signals.heard().await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        tokio::task::block_in_place(stop);
        let _ = ended.send(());
        let _ = tokio::time::timeout(RUNTIME_STOP, served).await;
        asked
    });
    runtime.shutdown_timeout(RUNTIME_STOP);
    asked
}

/// What asks the process to stop: SIGTERM, SIGINT.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// From now on. To be called within a runtime.
    pub(crate) fn listen() -> std::io::Result<StopSignals> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(StopSignals { terminate, interrupt })
    }

    /// The first one.
    pub(crate) async fn heard(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
