//! The paths, and what is said to requests that have none, in Kafka Connect's form.
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use pumphouse_config::PageAccess;
use tokio::sync::Semaphore;

use crate::answers::{self, Health, ServerInfo};
use crate::auth::{self, Users};
use crate::herder::{Herder, Refusal};
use crate::loggers::Loggers;
use crate::others::Others;
use crate::view::WorkerView;
use crate::{connectors, forward, lifecycle, loggers, offsets, page, plugins};

/// What every request may need.
#[derive(Clone)]
pub(crate) struct Context {
    pub herder: Arc<dyn Herder>,
    pub loggers: Arc<Loggers>,
    /// The other workers.
    pub others: Arc<Others>,
    /// How many may look at dead letters at once.
    pub looks: Arc<Semaphore>,
    /// What the page shows.
    pub page: PageAccess,
}

/// OpenMetrics, as `prometheus-client` writes it.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything. `with_admin`: admin requests, too.
pub(crate) fn router(context: Context, with_admin: bool, users: Option<Arc<Users>>) -> Router {
    let view: Arc<dyn WorkerView> = Arc::clone(&context.herder) as _;
    let api = Router::new()
        .route("/health", get(health))
        .route("/connectors", get(connectors::list).post(connectors::create))
        .route("/connectors/{name}", get(connectors::show).delete(connectors::delete))
        .route(
            "/connectors/{name}/config",
            get(connectors::config).put(connectors::put_config).patch(connectors::patch_config),
        )
        .route("/connectors/{name}/status", get(connectors::status))
        .route("/connectors/{name}/topics", get(connectors::topics))
        .route("/connectors/{name}/topics/reset", put(connectors::reset_topics))
        .route("/connectors/{name}/pause", put(lifecycle::pause))
        .route("/connectors/{name}/resume", put(lifecycle::resume))
        .route("/connectors/{name}/stop", put(lifecycle::stop))
        .route("/connectors/{name}/restart", post(lifecycle::restart))
        .route("/connectors/{name}/tasks", get(lifecycle::tasks))
        .route("/connectors/{name}/tasks/{task}/status", get(lifecycle::task_status))
        .route("/connectors/{name}/tasks/{task}/restart", post(lifecycle::restart_task))
        .route("/connectors/{name}/offsets", get(offsets::show).patch(offsets::alter).delete(offsets::reset))
        .merge(plugins::routes().with_state(view))
        .merge(if with_admin { admin_routes() } else { Router::new() })
        .route_layer(from_fn_with_state(context.clone(), forward::to_its_place))
        .route_layer(from_fn(acceptable));
    let page = if context.page == PageAccess::Off { Router::new() } else { page::routes() };
    let routes = Router::new().route("/", get(root)).route("/metrics", get(metrics)).merge(api).merge(page);
    around(routes, context, users)
}

/// What `admin.listeners` serve.
pub(crate) fn admin_router(context: Context, users: Option<Arc<Users>>) -> Router {
    around(admin_routes().route_layer(from_fn(acceptable)), context, users)
}

fn admin_routes() -> Router<Context> {
    Router::new()
        .route("/admin/loggers", get(loggers::list))
        .route("/admin/loggers/{name}", get(loggers::show).put(loggers::set))
}

/// What every request meets, whatever its path.
fn around(routes: Router<Context>, context: Context, users: Option<Arc<Users>>) -> Router {
    let routes = routes
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn(page::not_from_elsewhere))
        .with_state(context);
    // A path is changed before it is looked up only by what stands around the whole of them.
    let routes = Router::new().fallback_service(routes).layer(map_request(without_slash));
    match users {
        Some(users) => routes.layer(from_fn_with_state(users, auth::authenticated)),
        None => routes,
    }
}

/// Runs what may wait for brokers or locks where it holds up no other request.
pub(crate) async fn blocking<T: Send + 'static>(
    context: &Context,
    ask: impl FnOnce(&dyn Herder) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let herder = Arc::clone(&context.herder);
    let asked = tokio::task::spawn_blocking(move || ask(&*herder)).await;
    asked.unwrap_or_else(|error| Err(Refusal::new(500, format!("The request failed: {error}"))))
}

/// As Java reads a boolean: everything that is not `true` is false.
pub(crate) fn flag(query: Option<&str>, name: &str) -> bool {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .into_iter()
        .find(|(key, _)| *key == name)
        .is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
}

/// A text as one segment of a path.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Jersey takes a slash at the end; some clients' libraries send one.
async fn without_slash(mut request: Request) -> Request {
    let uri = request.uri();
    let path = uri.path();
    if path.len() > 1 && path.ends_with('/') {
        let shorter = path.trim_end_matches('/');
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(changed) =
            format!("{}{query}", if shorter.is_empty() { "/" } else { shorter }).parse::<Uri>()
        {
            *request.uri_mut() = changed;
        }
    }
    request
}

/// The API answers in JSON; who takes none is told so before anything is done.
async fn acceptable(request: Request, next: Next) -> Response {
    let takes = |accept: &HeaderValue| {
        accept.to_str().is_ok_and(|kinds| {
            kinds.split(',').any(|kind| {
                let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                matches!(kind.as_str(), "" | "*/*" | "*" | "application/*" | "application/json")
            })
        })
    };
    let mut accepts = request.headers().get_all(header::ACCEPT).iter().peekable();
    if accepts.peek().is_some() && !accepts.any(takes) {
        return answers::bare_error(StatusCode::NOT_ACCEPTABLE);
    }
    next.run(request).await
}

/// Browsers get the page.
async fn root(State(context): State<Context>, headers: HeaderMap) -> Response {
    if context.page != PageAccess::Off && page::is_wanted(&headers) {
        return page::overview(context).await;
    }
    let info = ServerInfo {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("PUMPHOUSE_COMMIT").unwrap_or("unknown"),
        kafka_cluster_id: context.herder.process().kafka_cluster_id(),
    };
    Json(info).into_response()
}

async fn health() -> Json<Health> {
    Json(Health {
        status: "healthy",
        message: "Worker has completed startup and is ready to handle requests.",
    })
}

async fn metrics(State(context): State<Context>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], context.herder.process().metrics_text()).into_response()
}

async fn not_found() -> Response {
    answers::bare_error(StatusCode::NOT_FOUND)
}

async fn not_allowed() -> Response {
    answers::bare_error(StatusCode::METHOD_NOT_ALLOWED)
}
