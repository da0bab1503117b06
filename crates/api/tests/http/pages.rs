//! The pages for people: `/`, the viewer at `/docs`, and the reference without scripts.

use std::collections::BTreeSet;
use std::io::Read as _;

use api::Config;

use crate::client::Answer;
use crate::server::{DAYS, Server, quick};

const VIEWER_FILES: [&str; 4] =
    ["/docs/swagger-ui-bundle.js", "/docs/viewer.js", "/docs/swagger-ui.css", "/docs/viewer.css"];

fn policy(answer: &Answer) -> String {
    answer.header("content-security-policy").expect("a policy")
}

/// The addresses that a page loads or links to.
fn addresses(page: &str) -> BTreeSet<String> {
    let of = |name: &str| -> Vec<String> {
        let parts = page.split(name).skip(1);
        parts.map(|rest| rest.split('"').next().expect("an address").to_owned()).collect()
    };
    [" src=\"", " href=\"", " data-openapi=\""].into_iter().flat_map(of).collect()
}

#[test]
fn pages_name_addresses_of_their_own_server_alone_and_all_of_these_lead_somewhere() {
    let server = Server::new();
    for path in ["/", "/docs", "/docs/reference"] {
        let page = server.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type").as_deref(), Some("text/html; charset=utf-8"), "{path}");
        let addresses = addresses(page.text());
        assert!(addresses.len() > 4, "{addresses:?}");
        for address in addresses.iter().filter(|address| !address.starts_with('#') && *address != "data:,") {
            assert!(address.starts_with('/') && !address.starts_with("//"), "{path}: {address}");
            let target = address.split('#').next().expect("a path");
            // Examples are of the bundled sample, which this server does not have.
            let is_example = target.contains('?') || target.contains("/f0");
            assert!(is_example || server.get(target).status == 200, "{path}: {address}");
        }
    }
}

#[test]
fn only_the_viewer_may_run_scripts_and_these_are_the_servers_own() {
    let server = Server::new();
    let viewer = policy(&server.get("/docs"));
    assert!(viewer.contains("default-src 'none'") && viewer.contains("script-src 'self';"), "{viewer}");
    for path in ["/", "/docs", "/docs/reference"].into_iter().chain(VIEWER_FILES) {
        let policy = policy(&server.get(path));
        assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
        for loose in ["unsafe", "http", "*", "blob:"] {
            assert!(!policy.contains(loose), "{path}: {policy}");
        }
        assert_eq!(policy.contains("script-src"), path == "/docs", "{path}: {policy}");
    }
    // A page whose policy forbids scripts has none.
    for path in ["/", "/docs/reference"] {
        assert!(!server.get(path).text().contains("<script"), "{path}");
    }
}

#[test]
fn the_viewer_comes_with_the_program_compressed_or_not() {
    let server = Server::new();
    for path in VIEWER_FILES.into_iter().chain(["/docs/licenses.txt"]) {
        let plain = server.get(path);
        assert_eq!((plain.status, plain.header("content-encoding")), (200, None), "{path}");
        let compressed = server.send(&format!("GET {path} HTTP/1.1\r\naccept-encoding: gzip"));
        assert_eq!(compressed.header("content-encoding").as_deref(), Some("gzip"), "{path}");
        let mut decoded = Vec::new();
        flate2::read::GzDecoder::new(&compressed.body[..]).read_to_end(&mut decoded).expect("gzip");
        assert!(decoded == plain.body, "{path}");
        assert_eq!(plain.header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
    }
    let licenses = server.get("/docs/licenses.txt");
    for part in ["SmartBear Software", "Apache License", "MIT License"] {
        assert!(licenses.text().contains(part), "{part}");
    }
}

#[test]
fn a_page_has_a_tag_by_which_it_is_not_sent_twice_and_a_head_without_a_body() {
    let server = Server::new();
    for path in ["/", "/docs", "/docs/reference"].into_iter().chain(VIEWER_FILES) {
        let full = server.get(path);
        let tag = full.header("etag").expect("a tag");
        assert_eq!(full.header("cache-control").as_deref(), Some("no-cache"), "{path}");
        let again = server.send(&format!("GET {path} HTTP/1.1\r\nif-none-match: {tag}"));
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag").as_ref(), Some(&tag), "{path}");
        let other = server.send(&format!("GET {path} HTTP/1.1\r\nif-none-match: \"other\""));
        assert_eq!(other.status, 200, "{path}");
        let head = server.send(&format!("HEAD {path} HTTP/1.1"));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), Some(full.body.len().to_string()), "{path}");
        assert_eq!(policy(&head), policy(&full), "{path}");
    }
}

#[test]
fn every_problem_type_is_an_anchor_of_the_viewers_page_and_every_path_is_in_the_reference() {
    let server = Server::new();
    let document = server.get("/openapi.json").json();
    let viewer = server.get("/docs");
    let types = &document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
    for name in types.as_array().expect("types") {
        let anchor = name.as_str().and_then(|name| name.strip_prefix("/docs#")).expect("an address");
        assert!(viewer.text().contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
    let reference = server.get("/docs/reference");
    for path in document["paths"].as_object().expect("paths").keys() {
        assert!(reference.text().contains(path.as_str()), "{path}");
    }
}

#[test]
fn the_page_at_the_root_names_the_closed_days_only_where_data_need_no_key() {
    let open = Server::new();
    assert!(open.get("/").text().contains(&format!("from {} to {}", DAYS[0], DAYS[2])));
    let guarded = Server::start(3, Config { token: Some("sesame".to_owned()), ..quick() });
    let page = guarded.get("/");
    assert_eq!(page.status, 200);
    assert!(!DAYS.iter().any(|day| page.text().contains(day)), "{}", page.text());
    let empty = Server::start(0, quick());
    assert!(!empty.get("/").text().contains("are closed"));
}
