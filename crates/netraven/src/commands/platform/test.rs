//! `netraven platform test`

use super::definitions::Collection;
use crate::context::Context;
use crate::error::{CliError, Exit, Result};
use clap::Args as ClapArgs;
use netraven_lab::{SessionFile, SourceKind};
use netraven_replay::{Case, Finding, check_all};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

pub const EXAMPLES: &str = "\
Examples:
  netraven platform test                         the shipped sessions and those of platforms.dir
  netraven platform test cisco_ios
  netraven platform test acme_os --dir ./platforms";

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Platforms by name or alias; all without one
    names: Vec<String>,
    /// Folder with NAME/platform.yaml and NAME/sessions/*/session.yaml, in place of the shipped ones
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// What became of one session.
struct Verdict {
    platform: String,
    session: String,
    details: Option<Arc<SessionFile>>,
    problems: Vec<Problem>,
}

enum Problem {
    Found(Finding),
    NotPlayed(String),
}

/// Plays the sessions; ends with exit code 1 if one of them fails.
pub fn run(args: &Args, context: &Context) -> Result {
    let collection = Collection::load(args.dir.as_deref(), context)?;
    let verdicts = judge(&collection, &args.names)?;
    context.output.show(|| view(&verdicts), || describe(&verdicts))?;
    match verdicts.iter().all(|verdict| verdict.problems.is_empty()) {
        true => Ok(()),
        false => Err(CliError::silent(Exit::Failed)),
    }
}

fn judge(collection: &Collection, names: &[String]) -> Result<Vec<Verdict>> {
    let names = wanted(collection, names);
    let chosen = |platform: &str| names.is_empty() || names.iter().any(|name| name == platform);
    let mut verdicts: Vec<Verdict> = Vec::new();
    let (mut cases, mut places) = (Vec::new(), Vec::new());
    for session in collection.sessions.iter().filter(|session| chosen(session.platform())) {
        let mut problems = Vec::new();
        match collection.platform(session.platform()) {
            Ok(platform) => {
                places.push(verdicts.len());
                cases.push(Case { platform, session: session.clone() });
            }
            Err(reason) => problems.push(Problem::NotPlayed(reason)),
        }
        let (platform, name) = (session.platform().to_owned(), session.name().to_owned());
        verdicts.push(Verdict { platform, session: name, details: Some(session.clone()), problems });
    }
    for (place, findings) in places.into_iter().zip(check_all(&cases)) {
        verdicts[place].problems.extend(findings.into_iter().map(Problem::Found));
    }
    for broken in collection.unreadable.iter().filter(|broken| chosen(&broken.platform)) {
        let (platform, session) = (broken.platform.clone(), broken.session.clone());
        let problems = vec![Problem::NotPlayed(broken.reason.clone())];
        verdicts.push(Verdict { platform, session, details: None, problems });
    }
    if let Some(name) = names.iter().find(|name| verdicts.iter().all(|verdict| verdict.platform != **name)) {
        let message = match collection.platform(name) {
            Ok(_) => format!("platform '{name}' has no session"),
            Err(reason) => reason,
        };
        return Err(
            CliError::not_found(message).hint("see `netraven platform list`, or name its folder with --dir")
        );
    }
    if verdicts.is_empty() {
        return Err(CliError::not_found("there is no session, NAME/sessions/*/session.yaml was expected"));
    }
    Ok(verdicts)
}

/// The names without aliases. Of a definition that cannot be loaded the name is taken as it is.
fn wanted(collection: &Collection, names: &[String]) -> Vec<String> {
    let name = |name: &String| collection.platform(name).map_or(name.clone(), |found| found.name.clone());
    names.iter().map(name).collect()
}

fn describe(verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    for verdict in verdicts {
        let mark = if verdict.problems.is_empty() { "ok  " } else { "FAIL" };
        let hardware = verdict.details.as_ref().map_or(String::new(), |s| format!("  {}", s.hardware()));
        text.push_str(&format!("{mark}  {}/{}{hardware}\n", verdict.platform, verdict.session));
        for problem in &verdict.problems {
            let message = match problem {
                Problem::Found(finding) => finding.to_string(),
                Problem::NotPlayed(reason) => reason.clone(),
            };
            message.lines().for_each(|line| text.push_str(&format!("      {line}\n")));
        }
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.problems.is_empty()).count();
    let mut platforms: Vec<_> = verdicts.iter().map(|verdict| verdict.platform.as_str()).collect();
    platforms.dedup();
    text.push_str(&format!(
        "{} sessions of {} platforms, {failed} failed\n",
        verdicts.len(),
        platforms.len()
    ));
    text
}

fn view(verdicts: &[Verdict]) -> Value {
    let problem = |problem: &Problem| match problem {
        Problem::Found(found) => {
            json!({"check": found.check.as_str(), "command": found.command, "message": found.message})
        }
        Problem::NotPlayed(reason) => json!({"check": "load", "command": null, "message": reason}),
    };
    verdicts
        .iter()
        .map(|verdict| {
            let source = verdict.details.as_ref().map(|session| kind(session));
            json!({
                "platform": verdict.platform, "session": verdict.session,
                "hardware": verdict.details.as_ref().map(|session| session.hardware()), "source": source,
                "passed": verdict.problems.is_empty(),
                "problems": verdict.problems.iter().map(problem).collect::<Vec<_>>(),
            })
        })
        .collect()
}

/// How the session came to be, in a word.
pub fn kind(session: &SessionFile) -> &'static str {
    match session.source().kind {
        SourceKind::Recorded => "recorded",
        SourceKind::Written => "written",
    }
}
