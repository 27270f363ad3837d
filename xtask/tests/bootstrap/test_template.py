"""The template of `osb init --bootstrap`: its steps on a fake root, with a fake kubeadm."""

import json
import os
import re
import shutil
import subprocess
import unittest

from fixture import MAC, REPOSITORY, SERIAL, Authority, MachineTest, Server

TEMPLATE = REPOSITORY / "crates/osb/templates/bootstrap"
TOKEN = "abcdef.0123456789abcdef"
HASH = "sha256:" + "a" * 64

KUBEADM = r"""
case $1 in
version) echo v1.36.1 ;;
token) echo fedcba.0123456789abcdef ;;
reset) rm -rf "$OSB_ROOT"/{etc/kubernetes,var/lib/etcd/member,var/lib/kubelet/config.yaml} ;;
init | join)
    # Its preflight (cmd/kubeadm/app/preflight/checks.go), and the files in the order of its phases.
    cd "$OSB_ROOT" && mkdir -p etc/kubernetes/{pki,manifests} var/lib/{kubelet,etcd}
    refused=(etc/kubernetes/manifests/* var/lib/etcd/*)
    [[ $1 == init ]] || refused+=(etc/kubernetes/{kubelet,bootstrap-kubelet}.conf etc/kubernetes/pki/ca.crt)
    for path in "${refused[@]}"; do
        [[ ! -e $path ]] || { echo "[ERROR FileAvailable]: /$path already exists" && exit 1; }
    done
    cp "$3" given.yaml
    case $1,$(cat power-cut 2>/dev/null) in
    *,early) touch etc/kubernetes/bootstrap-kubelet.conf etc/kubernetes/pki/ca.crt var/lib/kubelet/config.yaml && exit 1 ;;
    *,late) touch etc/kubernetes/kubelet.conf && exit 1 ;;
    init,*)
        mkdir var/lib/etcd/member && touch etc/kubernetes/manifests/kube-apiserver.yaml
        # What the cluster knows before init has ended.
        echo x >etc/kubernetes/kubelet.conf && touch member
        [[ ! -e power-cut ]] || exit 1 ;;
    esac
    echo x >etc/kubernetes/kubelet.conf
    touch etc/kubernetes/pki/ca.crt var/lib/kubelet/config.yaml member ;;
esac
"""
KUBECTL = r"""
[[ -e $OSB_ROOT/member ]] || exit 1
echo '{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}'
"""


class Template(MachineTest):
    containers = "direct"

    def setUp(self):
        super().setUp()
        self.kept = self.folder / "node-config.json"
        self.tree = self.folder / "tree"
        shutil.copytree(TEMPLATE, self.tree)
        m = self.machine
        for name in ("kubelet", "conntrack", "containerd", "crictl", "systemctl", "modprobe", "sysctl", "swapoff"):
            m.stub(name, "exit 0")
        m.stub("kubeadm", KUBEADM)
        m.stub("kubectl", KUBECTL)
        m.stub("ip", '[[ "$*" != "-oneline address show to 10.0.0."[29] ]] || echo "2: end0 inet ${5}/24"')
        # test_check_node.py has the real one.
        m.write("usr/lib/osb/check-node", "#!/bin/bash\necho 'ok: as promised'\n").chmod(0o755)
        m.write("proc/swaps", "Filename Type Size Used Priority\n")
        m.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
        m.write("proc/sys/kernel/hostname", "worker-1")
        for name in ("overlay", "br_netfilter"):
            m.write(f"sys/module/{name}/x", "")
        for name in ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"):
            m.write(f"proc/sys/{name}", "1\n")
        self.served = self.folder / "served"
        self.served.mkdir()
        self.authority = Authority(self.folder, "ca")
        self.server = Server(self.served, *self.authority.issue("server"))
        self.addCleanup(self.server.stop)
        self.secrets = {"token": TOKEN, "ca_cert_hashes": [HASH]}
        self.server.http.answers[MAC] = (200, self.secrets)
        m.write("etc/osb/bootstrap/ca.pem", self.authority.certificate.read_text())
        path = self.tree / "config/cluster-config.yaml"
        text = path.read_text().replace("k8s.example.org:6443", f"localhost:{self.server.port}")
        path.write_text(text.replace("https://config.example.org/join", self.server.url("config")))
        self.node = {"hostname": "worker-1", "role": "worker", "ip": "10.0.0.9", "labels": {"a/b": "c-d", "e": "f"}}

    def setup_node(self):
        config = {"version": 1, "node": self.node, "identity": {"macs": [MAC], "serial": SERIAL},
                  "boot": {"mode": "sd", "state": "disk", "containers": self.containers}, "settings": {}}
        path = self.machine.write("run/osb/node-config.json", json.dumps(config))
        self.kept.write_text(json.dumps(config))
        environment = dict(self.machine.environment(), NODE_CONFIG=str(path))
        done = subprocess.run([self.tree / "setup.sh"], env=environment, text=True, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def given(self):
        return [json.loads(text) for text in self.machine.read("given.yaml").split("\n---\n")]

    def kubeadms(self, what):
        return [call for call in self.machine.called("kubeadm") if call.split()[1] == what]

    def test_a_worker_joins_once(self):
        code, said = self.setup_node()
        self.assertEqual(code, 0, said)
        (join,) = self.given()
        self.assertEqual((join["apiVersion"], join["kind"]), ("kubeadm.k8s.io/v1beta4", "JoinConfiguration"))
        self.assertEqual(join["discovery"]["bootstrapToken"], {
            "token": TOKEN, "apiServerEndpoint": f"localhost:{self.server.port}", "caCertHashes": [HASH]})
        self.assertEqual(join["nodeRegistration"], {
            "name": "worker-1", "criSocket": "unix:///run/containerd/containerd.sock",
            "kubeletExtraArgs": [{"name": "node-ip", "value": "10.0.0.9"},
                                 {"name": "node-labels", "value": 'a/b=c-d,e=f'}]})
        self.assertNotIn("controlPlane", join)
        self.assertTrue((self.machine.root / "var/lib/osb/kubeadm-done").exists())
        # All that kubeadm wrote, before the file that says so.
        self.assertEqual(self.machine.called("sync")[0].split(), ["sync"])
        code, said = self.setup_node()
        self.assertEqual(code, 0, said)
        self.assertEqual(len(self.kubeadms("join")), 1)

    def test_a_node_that_is_not_as_the_image_promised_is_told(self):
        self.machine.write("usr/lib/osb/check-node", "#!/bin/bash\necho 'NOT ok: x'\nexit 1\n")
        code, said = self.setup_node()
        self.assertEqual(code, 1, said)
        self.assertIn("NOT ok: x", said)
        self.assertIn("ok: the node is Ready", said)

    def test_no_secret_stays(self):
        code, said = self.setup_node()
        self.assertEqual(code, 0)
        self.assertNotIn(TOKEN, said)
        (self.machine.root / "given.yaml").unlink()
        for path in self.machine.root.rglob("*"):
            if path.is_file():
                self.assertNotIn(TOKEN.encode(), path.read_bytes(), path)

    def client(self):
        """A client certificate of this node."""
        for path, kind in zip(self.authority.issue("node"), ("crt", "key")):
            self.machine.write(f"etc/osb/bootstrap/client.{kind}", path.read_text())

    def test_a_certificate_key_is_not_for_whoever_knows_an_address(self):
        self.node = {"hostname": "cp-2", "role": "control-plane", "ip": "10.0.0.2"}
        self.secrets["certificate_key"] = "ab" * 32
        code, said = self.setup_node()
        self.assertNotEqual(code, 0)
        self.assertIn("REFUSED: a certificate_key", said)
        self.assertEqual(self.kubeadms("join"), [])

    def test_another_control_plane(self):
        self.client()
        self.node = {"hostname": "cp-2", "role": "control-plane", "ip": "10.0.0.2"}
        code, said = self.setup_node()
        self.assertNotEqual(code, 0)
        self.assertIn("certificate_key", said)
        self.secrets["certificate_key"] = "ab" * 32
        self.machine.write("proc/sys/kernel/hostname", "cp-2")
        code, said = self.setup_node()
        self.assertEqual(code, 0, said)
        self.assertEqual(self.given()[0]["controlPlane"], {
            "localAPIEndpoint": {"bindPort": 6443, "advertiseAddress": "10.0.0.2"}, "certificateKey": "ab" * 32})

    def test_the_first_one_makes_the_cluster(self):
        self.node = {"hostname": "cp-1", "role": "control-plane"}
        self.machine.write("proc/sys/kernel/hostname", "cp-1")
        code, said = self.setup_node()
        self.assertNotEqual(code, 0)
        self.assertIn("manifests/network/ is empty", said)
        self.assertEqual(self.kubeadms("init"), [])
        (self.tree / "manifests/network/flannel.yaml").write_text("{}")
        code, said = self.setup_node()
        self.assertEqual(code, 0, said)
        kinds = [document["kind"] for document in self.given()]
        self.assertEqual(kinds, ["InitConfiguration", "ClusterConfiguration", "KubeletConfiguration"])
        self.assertEqual(len(self.kubeadms("init")), 1)
        self.assertIn("--skip-token-print --skip-certificate-key-print", self.kubeadms("init")[0])
        self.assertTrue(any("flannel.yaml" in call for call in self.machine.called("kubectl")))

    def test_half_a_join_is_taken_back(self):
        for number, moment in enumerate(("early", "late"), 1):
            with self.subTest(moment=moment):
                self.machine.write("power-cut", moment)
                self.assertNotEqual(self.setup_node()[0], 0)
                (self.machine.root / "power-cut").unlink()
                code, said = self.setup_node()
                self.assertEqual(code, 0, said)
                self.assertEqual(len(self.kubeadms("reset")), number)
                for path in ("var/lib/osb/kubeadm-done", "member", "etc/kubernetes/kubelet.conf",
                             "etc/kubernetes/pki/ca.crt", "var/lib/kubelet/config.yaml"):
                    (self.machine.root / path).unlink()

    def test_done_is_not_believed_without_credentials(self):
        self.machine.write("var/lib/osb/kubeadm-done", "2026-01-01T00:00:00Z\n")
        code, said = self.setup_node()
        self.assertEqual(code, 0, said)
        self.assertEqual(len(self.kubeadms("join")), 1)

    def test_half_a_cluster_is_made_anew(self):
        self.node = {"hostname": "cp-1", "role": "control-plane"}
        self.machine.write("proc/sys/kernel/hostname", "cp-1")
        (self.tree / "manifests/network/flannel.yaml").write_text("{}")
        # kubeadm ends in the middle; its API server answers already.
        self.machine.stub("curl", "exit 0")
        self.machine.write("power-cut", "init")
        self.assertNotEqual(self.setup_node()[0], 0)
        (self.machine.root / "power-cut").unlink()
        code, said = self.setup_node()
        self.assertEqual(code, 0, said)
        self.assertEqual((len(self.kubeadms("init")), len(self.kubeadms("reset"))), (2, 1))
        # What is made has something to lose, though nobody knows any more who made it.
        (self.machine.root / "var/lib/osb/kubeadm-done").unlink()
        self.machine.stub("curl", "exit 7")
        code, said = self.setup_node()
        self.assertNotEqual(code, 0)
        self.assertIn("there is a database", said)
        self.assertEqual(len(self.kubeadms("reset")), 1)

    def test_half_a_control_plane_is_no_control_plane(self):
        self.node = {"hostname": "cp-2", "role": "control-plane"}
        self.machine.write("proc/sys/kernel/hostname", "cp-2")
        self.client()
        self.secrets["certificate_key"] = "ab" * 32
        # The cluster knows the node already, but there is no API server on it.
        self.machine.write("etc/kubernetes/kubelet.conf", "half")
        self.machine.write("member", "")
        code, said = self.setup_node()
        self.assertEqual(code, 0, said)
        self.assertEqual((len(self.kubeadms("reset")), len(self.kubeadms("join"))), (1, 1))

    def test_a_database_is_never_thrown_away(self):
        self.machine.write("etc/kubernetes/kubelet.conf", "half")
        self.machine.write("var/lib/etcd/member/x", "data")
        code, said = self.setup_node()
        self.assertNotEqual(code, 0)
        self.assertIn("remove this node's etcd member", said)
        self.assertEqual(self.kubeadms("reset"), [])

    def test_no_token(self):
        self.server.http.answers[MAC] = (403, {})
        code, said = self.setup_node()
        self.assertNotEqual(code, 0)
        self.assertIn("no token could be had", said)
        self.server.http.answers[MAC] = (200, {"token": "$(reboot)", "ca_cert_hashes": [HASH]})
        code, said = self.setup_node()
        self.assertIn("has no token or no hash", said)
        self.assertEqual(self.kubeadms("join"), [])

    def test_preflight_tells_everything(self):
        self.machine.write("sys/fs/cgroup/cgroup.controllers", "cpu pids\n")
        self.machine.write("proc/swaps", "Filename\n/dev/zram0 partition 1 0 5\n")
        self.machine.stub("swapoff", "exit 1")
        code, said = self.setup_node()
        self.assertEqual(code, 1)
        self.assertIn("swap is on", said)
        self.assertIn("cgroup v2 without memory", said)
        self.assertIn("2 problems", said)

    def test_an_address_of_another_machine(self):
        self.node["ip"] = "10.0.0.77"
        code, said = self.setup_node()
        self.assertEqual(code, 1)
        self.assertIn("10.0.0.77, its ip by the inventory, is no address of this machine", said)

    def test_labels_that_kubelet_refuses(self):
        self.node["labels"] = {"node-role.kubernetes.io/worker": "", "kubernetes.io/os": "linux", "a": "b c",
                               "topology.kubernetes.io/zone": "z", "node.kubernetes.io/x": "y", "k8s.io/x": "y",
                               "-a": "b", "shelf": "", "example.org/a": "b", "example.org/": "c", "a/b/c": "d"}
        code, said = self.setup_node()
        self.assertEqual(code, 1)
        found = re.findall(r"the label (.*?) is reserved", said)
        self.assertEqual(found, ["node-role.kubernetes.io/worker=", "a=b c", "k8s.io/x=y", "-a=b", "example.org/=c", "a/b/c=d"])

    def test_a_root_on_the_network(self):
        self.containers = "loop-file"
        self.machine.stub("mountpoint", "exit 1")
        self.machine.stub("blkid", "exit 2")
        self.machine.stub("mkfs.ext4", "exit 0")
        (self.machine.root / "etc/systemd/system").mkdir(parents=True)
        code, said = self.setup_node()
        self.assertEqual(code, 0, said)
        self.assertTrue((self.machine.root / "var/lib/containerd.ext4").exists())
        unit = self.machine.read("etc/systemd/system/var-lib-containerd.mount")
        self.assertIn("\nBefore=containerd.service\n", unit)
        self.assertIn("systemctl enable --quiet --now var-lib-containerd.mount", self.machine.called("systemctl"))

    def test_the_node_is_tested_after_another_boot(self):
        self.assertEqual(self.setup_node()[0], 0)
        shutil.rmtree(self.machine.root / "run")
        shutil.move(self.kept, self.machine.root / "var/lib/osb/node-config.json")
        done = subprocess.run([self.tree / "tests/verify-node.sh"], env=self.machine.environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_another_kubernetes(self):
        path = self.tree / "config/cluster-config.yaml"
        path.write_text(path.read_text().replace("v1.36.0", "v1.35.2"))
        code, said = self.setup_node()
        self.assertEqual(code, 1)
        self.assertIn("build with kubernetes.upstream=1.35", said)

    def test_what_is_not_filled_in(self):
        shutil.copy(TEMPLATE / "config/cluster-config.yaml", self.tree / "config")
        (self.tree / "manifests/network/flannel.yaml").write_text("{}")
        for node in (self.node, {"hostname": "cp-1", "role": "control-plane"}):
            with self.subTest(node=node["hostname"]):
                self.node = node
                code, said = self.setup_node()
                self.assertEqual(code, 1)
                self.assertIn(".cluster.endpoint is to be filled in", said)
        self.assertEqual(self.kubeadms("init"), [])


class Written(unittest.TestCase):
    def test_every_file_is_in_the_program(self):
        """`crates/osb/src/commands/init.rs` embeds what is here, with the right modes."""
        text = (REPOSITORY / "crates/osb/src/commands/init.rs").read_text()
        listed = dict(re.findall(r'file!\("([^"]+)", (0o\d+)\)', text))
        there = {str(path.relative_to(TEMPLATE)): "0o755" if os.access(path, os.X_OK) else "0o644"
                 for path in TEMPLATE.rglob("*") if path.is_file()}
        self.assertEqual(listed, there)


if __name__ == "__main__":
    unittest.main()
