//! A bare proxy on hyper: one thread, one upstream connection for each client connection, no check, no header touched.
//! What hyper itself costs; whatever the gateway takes beyond is its own.
//! Not a proxy for use: it strips nothing, limits nothing and lets a client wait for ever.

use glacis_bench_edge::Outcome;
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// Serves until killed.
pub(crate) fn serve(listen: &str, backend: &str) -> Outcome<()> {
    let (listen, backend): (SocketAddr, SocketAddr) = (listen.parse()?, backend.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(listen).await?;
        loop {
            let (socket, _) = listener.accept().await?;
            tokio::spawn(async move {
                if let Err(error) = connection(socket, backend).await {
                    eprintln!("bare proxy: {error}");
                }
            });
        }
    })
}

async fn connection(
    socket: TcpStream,
    backend: SocketAddr,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    socket.set_nodelay(true)?;
    let upstream = TcpStream::connect(backend).await?;
    upstream.set_nodelay(true)?;
    let (sender, connection) = client::handshake::<_, Incoming>(TokioIo::new(upstream)).await?;
    tokio::spawn(connection);
    let sender = Arc::new(Mutex::new(sender));
    let service = service_fn(move |request| {
        let sender = Arc::clone(&sender);
        async move {
            let mut sender = sender.lock().await;
            sender.ready().await?;
            sender.send_request(request).await
        }
    });
    let mut http = server::Builder::new();
    http.auto_date_header(false).pipeline_flush(false).half_close(false);
    Ok(http.serve_connection(TokioIo::new(socket), service).await?)
}
