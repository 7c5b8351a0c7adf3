//! The page's buttons. The connector's name is a field and not a part of the path: `..` would be another path.
use std::collections::BTreeMap;

use axum::extract::FromRequest;
use axum::extract::{Form, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{guard, shell};
use crate::herder::{Herder, Refusal, Restart, TargetState};
use crate::routes::{Context, blocking};

/// Carries an order out, and shows the page.
pub(super) async fn act(State(context): State<Context>, request: Request) -> Response {
    match ordered(&context, request).await {
        Ok(()) => (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response(),
        Err(refusal) => shell::refused(refusal.status, &refusal.message),
    }
}

async fn ordered(context: &Context, request: Request) -> Result<(), Refusal> {
    guard::check_form(request.headers(), request.uri())?;
    let Form(fields): Form<BTreeMap<String, String>> = Form::from_request(request, &())
        .await
        .map_err(|rejection| Refusal::new(rejection.status().as_u16(), rejection.body_text()))?;
    let field = |name: &str| {
        fields.get(name).cloned().ok_or_else(|| Refusal::new(400, format!("The form has no field {name}")))
    };
    let (name, order) = (field("connector")?, field("order")?);
    blocking(context, move |herder| carry_out(herder, &name, &order)).await
}

fn carry_out(herder: &dyn Herder, name: &str, order: &str) -> Result<(), Refusal> {
    let restart = |only_failed| herder.restart(name, Restart { include_tasks: true, only_failed }).map(drop);
    match order {
        "pause" => herder.set_target(name, TargetState::Paused),
        "resume" => herder.set_target(name, TargetState::Running),
        "stop" => herder.set_target(name, TargetState::Stopped),
        "restart" => restart(false),
        "restart-failed" => restart(true),
        other => Err(Refusal::new(400, format!("There is no order {other}"))),
    }
}
