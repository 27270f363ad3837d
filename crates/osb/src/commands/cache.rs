//! `osb cache`: what it holds, and removing what is not needed.

use std::fmt::Write;
use std::path::Path;

use osb_builder::{Bucket, Damage, Event, Keep, Limits, Pruning, Scope, Verification};
use serde_json::{Value, json};

use crate::cli::{Cache, CacheAction, Global, Prune, Verify};
use crate::environment;
use crate::exit::{Failure, VERIFICATION};
use crate::format;
use crate::output::Output;

const DAY: u64 = 24 * 3600;

pub(crate) fn run(global: &Global, arguments: &Cache, output: &Output) -> Result<(), Failure> {
    let folder = environment::cache_folder(global.cache_dir.as_deref())?;
    match &arguments.action {
        None | Some(CacheAction::List) => list(&folder, output),
        Some(CacheAction::Prune(arguments)) => prune(&folder, arguments, output),
        Some(CacheAction::Verify(arguments)) => verify(&folder, arguments, output),
    }
}

fn verify(folder: &Path, arguments: &Verify, output: &Output) -> Result<(), Failure> {
    let interrupted = output.clone();
    let cancel = environment::cancel_flag(move || interrupted.failure(&Failure::interrupted()))?;
    let request = Verification { cache: folder, remove: arguments.remove, cancel: &cancel };
    let verified = osb_builder::verify(&request, &|event| output.event(&event))?;
    let listed: Vec<_> = verified
        .damaged
        .iter()
        .map(|damage| json!({"path": damage.path, "what": damage.what}))
        .collect();
    let value = json!({
        "event": "verify",
        "path": folder,
        "entries": verified.entries,
        "damaged": listed,
        "removed": arguments.remove,
    });
    let mut text = String::new();
    for Damage { path, what } in &verified.damaged {
        let verb = if arguments.remove { "removed" } else { "damaged" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {verb} {}: {what}", path.display());
    }
    let (entries, damaged) = (verified.entries, verified.damaged.len());
    let _ = write!(text, "{entries} entries read, {damaged} damaged");
    output.answer(&value, &text);
    match damaged {
        0 => Ok(()),
        _ if arguments.remove => Ok(()),
        count => {
            let message = format!("{count} entries of the cache are damaged");
            let hint = "take them away with --remove: the next build makes them anew";
            Err(Failure::new(VERIFICATION, message).with_hint(hint))
        }
    }
}

fn list(folder: &Path, output: &Output) -> Result<(), Failure> {
    let buckets = osb_builder::contents(folder)?;
    let text = match buckets.is_empty() {
        true => format!("there is nothing in {}", folder.display()),
        false => format!("{}\n{}", folder.display(), table(&buckets)),
    };
    output.answer(&machine("cache", folder, &buckets), &text);
    Ok(())
}

fn prune(folder: &Path, arguments: &Prune, output: &Output) -> Result<(), Failure> {
    let interrupted = output.clone();
    let cancel = environment::cancel_flag(move || interrupted.failure(&Failure::interrupted()))?;
    let request = Pruning {
        cache: folder,
        keep: keep(arguments),
        dry_run: arguments.dry_run,
        wait: !arguments.no_wait,
        now: environment::now(),
        cancel: &cancel,
    };
    let removed = osb_builder::prune(&request, &|text| output.event(&Event::Note(text)))?;
    let text = match (removed.is_empty(), arguments.dry_run) {
        (true, _) => format!("nothing to remove from {}", folder.display()),
        (false, true) => format!("would remove from {}\n{}", folder.display(), table(&removed)),
        (false, false) => format!("removed from {}\n{}", folder.display(), table(&removed)),
    };
    let mut value = machine("prune", folder, &removed);
    value["dry_run"] = arguments.dry_run.into();
    output.result(&value, &text);
    Ok(())
}

/// Which entries the options keep.
fn keep(arguments: &Prune) -> Keep {
    let seconds = arguments.older_than.map(|days| u64::from(days) * DAY);
    let (scope, bytes) = match (arguments.layers, arguments.keep_size) {
        // Layers by themselves: all of them.
        (true, None) if seconds.is_none() => (Scope::Layers, Some(0)),
        (true, bytes) => (Scope::Layers, bytes),
        (false, bytes) => (Scope::All, bytes),
    };
    match (arguments.all, seconds, bytes) {
        (true, ..) => Keep::Nothing,
        (false, None, None) => Keep::All,
        (false, seconds, bytes) => Keep::Within(Limits { scope, seconds, bytes }),
    }
}

/// One line a bucket, and their sum.
fn table(buckets: &[Bucket]) -> String {
    let now = environment::now();
    let mut text =
        format!("  {:12} {:>7} {:>11} {:>10} {:>10}\n", "", "entries", "size", "oldest", "newest");
    for bucket in buckets {
        let Bucket { name, what, entries, bytes, used } = bucket;
        let [oldest, newest] = match used {
            Some(used) => [used.oldest, used.newest].map(|time| format::age(now - time)),
            None => [const { String::new() }; 2],
        };
        let size = format::bytes(*bytes);
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "  {name:12} {entries:>7} {size:>11} {oldest:>10} {newest:>10}  {what}");
    }
    let _ = write!(text, "  {:12} {:>7} {:>11}", "", "", format::bytes(sum(buckets)));
    text
}

fn machine(event: &str, folder: &Path, buckets: &[Bucket]) -> Value {
    let listed: Vec<_> = buckets
        .iter()
        .map(|Bucket { name, entries, bytes, used, .. }| {
            json!({
                "name": name,
                "entries": entries,
                "bytes": bytes,
                "oldest_use": used.map(|used| used.oldest),
                "newest_use": used.map(|used| used.newest),
            })
        })
        .collect();
    json!({"event": event, "path": folder, "buckets": listed, "bytes": sum(buckets)})
}

fn sum(buckets: &[Bucket]) -> u64 {
    buckets.iter().map(|bucket| bucket.bytes).sum()
}
