//! Debian's short names of licences as SPDX identifiers, where both mean the same.
//!
//! Only what is certain: the standard short names of copyright-format 1.0, section 7.1, and what
//! most packages write. Everything else, and every combination, stays as it was written.

use super::model::{Licence, LicenceChoice};

/// Debian's name and the SPDX identifier.
const KNOWN: [(&str, &str); 58] = [
    ("0BSD", "0BSD"),
    ("AFL-2.1", "AFL-2.1"),
    ("Apache-1.0", "Apache-1.0"),
    ("Apache-2.0", "Apache-2.0"),
    ("Artistic", "Artistic-1.0-Perl"),
    ("Artistic-2.0", "Artistic-2.0"),
    ("BSD-2-clause", "BSD-2-Clause"),
    ("BSD-2-Clause", "BSD-2-Clause"),
    ("BSD-3-clause", "BSD-3-Clause"),
    ("BSD-3-Clause", "BSD-3-Clause"),
    ("BSD-4-clause", "BSD-4-Clause"),
    ("BSL-1.0", "BSL-1.0"),
    ("Beerware", "Beerware"),
    ("CC-BY-3.0", "CC-BY-3.0"),
    ("CC-BY-4.0", "CC-BY-4.0"),
    ("CC-BY-SA-3.0", "CC-BY-SA-3.0"),
    ("CC-BY-SA-4.0", "CC-BY-SA-4.0"),
    ("CC0-1.0", "CC0-1.0"),
    ("Expat", "MIT"),
    ("FSFAP", "FSFAP"),
    ("FSFULLR", "FSFULLR"),
    ("GFDL-1.2", "GFDL-1.2-only"),
    ("GFDL-1.2+", "GFDL-1.2-or-later"),
    ("GFDL-1.3", "GFDL-1.3-only"),
    ("GFDL-1.3+", "GFDL-1.3-or-later"),
    ("GPL-1", "GPL-1.0-only"),
    ("GPL-1+", "GPL-1.0-or-later"),
    ("GPL-2", "GPL-2.0-only"),
    ("GPL-2+", "GPL-2.0-or-later"),
    ("GPL-2.0", "GPL-2.0-only"),
    ("GPL-2.0+", "GPL-2.0-or-later"),
    ("GPL-2.0-only", "GPL-2.0-only"),
    ("GPL-2.0-or-later", "GPL-2.0-or-later"),
    ("GPL-3", "GPL-3.0-only"),
    ("GPL-3+", "GPL-3.0-or-later"),
    ("GPL-3.0+", "GPL-3.0-or-later"),
    ("GPL-3.0-or-later", "GPL-3.0-or-later"),
    ("ISC", "ISC"),
    ("LGPL-2", "LGPL-2.0-only"),
    ("LGPL-2+", "LGPL-2.0-or-later"),
    ("LGPL-2.0+", "LGPL-2.0-or-later"),
    ("LGPL-2.1", "LGPL-2.1-only"),
    ("LGPL-2.1+", "LGPL-2.1-or-later"),
    ("LGPL-2.1-only", "LGPL-2.1-only"),
    ("LGPL-2.1-or-later", "LGPL-2.1-or-later"),
    ("LGPL-3", "LGPL-3.0-only"),
    ("LGPL-3+", "LGPL-3.0-or-later"),
    ("LPPL-1.3c", "LPPL-1.3c"),
    ("MIT", "MIT"),
    ("MIT-0", "MIT-0"),
    ("MPL-1.1", "MPL-1.1"),
    ("MPL-2.0", "MPL-2.0"),
    ("OFL-1.1", "OFL-1.1"),
    ("OpenSSL", "OpenSSL"),
    ("PSF-2", "PSF-2.0"),
    ("Unlicense", "Unlicense"),
    ("W3C", "W3C"),
    ("Zlib", "Zlib"),
];

/// The entry of a licence that Debian calls `name`.
pub(super) fn choice(name: &str) -> LicenceChoice {
    let id = KNOWN.iter().find(|(debian, _)| *debian == name).map(|(_, spdx)| *spdx);
    let name = id.is_none().then(|| name.to_owned());
    LicenceChoice { license: Licence { id, name, acknowledgement: "declared" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_certain_keeps_its_name() {
        assert_eq!(choice("GPL-2+").license.id, Some("GPL-2.0-or-later"));
        assert_eq!(
            choice("GPL-2+ or Artistic").license.name.as_deref(),
            Some("GPL-2+ or Artistic")
        );
    }

    /// The schema has the list; what is not on it would make the document invalid.
    #[test]
    fn identifiers_are_those_of_spdx() {
        let list = include_str!("../../tests/data/spdx.schema.json");
        for (name, id) in KNOWN {
            assert!(list.contains(&format!("\"{id}\"")), "{name}: {id}");
        }
    }
}
