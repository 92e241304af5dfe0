//! Everything over TLS that only a private authority vouches for.

use std::collections::BTreeMap;

use dialplane::kit::model::script::Behaviour;
use serde_json::json;

use crate::ear::missing;
use crate::rescue::fleet::signed;
use crate::tls::Authority;
use crate::world::{ACME, Plan, SOON, World, hears_out, pitch};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_is_greeted_when_livekit_model_and_backend_are_behind_a_private_authority() {
    let answer = json!({"voice": "marin", "systemPrompt": "You speak only over connections you trust.",
        "startMessage": "This line is encrypted as far as I can see."});
    let (world, proxies) = World::start_with(Plan::new(Behaviour::default(), &answer), async |rig, meant| {
        let authority = Authority::new(&rig.dir);
        let trust = authority.file.to_str().unwrap().to_owned();
        let mut changed = BTreeMap::from([("SSL_CERT_FILE".to_owned(), trust)]);
        let mut proxies = Vec::new();
        let plain = [
            ("LIVEKIT_URL", rig.livekit_url.as_str()),
            ("OPENAI_BASE_URL", &meant["OPENAI_BASE_URL"]),
            ("DIALPLANE_CALL_CONFIG_URL", &meant["DIALPLANE_CALL_CONFIG_URL"]),
        ];
        for (name, address) in plain {
            let url = url::Url::parse(address).unwrap();
            let proxy = authority.proxy(url.socket_addrs(|| None).unwrap()[0]).await;
            let secure = if url.scheme() == "ws" { "wss" } else { "https" };
            let path = url.path().trim_end_matches('/');
            changed.insert(name.to_owned(), format!("{secure}://localhost:{}{path}", proxy.port));
            proxies.push((name, proxy));
        }
        (changed, proxies)
    })
    .await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    let heard = hears_out(&call, pitch("marin")).await;
    assert!(missing(&heard, pitch("marin"), Behaviour::default().greeting) <= 5.0, "{heard:?}");
    // By the server API, which has connections of its own.
    signed(&world).await;
    call.hang_up();
    assert!(call.over(SOON).await.1.success());
    for (name, proxy) in &proxies {
        assert!(proxy.connections() > 0, "{name} went past its proxy");
    }
    world.end(1).await;
}
