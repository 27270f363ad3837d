//! Chains of clusters: followed, taken, given back.

use super::EditError;
use super::volume::Volume;

impl Volume<'_> {
    /// The clusters from `first` to the end of the chain, at most `most` of them.
    pub(super) fn chain(&mut self, first: u32, most: u64) -> Result<Vec<u32>, EditError> {
        let mut chain = Vec::new();
        let mut cluster = first;
        while cluster < self.shape.width.end() {
            self.shape.cluster_at(cluster)?;
            if chain.len() as u64 >= most {
                return Err(EditError::damaged(format!(
                    "the chain from cluster {first} is longer than {most} clusters, or a circle"
                )));
            }
            chain.push(cluster);
            cluster = self.entry(cluster)?;
        }
        Ok(chain)
    }

    /// The first `wanted` clusters of a file, whatever follows.
    pub(super) fn chain_of(&mut self, first: u32, wanted: u64) -> Result<Vec<u32>, EditError> {
        let mut chain = vec![first];
        self.shape.cluster_at(first)?;
        while (chain.len() as u64) < wanted {
            let next = self.entry(chain[chain.len() - 1])?;
            self.shape.cluster_at(next)?;
            chain.push(next);
        }
        Ok(chain)
    }

    /// Makes a chain `wanted` clusters long: takes more behind its end, or gives the last ones
    /// back.
    pub(super) fn fit(
        &mut self,
        path: &str,
        mut chain: Vec<u32>,
        wanted: u64,
    ) -> Result<Vec<u32>, EditError> {
        let before = chain.len() as u64;
        let missing = wanted.saturating_sub(before);
        let more = self.find_free(path, missing)?;
        for cluster in chain.drain((wanted as usize).min(chain.len())..) {
            self.set_entry(cluster, 0)?;
            self.taken -= 1;
        }
        self.taken += more.len() as i64;
        self.last = more.last().copied().or(self.last);
        // What does not change is left: the mark at an end may have any of eight values.
        if missing > 0 || wanted < before {
            let from = chain.len().saturating_sub(1);
            chain.extend(more);
            for index in from..chain.len() {
                // The highest number marks the end of a chain.
                let next = chain.get(index + 1).copied().unwrap_or(self.shape.width.mask());
                self.set_entry(chain[index], next)?;
            }
        }
        Ok(chain)
    }

    /// So many free clusters, from where the last one was taken on, and then from the beginning.
    fn find_free(&mut self, path: &str, wanted: u64) -> Result<Vec<u32>, EditError> {
        let mut found = Vec::new();
        if wanted == 0 {
            return Ok(found);
        }
        let (hint, end) = (self.hint()?, self.shape.clusters + 2);
        for cluster in (hint..end).chain(2..hint) {
            if self.entry(cluster)? == 0 {
                found.push(cluster);
                if found.len() as u64 == wanted {
                    return Ok(found);
                }
            }
        }
        Err(EditError::Full {
            path: path.to_owned(),
            needed: wanted * self.shape.cluster,
            free: found.len() as u64 * self.shape.cluster,
        })
    }

    /// Number of free clusters, counted.
    pub(super) fn count_free(&mut self) -> Result<u64, EditError> {
        let mut free = 0;
        for cluster in 2..self.shape.clusters + 2 {
            free += u64::from(self.entry(cluster)? == 0);
        }
        Ok(free)
    }
}
