//! What people and programs open over HTTP: the console (feature `console`), the interfaces, and
//! what watches the server.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::engine::Engine;
use crate::tiles::base::BaseMap;

pub mod api;
#[cfg(feature = "console")]
pub mod console;
pub(crate) mod download;
pub(crate) mod gate;
pub mod health;
pub mod listen;
pub mod public;

/// All addresses. `secure`: browsers come over HTTPS, to us or to the proxy before us.
pub fn router(engine: Arc<Engine>, base: Option<BaseMap>, secure: bool) -> Router {
    let plain = Router::new().merge(health::router(Arc::clone(&engine)));
    let plain = plain.merge(public::router(Arc::clone(&engine)));
    #[cfg(feature = "console")]
    let (plain, sessions) = {
        let console = Arc::new(console::Console::new(Arc::clone(&engine), secure));
        (plain.merge(console::router(Arc::clone(&console))), Some(sessions(console)))
    };
    #[cfg(not(feature = "console"))]
    let sessions = None;
    let api = api::Api::new(Arc::clone(&engine), base, secure, sessions);
    plain.merge(api::router(&api)).layer(from_fn_with_state(engine, health::count))
}

/// Sessions of the console open the interfaces, too: its own pages ask them.
#[cfg(feature = "console")]
fn sessions(console: Arc<console::Console>) -> Box<api::Sessions> {
    Box::new(move |headers, changes| match console.visitor(headers, changes) {
        Ok(visitor) => Ok(visitor.map(|visitor| api::Asker::session(visitor.account, visitor.session))),
        Err(console::Fault::FORGED) => Err(api::Problem::forbidden(
            "the request does not come from a page of this server: send its token as X-CSRF-Token",
        )),
        Err(_) => Err(api::Problem::internal(&"a session cannot be read")),
    })
}
