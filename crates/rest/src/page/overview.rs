//! All connectors of this worker at a glance.
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::{errors, format, shell};
use crate::answers;
use crate::figures::{Figures, LaneFigures, OpenBatch, Promise, TableProof};
use crate::routes::{Context, percent_encoded};
use crate::view::{ConnectorState, ConnectorView};

/// Rows of one table on the page; the API has all.
const ROWS_SHOWN_MAX: usize = 50;

/// Connectors on the page: it is made anew every two seconds.
const CONNECTORS_SHOWN_MAX: usize = 200;

/// Characters of a trace, of a batch's ranges.
const TRACE_SHOWN_MAX: usize = 4_000;
const RANGES_SHOWN_MAX: usize = 300;

/// The whole page.
pub(crate) async fn page(context: Context) -> Response {
    let content = html! {
        header.top {
            h1 { "Pumphouse" }
            p { "Worker " b { (context.herder.process().worker_id()) } ", version " (env!("CARGO_PKG_VERSION"))
                @if let Some(id) = context.herder.process().kafka_cluster_id() { ", Kafka cluster " (id) }
            }
        }
        p #note role="status" hidden {}
        main #live { (present(&context)) }
        footer { a href="/metrics" { "Metrics" } " · " a href="/connectors?expand=status&expand=info" { "REST API" } }
    };
    shell::answer(StatusCode::OK, shell::whole("Pumphouse", true, &content))
}

/// What the script puts in place of what was there.
pub(super) async fn live(State(context): State<Context>) -> Response {
    shell::answer(StatusCode::OK, present(&context))
}

fn present(context: &Context) -> Markup {
    let names = context.herder.connectors();
    let shown: Vec<(ConnectorView, Figures)> = names
        .iter()
        .take(CONNECTORS_SHOWN_MAX)
        .filter_map(|name| Some((context.herder.connector(name)?, context.herder.process().figures(name))))
        .collect();
    let failed = shown.iter().filter(|(view, _)| has_failed(view)).count();
    html! {
        p.summary {
            b { (names.len()) } @if names.len() == 1 { " connector" } @else { " connectors" }
            @if failed > 0 { ", " b.bad { (failed) " with failures" } }
            ", as of " (format::now())
        }
        @for (view, figures) in &shown { (connector(view, figures)) }
        @if names.is_empty() { p.empty { "There are no connectors yet. Create one with POST /connectors." } }
        @if names.len() > shown.len() { p.empty { "The first " (shown.len()) " are shown; the REST API has all." } }
    }
}

fn is_failed(state: &ConnectorState) -> bool {
    matches!(state, ConnectorState::Failed(_))
}

fn has_failed(view: &ConnectorView) -> bool {
    is_failed(&view.state) || view.tasks.iter().any(is_failed)
}

fn connector(view: &ConnectorView, figures: &Figures) -> Markup {
    let key = |what: &str| format!("{what} {}", view.name);
    let lanes = &figures.lanes;
    let mishaps = &figures.mishaps;
    html! {
        section.card.failed[has_failed(view)] data-connector=(view.name) {
            div.head {
                h2 { (view.name) }
                (badge(&view.state))
                (promise(figures.promise))
            }
            (orders(view))
            (trace(&view.state))
            (sums(view, figures))
            @if !lanes.is_empty() { (lane_table(lanes)) }
            (tasks(view))
            details data-key=(key("open")) {
                summary { "Open batches (" (figures.open.len()) ")" }
                (open_batches(&figures.open))
            }
            details data-key=(key("proofs")) {
                summary { "Last proof of each table (" (figures.proofs.len()) ")"
                    @if figures.proofs.iter().any(|proof| !proof.failed.is_empty()) { " " span.badge.bad { "not exactly once" } }
                }
                @for proof in figures.proofs.iter().take(ROWS_SHOWN_MAX) { (table_proof(proof)) }
                @if figures.proofs.is_empty() { p.empty { "No table was proven on this worker." } }
            }
            @if !mishaps.is_empty() {
                details data-key=(key("mishaps")) {
                    summary { "What went wrong lately (" (mishaps.len()) ")" }
                    @for mishap in mishaps {
                        p.trace { b { (mishap.of) ", " (format::age(mishap.age)) " ago: " } (errors::linked(&cut(&mishap.why, TRACE_SHOWN_MAX))) }
                    }
                }
            }
        }
    }
}

fn badge(state: &ConnectorState) -> Markup {
    let (word, _) = answers::words(state);
    let class = match state {
        ConnectorState::Running => "badge good",
        ConnectorState::RunningWith(_) | ConnectorState::Restarting | ConnectorState::Unassigned => {
            "badge warn"
        }
        ConnectorState::Failed(_) => "badge bad",
        ConnectorState::Paused | ConnectorState::Stopped => "badge",
    };
    html! { span class=(class) { (word) } }
}

fn promise(promise: Promise) -> Markup {
    html! {
        @match promise {
            Promise::ExactlyOnce => span.badge.good { "exactly once" },
            Promise::AtLeastOnce => span.badge.warn { "at least once" },
            Promise::NotKnown => {},
        }
    }
}

fn trace(state: &ConnectorState) -> Markup {
    let (_, trace) = answers::words(state);
    html! { @if let Some(trace) = trace { p.trace { (errors::linked(&cut(&trace, TRACE_SHOWN_MAX))) } } }
}

/// The buttons that make sense now.
fn orders(view: &ConnectorView) -> Markup {
    let (paused, stopped) = (view.state == ConnectorState::Paused, view.state == ConnectorState::Stopped);
    html! {
        div.orders {
            @if paused || stopped { (order(view, "resume", "Resume", None)) }
            @if !paused && !stopped { (order(view, "pause", "Pause", None)) }
            @if !stopped {
                (order(view, "restart", "Restart", None))
                @if has_failed(view) { (order(view, "restart-failed", "Restart what failed", None)) }
                (order(view, "stop", "Stop", Some("Stop this connector? What it has taken lands first.")))
            }
            a.button href={ "/page/letters?connector=" (percent_encoded(&view.name)) } { "Dead letters" }
        }
    }
}

fn order(view: &ConnectorView, order: &str, label: &str, confirm: Option<&str>) -> Markup {
    html! {
        form method="post" action="/page/act" data-confirm=[confirm] {
            input type="hidden" name="connector" value=(view.name);
            button name="order" value=(order) data-key={ (order) " " (view.name) } { (label) }
        }
    }
}

fn sums(view: &ConnectorView, figures: &Figures) -> Markup {
    let lanes = &figures.lanes;
    let sum = |of: fn(&LaneFigures) -> u64| lanes.iter().map(of).sum::<u64>();
    let lags: Vec<i64> = lanes.iter().filter_map(|lane| lane.lag_records).collect();
    let rate: f64 = lanes.iter().map(|lane| lane.rows_per_second).sum();
    let slowest = lanes.iter().filter_map(|lane| lane.insert_seconds).reduce(f64::max);
    let oldest = figures.open.iter().map(|open| open.age).max();
    html! {
        dl.sums {
            div { dt { "Rows per second" } dd { (format::rate(rate)) } }
            div { dt { "Lag, records" } dd { @if lags.is_empty() { "–" } @else { (lag(lags.iter().sum())) } } }
            div { dt { "Insert time" } dd { @if let Some(slowest) = slowest { (format::seconds(slowest)) } @else { "–" } } }
            div { dt { "Rows landed" } dd { (format::count(sum(|lane| lane.rows))) } }
            div { dt { "Failed attempts" } dd { (format::count(sum(|lane| lane.attempts_failed))) } }
            div { dt { "Dead letters" } dd { (format::count(sum(|lane| lane.dead_letters))) } }
            @if sum(|lane| lane.dropped) > 0 {
                div { dt { "Records dropped" } dd.bad { (format::count(sum(|lane| lane.dropped))) } }
            }
            div { dt { "Open batches" } dd { (figures.open.len())
                @if let Some(oldest) = oldest { small { " oldest " (format::age(oldest)) } } } }
            div { dt { "Tasks" } dd { (view.tasks.len()) } }
        }
    }
}

/// The log's end is asked for less often than the ledger moves.
fn lag(records: i64) -> String {
    format::count(records.max(0).unsigned_abs())
}

fn lane_table(lanes: &[LaneFigures]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { "Topic" } th { "Table" } th.number { "Rows/s" } th.number { "Lag" } th.number { "Insert" }
                th.number { "Rows" } th.number { "Batches" } th.number { "Failed attempts" } th.number { "Dead letters" }
            } }
            tbody { @for lane in lanes.iter().take(ROWS_SHOWN_MAX) { tr {
                td { (lane.topic) }
                td { (lane.table.as_deref().unwrap_or("–")) }
                td.number { (format::rate(lane.rows_per_second)) }
                td.number { @if let Some(records) = lane.lag_records { (lag(records)) } @else { "–" } }
                td.number { @if let Some(took) = lane.insert_seconds { (format::seconds(took)) } @else { "–" } }
                td.number { (format::count(lane.rows)) }
                td.number { (format::count(lane.batches)) }
                td.number { (format::count(lane.attempts_failed)) }
                td.number { (format::count(lane.dead_letters)) }
            } } }
        } }
        (more(lanes.len()))
    }
}

fn tasks(view: &ConnectorView) -> Markup {
    html! {
        ul.tasks {
            @for (number, state) in view.tasks.iter().enumerate().take(ROWS_SHOWN_MAX) {
                li { "Task " (number) " " (badge(state)) (trace(state)) }
            }
        }
        (more(view.tasks.len()))
    }
}

fn open_batches(open: &[OpenBatch]) -> Markup {
    html! {
        @if open.is_empty() { p.empty { "None: everything that was recorded has landed." } }
        @else {
            div.scroll { table {
                thead { tr { th { "Task" } th { "Topic" } th { "Batch" } th.number { "Rows" } th.number { "Age" } th { "Offsets" } } }
                tbody { @for open in open.iter().take(ROWS_SHOWN_MAX) { tr {
                    td { (open.task) } td { (open.topic) } td.code { (open.batch) }
                    td.number { (format::count(open.rows)) } td.number { (format::age(open.age)) }
                    td.code { (cut(&open.ranges, RANGES_SHOWN_MAX)) }
                } } }
            } }
            (more(open.len()))
        }
    }
}

fn table_proof(proof: &TableProof) -> Markup {
    html! {
        p { b { (proof.table) } ", " (format::age(proof.age)) " ago: "
            @if proof.failed.is_empty() { span.badge.good { "takes batches exactly once" } }
            @else { span.badge.bad { "cannot take batches exactly once" } }
        }
        @for why in &proof.failed { p.trace { (errors::linked(why)) } }
        @for warning in &proof.warnings { p.warning { (errors::linked(warning)) } }
    }
}

fn more(there_are: usize) -> Markup {
    html! { @if there_are > ROWS_SHOWN_MAX { p.empty { "and " (there_are - ROWS_SHOWN_MAX) " more" } } }
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::figures::Mishap;

    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;";

    #[test]
    fn nothing_that_others_have_named_becomes_markup() {
        let hostile = || HOSTILE.to_owned();
        let view = ConnectorView {
            name: hostile(),
            config: BTreeMap::new(),
            state: ConnectorState::RunningWith(hostile()),
            tasks: vec![ConnectorState::Failed(hostile())],
        };
        let age = Duration::from_secs(1);
        let figures = Figures {
            promise: Promise::AtLeastOnce,
            lanes: vec![LaneFigures { topic: hostile(), table: Some(hostile()), ..LaneFigures::default() }],
            open: vec![OpenBatch {
                task: hostile(),
                topic: hostile(),
                batch: hostile(),
                ranges: hostile(),
                rows: 1,
                age,
            }],
            proofs: vec![TableProof {
                table: hostile(),
                age,
                failed: vec![hostile()],
                warnings: vec![hostile()],
            }],
            mishaps: vec![Mishap { age, of: hostile(), why: hostile() }],
        };
        let markup = connector(&view, &figures).into_string();
        // The apostrophe needs no escape between double quotes, which are the only ones that are written.
        for forbidden in ["<script", "<img", "=\"\">"] {
            assert!(!markup.contains(forbidden), "{forbidden}: {markup}");
        }
        assert!(markup.matches("&lt;script&gt;").count() >= 10, "{markup}");
        assert!(markup.contains("name=\"connector\" value=\"&quot;&gt;&lt;script"), "{markup}");
    }

    #[test]
    fn a_failed_connector_is_seen_and_its_code_is_a_link() {
        let view = ConnectorView {
            name: "c".to_owned(),
            config: BTreeMap::new(),
            state: ConnectorState::Running,
            tasks: vec![ConnectorState::Failed("DECODE-005: column n".to_owned())],
        };
        let markup = connector(&view, &Figures::default()).into_string();
        assert!(markup.contains("class=\"card failed\""), "{markup}");
        assert!(markup.contains("<a href=\"/page/errors/DECODE-005\">DECODE-005</a>: column n"), "{markup}");
        assert!(
            markup.contains("value=\"restart-failed\"") && markup.contains("value=\"pause\""),
            "{markup}"
        );
        assert!(!markup.contains("value=\"resume\""), "{markup}");
    }
}
