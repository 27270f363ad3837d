//! `osb check`: an image against the rules.

mod text;

use std::process::ExitCode;

use osb_check::{Context, Finding, Memo, Outcome, RULES, Report, RuleResult, Severity, Subject};
use serde_json::{Value, json};

use crate::cli::Check;
use crate::environment;
use crate::exit::{BAD_INPUT, Failure, VERIFICATION};
use crate::output::Output;
use crate::printable::path;

pub(crate) fn run(arguments: &Check, output: &Output) -> Result<ExitCode, Failure> {
    if arguments.list {
        list(output);
        return Ok(ExitCode::SUCCESS);
    }
    let (image_path, image) = super::inspect::open(&arguments.image)?;
    let subject = Subject::of(&image).map_err(|fault| Failure::from_error(BAD_INPUT, &fault))?;
    // The trees are in the subject: twice they are not needed.
    drop(image);
    if subject.root.is_none() && subject.boot.is_none() && subject.table.is_none() {
        let message = format!("{} has no file system that osb knows", image_path.display());
        return Err(Failure::new(BAD_INPUT, message));
    }
    let wanted = match &arguments.recipe {
        Some(recipe) => osb_builder::wanted(&osb_recipe::load(&super::recipe(Some(recipe)))?),
        None => Context::default(),
    };
    let context = Context {
        jobs: environment::processors(),
        only: arguments.rule.clone(),
        skip: arguments.skip.clone(),
        allow: [wanted.allow, arguments.allow.clone()].concat(),
        mirrors: [wanted.mirrors, arguments.mirror.clone()].concat(),
        ..Context::default()
    };
    let report = osb_check::check(&subject, &context, &Memo::default());
    tell(&report, output);
    Ok(match report.count(Severity::Error) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(VERIFICATION),
    })
}

/// The whole report: a summary for people, or an object for each rule and one with the counts.
fn tell(report: &Report, output: &Output) {
    if !output.is_json() {
        output.result(&Value::Null, &text::report(report));
        return;
    }
    for result in &report.results {
        output.answer(&object(result), "");
    }
    let skipped =
        report.results.iter().filter(|each| matches!(each.outcome, Outcome::DoesNotApply(_)));
    output.answer(
        &json!({
            "event": "check",
            "rules": report.results.len(),
            "errors": report.count(Severity::Error),
            "warnings": report.count(Severity::Warning),
            "notes": report.count(Severity::Note),
            "not_proven": report.not_proven().count(),
            "do_not_apply": skipped.count(),
            "allowed": report.allowed(),
            "unused": report.unused.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
        "",
    );
}

fn object(result: &RuleResult) -> Value {
    let rule = result.rule;
    let none = Vec::new();
    let (outcome, findings, more, reason) = match &result.outcome {
        Outcome::Holds => ("holds", &none, 0, None),
        Outcome::DoesNotApply(reason) => ("does not apply", &none, 0, Some(reason)),
        Outcome::Found { findings, more } => ("found", findings, *more, None),
        Outcome::NotProven { findings, more } => ("not proven", findings, *more, None),
    };
    let told = |findings: &[Finding]| -> Vec<Value> {
        let findings = findings.iter().map(|finding| {
            let path = finding.path.as_ref().map(|bytes| path(bytes, false));
            json!({"path": path, "text": finding.text, "unseen": finding.unseen})
        });
        findings.collect()
    };
    json!({
        "event": "rule",
        "id": rule.id,
        "severity": rule.severity.name(),
        "outcome": outcome,
        "findings": told(findings),
        "more": more,
        "allowed": told(&result.allowed),
        "reason": reason,
        "remedy": rule.remedy,
    })
}

/// All rules.
fn list(output: &Output) {
    if !output.is_json() {
        output.answer(&Value::Null, &text::list());
        return;
    }
    for rule in RULES {
        output.answer(
            &json!({
                "event": "rule",
                "id": rule.id,
                "severity": rule.severity.name(),
                "claim": rule.claim,
                "reason": rule.reason,
                "source": rule.source,
                "remedy": rule.remedy,
            }),
            "",
        );
    }
}
