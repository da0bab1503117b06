//! `sectorscope serve`

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use api::Config;
use lake::Reader;
use tokio::net::TcpListener;

use crate::cli::{Listen, Serve};
use crate::{output, stop};

const TOKEN_VARIABLE: &str = "SECTORSCOPE_TOKEN";

pub(crate) async fn run(arguments: Serve) -> anyhow::Result<()> {
    let door = Door::open(&arguments.listen).await?;
    let reader = Arc::new(Reader::open(&arguments.data.lake()?).await?);
    output::say(format_args!("serving http://{}", door.address));
    door.serve(reader).await
}

/// A bound address and who may enter.
pub(crate) struct Door {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    config: Config,
}

impl Door {
    /// Binds the address; refuses a public one that nobody guards.
    pub(crate) async fn open(listen: &Listen) -> anyhow::Result<Self> {
        let token = token(listen)?;
        if !listen.listen.ip().is_loopback() && token.is_none() && !listen.public {
            bail!(
                "{} is not a loopback address, and nothing guards it: set a token (--token-file FILE or ${TOKEN_VARIABLE}), \
                 or say --public if anyone may read everything",
                listen.listen
            );
        }
        let listener = TcpListener::bind(listen.listen).await.with_context(|| {
            format!("cannot listen on {}; choose another address with --listen", listen.listen)
        })?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, config: Config { token, ..Config::default() } })
    }

    /// Serves until asked to stop, then lets open requests end.
    pub(crate) async fn serve(self, reader: Arc<Reader>) -> anyhow::Result<()> {
        let stop = async {
            stop::asked().await;
            tracing::info!("asked to stop: open requests may end");
        };
        api::serve(self.listener, reader, self.config, stop).await?;
        Ok(())
    }
}

fn token(listen: &Listen) -> anyhow::Result<Option<String>> {
    let token = match &listen.token_file {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the token in {}", path.display()))?,
        ),
        None => std::env::var(TOKEN_VARIABLE).ok(),
    };
    match token.map(|token| token.trim().to_owned()) {
        Some(token) if token.is_empty() => {
            bail!("the token is empty; give one, or leave --token-file and ${TOKEN_VARIABLE} away")
        }
        token => Ok(token),
    }
}
