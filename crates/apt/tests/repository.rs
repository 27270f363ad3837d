//! Opening repositories over HTTP: good ones in every layout, and each way to be bad.

// Helpers of tests are not #[test] functions, and have nothing better to do than panic.
#![allow(clippy::unwrap_used)]

mod common;

use common::{fetcher, names, open, source};
use osb_apt::{AptError, Fetcher, Kind};
use osb_testrepo::{
    Compression, Deb, Hash, Key, NOW, Server, Signer, Signing, Suite, TestRepo, serve,
};

fn debs(suite: Suite) -> Suite {
    suite
        .package("main", Deb::new("hello", "1.0-1", "arm64").field("Depends", "libhello (>= 1)"))
        .package("main", Deb::new("hello", "1.0-1", "amd64"))
        .package("main", Deb::new("libhello", "1:2", "all"))
        .package("contrib", Deb::new("extra", "3", "arm64"))
}

/// A repository with the usual packages, written and served.
fn served(suite: Suite) -> (TestRepo, Server) {
    let repo = TestRepo::new();
    repo.write(&suite);
    let server = serve(repo.path());
    (repo, server)
}

fn good(key: &Key) -> (TestRepo, Server) {
    served(debs(Suite::new("trixie")).signed_by(key))
}

#[test]
fn both_layouts_all_signings_all_compressions() {
    let key = Key::new(1);
    for signing in [Signing::Inline, Signing::Detached, Signing::Both] {
        for compression in Compression::ALL {
            for name in ["trixie", "/", "./", "deb/"] {
                let suite = if name.ends_with('/') { Suite::flat(name) } else { Suite::new(name) };
                let suite = debs(suite)
                    .signed_by(&key)
                    .signing(signing)
                    .compressions(&[Compression::None, compression]);
                if name == "./" {
                    continue;
                }
                let (_repo, server) = served(suite);
                let repository = open(&source(&server.url(), name, &key)).unwrap();
                let mut expected = vec!["hello:arm64", "libhello:all"];
                if name.ends_with('/') {
                    expected.insert(0, "extra:arm64");
                }
                assert_eq!(names(&repository), expected, "{signing:?} {compression:?} {name}");
                assert_eq!(repository.date, NOW - 86_400);
                assert_eq!(repository.signed_by, key.fingerprint());
            }
        }
    }
}

#[test]
fn inline_and_detached_give_the_same_digest_and_urls_work() {
    let key = Key::new(1);
    let (repo, server) = good(&key);
    let source = source(&server.url(), "trixie", &key);
    let inline = open(&source).unwrap();
    repo.remove("dists/trixie/InRelease");
    let detached = open(&source).unwrap();
    assert_eq!(inline.release_sha256, detached.release_sha256);
    assert_eq!(inline.release_sha256, {
        let text = repo.read("dists/trixie/Release");
        osb_checksum::to_hex(&osb_checksum::sha256(&text))
    });
    let record = &inline.records[0];
    let cache = tempfile::tempdir().unwrap();
    let bytes = fetcher(cache.path()).get_small(&inline.url(record), record.size).unwrap();
    assert_eq!(osb_checksum::to_hex(&osb_checksum::sha256(&bytes)), record.sha256);
}

#[test]
fn two_architectures_share_packages_for_all() {
    let key = Key::new(1);
    for suite in [Suite::new("trixie"), Suite::new("trixie").all_apart()] {
        let (_repo, server) = served(debs(suite).signed_by(&key));
        let cache = tempfile::tempdir().unwrap();
        let source = source(&server.url(), "trixie", &key);
        let repository =
            osb_apt::open(&source, &["arm64", "amd64"], &fetcher(cache.path()), NOW).unwrap();
        assert_eq!(names(&repository), ["hello:amd64", "hello:arm64", "libhello:all"]);
    }
}

#[test]
fn indices_come_by_hash_then_by_name_and_then_from_the_cache() {
    let key = Key::new(1);
    let (repo, server) = good(&key);
    let cache = tempfile::tempdir().unwrap();
    let source = source(&server.url(), "trixie", &key);
    let open = || osb_apt::open(&source, &["arm64"], &fetcher(cache.path()), NOW).unwrap();
    open();
    assert_eq!((server.count("by-hash"), server.count("Packages")), (1, 0));
    open();
    assert_eq!(server.count("by-hash"), 1);

    for file in repo.find("by-hash") {
        repo.remove(&file);
    }
    for entry in std::fs::read_dir(cache.path().join("indices-v1")).unwrap() {
        std::fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    open();
    assert_eq!((server.count("by-hash"), server.count("Packages.xz")), (2, 1));
}

#[test]
fn a_changed_byte_anywhere_is_found() {
    let key = Key::new(1);
    let kind = |change: &dyn Fn(&TestRepo)| {
        let (repo, server) = good(&key);
        change(&repo);
        let error = open(&source(&server.url(), "trixie", &key)).unwrap_err();
        (error.kind(), error)
    };
    let (found, error) =
        kind(&|r| r.change("dists/trixie/InRelease", b"Suite: trixie", b"Suite: trixiE"));
    assert!(matches!(error, AptError::Signature { .. }), "{error:?}");
    assert_eq!(found, Kind::Verification);

    let (found, error) = kind(&|r| {
        r.remove("dists/trixie/InRelease");
        r.change("dists/trixie/Release", b"Label: Test", b"Label: Tesu");
    });
    assert!(matches!(error, AptError::Signature { .. }), "{error:?}");
    assert_eq!(found, Kind::Verification);

    let (found, error) = kind(&|r| {
        for file in r.find("binary-arm64/") {
            r.flip(&file);
        }
    });
    assert!(matches!(error, AptError::Digest { .. }), "{error:?}");
    assert_eq!(found, Kind::Verification);
}

#[test]
fn indices_of_another_size_are_refused_early() {
    let key = Key::new(1);
    for (change, expected) in [(-1i64, "bytes"), (1, "bytes")] {
        let (repo, server) = good(&key);
        for file in repo.find("binary-arm64/") {
            let mut bytes = repo.read(&file);
            bytes.resize((bytes.len() as i64 + change) as usize, b'x');
            repo.put(&file, &bytes);
        }
        let error = open(&source(&server.url(), "trixie", &key)).unwrap_err();
        assert!(matches!(&error, AptError::Size { actual, .. } if actual.contains(expected)));
        assert_eq!(error.kind(), Kind::Verification);
    }
}

/// A mirror that is honest about sizes and digests of a bomb that was signed.
#[test]
fn an_index_that_unpacks_to_more_than_was_signed_is_refused() {
    let key = Key::new(1);
    let (repo, server) =
        served(debs(Suite::new("trixie")).without_by_hash().signing(Signing::Inline));
    let release = {
        let inline = String::from_utf8(repo.read("dists/trixie/InRelease")).unwrap();
        let (_, rest) = inline.split_once("\n\n").unwrap();
        rest.split("-----BEGIN").next().unwrap().to_owned()
    };
    let bomb = Compression::Xz.pack(&vec![b'\n'; 1 << 20]);
    let digest = osb_checksum::to_hex(&osb_checksum::sha256(&bomb));
    let lines: String = release
        .lines()
        .map(|line| match line.ends_with("main/binary-arm64/Packages.xz") {
            true => format!(" {digest} {} main/binary-arm64/Packages.xz\n", bomb.len()),
            false => format!("{line}\n"),
        })
        .collect();
    repo.put("dists/trixie/main/binary-arm64/Packages.xz", &bomb);
    let inline = osb_testrepo::sign_inline(&lines, &[Signer::new(&key)]);
    repo.put("dists/trixie/InRelease", inline.as_bytes());
    let error = open(&source(&server.url(), "trixie", &key)).unwrap_err();
    assert!(matches!(error, AptError::Compression { .. }), "{error:?}");
}

#[test]
fn expired_future_and_foreign_suites_are_refused() {
    let key = Key::new(1);
    let error = |suite: Suite| {
        let (_repo, server) = served(debs(suite).signed_by(&key));
        open(&source(&server.url(), "trixie", &key)).unwrap_err()
    };
    let expired = error(Suite::new("trixie").valid_until(NOW));
    assert!(
        matches!(&expired, AptError::Expired { valid_until, .. } if valid_until.contains("2026"))
    );
    assert_eq!(expired.kind(), Kind::Verification);
    let future = error(Suite::new("trixie").dated(NOW + 86_401));
    assert!(matches!(future, AptError::FromTheFuture { .. }));
    let foreign = error(Suite::new("trixie").named("unstable", "sid"));
    assert!(matches!(foreign, AptError::WrongSuite { .. }));
    assert_eq!(foreign.kind(), Kind::Verification);
}

#[test]
fn suite_or_codename_may_match() {
    let key = Key::new(1);
    let suite = Suite::new("trixie").named("stable", "trixie").valid_until(NOW + 1);
    let (_repo, server) = served(debs(suite).signed_by(&key));
    assert!(open(&source(&server.url(), "trixie", &key)).is_ok());
}

#[test]
fn unknown_keys_and_missing_fingerprints() {
    let (ours, theirs) = (Key::new(1), Key::new(2));
    let (_repo, server) = good(&theirs);
    let error = open(&source(&server.url(), "trixie", &ours)).unwrap_err();
    assert!(matches!(&error, AptError::Signature { name, .. } if name == "test"));

    let mut wrong_material = source(&server.url(), "trixie", &ours);
    wrong_material.keys[0].material = theirs.certificate();
    server.forget();
    let error = open(&wrong_material).unwrap_err();
    assert_eq!(error.kind(), Kind::Verification);
    assert!(server.requests().is_empty(), "the network was used before the keys were looked at");
}

#[test]
fn one_good_signature_among_several() {
    let (old, new, weak) = (Key::new(1), Key::new(2), Key::build(3).rsa(2048).finish());
    let suite = debs(Suite::new("trixie"))
        .signed(Signer { hash: Hash::Sha1, ..Signer::new(&weak) })
        .signed_by(&old)
        .signed_by(&new);
    let (_repo, server) = served(suite);
    for key in [&old, &new] {
        assert_eq!(
            open(&source(&server.url(), "trixie", key)).unwrap().signed_by,
            key.fingerprint()
        );
    }
    assert!(open(&source(&server.url(), "trixie", &weak)).is_err());
}

#[test]
fn what_is_not_offered_is_named_with_what_is() {
    let key = Key::new(1);
    let (_repo, server) = good(&key);
    let mut spec = source(&server.url(), "trixie", &key);
    spec.components = vec!["non-free".to_owned()];
    let error = open(&spec).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("contrib, main"), "{error}");

    let cache = tempfile::tempdir().unwrap();
    let spec = source(&server.url(), "trixie", &key);
    let error = osb_apt::open(&spec, &["riscv64"], &fetcher(cache.path()), NOW).unwrap_err();
    assert!(error.to_string().contains("all, amd64, arm64"), "{error}");

    let error = open(&source(&server.url(), "sid", &key)).unwrap_err();
    assert!(matches!(&error, AptError::NotFound { url } if url.ends_with("dists/sid/Release")));
}

#[test]
fn offline_uses_verified_copies_and_verifies_them_again() {
    let key = Key::new(1);
    for signing in [Signing::Inline, Signing::Detached] {
        let suite =
            debs(Suite::new("trixie")).signed_by(&key).signing(signing).valid_until(NOW + 9);
        let (_repo, server) = served(suite);
        let cache = tempfile::tempdir().unwrap();
        let source = source(&server.url(), "trixie", &key);
        let offline = Fetcher::new(cache.path(), Default::default(), true);
        let error = osb_apt::open(&source, &["arm64"], &offline, NOW).unwrap_err();
        assert_eq!(error.kind(), Kind::Offline);

        osb_apt::open(&source, &["arm64"], &fetcher(cache.path()), NOW).unwrap();
        drop(server);
        assert!(osb_apt::open(&source, &["arm64"], &offline, NOW).is_ok());
        let error = osb_apt::open(&source, &["arm64"], &offline, NOW + 9).unwrap_err();
        assert!(matches!(error, AptError::Expired { .. }), "{error:?}");

        for entry in std::fs::read_dir(cache.path().join("releases-v1")).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap().replace("trixie", "trixiE");
            std::fs::write(&path, text).unwrap();
        }
        let error = osb_apt::open(&source, &["arm64"], &offline, NOW).unwrap_err();
        assert!(matches!(error, AptError::Signature { .. }), "{error:?}");
    }
}

/// With a good signature, and valid still: a mirror that has been turned back.
#[test]
fn an_older_release_is_refused() {
    let key = Key::new(1);
    let dated = |date| debs(Suite::new("trixie")).signed_by(&key).dated(date);
    for signing in [Signing::Inline, Signing::Detached] {
        let (repo, server) = served(dated(NOW - 100).signing(signing));
        let cache = tempfile::tempdir().unwrap();
        let source = source(&server.url(), "trixie", &key);
        let open = || osb_apt::open(&source, &["arm64"], &fetcher(cache.path()), NOW);
        assert_eq!(open().unwrap().date, NOW - 100);
        repo.write(&dated(NOW - 200).signing(signing));
        let error = open().unwrap_err();
        assert!(matches!(error, AptError::Older { .. }), "{error:?}");
        assert_eq!(error.kind(), Kind::Verification);
        // What is kept must be signed to count.
        for entry in std::fs::read_dir(cache.path().join("releases-v1")).unwrap() {
            std::fs::write(entry.unwrap().path(), "garbage").unwrap();
        }
        assert_eq!(open().unwrap().date, NOW - 200);
        repo.write(&dated(NOW - 50).signing(signing));
        assert_eq!(open().unwrap().date, NOW - 50);
        assert!(open().is_ok(), "the same again");
    }
}

#[test]
fn file_urls_work_too() {
    let key = Key::new(1);
    let repo = TestRepo::new();
    repo.write(&debs(Suite::new("trixie")).signed_by(&key));
    let repository = open(&source(&repo.file_url(), "trixie", &key)).unwrap();
    assert_eq!(names(&repository), ["hello:arm64", "libhello:all"]);
}
