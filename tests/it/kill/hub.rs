//! MOSIP's hub, which goes on with each message until the gateway has acknowledged it.

use std::time::Duration;

use mosip_gateway::crypto::hmac::{self, HmacAlgorithm};
use mosip_gateway::upstream::Client;
use serde_json::{Value, json};

use super::Load;
use crate::support::gateway::HUB_SECRET;
use crate::support::process;

impl Load {
    /// Posts rejections of registrations that nobody knows, every third one twice, for as long as the hub speaks.
    pub(super) async fn push_rejections(&self, callback: &str) {
        let client = process::client();
        for number in 0.. {
            if !*self.hub_speaks.borrow() {
                return;
            }
            let id = format!("r{number}");
            let message = rejection(&id).to_string();
            for _ in 0..if number % 3 == 0 { 2 } else { 1 } {
                post(&client, callback, &message).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            self.known.lock().unwrap().rejected.insert(id);
        }
    }
}

/// That MOSIP rejects the registration `id`.
pub(super) fn rejection(id: &str) -> Value {
    json!({ "instanceId": id, "resultCode": "REJECTED", "workflowType": "CRVS_NEW" })
}

/// Posts a message until it is acknowledged.
pub(super) async fn post(client: &Client, callback: &str, message: &str) {
    let tag = hmac::tag(HmacAlgorithm::Sha256, HUB_SECRET.as_bytes(), &[message.as_bytes()]);
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    loop {
        let reply = process::push(client, callback, &hex, message).await;
        match reply.map(|reply| reply.status.as_u16()) {
            Some(200) => return,
            // Until it is back.
            None | Some(503 | 507) => tokio::time::sleep(Duration::from_millis(10)).await,
            Some(status) => panic!("the hub is answered {status}"),
        }
    }
}
