//! Requests of their own, without a queue: commands, logins that are asked about, platforms that differ.

use crate::station::{Station, Wish, only};
use crate::support::quick;
use netraven_device::{
    Access, CollectRequest, Collected, ExecuteRequest, Gateway, Guarding, LoginGuard, LoginPermit,
    LoginResult,
};
use netraven_lab::{Lab, LabDevice, LabSettings};
use netraven_model::{ErrorCode, Event, Failure, Login, Phase, Protocol, Secret, Target};
use netraven_platform::Platforms;
use netraven_seal::FingerprintKey;
use netraven_service::Collector;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// Writes down what it is asked and told.
#[derive(Clone, Debug)]
struct Witness {
    name: &'static str,
    forbids: bool,
    said: Arc<Mutex<Vec<String>>>,
}

impl Witness {
    fn say(&self, what: &str) {
        self.said.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

impl LoginGuard for Witness {
    fn enter(&self) -> Guarding<'_, Result<Box<dyn LoginPermit>, Failure>> {
        Box::pin(async {
            self.say("enter");
            match self.forbids {
                true => Err(Failure::new(ErrorCode::LockoutGuard, Phase::Authenticate, "not now")),
                false => Ok(Box::new(Permit(self.clone())) as Box<dyn LoginPermit>),
            }
        })
    }
}

#[derive(Debug)]
struct Permit(Witness);

impl LoginPermit for Permit {
    fn settle(&mut self, accepted: bool) -> Guarding<'_, ()> {
        self.0.say(if accepted { "accepted" } else { "refused" });
        Box::pin(std::future::ready(()))
    }
}

struct Asked {
    station: Station,
    lab: Lab,
    collector: Collector,
    platforms: Platforms,
    said: Arc<Mutex<Vec<String>>>,
}

impl Asked {
    async fn new(wish: Wish) -> Self {
        let platforms: Vec<String> = ["cisco_ios", "frr"].map(str::to_owned).into();
        let lab = Lab::start(LabSettings { count: 2, platforms, ..LabSettings::default() }).unwrap();
        let station = Station::with(wish).await;
        let local = Arc::new(Gateway::new(quick().device));
        let collector = Collector::new(local, only([("g", station.settings(&[]))]));
        Self { station, lab, collector, platforms: Platforms::shipped().unwrap(), said: Arc::default() }
    }

    fn access(&self, index: u32, password: Option<&str>, name: &'static str, forbids: bool) -> Access {
        let device: LabDevice = self.lab.device(index).unwrap();
        let target = Target {
            device: None,
            uuid: Uuid::from_u128(index.into()),
            hostname: device.hostname,
            address: device.address.to_string(),
            protocol: Protocol::Ssh,
            port: device.port,
            platform: device.platform,
        };
        let password = Some(password.map_or(device.password, Secret::from));
        let login =
            Login { username: device.username, password, enable: Some(device.enable), ..Login::default() };
        let guard = Witness { name, forbids, said: self.said.clone() };
        Access { guard: Some(Arc::new(guard)), ..Access::new(target, login) }
    }

    fn commands(&self, access: Access, commands: &[&str]) -> ExecuteRequest {
        let platform = self.platforms.get(&access.target.platform).unwrap();
        let commands = commands.iter().map(|command| (*command).to_owned()).collect();
        ExecuteRequest { job: None, access, platform, commands, within: Duration::from_secs(60) }
    }

    fn backup(&self, access: Access) -> CollectRequest {
        CollectRequest {
            job: None,
            platform: self.platforms.get(&access.target.platform).unwrap(),
            access,
            fingerprint_key: FingerprintKey::from_bytes([5; 32]),
            sealing: None,
            previous: None,
        }
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().unwrap())
    }

    async fn stop(self) {
        self.station.stop().await;
        self.lab.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_answered_as_in_this_process_and_the_login_is_asked_for_and_settled() {
    let asked = Asked::new(Wish::default()).await;
    let request = asked.commands(asked.access(0, None, "device", false), &["show version", "show nonsense"]);
    let outcome = asked.collector.execute(&request).await;
    let answers = outcome.result.unwrap();
    assert_eq!(asked.said(), ["device enter", "device accepted"]);
    assert_eq!(outcome.login, LoginResult::Accepted);
    assert!(outcome.learned.is_some() && outcome.profile.is_some());
    assert!(outcome.dialogue.contains("show version"), "{}", outcome.dialogue);
    assert!(outcome.events.iter().any(|event| matches!(event.event, Event::LoggedIn { .. })));

    let here = Gateway::new(quick().device);
    asked.station.gateway.drain().await;
    let local = here.execute(&request).await.result.unwrap();
    let told = |answers: &[netraven_device::Answer]| {
        let one = |answer: &netraven_device::Answer| (answer.command.clone(), answer.accepted);
        answers.iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(told(&answers), told(&local));
    assert!(String::from_utf8_lossy(answers[0].text.expose_bytes()).contains("Cisco IOS"));
    asked.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_told_and_a_forbidden_one_is_never_shown() {
    let asked = Asked::new(Wish::default()).await;
    let request = asked.backup(asked.access(0, Some("wrong"), "device", false));
    let outcome = asked.collector.collect(&request).await;
    assert_eq!(outcome.result.unwrap_err().code, ErrorCode::AuthFailed);
    assert_eq!(outcome.login, LoginResult::Refused);
    assert_eq!(asked.said(), ["device enter", "device refused"]);
    assert_eq!(asked.lab.counters(0).unwrap().refused_logins, 1);

    let request = asked.backup(asked.access(0, None, "device", true));
    let outcome = asked.collector.collect(&request).await;
    let failure = outcome.result.unwrap_err();
    assert_eq!((failure.code, failure.message.as_str()), (ErrorCode::LockoutGuard, "not now"));
    assert_eq!(outcome.login, LoginResult::NotTried);
    assert_eq!(asked.said(), ["device enter"]);
    assert_eq!(asked.lab.counters(0).unwrap().refused_logins, 1);
    asked.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_hosts_login_is_asked_for_by_itself_and_its_key_is_learned() {
    let asked = Asked::new(Wish::default()).await;
    // The lab's devices let nobody through; until then everything is as with a jump host.
    let hop = asked.access(1, None, "hop", false);
    let access = Access { via: vec![hop.clone()], ..asked.access(0, None, "device", false) };
    let outcome = asked.collector.collect(&asked.backup(access)).await;
    let failure = outcome.result.unwrap_err();
    assert!(failure.message.contains(&format!("jump host {}", hop.target.hostname)), "{failure}");
    assert_eq!(asked.said()[..2], ["hop enter", "hop accepted"]);
    assert_eq!(outcome.login, LoginResult::NotTried);
    assert!(outcome.hops.iter().any(|learned| learned.target == hop.target && learned.host_key.is_some()));
    asked.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_says_which_definition_the_gateway_has() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("frr");
    std::fs::create_dir(&own).unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../platforms/frr/platform.yaml");
    let text = std::fs::read_to_string(shipped).unwrap() + "\n# another definition, if only by this line\n";
    std::fs::write(own.join("platform.yaml"), &text).unwrap();
    let platforms = Platforms::load(Some(folder.path())).unwrap();
    let theirs = platforms.get("frr").unwrap().digest;
    let asked = Asked::new(Wish { platforms: Some(platforms), ..Wish::default() }).await;
    let request = asked.backup(asked.access(1, None, "device", false));
    assert_ne!(request.platform.digest, theirs);
    let collected = asked.collector.collect(&request).await.result.unwrap();
    let Collected::Changed { platform_digest, .. } = collected else { panic!("{collected:?}") };
    assert_eq!(platform_digest, theirs);

    let unknown = Asked::new(Wish::default()).await;
    let lines = text.lines().filter(|line| !line.starts_with("aliases:"));
    let other = lines.collect::<Vec<_>>().join("\n").replace("name: frr", "name: acme_os");
    std::fs::write(own.join("platform.yaml"), other).unwrap();
    std::fs::rename(&own, folder.path().join("acme_os")).unwrap();
    let mut request = unknown.backup(unknown.access(1, None, "device", false));
    request.platform = Platforms::load(Some(folder.path())).unwrap().get("acme_os").unwrap();
    let failure = unknown.collector.collect(&request).await.result.unwrap_err();
    assert_eq!(failure.code, ErrorCode::UnknownPlatform, "{failure}");
    assert!(failure.message.contains("'acme_os'"), "{failure}");
    unknown.stop().await;
    asked.stop().await;
}
