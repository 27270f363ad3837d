//! Images: one with everything that an image has, and any.

use std::io;

use osb_blockmap::{BlockMap, Range, Recorder, State};
use osb_flash::{Image, Source};
use osb_partition::{Format, Guid, Layout, PartitionSpec, PartitionType, SectorSize, Table};
use osb_sink::{Sink, Tee, WriteSink};

use super::{K, MIB, noise};

/// Bytes and their map.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) map: BlockMap,
}

impl Made {
    /// With its map.
    pub(crate) fn image(&self) -> Image {
        Image { map: Some(self.map.clone()), ..self.foreign() }
    }

    /// Without: bytes that nobody knows.
    pub(crate) fn foreign(&self) -> Image {
        let source = Box::new(Bytes { bytes: self.bytes.clone(), size: true, last: 0 });
        Image { name: "test".to_owned(), source, map: None, digest: None, sector_size: None }
    }

    /// A disk that had `before` and was written, but for what makes it another than its clones.
    /// With a map, what is unused is left alone.
    pub(crate) fn on(&self, before: &[u8], mapped: bool) -> Vec<u8> {
        let mut disk = before.to_vec();
        let (head, tail) = (MIB as usize, disk.len() - MIB as usize);
        disk[..head].fill(0);
        disk[tail..].fill(0);
        for range in self.map.ranges() {
            let span = range.offset as usize..range.end() as usize;
            if !mapped || range.state != State::Unused {
                disk[span.clone()].copy_from_slice(&self.bytes[span]);
            }
        }
        disk
    }
}

/// A disk with a GPT, two partitions, and ranges of all states.
pub(crate) fn made(sector: SectorSize) -> Made {
    formatted(Format { sector, ..Format::default() })
}

/// The same with an MBR.
pub(crate) fn with_mbr() -> Made {
    formatted(Format { table: Table::Mbr, ..Format::default() })
}

fn formatted(format: Format) -> Made {
    let spec = |name: &str, kind, size| {
        let guid = Guid::from_digest(format!("{name:<16}").as_bytes());
        PartitionSpec { name: name.into(), kind, guid, size }
    };
    let partitions = vec![
        spec("boot", PartitionType::EfiSystem, 2 * MIB),
        spec("root", PartitionType::LinuxRootArm64, 7 * MIB),
    ];
    let disk = Guid::from_digest(b"identifier of the image");
    let layout = Layout::with_format(format, disk, partitions).unwrap();
    let (mut recorder, mut bytes) = (Recorder::new(), WriteSink::new(Vec::new()));
    let fill = &mut |index: usize, sink: &mut dyn Sink| match index {
        0 => boot(sink),
        _ => root(sink),
    };
    layout.write(&mut Tee(vec![&mut recorder, &mut bytes]), fill).unwrap();
    Made { bytes: bytes.into_inner(), map: recorder.finish() }
}

/// Begins as a FAT does, so that it would boot if it lay at the beginning of the disk.
fn boot(sink: &mut dyn Sink) -> io::Result<()> {
    let mut sector = noise(1, 512);
    sector[..3].copy_from_slice(&[0xEB, 0x58, 0x90]);
    sector[82..90].copy_from_slice(b"FAT32   ");
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    sink.data(&sector)?;
    sink.data(&noise(2, 300 * K as usize))?;
    sink.zeros(20 * K)?;
    sink.data(&noise(3, 100 * K as usize))?;
    sink.unused(2 * MIB - 420 * K - 512)
}

fn root(sink: &mut dyn Sink) -> io::Result<()> {
    sink.data(&noise(4, 1500 * K as usize))?;
    sink.zeros(1000 * K)?;
    sink.data(&noise(5, 4 * K as usize))?;
    sink.unused(1020 * K)?;
    sink.data(&noise(6, 600 * K as usize))?;
    sink.unused(8 * K)?;
    sink.data(&noise(7, 1200 * K as usize))?;
    sink.zeros(200 * K)?;
    sink.unused(7 * MIB - 5532 * K)
}

/// Any image: ranges of these states, `noise` where there is data.
pub(crate) fn any(ranges: &[(u64, char)]) -> Made {
    let (mut bytes, mut map) = (Vec::new(), Vec::new());
    for (len, state) in ranges {
        let offset = bytes.len() as u64;
        let part = match state {
            'd' => noise(offset + 1, *len as usize),
            _ => vec![0; *len as usize],
        };
        let state = match state {
            'd' => State::Data(osb_checksum::sha256(&part)),
            'z' => State::Zero,
            _ => State::Unused,
        };
        bytes.extend(part);
        map.push(Range { offset, len: *len, state });
    }
    let map = BlockMap::new(bytes.len() as u64, map).unwrap();
    Made { bytes, map }
}

/// Bytes in memory, read forwards.
pub(crate) struct Bytes {
    pub(crate) bytes: Vec<u8>,
    /// Whether their number is told.
    pub(crate) size: bool,
    pub(crate) last: u64,
}

impl Source for Bytes {
    fn size(&self) -> Option<u64> {
        self.size.then_some(self.bytes.len() as u64)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(offset >= self.last, "back to {offset} from {}", self.last);
        let rest = self.bytes.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.last = offset + len as u64;
        Ok(len)
    }
}
