//! From the plan to bytes, once and in order.

use std::io::{self, Read};

use osb_sink::{Counting, Sink};
use osb_tree::Content;

use crate::boot::{MEDIA, padded_label, reserved_sectors};
use crate::directory::{Facts, push, push_dots, push_label};
use crate::geometry::TABLES;
use crate::layout::{Body, Node};
use crate::time::DosTime;
use crate::{FatError, Plan};

/// The end of a chain, and any value of the table's second entry that says "cleanly unmounted, no
/// read errors" (the specification, "FAT data structure").
const END: u32 = 0x0FFF_FFFF;

/// Bytes at the end of the volume that are written even where nothing is stored: some formats keep
/// a copy of what they are recognised by there (a GPT's, md's, ZFS's), which must not come through
/// from what was on the disk before.
const TAIL: u64 = 1 << 20;

/// Bytes of the table, and of a file's content, that are handed on at a time.
const STEP: usize = 256 * 1024;

impl Plan {
    /// Writes the whole volume, exactly [`crate::Options::size`] bytes.
    ///
    /// # Errors
    /// If the sink refuses, or the content of a file cannot be read or became shorter since.
    pub fn write(&self, sink: &mut dyn Sink) -> Result<(), FatError> {
        let mut sink = Counting::new(sink);
        sink.data(&reserved_sectors(&self.geometry, &self.options, self.used))?;
        for _ in 0..TABLES {
            self.write_table(&mut sink)?;
        }
        let mut buffer = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let len = match &node.body {
                Body::Directory(children) => {
                    let bytes = self.directory(index, children);
                    sink.data(&bytes)?;
                    bytes.len() as u64
                }
                Body::File(content) => {
                    write_file(node, content, &mut buffer, &mut sink)?;
                    u64::from(node.facts.size)
                }
            };
            sink.zeros(u64::from(node.clusters) * self.geometry.cluster_size() - len)?;
        }
        let rest = self.options.size - sink.position();
        // Clusters that the table says are free: nobody reads them before writing them.
        sink.unused(rest.saturating_sub(TAIL))?;
        Ok(sink.zeros(rest.min(TAIL))?)
    }

    /// One copy of the allocation table: every run points to its next cluster until its end.
    fn write_table(&self, sink: &mut dyn Sink) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(STEP + 4);
        let mut written = 0;
        let heads = [0x0FFF_FF00 | u32::from(MEDIA), END];
        let runs = self.nodes.iter().filter(|node| node.clusters > 0).flat_map(|node| {
            let last = node.facts.cluster + (node.clusters - 1);
            (node.facts.cluster..last).map(|cluster| cluster + 1).chain([END])
        });
        for entry in heads.into_iter().chain(runs) {
            bytes.extend_from_slice(&entry.to_le_bytes());
            if bytes.len() >= STEP {
                sink.data(&bytes)?;
                written += bytes.len() as u64;
                bytes.clear();
            }
        }
        sink.data(&bytes)?;
        written += bytes.len() as u64;
        sink.zeros(u64::from(self.geometry.table_sectors) * self.geometry.sector - written)
    }

    /// The entries of a directory.
    fn directory(&self, index: usize, children: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let own = &self.nodes[index];
        if index == 0 {
            if !self.options.label.is_empty() {
                let time = DosTime::from_unix(self.options.timestamp);
                push_label(&mut bytes, &padded_label(&self.options.label), time);
            }
        } else {
            let parent = self.nodes[own.parent].facts;
            let cluster = if own.parent == 0 { 0 } else { parent.cluster };
            push_dots(&mut bytes, &own.facts, &Facts { cluster, ..parent });
        }
        for child in children.iter().map(|child| &self.nodes[*child]) {
            let long = child.long.then(|| child.name());
            push(&mut bytes, long, &child.short, &child.facts);
        }
        bytes
    }
}

fn write_file(
    node: &Node,
    content: &Content,
    buffer: &mut Vec<u8>,
    sink: &mut dyn Sink,
) -> Result<(), FatError> {
    if let Content::Bytes(bytes) = content {
        return Ok(sink.data(bytes)?);
    }
    let read = |source| FatError::Read { path: node.path.clone(), source };
    let size = u64::from(node.facts.size);
    let mut reader = content.open().map_err(read)?;
    let mut left = size;
    buffer.resize(STEP, 0);
    while left > 0 {
        let step = usize::try_from(left).map_or(STEP, |left| left.min(STEP));
        match reader.read(&mut buffer[..step]) {
            Ok(0) => {
                let path = node.path.clone();
                return Err(FatError::Changed { path, got: size - left, size });
            }
            Ok(got) => {
                sink.data(&buffer[..got])?;
                left -= got as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read(error)),
        }
    }
    Ok(())
}
