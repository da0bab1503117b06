//! The most that axum could do with our answers: files held in memory, and given as they are.
//!
//! ```text
//! cargo run --release --example constant -- 127.0.0.1:8480 /one=one.json /all=all.json
//! ```
//!
//! What `/v2` reaches is to be seen beside it: `peers/serving`.

use std::error::Error;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("constant ADDRESS PATH=FILE…")?;
    let mut router = Router::new();
    for argument in arguments {
        let (path, file) = argument.split_once('=').ok_or("PATH=FILE")?;
        let bytes = Bytes::from(std::fs::read(file)?);
        router = router.route(path, get(async move || ([(CONTENT_TYPE, "application/json")], bytes.clone())));
    }
    let listener = TcpListener::bind(address).await?;
    axum::serve(listener, router).await?;
    Ok(())
}
