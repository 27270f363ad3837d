//! Files that layers pin by URL and digest: downloaded, checked, laid.

use std::path::PathBuf;

use osb_apt::{FetchEvent, Wanted};

use crate::error::BuildError;
use crate::job::Job;
use crate::sources;

/// What to download for an artifact.
pub(crate) fn wanted(url: &str, sha256: &str, size: u64) -> Wanted {
    Wanted { name: url.to_owned(), sha256: sha256.to_owned(), size, url: url.to_owned() }
}

/// Downloads what the cache lacks, as a stage; returns the files in order.
pub(crate) fn download(job: &Job, wanted: &[Wanted]) -> Result<Vec<PathBuf>, BuildError> {
    let fetcher = sources::fetcher(job);
    let total = wanted.iter().map(|wanted| wanted.size).sum();
    job.stage("download artifacts", Some(total), || {
        let tell = |event: FetchEvent<'_>| match event {
            FetchEvent::Bytes(bytes) => job.advance(bytes),
            FetchEvent::Started { name, .. } => job.detail(name),
            FetchEvent::Finished { .. } | FetchEvent::Discarded(_) => {}
        };
        let files = fetcher.fetch_artifacts(wanted, job.options.jobs.max(4), &tell)?;
        Ok((files, format!("{} files", wanted.len())))
    })
}
