//! `[disk]` of `osb.toml` as written.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde_spanned::Spanned;

/// The disk. Sizes are written as `512MiB` or `2GiB`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawDisk {
    /// Kind of the partition table: `gpt` or `mbr`.
    #[serde(default = "default_table")]
    #[schemars(with = "String")]
    pub(crate) table: Spanned<String>,
    /// Bytes in a logical sector of the disk that the image is for: 512 or 4096.
    #[serde(default = "default_sector_size")]
    #[schemars(with = "u32")]
    pub(crate) sector_size: Spanned<Number>,
    /// Partitions start, and the disk ends, at multiples of this: whole MiB.
    #[serde(default = "default_alignment")]
    #[schemars(with = "String")]
    pub(crate) alignment: Spanned<String>,
    /// Size of the boot partition (FAT32); at least 64 MiB, or 257 MiB with 4096-byte sectors.
    #[serde(default = "default_boot_size")]
    #[schemars(with = "String")]
    pub(crate) boot_size: Spanned<String>,
    /// Free space in the root file system.
    #[serde(default = "default_root_free")]
    #[schemars(with = "String")]
    pub(crate) root_free: Spanned<String>,
    /// The partitions in order. Default: `boot` and `root`.
    #[serde(default)]
    pub(crate) partition: Vec<RawPartition>,
}

/// One partition.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawPartition {
    /// Name in the partition table: lower-case letters, digits, `-`, `.`.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// What is in it: `boot`, `root` or `data`.
    #[schemars(with = "String")]
    pub(crate) content: Spanned<String>,
    /// Its size. Default: of `boot` what `boot-size` says, of `root` what `free` asks for.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) size: Option<Spanned<String>>,
    /// For `root`, in place of `size`: free space. Default: what `root-free` says.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) free: Option<Spanned<String>>,
    /// For `data`: `ext4` or `vfat`. Default: `ext4`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) filesystem: Option<Spanned<String>>,
    /// For `data`: label of the file system. Default: the partition's name.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) label: Option<Spanned<String>>,
    /// For `data`: the folder where the node mounts it. Default: it does not.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) mount: Option<Spanned<String>>,
}

/// A number, or one in quotes: a value of `--set` is a string.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(pub(crate) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl Visitor<'_> for Numbers {
            type Value = Number;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("u64")
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
                let unexpected = |_| E::invalid_value(Unexpected::Signed(value), &self);
                u64::try_from(value).map(Number).map_err(unexpected)
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value))
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Number, E> {
                let unexpected = |_| E::invalid_type(Unexpected::Str(value), &self);
                value.parse().map(Number).map_err(unexpected)
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

/// A default has no place in the file.
fn unwritten(value: &str) -> Spanned<String> {
    Spanned::new(0..0, value.to_owned())
}

fn default_table() -> Spanned<String> {
    unwritten("gpt")
}

fn default_sector_size() -> Spanned<Number> {
    Spanned::new(0..0, Number(512))
}

fn default_alignment() -> Spanned<String> {
    unwritten("1MiB")
}

fn default_boot_size() -> Spanned<String> {
    unwritten("512MiB")
}

fn default_root_free() -> Spanned<String> {
    unwritten("1GiB")
}

impl Default for RawDisk {
    fn default() -> Self {
        RawDisk {
            table: default_table(),
            sector_size: default_sector_size(),
            alignment: default_alignment(),
            boot_size: default_boot_size(),
            root_free: default_root_free(),
            partition: Vec::new(),
        }
    }
}
