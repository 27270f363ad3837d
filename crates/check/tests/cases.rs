//! Where rules look, what is not proven, what is allowed, and what other systems do otherwise.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{broken, data, file, good, held, in_root, outcome, put};
use osb_check::{Allow, Context, Memo, Outcome, RULES, Subject, check};
use osb_tree::{Content, Inode, Kind};

#[test]
fn files_of_other_partitions_are_told_by_their_mount_or_number() {
    let mut subject = good();
    subject.others.push(data("token=abcdef.0123456789abcdef"));
    let path = |subject: &Subject| match outcome(subject, &Context::default(), "no-tokens").outcome
    {
        Outcome::Found { findings, .. } => {
            String::from_utf8(findings[0].path.clone().unwrap()).unwrap()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(path(&subject), "partition 3:/home/x");
    put(subject.root.as_mut().unwrap(), "etc/fstab", 0o644, "UUID=0815 /srv/data ext4 ro 0 0\n");
    assert_eq!(path(&subject), "srv/data/home/x");
}

#[test]
fn what_could_not_be_read_is_not_said_to_hold() {
    let content = |size| Content::File { path: "/nonexistent".into(), size, fingerprint: None };
    let mut subject = good();
    let root = subject.root.as_mut().unwrap();
    root.lay("srv/gone", Inode::new(0o644, Kind::File(content(5)))).unwrap();
    root.lay("srv/huge", Inode::new(0o644, Kind::File(content(17 << 30)))).unwrap();
    for rule in ["no-private-keys", "no-tokens", "no-build-paths"] {
        let result = outcome(&subject, &Context::default(), rule);
        let Outcome::NotProven { findings, .. } = result.outcome else { panic!("{rule}") };
        let paths: Vec<_> = findings.into_iter().filter_map(|finding| finding.path).collect();
        assert_eq!(paths, [b"srv/huge".to_vec(), b"srv/gone".to_vec()]);
    }
    let report = held(&subject);
    assert_eq!((report.failed().count(), report.not_proven().count()), (0, 5));

    // A package's file behind the limit is neither wrong nor right.
    let mut subject = good();
    let root = subject.root.as_mut().unwrap();
    root.lay("usr/bin/sudo", Inode::new(0o4755, Kind::File(content(17 << 30)))).unwrap();
    let result = outcome(&subject, &Context::default(), "package-files-unchanged");
    assert!(matches!(result.outcome, Outcome::NotProven { .. }), "{:?}", result.outcome);
}

#[test]
fn what_is_allowed_is_told_apart_and_what_allows_nothing_is_told() {
    let mut subject = good();
    for path in ["usr/bin/mawk", "usr/bin/other"] {
        put(subject.root.as_mut().unwrap(), path, 0o4755, "x");
    }
    let allow = ["setuid-known:/usr/bin/mawk", "setuid-known:/usr/bin/nothing", "no-traces"];
    let allow = allow.map(|text| Allow::parse(text).unwrap()).to_vec();
    let context = Context { allow: allow.clone(), ..Context::default() };
    let result = outcome(&subject, &context, "setuid-known");
    assert_eq!(result.allowed.len(), 1);
    let Outcome::Found { findings, .. } = result.outcome else { panic!() };
    assert_eq!(findings[0].path.as_deref(), Some(&b"usr/bin/other"[..]));
    let report = check(&subject, &context, &Memo::default());
    assert_eq!((report.unused, report.results.len()), (allow[1..].to_vec(), RULES.len()));

    let whole = Context { allow: vec![Allow::parse("setuid-known").unwrap()], ..context };
    assert_eq!(outcome(&subject, &whole, "setuid-known").outcome, Outcome::Holds);
}

#[test]
fn hosts_of_mirror_lists_are_looked_at_and_some_may_be_wanted() {
    let list = "etc/apt/mirrors/own.list";
    let with = |source: &str, mirrors: &str| {
        let mut subject = good();
        let root = subject.root.as_mut().unwrap();
        put(root, "etc/apt/sources.list", 0o644, format!("deb {source} x main\n"));
        put(root, list, 0o644, mirrors);
        subject
    };
    let rule = "no-private-mirrors";
    for source in ["file:/srv/x", "cdrom:[Debian]/", "http://apt.example.com:8443/debian"] {
        assert_eq!(broken(&with(source, "")), BTreeSet::new(), "{source}");
    }
    let listed =
        with("mirror+file:/etc/apt/mirrors/own.list", "http://mirror.lan/debian arch:all\n");
    let Outcome::Found { findings, .. } = outcome(&listed, &Context::default(), rule).outcome
    else {
        panic!()
    };
    assert_eq!(findings[0].path.as_deref(), Some(list.as_bytes()));
    assert!(broken(&with("mirror+file:/etc/apt/mirrors/no.list", "")).contains(rule));
    let port = with("http://mirror.lan:8080/debian", "");
    for (mirror, holds) in
        [("mirror.lan", true), ("mirror.lan:8080", true), ("mirror.lan:80", false)]
    {
        let context = Context { mirrors: vec![mirror.to_owned()], ..Context::default() };
        let held = outcome(&port, &context, rule).outcome == Outcome::Holds;
        assert_eq!(held, holds, "{mirror}");
    }
}

#[test]
fn what_is_masked_does_not_count() {
    let mut subject = good();
    in_root(|root| {
        put(root, "usr/lib/sysctl.d/k.conf", 0o644, "net.ipv4.ip_forward = 0\n");
        put(root, "usr/lib/modules-load.d/k.conf", 0o644, "veth\n");
    })(&mut subject);
    assert_eq!(broken(&subject), BTreeSet::new(), "/etc has files of the same names");
    in_root(|root| {
        for (folder, name) in [("sysctl.d", "k.conf"), ("modules-load.d", "k.conf")] {
            let text = root.get(format!("etc/{folder}/{name}")).unwrap().clone();
            root.lay(format!("usr/lib/{folder}/{name}"), text).unwrap();
            root.lay(format!("etc/{folder}/{name}"), Inode::symlink("/dev/null")).unwrap();
        }
    })(&mut subject);
    let wanted = ["kernel-has-container-modules", "kubernetes-sysctls"];
    assert_eq!(broken(&subject), BTreeSet::from(wanted));
}

#[test]
fn distributions_of_kubernetes_set_up_the_kernel_themselves() {
    let node = |program: &'static str| {
        let mut subject = good();
        in_root(move |root| {
            for path in ["etc/sysctl.d/k.conf", "etc/modules-load.d/k.conf", "usr/bin/containerd"] {
                assert!(root.remove(path));
            }
            put(root, "var/lib/dpkg/info/containerd.list", 0o644, "/.\n/usr/bin/sudo\n");
            put(root, "var/lib/dpkg/info/containerd.md5sums", 0o644, "");
            put(root, "usr/lib/systemd/system/containerd.service", 0o644, "");
            put(root, "etc/fstab", 0o644, "/swap none swap sw 0 0\n");
            put(root, program, 0o755, "program");
        })(&mut subject);
        broken(&subject)
    };
    let sums = "package-sums-known";
    assert_eq!(node("usr/local/bin/k3s"), BTreeSet::from([sums]));
    let wanted = ["kernel-has-container-modules", "kubernetes-sysctls", sums, "swap-off"];
    assert_eq!(node("usr/local/bin/crio"), BTreeSet::from(wanted));
}

#[test]
fn kubelet_may_be_told_to_start_with_swap() {
    let mut subject = good();
    file("etc/fstab", "/swap none swap sw 0 0\n")(&mut subject);
    file("var/lib/kubelet/config.yaml", "failSwapOn: false\n")(&mut subject);
    assert!(!broken(&subject).contains("swap-off"));
    file("var/lib/kubelet/config.yaml", "# failSwapOn: false\n")(&mut subject);
    assert!(broken(&subject).contains("swap-off"));
}
