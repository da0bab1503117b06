//! `sectorscope serve`

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::{Context, bail};
use api::keys::KeyStore;
use api::{AllowedOrigin, Config, Rate, file_permissions};
use lake::Reader;
use tokio::net::TcpListener;

use crate::cli::{DataDir, ListenOptions, RateLimit, Serve};
use crate::{output, shutdown};

const TOKEN_VARIABLE: &str = "SECTORSCOPE_TOKEN";
/// Requests a second that an address may make without a key, where that is limited.
const ADDRESS_RATE: NonZeroU32 = NonZeroU32::MIN.saturating_add(49);

pub(crate) async fn run(arguments: Serve) -> anyhow::Result<()> {
    let server = BoundServer::open(&arguments.listen, &arguments.data).await?;
    let reader = Arc::new(Reader::open(&arguments.data.lake()?).await?);
    output::print_line(format_args!("serving http://{}", server.address));
    server.serve(reader).await
}

/// A server whose address is bound.
pub(crate) struct BoundServer {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    config: Config,
}

impl BoundServer {
    /// Binds the address; refuses a public one that nobody guards.
    pub(crate) async fn open(listen: &ListenOptions, data: &DataDir) -> anyhow::Result<Self> {
        let token = token(listen)?;
        let keys = data.keys()?;
        let there = match KeyStore::open(&keys)? {
            Some(store) => !store.keys()?.is_empty(),
            None => false,
        };
        let (guarded, public) = (token.is_some() || there, !listen.listen.ip().is_loopback());
        if public && !guarded && !listen.public {
            bail!(
                "{} is not a loopback address, and nothing guards it: make a key (sectorscope keys create NAME), \
                 set a token (--token-file FILE or ${TOKEN_VARIABLE}), or say --public if anyone may read everything",
                listen.listen
            );
        }
        let listener = TcpListener::bind(listen.listen).await.with_context(|| {
            format!("cannot listen on {}; choose another address with --listen", listen.listen)
        })?;
        let address = listener.local_addr()?;
        let mebibytes = |of: usize| of.saturating_mul(1 << 20);
        // What is said holds always. What is not holds where strangers reach the server, and else once there are keys:
        // whether there are is decided at each request.
        let strangers = public || listen.behind_proxy;
        let config = Config {
            token,
            keys: Some(keys),
            key_rate: listen.key_rate.0,
            address_rate: listen
                .address_rate
                .map_or(Some(Rate::per_second(ADDRESS_RATE)), |RateLimit(rate)| rate),
            address_rate_when_open: strangers || listen.address_rate.is_some(),
            allowed_origin: Some(listen.cors.clone().unwrap_or(AllowedOrigin::any())),
            allow_origin_when_open: strangers || listen.cors.is_some(),
            behind_proxy: listen.behind_proxy,
            max_connections: connection_limit(listen),
            max_connections_per_address: Some(listen.max_connections_per_address),
            rendered_cache_bytes: mebibytes(listen.answers_memory),
            response_memory_bytes: mebibytes(listen.unsent_memory.get()),
            ..Config::default()
        };
        Ok(Self { listener, address, config })
    }

    /// Serves until asked to stop, then lets open requests end.
    pub(crate) async fn serve(self, reader: Arc<Reader>) -> anyhow::Result<()> {
        let stop = async {
            shutdown::requested().await;
            tracing::info!("asked to stop: open requests may end");
        };
        api::serve(self.listener, reader, self.config, stop).await?;
        Ok(())
    }
}

fn token(listen: &ListenOptions) -> anyhow::Result<Option<String>> {
    let token = match &listen.token_file {
        Some(path) => {
            if let Some(problem) = file_permissions::describe_exposure(path) {
                tracing::warn!("the token is not safe: {problem}");
            }
            let read = std::fs::read_to_string(path);
            Some(read.with_context(|| format!("cannot read the token in {}", path.display()))?)
        }
        None => std::env::var(TOKEN_VARIABLE).ok(),
    };
    match token.map(|token| token.trim().to_owned()) {
        Some(token) if token.is_empty() => {
            bail!("the token is empty; give one, or leave --token-file and ${TOKEN_VARIABLE} away")
        }
        token => Ok(token),
    }
}

/// How many connections there may be.
fn connection_limit(listen: &ListenOptions) -> usize {
    let allowed = api::connections_allowed().unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit on open files cannot be raised");
        Config::default().max_connections
    });
    listen.max_connections.map_or(allowed, |most| most.get().min(allowed))
}
