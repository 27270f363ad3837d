//! Secrets and traces, where people leave them. None is real: each has the form alone.

use osb_check::{Other, Place};
use osb_tree::Tree;

use super::contents::{boot, bytes, gzip, put, replace, root};
use super::mutants::Mutant;

const GROUP: &str = "secrets added";

/// All of them.
pub(super) fn all() -> Vec<Mutant> {
    let body = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=".repeat(6);
    let pem = |kind: &str| {
        format!("-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----\n")
    };
    let token = "abcdef.0123456789abcdef";
    let signed = ["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiJleGFtcGxlIn0", &"c2ln".repeat(8)].join(".");
    let hash = format!("$y$j9T${}$", "abcdefgh".repeat(4));
    let files = [
        ("root/.ssh/id_ed25519", pem("OPENSSH ")),
        ("etc/ssh/ssh_host_rsa_key", pem("OPENSSH ")),
        ("etc/kubernetes/pki/ca.key", pem("RSA ")),
        ("usr/local/lib/app/settings.json", format!("{{\"key\": {:?}}}\n", pem(""))),
        ("etc/app/settings.yaml", format!("key: |\n  {}", pem("EC ").replace('\n', "\n  "))),
        (
            "srv/secret.yaml",
            // Its padding is at the end only.
            format!(
                "  tls.key: LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCk{}\n",
                body.replace('=', "A")
            ),
        ),
        (
            "etc/wireguard/wg0.conf",
            format!("[Interface]\nPrivateKey = {}A=\n", "QUJDREVGRw".repeat(5).split_at(42).0),
        ),
        (
            "root/config.json",
            format!("{{\"users\":[{{\"user\":{{\"client-key-data\":\"{body}\"}}}}]}}\n"),
        ),
        ("etc/rancher/node/token", format!("K10{}::server:0123456789abcdef\n", "0a".repeat(32))),
        ("etc/netplan/50-wifi.yaml", "          password: \"correct horse\"\n".to_owned()),
        ("etc/kubernetes/kubelet.conf", format!("users:\n- user:\n    token: {signed}\n")),
        ("home/node/.kube/config", format!("    client-key-data: {}\n", "QUJD".repeat(12))),
        ("srv/join.sh", format!("kubeadm join 192.0.2.1:6443 --token {token}\n")),
        (
            "root/.docker/config.json",
            "{\"auths\": {\"x\": {\"auth\": \"dXNlcjpzZWNyZXQ=\"}}}\n".to_owned(),
        ),
        ("usr/local/bin/fetch", format!("TOKEN=ghp_{}\n", "a1B2".repeat(9))),
        ("opt/bootstrap/cloud.env", format!("KEY=AKIA{}\n", "ABCD".repeat(4))),
        ("var/lib/cloud/seed/nocloud/user-data", format!("passwd: {hash}\n")),
        ("etc/netplan/wifi.yaml", "psk = correct-horse-battery\n".to_owned()),
        ("etc/apt/auth.conf.d/private.conf", "machine x.example login a password b\n".to_owned()),
        (
            "etc/apt/sources.list.d/private.sources",
            "URIs: http://mirror.internal/debian\n".to_owned(),
        ),
        (
            "etc/apt/apt.conf.d/99proxy",
            "Acquire::http::Proxy \"http://10.0.0.1:3142\";\n".to_owned(),
        ),
        ("root/.bash_history", "mysql -psecret\n".to_owned()),
        ("home/node/.lesshst", ".less-history-file:\n".to_owned()),
        ("var/log/apt/history.log", "Start-Date\n".to_owned()),
        ("var/lib/systemd/random-seed", "seed".repeat(128)),
        ("var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n".to_owned()),
        ("etc/app.conf", "root = /home/somebody/.cache/osb/layers-v2/x\n".to_owned()),
    ];
    let mut all: Vec<Mutant> = files
        .into_iter()
        .map(|(path, text)| {
            Mutant::new(GROUP, format!("/{path}"), move |subject| {
                put(root(subject), path, 0o600, text.clone().into_bytes());
            })
        })
        .collect();
    all.push(Mutant::new(GROUP, "/etc/machine-id with an identity", |subject| {
        let id = b"0123456789abcdef0123456789abcdef\n".to_vec();
        replace(root(subject), "etc/machine-id", id);
    }));
    all.push(Mutant::new(GROUP, "/etc/shadow with a password", move |subject| {
        let line = format!("root:{hash}:20000:0:99999:7:::\n");
        replace(root(subject), "etc/shadow", line.into_bytes());
    }));
    all.push(Mutant::new(GROUP, "the boot partition with a token", move |subject| {
        let text = format!("token = \"{token}\"\n");
        put(boot(subject), "osb/node.toml", 0o755, text.into_bytes());
    }));
    all.push(Mutant::new(GROUP, "a data partition with a token", move |subject| {
        let mut tree = Tree::new();
        put(&mut tree, "join.sh", 0o755, format!("--token {token}\n").into_bytes());
        let place = Place { partition: Some(3), ..Place::default() };
        subject.others.push(Other { place, tree });
    }));
    all.push(Mutant::new(GROUP, "the initramfs with a token", move |subject| {
        // Another archive behind the others: a header, the name, the file, and the end.
        let entry = |name: &str, data: &str| {
            let (size, length) = (data.len(), name.len() + 1);
            let fields = [1, 0o100_644, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0];
            let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
            let mut bytes = format!("070701{fields}{name}\0").into_bytes();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend_from_slice(data.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let join = entry("etc/join", &format!("--token {token}\n"));
        let more = gzip(&[join, entry("TRAILER!!!", "")].concat());
        let (Ok(mut initramfs), Ok(more)) = (bytes(boot(subject), "initrd.img"), more) else {
            return;
        };
        initramfs.resize(initramfs.len().next_multiple_of(4), 0);
        initramfs.extend(more);
        // In the root, too: there is nothing that it could differ from.
        let names = root(subject).children(b"boot").map(|(name, _)| name.to_vec());
        let own: Vec<String> = names.filter_map(|name| String::from_utf8(name).ok()).collect();
        for name in own.iter().filter(|name| name.starts_with("initrd.img-")) {
            replace(root(subject), &format!("boot/{name}"), initramfs.clone());
        }
        replace(boot(subject), "initrd.img", initramfs);
    }));
    all.push(Mutant::new(GROUP, "the boot partition with a seed", |subject| {
        put(boot(subject), "loader/random-seed", 0o755, vec![7; 32]);
    }));
    all
}
