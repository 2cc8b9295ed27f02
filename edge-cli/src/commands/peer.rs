//! `outlet peer listen`: another device may call this one, on a LAN or hotspot, without a server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, Subcommand};
use outlet_core::identity::PeerAddress;
use serde_json::json;

use super::Outcome;
use super::sync::duration;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::listen::{self, Listen};

/// Exchange with another device directly.
#[derive(Debug, Args)]
pub(crate) struct PeerArgs {
    #[command(subcommand)]
    pub(crate) command: PeerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    Listen(ListenArgs),
}

/// Wait for other devices: show an address as text and as a QR code, and exchange with whoever calls.
///
/// Both sides check the other's membership, also without any network, and give only what both may
/// read. What is received counts as *sent*, never as stored: only the server makes it safe. Several
/// devices may call at once, and one that was cut off calls again and goes on. Ends with Ctrl-C,
/// after --once, or after --max-time. The other device calls with
/// `outlet sync --peer ADDRESS`, and the address that is shown here.
///
/// Example:
///   outlet peer listen
///   outlet peer listen --once --address 192.168.43.1:4433
///
/// JSON: one line each: {"listening": [ADDRESS..]}, then per session {"peer", "name", "outcome",
/// "sent", "received", "why"}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListenArgs {
    /// IP address and port to listen on; port 0 takes a free one.
    #[arg(long, default_value = "0.0.0.0:0")]
    address: SocketAddr,
    /// End after one session.
    #[arg(long)]
    once: bool,
    /// End after so long: 90s, 10min.
    #[arg(long)]
    max_time: Option<String>,
    /// No QR code.
    #[arg(long)]
    no_qr: bool,
}

/// Runs `outlet peer`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &PeerArgs) -> Result<Outcome> {
    let PeerCommand::Listen(args) = &args.command;
    ctx.member()?;
    let longest = args.max_time.as_deref().map(duration).transpose()?;
    let how = Listen { address: args.address, once: args.once, longest };
    let sessions = listen::listen(ctx, &how, |ui, bound, key| {
        let addresses: Vec<PeerAddress> = places(bound)
            .into_iter()
            .map(|ip| PeerAddress { host: ip.to_string(), port: bound.port(), key: Some(key) })
            .collect();
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        if ui.json {
            return ui.data(&json!({"listening": texts})).and_then(|()| ui.flush());
        }
        for text in &texts {
            ui.line(text)?;
        }
        ui.flush()?;
        if let Some(first) = texts.first().filter(|_| !args.no_qr) {
            ui.status(qr(first)?);
        }
        ui.status("On the other device: outlet sync --peer ADDRESS. End with Ctrl-C.");
        Ok(())
    })?;
    ctx.forget_lists();
    Ok(if sessions { Outcome::Done } else { Outcome::Incomplete })
}

/// The addresses under which others may reach this device: the one it listens on, or all there are.
fn places(bound: SocketAddr) -> Vec<IpAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound.ip()];
    }
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    let mut found: Vec<IpAddr> = all
        .into_iter()
        .filter(|interface| !interface.is_loopback())
        .map(|interface| interface.ip())
        .filter(|ip| ip.is_ipv4() || !bound.is_ipv4())
        .collect();
    found.sort();
    found.dedup();
    if found.is_empty() { vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] } else { found }
}

fn qr(text: &str) -> Result<String> {
    let code = qrcode::QrCode::new(text.to_ascii_uppercase().as_bytes())
        .map_err(|error| CommandError::because("the QR code cannot be drawn", error))?;
    Ok(code.render::<qrcode::render::unicode::Dense1x2>().build())
}

/// How long a caller looks for the other device.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
