//! `netraven tag rule`

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::input::fields;
use crate::output::format::or_dash;
use crate::output::table::{Column, render};
use clap::{ArgGroup, Subcommand};
use netraven_model::TagRuleId;
use netraven_store::tag_rules::{self, NewTagRule};
use serde_json::json;

const ADD_EXAMPLES: &str = "\
Examples:
  netraven tag rule add core --hostname 'core-*'
  netraven tag rule add paris --network 10.75.0.0/16 --dry-run
  netraven tag rule add ios-paris --platform cisco_ios --site paris --description 'for ops'

A device gets the tag when it fits all conditions, now or after a change, and loses it when it
no longer fits; a tag that a person gave it stays. A tag that does not exist yet is made.";

const LIST_EXAMPLES: &str = "\
Examples:
  netraven tag rule list
  netraven tag rule list --json";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven tag rule remove 3";

/// Rules that give tags to devices that fit.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a rule and gives its tag to the devices that fit
    #[command(after_help = ADD_EXAMPLES)]
    Add(Add),
    /// Lists them with the number of devices that have the tag by them
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Removes a rule; devices that have the tag by it alone lose it
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its number, as `list` shows it
        id: i64,
    },
}

/// A rule to make.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("condition").required(true).multiple(true)))]
pub struct Add {
    /// The tag
    #[arg(value_parser = fields::tag)]
    tag: String,
    /// Devices of such names: * is any characters, ? is one, upper and lower case are alike
    #[arg(long, group = "condition", value_name = "PATTERN", value_parser = fields::line)]
    hostname: Option<String>,
    /// Devices of this platform
    #[arg(long, short, group = "condition", value_name = "NAME")]
    platform: Option<String>,
    /// Devices at this site
    #[arg(long, group = "condition", value_parser = fields::line)]
    site: Option<String>,
    /// Devices with an address in this network
    #[arg(long, group = "condition", value_parser = fields::network)]
    network: Option<String>,
    /// For people
    #[arg(long, value_parser = fields::line)]
    description: Option<String>,
    /// Shows how many devices would get the tag and changes nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Add(args) => add(args, context).await,
        Command::List => list(context).await,
        Command::Remove { id } => {
            let lost =
                with_store(context, async |store| Ok(tag_rules::remove(store, TagRuleId(id)).await?)).await?;
            let json = || json!({"removed": id, "devices": lost});
            context.output.show(json, || format!("tag rule {id} removed; {} lost its tag", devices(lost)))
        }
    }
}

async fn add(args: Add, context: &Context) -> Result {
    let platform = args.platform.as_deref().map(|name| context.platform(name)).transpose()?;
    let new = NewTagRule {
        tag: args.tag,
        hostname_pattern: args.hostname,
        device_type: platform,
        site: args.site,
        network: args.network,
        description: args.description,
    };
    if args.dry_run {
        let effect = with_store(context, async |store| Ok(tag_rules::try_out(store, &new).await?)).await?;
        let json =
            || json!({"dry_run": true, "tag": new.tag, "fitting": effect.fitting, "gained": effect.gained});
        return context.output.show(json, || {
            format!(
                "{} would get the tag {}, {} fit; nothing was changed (--dry-run)",
                devices(effect.gained),
                new.tag,
                effect.fitting
            )
        });
    }
    let (rule, effect) = with_store(context, async |store| Ok(tag_rules::add(store, &new).await?)).await?;
    let json = || json!({"dry_run": false, "rule": rule, "fitting": effect.fitting, "gained": effect.gained});
    context.output.show(json, || {
        format!(
            "tag rule {} made; {} got the tag {}, {} fit",
            rule.id,
            devices(effect.gained),
            rule.tag,
            effect.fitting
        )
    })
}

async fn list(context: &Context) -> Result {
    let rules = with_store(context, async |store| Ok(tag_rules::list(store).await?)).await?;
    context.output.show(
        || json!(rules),
        || {
            let columns = [
                Column::Right("ID"),
                Column::Left("TAG"),
                Column::Left("CONDITION"),
                Column::Right("DEVICES"),
                Column::Left("DESCRIPTION"),
            ];
            let rows = rules.iter().map(|rule| {
                vec![
                    rule.id.to_string(),
                    rule.tag.clone(),
                    rule.condition(),
                    rule.devices.to_string(),
                    or_dash(rule.description.as_deref()),
                ]
            });
            render(&columns, rows, context.output.width)
        },
    )
}

fn devices(count: i64) -> String {
    if count == 1 { "1 device".to_owned() } else { format!("{count} devices") }
}
