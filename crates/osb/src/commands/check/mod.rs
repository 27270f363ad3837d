//! `osb check`: an image against the rules.

mod text;

use std::process::ExitCode;

use osb_check::{Context, Memo, Outcome, RULES, Report, RuleResult, Severity, Subject};
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
    let context = Context {
        jobs: environment::processors(),
        only: arguments.rule.clone(),
        skip: arguments.skip.clone(),
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
            "do_not_apply": skipped.count(),
        }),
        "",
    );
}

fn object(result: &RuleResult) -> Value {
    let rule = result.rule;
    let (outcome, findings, more, reason) = match &result.outcome {
        Outcome::Holds => ("holds", Vec::new(), 0, None),
        Outcome::DoesNotApply(reason) => ("does not apply", Vec::new(), 0, Some(reason)),
        Outcome::Found { findings, more } => {
            let findings = findings.iter().map(|finding| {
                let path = finding.path.as_ref().map(|bytes| path(bytes, false));
                json!({"path": path, "text": finding.text})
            });
            ("found", findings.collect(), *more, None)
        }
    };
    json!({
        "event": "rule",
        "id": rule.id,
        "severity": rule.severity.name(),
        "outcome": outcome,
        "findings": findings,
        "more": more,
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
