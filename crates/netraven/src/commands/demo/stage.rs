//! What the demo shows: inventory, first backup, changes, second backup, what changed.

use crate::changes::Changes;
use crate::commands::backup::start as start_backup;
use crate::commands::lab::{SIMULATED, inventory};
use crate::commands::up::addresses;
use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Exit, Result};
use crate::follow::{Ended, Help, follow};
use crate::output::note;
use crate::output::table::pairs;
use crate::results::{Summary, Which};
use crate::sealing::{self, Secrets};
use crate::signals::StopSignals;
use crate::work;
use netraven_lab::{Lab, LabDevice};
use netraven_service::Definitions;
use netraven_store::credentials::{self, NewCredential};
use netraven_store::devices::{self, DeviceFilter, OnExisting};
use netraven_store::jobs::TargetSelection;
use netraven_store::schedules::{self, Plan};
use netraven_store::{Store, StoreError};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Name of the demo's credential, tag and schedule.
const NAME: &str = "demo";

/// How often everything is collected while the demo goes on.
const EVERY: Duration = Duration::from_secs(60);

/// Short, so that a demo that was killed is taken up again soon.
const LEASE: Duration = Duration::from_secs(10);

/// Devices changed between the two backups.
const CHANGED: u32 = 3;

/// Everything on it runs already.
pub struct Stage<'a> {
    pub context: &'a Context,
    pub database: &'a Database,
    pub lab: &'a Lab,
    pub stays: bool,
}

impl Stage<'_> {
    /// Plays it with a worker of its own.
    pub async fn play(&self, signals: &mut StopSignals) -> Result {
        let store = &self.database.store;
        self.enter_inventory().await?;
        let mut settings = work::settings(self.context, store).await?;
        settings.lease = LEASE;
        let definitions = Definitions::new(Arc::new(self.context.platforms()?));
        let worker = work::start_with(self.context, self.database, definitions, settings).await?;
        let result = self.acts(signals).await;
        match &result {
            // Without a database nothing can be ended in order.
            Err(error) if error.exit == Exit::Database => drop(worker),
            _ => work::stop(worker, work::GRACE).await,
        }
        result
    }

    async fn acts(&self, signals: &mut StopSignals) -> Result {
        let output = self.context.output;
        note("First backup ...");
        let first = self.backup(signals).await?;
        if !output.json {
            output.text(&format!("{}\n", first.render(Which::NewsIfLong, output)))?;
        }
        note("Somebody changes some devices; second backup ...");
        self.change();
        let second = self.backup(signals).await?;
        let device = second.first_changed().map(str::to_owned);
        let changes = match &device {
            Some(device) => Some(Changes::load(&self.database.store, device, None, None).await?),
            None => None,
        };
        output.show(
            || {
                let diff = changes.as_ref().map(|changes| changes.to_json(3));
                json!({"first": first.to_json(), "second": second.to_json(), "diff": diff})
            },
            || {
                let diff =
                    changes.as_ref().map(|changes| changes.render(3, output.colour)).unwrap_or_default();
                format!("{}\n{diff}", second.render(Which::News, output))
            },
        )?;
        if first.has_failures() || second.has_failures() {
            return Err(CliError::failed("some of the simulated devices failed")
                .hint("the table says why; `netraven --env demo job list --outcome failed` tells more"));
        }
        if self.stays { self.go_on(device.as_deref(), signals).await } else { Ok(()) }
    }

    /// Devices, credential, and no schedule that would collect before we do. All of it may be there already.
    async fn enter_inventory(&self) -> Result {
        let store = &self.database.store;
        let lab = self.lab.devices();
        let Some(first) = lab.first() else { return Ok(()) };
        switch_schedule(store, false).await?;
        add_credential(self.context, store, first).await?;
        let new = inventory(&lab, &[NAME])?;
        let fleet: HashSet<_> = new.iter().map(|device| device.hostname.to_string()).collect();
        devices::add_many(store, new, OnExisting::Update).await?;
        remove_others(store, &fleet).await
    }

    async fn backup(&self, signals: &mut StopSignals) -> Result<Summary> {
        let store = &self.database.store;
        let tag = TargetSelection::Tags(vec![NAME.to_owned()]);
        let created = start_backup(store, tag, None).await?;
        match follow(self.context, self.database, created.run, signals, Help::None).await? {
            Ended::Finished => Summary::load(store, created.run).await,
            Ended::Cancelled => Err(CliError::interrupted()),
        }
    }

    /// Changes devices spread over the lab.
    fn change(&self) {
        let count = self.lab.devices().len() as u32;
        for number in 0..CHANGED {
            self.lab.change(number * count / CHANGED);
        }
    }

    /// Leaves everything running until a signal comes.
    async fn go_on(&self, device: Option<&str>, signals: &mut StopSignals) -> Result {
        switch_schedule(&self.database.store, true).await?;
        if !self.context.output.json {
            self.context.output.text(&self.invitation(device))?;
        }
        tokio::select! {
            () = signals.next() => Ok(()),
            () = self.database.died() => {
                Err(CliError { exit: Exit::Database, ..CliError::failed("the demo's PostgreSQL has ended by itself") })
            }
        }
    }

    fn invitation(&self, device: Option<&str>) -> String {
        let mut text =
            "\nThe demo goes on: about once a minute somebody changes a device, and all are collected every \
            minute.\nCtrl-C ends it.\n\n"
                .to_owned();
        let mut places = addresses(self.context, self.database);
        let first = self.lab.device(0);
        if let Some(first) = &first {
            let (port, user, address) = (first.port, &first.username, first.address);
            let password = first.password.expose_text().unwrap_or_default();
            places.push((
                "devices",
                format!("ssh -p {port} {user}@{address} and following, password {password}"),
            ));
        }
        text += &pairs(places);
        text += "\nTry in another terminal:\n";
        let device = device.or(first.as_ref().map(|first| first.hostname.as_str())).unwrap_or_default();
        for words in ["device list", "config log", "config diff", "config show", "run list", "backup --all"] {
            let device = if words.starts_with("config") { format!(" {device}") } else { String::new() };
            text += &format!("  {} {words}{device}\n", self.call());
        }
        text
    }

    /// How this program is called for the demo's database.
    fn call(&self) -> String {
        let program = std::env::args().next().unwrap_or_else(|| "netraven".to_owned());
        let chosen = self.context.effective.is_from_command_line("data_dir");
        let data_dir = chosen.then(|| format!(" --data-dir {}", self.context.settings.data_dir.display()));
        format!("{program} --env demo{}", data_dir.unwrap_or_default())
    }
}

/// Devices that an earlier demo simulated and this one does not: they would only fail.
async fn remove_others(store: &Store, fleet: &HashSet<String>) -> Result {
    let simulated = DeviceFilter { tags: vec![NAME.to_owned()], ..DeviceFilter::default() };
    for device in devices::list(store, &simulated).await? {
        let ours = device.description.as_deref() == Some(SIMULATED);
        if ours && !fleet.contains(&device.hostname) {
            devices::remove(store, &device.id.to_string()).await?;
        }
    }
    Ok(())
}

/// The credential of all the lab's devices, unless an earlier demo stored it.
async fn add_credential(context: &Context, store: &Store, device: &LabDevice) -> Result {
    match credentials::get_info(store, NAME).await {
        Ok(_) => return Ok(()),
        Err(StoreError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let new = NewCredential {
        name: NAME.to_owned(),
        username: device.username.clone(),
        description: Some("logs in to the simulated devices".to_owned()),
        tags: vec![NAME.to_owned()],
        ..NewCredential::default()
    };
    let secrets = Secrets {
        password: Some(device.password.clone()),
        enable: Some(device.enable.clone()),
        ..Secrets::default()
    };
    sealing::store(context, store, new, &secrets).await.map(drop)
}

/// Makes the schedule or switches it.
async fn switch_schedule(store: &Store, enabled: bool) -> Result {
    let now = schedules::clock(store).await?;
    match schedules::enable(store, NAME, enabled, now).await {
        Err(StoreError::NotFound { .. }) if !enabled => Ok(()),
        Err(StoreError::NotFound { .. }) => {
            let target = TargetSelection::Tags(vec![NAME.to_owned()]);
            schedules::add(store, &Plan::backup_every(NAME, EVERY, now, target), now).await?;
            Ok(())
        }
        switched => Ok(switched.map(drop)?),
    }
}
