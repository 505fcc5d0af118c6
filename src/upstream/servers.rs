//! Which certificate of the gateway a server sees. Connections under one certificate are kept apart from all others, and so are their TLS
//! sessions.

use std::sync::Arc;

use bytes::Bytes;
use http::Uri;
use http::uri::Scheme;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HyperClient;

use crate::tls_files::Refusal;

/// Connections under one certificate of the gateway, or under none. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections<C> {
    pub(super) hyper: HyperClient<HttpsConnector<C>, Full<Bytes>>,
    /// `systems[0].client_cert`, whose certificate servers see. `None`: they see none.
    pub(super) setting: Option<Arc<str>>,
    /// Why that certificate cannot be shown. No connection over TLS is made then.
    pub(super) unusable: Option<Arc<Refusal>>,
}

/// All connections.
pub(super) struct Servers<C> {
    /// The URLs of the configuration.
    pub(super) called: Vec<(Uri, Connections<C>)>,
    /// For every server that none of them names.
    pub(super) others: Connections<C>,
    /// The file of `upstream.ca_file` cannot be used, so that no server is trusted.
    pub(super) lacks_roots: bool,
}

impl<C> Servers<C> {
    /// The connections for `url`: those of the nearest URL of the configuration on the same server. Where two are as near, and differ,
    /// neither section's certificate is shown.
    pub(super) fn of(&self, url: &Uri) -> &Connections<C> {
        // Mostly no section has a certificate of its own, and the URLs need not be compared.
        if self.called.iter().all(|(_, connections)| connections.setting == self.others.setting) {
            return &self.others;
        }
        let mut nearest: Option<(Nearness, &Connections<C>)> = None;
        for (called, connections) in &self.called {
            let Some(near) = nearness(called, url) else { continue };
            nearest = match nearest {
                Some((other, found)) if other > near => Some((other, found)),
                Some((other, found)) if other == near && found.setting != connections.setting => {
                    Some((near, &self.others))
                }
                _ => Some((near, connections)),
            };
        }
        nearest.map_or(&self.others, |(_, connections)| connections)
    }
}

/// How many first segments of the paths are equal, whether those are all of the URL that is called, and whether the URLs are equal.
type Nearness = (usize, bool, bool);

/// `None`: another server.
fn nearness(called: &Uri, url: &Uri) -> Option<Nearness> {
    let is_same_host = called.host()?.eq_ignore_ascii_case(url.host()?);
    if !is_same_host || called.scheme() != url.scheme() || port(called) != port(url) {
        return None;
    }
    let equal = segments(called).zip(segments(url)).take_while(|(one, other)| one == other).count();
    Some((equal, equal == segments(called).count(), called == url))
}

fn segments(url: &Uri) -> impl Iterator<Item = &str> {
    url.path().trim_end_matches('/').split('/')
}

fn port(url: &Uri) -> u16 {
    let default = if url.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
    url.port_u16().unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use hyper_util::client::legacy::connect::HttpConnector;

    use super::*;
    use crate::upstream::client::{hyper_client, tcp};
    use crate::upstream::roots;

    fn connections(setting: Option<&str>) -> Connections<HttpConnector> {
        let tls = roots::client_config(roots::public(), None).unwrap();
        Connections { hyper: hyper_client(tls, tcp()), setting: setting.map(Arc::from), unusable: None }
    }

    #[tokio::test]
    async fn a_url_belongs_to_the_section_that_names_it_and_a_tie_to_none() {
        let named = [
            ("https://bus.example/a/events", Some("a.client_cert")),
            ("https://bus.example/b/events", Some("b.client_cert")),
            ("https://bus.example/b/events/more", Some("c.client_cert")),
            ("https://bus.example/in?to=d", Some("d.client_cert")),
            ("https://bus.example/in?to=e", Some("e.client_cert")),
            ("https://bus.example/open", None),
            ("https://alone.example/x", Some("f.client_cert")),
        ];
        let called = named.map(|(url, setting)| (url.parse().unwrap(), connections(setting)));
        let servers = Servers { called: called.into(), others: connections(None), lacks_roots: false };
        for (url, setting) in [
            ("https://bus.example/a/events", Some("a.client_cert")),
            ("https://BUS.example:443/a/events/7", Some("a.client_cert")),
            ("https://bus.example/b/events", Some("b.client_cert")),
            ("https://bus.example/b/events/more", Some("c.client_cert")),
            ("https://bus.example/in?to=d", Some("d.client_cert")),
            ("https://bus.example/in?to=e", Some("e.client_cert")),
            ("https://bus.example/open", None),
            ("https://bus.example/", None),
            ("https://bus.example/other", None),
            ("https://alone.example/", Some("f.client_cert")),
            ("https://alone.example/discovered/later", Some("f.client_cert")),
            ("https://alone.example:8443/x", None),
            ("http://alone.example/x", None),
            ("https://alone.example.evil.example/x", None),
        ] {
            assert_eq!(servers.of(&url.parse().unwrap()).setting.as_deref(), setting, "{url}");
        }
    }
}
