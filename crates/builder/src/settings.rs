//! Settings of the recipe that become files of the image.

use osb_apt::Mirrors;
use osb_recipe::{KeyMaterial, Location, MirrorKind, Recipe, Source};

/// Debian's keyring, from the package that apt depends on.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Path, mode and text of every file that the recipe's settings stand for.
///
/// A source whose key is fetched from a URL stays out of the image: the lock pins its
/// fingerprint, not the bytes of the certificate, so the image would not be a function of the
/// lock.
pub fn files(recipe: &Recipe) -> Vec<(String, u32, Vec<u8>)> {
    let mut files = Vec::new();
    for source in recipe.sources.iter().filter(|source| source.in_image) {
        let name = &source.name;
        let signed_by = match source.keys.first().map(|key| &key.material) {
            Some(KeyMaterial::Url(_)) => continue,
            Some(KeyMaterial::File(bytes)) => {
                files.push((format!("etc/apt/keyrings/{name}.asc"), 0o644, bytes.clone()));
                format!("/etc/apt/keyrings/{name}.asc")
            }
            Some(KeyMaterial::Builtin(_)) | None => KEYRING.to_owned(),
        };
        let stanza = stanza(source, &signed_by).into_bytes();
        files.push((format!("etc/apt/sources.list.d/{name}.sources"), 0o644, stanza));
        if source.priority != 500 || !source.pin.is_empty() {
            let preferences = preferences(source).into_bytes();
            files.push((format!("etc/apt/preferences.d/osb-{name}"), 0o644, preferences));
        }
    }
    files.extend(mounts(recipe));
    files
}

/// What mounts the data partitions on the node; nothing if there are none.
fn mounts(recipe: &Recipe) -> Vec<(String, u32, Vec<u8>)> {
    let mounts = recipe.disk.mounts();
    if mounts.is_empty() {
        return Vec::new();
    }
    let lines = mounts
        .iter()
        .map(|(path, data)| format!("{} {} {path}\n", data.label, data.file_system.as_str()));
    let file = |path: &str, mode, text: &str| (path.to_owned(), mode, text.as_bytes().to_vec());
    vec![
        file("etc/osb/data-partitions", 0o644, &lines.collect::<String>()),
        file(
            "usr/lib/osb/mount-data-partitions",
            0o755,
            include_str!("data/mount-data-partitions"),
        ),
        file(
            "usr/lib/systemd/system/osb-data-partitions.service",
            0o644,
            include_str!("data/osb-data-partitions.service"),
        ),
        file(
            "usr/lib/systemd/system/local-fs.target.d/60-osb-data-partitions.conf",
            0o644,
            include_str!("data/local-fs.conf"),
        ),
    ]
}

fn stanza(source: &Source, signed_by: &str) -> String {
    // Whatever mirror built the image, it does not name it.
    let base = match &source.location {
        Location::Mirror(MirrorKind::Debian) => Mirrors::DEFAULT,
        Location::Mirror(MirrorKind::DebianSecurity) => Mirrors::DEFAULT_SECURITY,
        Location::Url(url) => url,
    };
    let components = match source.components.as_slice() {
        [] => String::new(),
        components => format!("Components: {}\n", components.join(" ")),
    };
    let suite = &source.suite;
    format!("Types: deb\nURIs: {base}\nSuites: {suite}\n{components}Signed-By: {signed_by}\n")
}

/// The same priorities as the lock was made with (apt_preferences(5)).
fn preferences(source: &Source) -> String {
    let pin = match &source.location {
        Location::Mirror(_) => format!("release n={}", source.suite),
        Location::Url(url) => {
            let host = url.split("://").last().and_then(|rest| rest.split('/').next());
            format!("origin \"{}\"", host.unwrap_or_default())
        }
    };
    let mut text = format!("Package: *\nPin: {pin}\nPin-Priority: {}\n", source.priority);
    if !source.pin.is_empty() {
        let names = source.pin.join(" ");
        text += &format!("\nPackage: {names}\nPin: {pin}\nPin-Priority: {}\n", source.pin_priority);
    }
    text
}
