//! The page's buttons. The connector's name is a field and not a part of the path: `..` would be another path.
use std::collections::BTreeMap;

use axum::extract::FromRequest;
use axum::extract::{Form, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{guard, shell};
use crate::forward;
use crate::herder::{Herder, Refusal, Restart, TargetState};
use crate::routes::{Context, blocking, percent_encoded};

/// Carries an order out, and shows the page.
pub(super) async fn act(State(context): State<Context>, request: Request) -> Response {
    match ordered(&context, request).await {
        Ok(()) => (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response(),
        Err(refusal) => shell::refused(refusal.status, &refusal.message),
    }
}

async fn ordered(context: &Context, request: Request) -> Result<(), Refusal> {
    guard::check_form(request.headers(), request.uri())?;
    let headers = request.headers().clone();
    let Form(fields): Form<BTreeMap<String, String>> = Form::from_request(request, &())
        .await
        .map_err(|rejection| Refusal::new(rejection.status().as_u16(), rejection.body_text()))?;
    let field = |name: &str| {
        fields.get(name).cloned().ok_or_else(|| Refusal::new(400, format!("The form has no field {name}")))
    };
    let (name, order) = (field("connector")?, Order::of(&field("order")?)?);
    // Another worker may have the connector; it is told as by the API.
    if forward::order(context, &name, order.as_request(&name), &headers).await? {
        return Ok(());
    }
    blocking(context, move |herder| order.carry_out(herder, &name)).await
}

/// What a button says.
#[derive(Clone, Copy)]
enum Order {
    Become(TargetState),
    Restart(Restart),
}

impl Order {
    /// Errors: 400.
    fn of(text: &str) -> Result<Order, Refusal> {
        let restart = |only_failed| Order::Restart(Restart { include_tasks: true, only_failed });
        Ok(match text {
            "pause" => Order::Become(TargetState::Paused),
            "resume" => Order::Become(TargetState::Running),
            "stop" => Order::Become(TargetState::Stopped),
            "restart" => restart(false),
            "restart-failed" => restart(true),
            other => return Err(Refusal::new(400, format!("There is no order {other}"))),
        })
    }

    /// The same order to the API.
    fn as_request(self, name: &str) -> (Method, String) {
        // Dots, too: `..` would be another path.
        let name = percent_encoded(name).replace('.', "%2E");
        let (method, what) = match self {
            Order::Become(TargetState::Paused) => (Method::PUT, "pause".to_owned()),
            Order::Become(TargetState::Running) => (Method::PUT, "resume".to_owned()),
            Order::Become(TargetState::Stopped) => (Method::PUT, "stop".to_owned()),
            Order::Restart(Restart { include_tasks, only_failed }) => {
                (Method::POST, format!("restart?includeTasks={include_tasks}&onlyFailed={only_failed}"))
            }
        };
        (method, format!("/connectors/{name}/{what}"))
    }

    fn carry_out(self, herder: &dyn Herder, name: &str) -> Result<(), Refusal> {
        match self {
            Order::Become(target) => herder.set_target(name, target),
            Order::Restart(what) => herder.restart(name, what).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_to_another_worker_stays_within_its_connector() {
        let request = |order: &str, name: &str| Order::of(order).ok().unwrap().as_request(name);
        assert_eq!(request("pause", "a b/c"), (Method::PUT, "/connectors/a%20b%2Fc/pause".to_owned()));
        assert_eq!(request("stop", ".."), (Method::PUT, "/connectors/%2E%2E/stop".to_owned()));
        let (method, path) = request("restart-failed", "c?x=1#");
        assert_eq!(method, Method::POST);
        assert_eq!(path, "/connectors/c%3Fx%3D1%23/restart?includeTasks=true&onlyFailed=true");
        assert!(Order::of("delete").is_err());
    }
}
