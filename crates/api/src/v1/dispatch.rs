//! Dispatch: parses and resolves a request, and calls the handler of its path.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::RawPathParams;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use lake::Published;

use super::context::Context;
use super::format::{self, FORMATS, Format};
use super::operations::{Operation, OperationId, ResponseType};
use super::parameters::QueryParameters;
use super::resolved_query::ResolvedQuery;
use super::response::{ResponseData, Validator};
use super::{daily, expirations, explain, miners, network, reconciliation, row_stream, sectors, status};
use crate::access::auth::Grant;
use crate::access::history_window::HistoryWindow;
use crate::errors::problem::Problem;
use crate::http::coding::ContentCoding;
use crate::http::entity_tag::IfNoneMatch;

/// Bytes of rows that a request may have without room of its own: no more than a connection takes by itself.
const MAX_UNRESERVED_ROWS: usize = 16 << 10;

/// An authorized request.
pub(super) struct Request<'r> {
    pub(super) grant: &'r Grant,
    pub(super) address: Option<IpAddr>,
    pub(super) path: &'r RawPathParams,
    pub(super) uri: &'r Uri,
    pub(super) headers: &'r HeaderMap,
}

/// Answers a request to the path of that operation.
pub(super) async fn respond(
    context: &Context,
    operation: &'static Operation,
    request: &Request<'_>,
) -> Result<Response, Problem> {
    let Request { grant, uri, headers, .. } = request;
    let parameters =
        QueryParameters::parse(operation.parameters, request.path.iter(), uri.query().unwrap_or_default())?;
    let offered: &'static [Format] = match operation.response {
        ResponseType::Rows(_) | ResponseType::SomeRows(..) => &FORMATS,
        ResponseType::Object(_) => &FORMATS[..1],
    };
    let format = format::choose(offered, parameters.names("format").first().copied(), headers)?;
    let published = context.reader().published();
    let window = published.days().map(|closed| grant.window(&closed));
    if operation.id == OperationId::Status {
        return status::answer(context, &published, window.as_ref()).await;
    }
    let window = window.ok_or(Problem::NothingClosed)?;
    let answered = answer(context, operation, &parameters, format, published, window, request).await;
    answered.map_err(|problem| problem.clipped_to(&window))
}

/// The response of a path about days. Days that may not be seen are refused before the tag is compared.
async fn answer(
    context: &Context,
    operation: &'static Operation,
    parameters: &QueryParameters,
    format: Format,
    published: Arc<Published>,
    window: HistoryWindow,
    request: &Request<'_>,
) -> Result<Response, Problem> {
    let Request { uri, headers, .. } = request;
    // Of the version that was published when the request came: an answer of newer data under an older tag is asked for
    // again, not the other way.
    let validator = Validator::new(published.version(), uri, format, &window);
    let query = ResolvedQuery::new(context, operation, parameters, published, window).await?;
    let if_none_match = IfNoneMatch::of(headers);
    if validator.is_named_by(&if_none_match) {
        return Ok(validator.not_modified());
    }
    let estimated = query.estimated_bytes(operation);
    let permit = match estimated {
        0..=MAX_UNRESERVED_ROWS => None,
        _ => {
            let overhead = row_stream::STREAM_OVERHEAD + ContentCoding::negotiate(headers).encoder_memory();
            Some(context.memory_permit(request.address, estimated.saturating_add(overhead)).await?)
        }
    };
    let answer = query.answer(operation.id).await?;
    if if_none_match.is_any() {
        return Ok(validator.not_modified());
    }
    answer.into_response(operation, uri.path(), parameters, format, &validator, permit).await
}

impl ResolvedQuery<'_> {
    async fn answer(&self, id: OperationId) -> Result<ResponseData, Problem> {
        match id {
            OperationId::SectorsDaily => daily::answer(self).await,
            OperationId::NetworkDaily => network::answer(self).await,
            OperationId::Miners => miners::list(self).await,
            OperationId::Miner => miners::one(self).await,
            OperationId::Events => sectors::of_miner(self).await,
            OperationId::Sector => sectors::of_sector(self).await,
            OperationId::MinerExpirations | OperationId::NetworkExpirations => {
                expirations::answer(self).await
            }
            OperationId::Explain => explain::answer(self).await,
            OperationId::Reconciliation => reconciliation::answer(self).await,
            // It is asked while no day is closed, too.
            OperationId::Status => Err(Problem::Internal),
        }
    }
}
