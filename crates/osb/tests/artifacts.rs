//! Files that a layer pins by URL and digest: laid into the image, or refused.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use common::image::{kernel, missing, system};
use common::{Run, THEN, World, arch, digest, layer, tiny};
use osb_testrepo::{Compression, Deb};

/// What the layer `base` has.
const SYSTEM: &str = "install = [\"dpkg\", \"linux-image\"]";

/// A member of a tar: path, mode, content.
type Member<'a> = (&'a str, u32, &'a str);

/// A gzipped tar as a project would release it: owned by whoever packed it.
fn release(members: &[Member]) -> Vec<u8> {
    Compression::Gzip.pack(&osb_testrepo::tarball(members))
}

/// A project over a system that can be built, whose archive also has `packages`.
fn world(packages: Vec<Deb>) -> Option<World> {
    if let Some(reason) = missing() {
        eprintln!("SKIPPED: {reason}");
        return None;
    }
    let world = World::empty();
    let all = [system(), kernel(), tiny("1.0")].into_iter().chain(packages);
    world.publish(world.suite(all));
    world.put("layers/base/layer.toml", &layer(SYSTEM));
    Some(world)
}

/// Puts a file beside the archive, and an artifact of it into the layer `base`.
fn pin(world: &World, name: &str, bytes: &[u8], settings: &str) {
    world.repo.put(name, bytes);
    let (url, size) = (world.server.url(), bytes.len());
    let artifact = format!(
        "\n[[artifacts]]\nurl = \"{url}/{name}\"\nsha256 = \"{}\"\nsize = {size}\n{settings}\n",
        digest(bytes)
    );
    let text = layer(SYSTEM);
    world.put("layers/base/layer.toml", &format!("{text}{artifact}"));
}

fn build(world: &World) -> Run {
    world.osb(&["build", "--only", "tree"])
}

/// Where a path of the image lies in the cache, in whichever layer it is.
fn find(world: &World, path: &str) -> Option<PathBuf> {
    let layers = fs::read_dir(world.cache().join("layers-v2")).unwrap();
    let parts = |entry: fs::DirEntry| ["packages", "root"].map(|part| entry.path().join(part));
    let places = layers.flat_map(|entry| parts(entry.unwrap())).map(|part| part.join(path));
    places.into_iter().find(|path| path.symlink_metadata().is_ok())
}

const TARBALL: &str = "format = \"tar.gz\"\nunpack-to = \"usr/local\"";

/// The template of docs/layers.md, filled in for a release that the test made.
#[test]
fn containerd_from_its_release() {
    let Some(world) = world(vec![Deb::new("runc", "1.3", "all")]) else { return };
    let docs = include_str!("../../../docs/layers.md");
    let block = |title: &str| {
        let rest = &docs[docs.find(title).unwrap_or_else(|| panic!("{title} is documented"))..];
        let start = rest.find("```").unwrap();
        let text = &rest[start + rest[start..].find('\n').unwrap() + 1..];
        text[..text.find("```").unwrap()].to_owned()
    };
    let template = block("`layers/containerd-release/layer.toml`");
    let unit = block("`layers/containerd-release/files/usr/local/lib/systemd/system/containerd");
    let programs = ["containerd", "containerd-shim-runc-v2", "ctr"];
    let members: Vec<(String, u32, &str)> =
        programs.iter().map(|name| (format!("bin/{name}"), 0o755, "#!/bin/sh\n")).collect();
    let members: Vec<Member> = members.iter().map(|m| (m.0.as_str(), m.1, m.2)).collect();
    let bytes = release(&members);
    let upstream = "https://github.com/containerd/containerd/releases/download/vVERSION";
    assert!(template.contains(upstream), "{template}");
    let with_url = template.replace(upstream, &world.server.url()).replace("VERSION", "2.0.0");
    let folder = "layers/containerd-release";
    world.put("osb.toml", &world.recipe().replace("[\"base\"]", "[\"containerd-release\"]"));
    world.put(&format!("{folder}/files/usr/local/lib/systemd/system/containerd.service"), &unit);

    // Nobody knows the digest but the project: the error says where it is to be had.
    world.put(&format!("{folder}/layer.toml"), &with_url);
    let run = world.osb(&["lock"]);
    run.assert_error(2, &["layer.toml", "no `sha256`", arch().as_str()]);
    let name = format!("containerd-2.0.0-linux-{}.tar.gz", arch().as_str());
    assert!(run.hint().contains(".sha256sum") && run.hint().contains(&name), "{run:?}");

    world.repo.put(&name, &bytes);
    let filled = with_url
        .replace("# sha256 =", "sha256 =")
        .replace("# size =", "size =")
        .replace("DIGEST", &digest(&bytes))
        .replace("BYTES", &bytes.len().to_string());
    world.put(&format!("{folder}/layer.toml"), &filled);
    let run = build(&world);
    assert_eq!(run.code, Some(0), "{run:?}");
    for name in programs {
        let stat = fs::metadata(find(&world, &format!("usr/local/bin/{name}")).unwrap()).unwrap();
        assert_eq!((stat.mode() & 0o7777, stat.uid(), stat.gid()), (0o755, 0, 0));
        assert_eq!(stat.mtime(), THEN, "the image's clock");
    }
    assert!(find(&world, "usr/local/lib/systemd/system/containerd.service").is_some());
    let lock = osb_apt::Lock::parse(&world.lock().unwrap()).unwrap();
    assert!(lock.packages.iter().any(|package| package.name == "runc"));
    assert_eq!(lock.artifacts[0].sha256, digest(&bytes));

    // Years later: the server has nothing any more, and the cache is lost.
    world.succeed(&["vault", "export", "vault.tar"]);
    fs::remove_file(world.repo.path().join(&name)).unwrap();
    fs::remove_dir_all(world.cache()).unwrap();
    world.succeed(&["vault", "import", "vault.tar"]);
    let requests = world.server.requests().len();
    world.succeed(&["build", "--only", "tree", "--offline", "--locked"]);
    assert_eq!(world.server.requests().len(), requests, "nobody was asked");
    assert!(find(&world, "usr/local/bin/ctr").is_some());
}

#[test]
fn a_single_program_gets_its_place_and_its_mode() {
    let Some(world) = world(Vec::new()) else { return };
    let settings = "format = \"file\"\nunpack-to = \"usr/local/bin/tool\"\nmode = \"0750\"";
    pin(&world, "tool", b"#!/bin/sh\n", settings);
    let run = build(&world);
    assert_eq!(run.code, Some(0), "{run:?}");
    let stat = fs::metadata(find(&world, "usr/local/bin/tool").unwrap()).unwrap();
    assert_eq!((stat.mode() & 0o7777, stat.uid(), stat.mtime()), (0o750, 0, THEN));
    let cached = world.cache().join("artifacts-v1").join(digest(b"#!/bin/sh\n"));
    assert!(cached.exists());
    // Laid again, from the cache: a changed mode needs no download.
    let count = world.server.count("tool");
    pin(&world, "tool", b"#!/bin/sh\n", &settings.replace("0750", "0700"));
    world.succeed(&["build", "--only", "tree", "--locked"]);
    assert_eq!(world.server.count("tool"), count);
}

#[test]
fn a_package_is_installed_with_what_it_needs() {
    let Some(world) = world(vec![Deb::new("needed", "1", "all")]) else { return };
    let deb = Deb::new("vendor", "7.0", "all").field("Depends", "needed");
    let bytes = deb.file("opt/vendor", 0o644, "x").bytes();
    pin(&world, "vendor.deb", &bytes, "format = \"deb\"");
    let run = build(&world);
    assert_eq!(run.code, Some(0), "{run:?}");
    let lock = osb_apt::Lock::parse(&world.lock().unwrap()).unwrap();
    let added = |name: &str| ["needed", "vendor"].contains(&name);
    let names = lock.packages.iter().map(|p| (&p.name[..], &p.source[..]));
    let names: Vec<_> = names.filter(|(name, _)| added(name)).collect();
    assert_eq!(names, [("needed", "archive"), ("vendor", "artifact")]);
    assert!(lock.artifacts.is_empty() && find(&world, "opt/vendor").is_some());
    let status = fs::read_to_string(find(&world, "var/lib/dpkg/status").unwrap()).unwrap();
    assert!(status.contains("Package: vendor") && status.contains("Package: needed"), "{status}");
    // It stays when others move, and is in the vault.
    world.succeed(&["lock", "--update"]);
    assert_eq!(osb_apt::Lock::parse(&world.lock().unwrap()).unwrap().packages, lock.packages);
    world.succeed(&["vault", "export", "vault"]);
    let name = format!("{}.deb", digest(&bytes));
    assert!(world.project().join("vault/debs").join(name).exists());
    // One that is gone is not a version that locking anew would replace.
    fs::remove_file(world.repo.path().join("vendor.deb")).unwrap();
    fs::remove_dir_all(world.cache()).unwrap();
    let run = build(&world);
    run.assert_error(2, &["vendor.deb does not exist"]);
    assert!(!run.err.contains("locking anew"), "{run:?}");
    // Another one is drift.
    pin(&world, "vendor.deb", &Deb::new("vendor", "8.0", "all").bytes(), "format = \"deb\"");
    let run = world.osb(&["lock", "--locked"]);
    run.assert_error(2, &["vendor.deb has another digest or size"]);
}

#[test]
fn a_package_for_another_architecture_is_refused() {
    let world = World::new();
    let other = if arch().as_str() == "arm64" { "amd64" } else { "arm64" };
    pin(&world, "v.deb", &Deb::new("vendor", "7.0", other).bytes(), "format = \"deb\"");
    world.osb(&["lock"]).assert_error(2, &["v.deb", other, arch().as_str()]);
    pin(&world, "v.deb", b"no package", "format = \"deb\"");
    world.osb(&["lock"]).assert_error(2, &["not a valid Debian package"]);
}

#[test]
fn two_packages_of_one_name_are_refused() {
    let world = World::new();
    pin(&world, "one.deb", &Deb::new("vendor", "1", "all").bytes(), "format = \"deb\"");
    let one = fs::read_to_string(world.project().join("layers/base/layer.toml")).unwrap();
    pin(&world, "two.deb", &Deb::new("vendor", "2", "all").bytes(), "format = \"deb\"");
    let two = fs::read_to_string(world.project().join("layers/base/layer.toml")).unwrap();
    let second = &two[two.find("[[artifacts]]").unwrap()..];
    world.put("layers/base/layer.toml", &format!("{one}{second}"));
    world.osb(&["lock"]).assert_error(2, &["vendor", "one.deb", "two.deb"]);
}

/// It would be left out, and nobody would know.
#[test]
fn a_pinned_package_and_another_version_by_number_are_refused() {
    let world = World::empty();
    let archive = ["linux-image", "dpkg", "vendor"].map(|name| Deb::new(name, "1", "all"));
    world.publish(world.suite(archive));
    pin(&world, "vendor.deb", &Deb::new("vendor", "7.0", "all").bytes(), "format = \"deb\"");
    world.succeed(&["lock"]);
    let path = world.project().join("layers/base/layer.toml");
    let text = fs::read_to_string(path).unwrap();
    world.put("layers/base/layer.toml", &text.replace("\"dpkg\"", "\"dpkg\", \"vendor=1\""));
    world.osb(&["lock"]).assert_error(2, &["vendor", "7.0", "vendor.deb", "version 1 "]);
}

#[test]
fn a_changed_artifact_is_drift_and_moves_no_package() {
    let world = World::empty();
    world.publish(world.suite([Deb::new("linux-image", "1", "all")]));
    pin(&world, "a.tar.gz", &release(&[("bin/a", 0o755, "1")]), TARBALL);
    world.succeed(&["lock"]);
    let before = osb_apt::Lock::parse(&world.lock().unwrap()).unwrap();
    pin(&world, "a.tar.gz", &release(&[("bin/a", 0o755, "2")]), TARBALL);
    let run = world.osb(&["build", "--locked", "--only", "tree"]);
    run.assert_error(2, &["a.tar.gz has another digest or size"]);
    world.succeed(&["lock"]);
    let after = osb_apt::Lock::parse(&world.lock().unwrap()).unwrap();
    assert_eq!(before.packages, after.packages);
    assert_ne!(before.artifacts, after.artifacts);
}

/// A build that ends at the artifact `bytes`, and leaves nothing.
fn refused(bytes: &[u8], settings: &str, code: i32, parts: &[&str]) {
    let Some(world) = world(Vec::new()) else { return };
    pin(&world, "bad.tar.gz", bytes, settings);
    let run = build(&world);
    run.assert_error(code, &["layer base", "bad.tar.gz"]);
    run.assert_error(code, parts);
    assert_eq!(common::files(&world.cache().join("layers-v2")), [""; 0], "nothing was built");
    assert_eq!(common::files(&world.cache().join("work")), [""; 0]);
}

#[test]
fn hostile_archives_are_refused_by_layer_artifact_and_member() {
    let refused = |bytes: &[u8], parts: &[&str]| refused(bytes, TARBALL, 4, parts);
    refused(&release(&[("../../etc/passwd", 0o644, "x")]), &["../../etc/passwd", ".."]);
    refused(&release(&[("/etc/passwd", 0o644, "x")]), &["/etc/passwd", "absolute"]);
    refused(&release(&[("bin/su", 0o4755, "x")]), &["bin/su", "set-user-ID"]);
    let good = release(&[("bin/a", 0o755, &"abc".repeat(5000))]);
    refused(&good[..good.len() / 2], &["early"]);
    refused(b"<html>", &["is refused"]);
    refused(&release(&[]), &["nothing is left"]);
    // A megabyte of nothing in a kilobyte.
    let bomb = release(&[("bin/a", 0o755, &"\0".repeat(1 << 20))]);
    let small = format!("{TARBALL}\nunpacked-max = \"512KiB\"");
    self::refused(&bomb, &small, 4, &["unpacks to more than 524288 bytes"]);
}

#[test]
fn set_user_id_files_may_be_allowed() {
    let Some(world) = world(Vec::new()) else { return };
    let bytes = release(&[("top/bin/su", 0o4755, "x")]);
    pin(&world, "a.tar.gz", &bytes, &format!("{TARBALL}\nstrip = 1\nsetuid = true"));
    let run = build(&world);
    assert_eq!(run.code, Some(0), "{run:?}");
    let stat = fs::metadata(find(&world, "usr/local/bin/su").unwrap()).unwrap();
    assert_eq!(stat.mode() & 0o7777, 0o4755);
}

#[test]
fn another_file_at_the_url_is_refused() {
    let Some(world) = world(Vec::new()) else { return };
    pin(&world, "a.tar.gz", &release(&[("bin/a", 0o755, "1")]), TARBALL);
    world.succeed(&["lock"]);
    let mut other = release(&[("bin/a", 0o755, "1")]);
    other[30] ^= 1;
    world.repo.put("a.tar.gz", &other);
    let run = build(&world);
    run.assert_error(4, &["artifact", "a.tar.gz (layer base)", "SHA-256"]);
    assert!(run.hint().contains("layer.toml"), "{run:?}");
    world.repo.put("a.tar.gz", b"short");
    build(&world).assert_error(4, &["a.tar.gz (layer base)", "bytes"]);
    fs::remove_file(world.repo.path().join("a.tar.gz")).unwrap();
    build(&world).assert_error(2, &["a.tar.gz does not exist"]);
}
