//! From a request to its answer: reads what it asks for, and lets the handler of its path answer.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::RawPathParams;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use lake::Published;

use super::answer::{Answer, Tag};
use super::context::V1;
use super::format::{self, FORMATS, Format};
use super::operations::{Gives, Id, Operation};
use super::parameters::Asked;
use super::question::Question;
use super::{daily, expirations, explain, miners, network, reconciliation, sectors, sending, status};
use crate::access::auth::Pass;
use crate::access::history_window::Window;
use crate::errors::problem::Problem;
use crate::http::coding::Coding;

/// Bytes of rows that a request may have without room of its own: no more than a connection takes by itself.
const SMALL: usize = 16 << 10;

/// A request that has passed the gate.
pub(super) struct Request<'r> {
    pub(super) pass: &'r Pass,
    pub(super) address: Option<IpAddr>,
    pub(super) path: &'r RawPathParams,
    pub(super) uri: &'r Uri,
    pub(super) headers: &'r HeaderMap,
}

/// Answers a request to the path of that operation.
pub(super) async fn respond(
    v1: &V1,
    operation: &'static Operation,
    request: &Request<'_>,
) -> Result<Response, Problem> {
    let Request { pass, uri, headers, .. } = request;
    let asked = Asked::parse(operation.parameters, request.path.iter(), uri.query().unwrap_or_default())?;
    let offered: &'static [Format] = match operation.gives {
        Gives::Rows(_) | Gives::SomeRows(..) => &FORMATS,
        Gives::Object(_) => &FORMATS[..1],
    };
    let format = format::choose(offered, asked.names("format").first().copied(), headers)?;
    let published = v1.reader().published();
    let window = published.days().map(|closed| pass.window(&closed));
    if operation.id == Id::Status {
        return status::answer(v1, &published, window.as_ref()).await;
    }
    let window = window.ok_or(Problem::NothingClosed)?;
    let answered = answer(v1, operation, &asked, format, published, window, request).await;
    answered.map_err(|problem| problem.within(&window))
}

/// The answer of a path that tells of days. What may not be seen is refused before the tag is looked at.
async fn answer(
    v1: &V1,
    operation: &'static Operation,
    asked: &Asked,
    format: Format,
    published: Arc<Published>,
    window: Window,
    request: &Request<'_>,
) -> Result<Response, Problem> {
    let Request { uri, headers, .. } = request;
    // Of the version that was published when the request came: an answer of newer data under an older tag is asked for
    // again, not the other way.
    let tag = Tag::new(published.version(), uri, format, &window);
    let question = Question::new(v1, operation, asked, published, window).await?;
    if tag.matches(headers) {
        return Ok(tag.not_modified());
    }
    let weight = question.weight(operation);
    let room = match weight {
        0..=SMALL => None,
        _ => {
            let beside = sending::BESIDE + Coding::asked(headers).weight();
            Some(v1.room(request.address, weight.saturating_add(beside)).await?)
        }
    };
    let answer = question.answer(operation.id).await?;
    if Tag::matches_any(headers) {
        return Ok(tag.not_modified());
    }
    answer.respond(operation, uri.path(), asked, format, &tag, room).await
}

impl Question<'_> {
    async fn answer(&self, id: Id) -> Result<Answer, Problem> {
        match id {
            Id::SectorsDaily => daily::answer(self).await,
            Id::NetworkDaily => network::answer(self).await,
            Id::Miners => miners::list(self).await,
            Id::Miner => miners::one(self).await,
            Id::Events => sectors::events(self).await,
            Id::Sector => sectors::life(self).await,
            Id::MinerExpirations | Id::NetworkExpirations => expirations::answer(self).await,
            Id::Explain => explain::answer(self).await,
            Id::Reconciliation => reconciliation::answer(self).await,
            // It is asked while no day is closed, too.
            Id::Status => Err(Problem::Internal),
        }
    }
}
