//! Caches with all kinds of entries, and what of them goes.

use super::*;
use crate::cache::tests::open;

const NOW: i64 = 2_000_000_000;

fn request(cache: &Path, keep: Keep) -> Pruning<'_> {
    static GO_ON: AtomicBool = AtomicBool::new(false);
    Pruning { cache, keep, dry_run: false, wait: false, now: NOW, cancel: &GO_ON }
}

fn within(seconds: u64) -> Keep {
    Keep::Within(Limits { scope: Scope::All, seconds: Some(seconds), bytes: None })
}

/// A cache with an entry in most buckets, one of a former version, one half-written, and what
/// a dead run left; `debs-v1/old.deb` was used long ago.
fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    for file in [
        "debs-v1/new.deb",
        "debs-v1/old.deb",
        "debs-v1/.partX",
        "releases-v1/old",
        "layers-v2/key/root/etc",
        "layers-v1/key/root/etc",
        "work/run-dead/layer/file",
        "photos-v1/mine",
        "failure.log",
    ] {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let age = if file.contains("old") { 40 * 86_400 } else { 86_400 };
        let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW as u64 - age);
        let opened = fs::File::options().append(true).open(&path).unwrap();
        opened.set_modified(then).unwrap();
    }
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW as u64);
    let layer = fs::File::open(dir.path().join("layers-v2/key")).unwrap();
    layer.set_modified(now).unwrap();
    dir
}

fn there(dir: &tempfile::TempDir) -> Vec<&'static str> {
    let all = [
        "debs-v1/new.deb",
        "debs-v1/old.deb",
        "debs-v1/.partX",
        "releases-v1/old",
        "layers-v2/key/root/etc",
        "layers-v1",
        "work/run-dead",
        "photos-v1/mine",
        "failure.log",
    ];
    all.into_iter().filter(|path| dir.path().join(path).exists()).collect()
}

#[test]
fn what_no_run_can_use_goes() {
    let dir = filled();
    let removed = prune(&request(dir.path(), Keep::All), &|_| {}).unwrap();
    let names: Vec<_> = removed.iter().map(|bucket| bucket.name.as_str()).collect();
    assert_eq!(names, ["work", "debs-v1", "layers-v1"]);
    assert_eq!(
        there(&dir),
        [
            "debs-v1/new.deb",
            "debs-v1/old.deb",
            "releases-v1/old",
            "layers-v2/key/root/etc",
            "photos-v1/mine",
            "failure.log"
        ]
    );
    assert_eq!(fs::read_dir(dir.path().join("work")).unwrap().count(), 0);
}

#[test]
fn what_was_not_used_goes_if_asked() {
    let dir = filled();
    prune(&request(dir.path(), within(30 * 86_400)), &|_| {}).unwrap();
    let left = there(&dir);
    assert!(!left.contains(&"debs-v1/old.deb"), "{left:?}");
    assert!(left.contains(&"debs-v1/new.deb") && left.contains(&"releases-v1/old"));
    assert!(left.contains(&"layers-v2/key/root/etc"));
    prune(&request(dir.path(), within(0)), &|_| {}).unwrap();
    assert_eq!(there(&dir), ["releases-v1/old", "photos-v1/mine", "failure.log"]);
    prune(&request(dir.path(), Keep::Nothing), &|_| {}).unwrap();
    assert_eq!(there(&dir), ["photos-v1/mine"]);
}

/// Five entries of 40 KiB, used 1 to 5 days ago, and two layers, used 2 and 6 days ago.
fn of_five_days() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let used = |path: &Path, days: u64| {
        let time = std::time::Duration::from_secs(NOW as u64 - days * 86_400);
        fs::File::open(path).unwrap().set_modified(std::time::UNIX_EPOCH + time).unwrap();
    };
    for day in 1..=5 {
        let path = dir.path().join(format!("frames-v1/{day}"));
        fs::write(&path, vec![1; 40 << 10]).unwrap();
        used(&path, day);
    }
    for day in [2, 6] {
        let path = dir.path().join(format!("layers-v2/{day}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), vec![1; 40 << 10]).unwrap();
        used(&path, day);
    }
    dir
}

fn left(dir: &tempfile::TempDir) -> Vec<String> {
    let names = |bucket: &str| -> Vec<String> {
        let entries = fs::read_dir(dir.path().join(bucket)).unwrap().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let mut left = names("frames-v1");
    left.extend(names("layers-v2").iter().map(|name| format!("layer {name}")));
    left.sort();
    left
}

#[test]
fn what_was_used_last_stays_within_a_size() {
    // Room for three and a half: 1, 2 and a layer of 2.
    let limits =
        |scope, seconds, bytes| Keep::Within(Limits { scope, seconds, bytes: Some(bytes) });
    let dir = of_five_days();
    prune(&request(dir.path(), limits(Scope::All, None, 1 << 30)), &|_| {}).unwrap();
    assert_eq!(left(&dir).len(), 7, "all have room");
    let keep = limits(Scope::All, None, 150 << 10);
    prune(&request(dir.path(), keep), &|_| {}).unwrap();
    assert_eq!(left(&dir), ["1", "2", "layer 2"]);
    prune(&request(dir.path(), keep), &|_| {}).unwrap();
    assert_eq!(left(&dir), ["1", "2", "layer 2"], "there is nothing more to do");
    // The younger of two limits counts.
    let keep = limits(Scope::All, Some(2 * 86_400), 150 << 10);
    prune(&request(dir.path(), keep), &|_| {}).unwrap();
    assert_eq!(left(&dir), ["1"]);
    prune(&request(dir.path(), limits(Scope::All, None, 0)), &|_| {}).unwrap();
    assert_eq!(left(&dir), [""; 0]);
}

#[test]
fn what_is_older_than_what_has_no_room_goes_even_if_it_is_empty() {
    let dir = of_five_days();
    let empty = dir.path().join("frames-v1/empty");
    fs::write(&empty, "").unwrap();
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW as u64 - 9 * 86_400);
    fs::File::options().write(true).open(&empty).unwrap().set_modified(then).unwrap();
    let keep = Limits { scope: Scope::All, seconds: None, bytes: Some(150 << 10) };
    prune(&request(dir.path(), Keep::Within(keep)), &|_| {}).unwrap();
    assert_eq!(left(&dir), ["1", "2", "layer 2"]);
}

#[test]
fn who_is_interrupted_leaves_the_rest_to_the_next_run() {
    let dir = filled();
    let stop = AtomicBool::new(true);
    let interrupted = Pruning { cancel: &stop, ..request(dir.path(), Keep::Nothing) };
    assert!(matches!(prune(&interrupted, &|_| {}), Err(BuildError::Cancelled)));
    let works = || fs::read_dir(dir.path().join("work")).unwrap().count();
    assert_eq!((there(&dir), works()), (vec!["photos-v1/mine"], 1), "moved, not removed");
    drop(open(dir.path()));
    assert_eq!(works(), 0);
}

#[test]
fn layers_alone_go_if_asked() {
    let frames = ["1", "2", "3", "4", "5"];
    let layers = |seconds, bytes| Limits { scope: Scope::Layers, seconds, bytes };
    let dir = of_five_days();
    let old = Keep::Within(layers(Some(4 * 86_400), None));
    prune(&request(dir.path(), old), &|_| {}).unwrap();
    assert_eq!(left(&dir), [&frames[..], &["layer 2"]].concat());
    prune(&request(dir.path(), Keep::Within(layers(None, Some(0)))), &|_| {}).unwrap();
    assert_eq!(left(&dir), frames);
}

#[test]
fn a_dry_run_tells_the_same_and_removes_nothing() {
    let dir = filled();
    let before = there(&dir);
    let dry = Pruning { dry_run: true, ..request(dir.path(), Keep::Nothing) };
    let told = prune(&dry, &|_| {}).unwrap();
    assert_eq!(there(&dir), before);
    let done = prune(&request(dir.path(), Keep::Nothing), &|_| {}).unwrap();
    let counts = |buckets: &[Bucket]| -> Vec<_> {
        buckets.iter().map(|bucket| (bucket.name.clone(), bucket.entries)).collect()
    };
    assert_eq!(counts(&told), counts(&done));
    let expected =
        [("work", 1), ("debs-v1", 3), ("releases-v1", 1), ("layers-v2", 1), ("layers-v1", 1)];
    let expected = expected.into_iter().chain([("failure.log", 1)]);
    assert!(counts(&told).iter().map(|(name, count)| (name.as_str(), *count)).eq(expected));
}

#[test]
fn a_folder_that_is_no_cache_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let folders = ["work/run-ning", "tools-v2/mine", "tools-v0/mine"];
    folders.iter().for_each(|folder| fs::create_dir_all(dir.path().join(folder)).unwrap());
    assert_eq!(prune(&request(dir.path(), Keep::Nothing), &|_| {}).unwrap(), []);
    assert!(folders.iter().all(|folder| dir.path().join(folder).exists()));
}

#[test]
fn nothing_is_removed_while_a_run_lives() {
    let dir = filled();
    let run = open(dir.path());
    let before = there(&dir);
    let all = request(dir.path(), Keep::Nothing);
    assert!(matches!(prune(&all, &|_| {}), Err(BuildError::Busy(_))));
    assert_eq!(there(&dir), before);
    // One that only holds the tools it runs counts, too.
    let lease = run.into_lease();
    assert!(matches!(prune(&all, &|_| {}), Err(BuildError::Busy(_))));
    drop(lease);
    prune(&all, &|_| {}).unwrap();
    assert_eq!(there(&dir), ["photos-v1/mine"]);
}
