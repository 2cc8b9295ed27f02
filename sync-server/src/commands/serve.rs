//! `serve`.

use super::Outcome;
use crate::cli::{LogFormat, ServeArgs};
use crate::error::{CommandError, Exit};
use crate::folder::Folder;
use crate::server::Server;
use crate::ui::Ui;

pub(super) fn serve(args: ServeArgs, log: Option<LogFormat>, mut folder: Folder, ui: &mut Ui) -> Outcome {
    let config = &mut folder.config;
    config.listen.quic = args.quic.unwrap_or_else(|| config.listen.quic.clone());
    config.listen.tls = args.tls.unwrap_or_else(|| config.listen.tls.clone());
    config.listen.http = args.http.unwrap_or_else(|| config.listen.http.clone());
    if ui.env.install_logs {
        let json = log.map_or(config.log.format == "json", |log| log == LogFormat::Json);
        install_logs(&config.log.filter, json)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::internal(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let signal = shutdown_signal()?;
        let server = Server::bind(folder).await?;
        let addresses = server.local_addrs();
        // The one line of output: scripts wait for it.
        let tls = addresses.tls.map(|tls| format!(" tls={tls}")).unwrap_or_default();
        let scheme = if addresses.https { "https" } else { "http" };
        ui.data(format!("listening quic={} http={scheme}://{}/{tls}\n", addresses.quic, addresses.http).as_bytes())?;
        let accounts = server.engine().database().read::<_, CommandError>(|tx| Ok(crate::accounts::all(tx)?))?;
        if accounts.is_empty() {
            tracing::warn!("nobody can sign in to the console yet: make an account with `outlet-server account add`");
        }
        server.run(signal).await
    })?;
    Ok(Exit::Ok)
}

fn install_logs(filter: &str, json: bool) -> Result<(), CommandError> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| {
        CommandError::user(format!("log.filter {filter:?} is not valid: {error}"))
            .hint("write it like info or outlet_server=debug")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // Somebody else's subscriber, in a test process, stays.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
    Ok(())
}

/// Resolves at SIGINT or SIGTERM.
fn shutdown_signal() -> Result<impl Future<Output = ()>, CommandError> {
    let failed = |error| CommandError::internal(format!("signals cannot be waited for: {error}"));
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
    #[cfg(unix)]
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
