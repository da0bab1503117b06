//! The single configured token.

use api::Config;

use crate::server::{BASE, Server, quick};

const SENTENCE: &str =
    "The token format error. It should have 'Bearer $token' set in the 'authorization' header.";

fn guarded() -> Server {
    Server::start(1, Config { token: Some("open-sesame".to_owned()), ..quick() })
}

fn with(header: &str) -> String {
    format!("GET {BASE}/total HTTP/1.1{header}")
}

#[test]
fn without_a_configured_token_any_or_none_is_accepted() {
    let server = Server::start(1, quick());
    for header in
        ["", "\r\nauthorization: Bearer <--Please replace your API key here-->", "\r\nauthorization: x"]
    {
        server.send(&with(header)).data();
    }
}

#[test]
fn with_a_configured_token_that_one_is_accepted() {
    let server = guarded();
    server.send(&with("\r\nauthorization: Bearer open-sesame")).data();
    server.send(&with("\r\nAuthorization: bearer  open-sesame ")).data();
    server
        .send("GET /v2//storage_provider/sector/total/ HTTP/1.1\r\nauthorization: Bearer open-sesame")
        .data();
}

#[test]
fn any_other_is_401_with_the_originals_sentence_and_what_was_wrong() {
    let server = guarded();
    for (header, wrong) in [
        ("", "missing"),
        ("\r\nauthorization: open-sesame", "does not begin with Bearer"),
        ("\r\nauthorization: Basic b3Blbjpz", "does not begin with Bearer"),
        ("\r\nauthorization: Bearer", "no token"),
        ("\r\nauthorization: Bearer \"open-sesame\"", "quotes"),
        ("\r\nauthorization: Bearer 'open-sesame'", "quotes"),
        ("\r\nauthorization: \"Bearer open-sesame\"", "quotes"),
        ("\r\nauthorization: Bearer Bearer open-sesame", "\"Bearer\" is there twice"),
        ("\r\nauthorization: Bearer open-sesam", "unknown"),
        ("\r\nauthorization: Bearer open-sesame\r\nauthorization: Bearer open-sesame", "twice"),
        ("\r\nauthorization: Bearer ü", "unknown"),
    ] {
        let answer = server.send(&with(header));
        let message = answer.refused(401, 10011);
        let (sentence, rest) = message.split_at(SENTENCE.len());
        assert_eq!(sentence, SENTENCE);
        assert!(rest.starts_with(' ') && rest.contains(wrong), "{header}: {rest}");
        assert!(!message.contains("open"), "{message}");
        assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer"));
    }
}

#[test]
fn the_token_is_asked_for_before_the_parameters_are_read_and_not_for_health() {
    let server = guarded();
    server.ask("total?miner_id=x").refused(401, 10011);
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/nowhere").status, 404);
}
