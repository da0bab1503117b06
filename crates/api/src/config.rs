//! The configuration of a server.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use chain::WallClock;

use crate::access::rate::Rate;
use crate::http::cors::AllowedOrigin;

/// How to serve. [`Config::default`] suits a server on loopback.
#[derive(Clone)]
pub struct Config {
    /// The time by which keys expire, quotas begin anew, and the data's lag is told.
    pub clock: WallClock,
    /// The single token: it is a key of its own, which may do everything. The server keeps only its SHA-256, and an
    /// empty token lets nobody in.
    pub token: Option<String>,
    /// The file of keys, [`KeyStore::path`](crate::keys::KeyStore::path); it need not be there. With neither a token nor a
    /// key, everyone is let in.
    pub keys: Option<PathBuf>,
    /// How often to look for changed keys and to write usage.
    pub key_sync_interval: Duration,
    /// The rate limit of each key.
    pub key_rate: Option<Rate>,
    /// The rate limit of each address without a key.
    pub address_rate: Option<Rate>,
    /// Whether that holds also while no key is required.
    pub address_rate_when_open: bool,
    /// The origin whose pages may read responses, for `access-control-allow-origin`.
    pub allowed_origin: Option<AllowedOrigin>,
    /// Whether its pages may also while no key is required.
    pub allow_origin_when_open: bool,
    /// Take the last address in `x-forwarded-for` for the client's: for a server behind a proxy that sets it.
    pub behind_proxy: bool,
    /// How often to look for a newer published version of the lake.
    pub refresh_interval: Duration,
    /// For how long looking may fail before `/readyz` says so.
    pub unready_after: Duration,
    /// How long a request may take, waiting included, before it is answered with 503.
    pub request_timeout: Duration,
    /// How long a connection may take to send a request's head, from its first byte on. When all places are taken it
    /// is also how long a connection may idle.
    pub header_timeout: Duration,
    /// How long a connection may idle.
    pub idle_timeout: Duration,
    /// How long a connection may refuse to take any byte of its answer before it is closed.
    pub write_timeout: Duration,
    /// How long connections may go on after the shutdown was asked for, before they are cut.
    pub drain_timeout: Duration,
    /// How many connections are open at once; further ones wait in the listener's queue. The default stays
    /// below the 1024 files most systems allow a process, since the lake opens files too; see
    /// [`connections_allowed`](crate::connections_allowed).
    pub max_connections: usize,
    /// How many of them one address may have, where that is limited; further ones are closed. Those of a proxy are not
    /// counted: it stands for many. Nor are those from this machine, where [`Config::count_loopback`] does not say so.
    pub max_connections_per_address: Option<NonZeroUsize>,
    /// Whether connections from this machine count as those of one address.
    pub count_loopback: bool,
    /// How many requests for data are worked on at once; further ones wait.
    pub max_requests: usize,
    /// Longest head of a request, in bytes, at least 8192; longer ones are answered with 431.
    pub max_head: usize,
    /// Longest path and query, in bytes; longer ones are answered with 414.
    pub max_uri: usize,
    /// Largest announced request body, in bytes; larger ones are answered with 413. Bodies are never read.
    pub body_limit: u64,
    /// Bytes of rendered answers that are held, plain and compressed. The ten endpoints' of a day of 6,000 miners take
    /// some 30 MB.
    pub rendered_cache_bytes: usize,
    /// Bytes of responses that may wait to be sent: a quarter of them for each address. Requests for more wait. As many again
    /// may be rendered days that are being sent and have left the cache.
    pub response_memory_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            clock: WallClock::default(),
            token: None,
            keys: None,
            key_sync_interval: Duration::from_secs(1),
            key_rate: None,
            address_rate: None,
            address_rate_when_open: true,
            allowed_origin: Some(AllowedOrigin::any()),
            allow_origin_when_open: false,
            behind_proxy: false,
            refresh_interval: Duration::from_secs(2),
            unready_after: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(15 * 60),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            max_connections: 768,
            max_connections_per_address: None,
            count_loopback: false,
            max_requests: 256,
            max_head: 32 << 10,
            max_uri: 8 << 10,
            body_limit: 64 << 10,
            rendered_cache_bytes: 128 << 20,
            response_memory_bytes: 128 << 20,
        }
    }
}

impl Config {
    /// The pages that may read an answer; `open` is whether no key is asked for. Then who reaches the server reads
    /// everything, and a page in a browser on the same machine reaches one on loopback.
    pub(crate) fn origin_for(&self, open: bool) -> Option<&AllowedOrigin> {
        self.allowed_origin.as_ref().filter(|_| !open || self.allow_origin_when_open)
    }
}

impl fmt::Debug for Config {
    /// All but the token, of which only its presence is said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            clock,
            token,
            keys,
            key_sync_interval,
            key_rate,
            address_rate,
            address_rate_when_open,
            allowed_origin,
            allow_origin_when_open,
            behind_proxy,
            refresh_interval,
            unready_after,
            request_timeout,
            header_timeout,
            idle_timeout,
            write_timeout,
            drain_timeout,
            max_connections,
            max_connections_per_address,
            count_loopback,
            max_requests,
            max_head,
            max_uri,
            body_limit,
            rendered_cache_bytes,
            response_memory_bytes,
        } = self;
        f.debug_struct("Config")
            .field("clock", clock)
            .field("token", &token.as_ref().map(|_| "(hidden)"))
            .field("keys", keys)
            .field("key_sync_interval", key_sync_interval)
            .field("key_rate", key_rate)
            .field("address_rate", address_rate)
            .field("address_rate_when_open", address_rate_when_open)
            .field("allowed_origin", allowed_origin)
            .field("allow_origin_when_open", allow_origin_when_open)
            .field("behind_proxy", behind_proxy)
            .field("refresh_interval", refresh_interval)
            .field("unready_after", unready_after)
            .field("request_timeout", request_timeout)
            .field("header_timeout", header_timeout)
            .field("idle_timeout", idle_timeout)
            .field("write_timeout", write_timeout)
            .field("drain_timeout", drain_timeout)
            .field("max_connections", max_connections)
            .field("max_connections_per_address", max_connections_per_address)
            .field("count_loopback", count_loopback)
            .field("max_requests", max_requests)
            .field("max_head", max_head)
            .field("max_uri", max_uri)
            .field("body_limit", body_limit)
            .field("rendered_cache_bytes", rendered_cache_bytes)
            .field("response_memory_bytes", response_memory_bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{AllowedOrigin, Config};

    #[test]
    fn the_token_is_not_shown() {
        let config = Config { token: Some("open-sesame".to_owned()), ..Config::default() };
        let shown = format!("{config:?}");
        assert!(!shown.contains("sesame"), "{shown}");
        assert!(shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn without_keys_only_those_that_were_asked_for_may_read() {
        let config = |allow_origin_when_open| Config {
            allowed_origin: Some(AllowedOrigin::any()),
            allow_origin_when_open,
            ..Config::default()
        };
        assert!(config(false).origin_for(true).is_none() && config(false).origin_for(false).is_some());
        assert!(config(true).origin_for(true).is_some());
        let none = Config { allowed_origin: None, allow_origin_when_open: true, ..Config::default() };
        assert!(none.origin_for(true).is_none() && none.origin_for(false).is_none());
    }
}
