"""`/usr/lib/osb/check-node` of the layer k8s-prereq on a fake root: what it calls right and wrong."""

import shutil
import unittest

from fixture import REPOSITORY, MachineTest

PROGRAM = REPOSITORY / "layers/k8s-prereq/files/usr/lib/osb/check-node"
CONFIG = REPOSITORY / "layers/k8s-prereq/files/etc/containerd/config.toml"
DUMP = """
    sandbox_image = "registry.k8s.io/pause:3.10.2"
            SystemdCgroup = true
"""


class CheckNode(MachineTest):
    def setUp(self):
        super().setUp()
        m = self.machine
        self.program = m.root / "usr/lib/osb/check-node"
        shutil.copy(PROGRAM, self.program)
        self.program.chmod(0o755)
        m.write("proc/filesystems", "nodev\tsysfs\nnodev\toverlay\n\text4\n")
        for name in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"):
            m.write(f"proc/sys/net/{name}", "1\n")
        m.write("proc/swaps", "Filename Type Size Used Priority\n")
        m.write("proc/sys/kernel/hostname", "worker-1\n")
        m.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n")
        for name in ("bridge", "host-local", "loopback"):
            m.write(f"opt/cni/bin/{name}", "").chmod(0o755)
        for name in ("runc", "conntrack", "iptables", "nft", "socat", "ethtool", "mount", "systemctl"):
            m.stub(name, "exit 0")
        self.containerd(DUMP)
        m.write("etc/containerd/config.toml", CONFIG.read_text())
        m.stub("dpkg-query", "exit 1")

    def containerd(self, dump):
        self.machine.write("dump", dump)
        self.machine.stub("containerd", 'cat "$OSB_ROOT/dump"')

    def run_it(self):
        code, said = self.machine.run("usr/lib/osb/check-node")
        return code, [line for line in said.splitlines() if not line.startswith("ok: ")], said

    def assert_wrong(self, *wanted):
        code, wrong, said = self.run_it()
        self.assertEqual((code, wrong), (1, [f"NOT ok: {text}" for text in wanted]), said)

    def test_a_good_one(self):
        code, wrong, said = self.run_it()
        self.assertEqual((code, wrong), (0, []), said)
        self.assertEqual(len(said.splitlines()), 14, said)

    def test_kernel(self):
        m = self.machine
        m.write("proc/filesystems", "nodev\toverlayfs2\n")
        m.write("proc/sys/net/ipv4/ip_forward", "0\n")
        (m.root / "proc/sys/net/bridge/bridge-nf-call-ip6tables").unlink()
        m.write("proc/swaps", "Filename Type\n/dev/zram0 partition 1 0 5\n/swap file 1 0 -2\n")
        (m.root / "sys/block/zram0").mkdir(parents=True)
        m.write("sys/fs/cgroup/cgroup.controllers", "cpu io pids\n")
        zram = m.root / "sys/block/zram0"
        self.assert_wrong(
            "the file system overlay", "net.ipv4.ip_forward is 1: 0",
            "net.bridge.bridge-nf-call-ip6tables is 1: it is not there",
            "swap is off: /dev/zram0 partition 1 0 5; /swap file 1 0 -2", f"no swap in memory (zram): {zram}",
            "cgroup v2 with cpu, memory and pids: no controller memory: cgroup v2 has: cpu io pids ")

    def test_containerd(self):
        self.containerd(DUMP.replace("true", "false").replace("3.10.2", "3.8"))
        self.machine.stub("systemctl", "echo failed; exit 3")
        (self.machine.root / "opt/cni/bin/loopback").chmod(0o644)
        self.assert_wrong(
            "containerd runs: failed", "containerd leaves cgroups to systemd: /etc/containerd/config.toml does not say so",
            "the pause image is pinned: /etc/containerd/config.toml does not say so", "CNI plugins: no loopback")

    def test_a_pause_image_that_nobody_named(self):
        self.machine.write("etc/containerd/config.toml", "version = 2\n")
        self.assert_wrong("the pause image is pinned: /etc/containerd/config.toml names none")

    def test_settings_of_containerd_2(self):
        self.containerd(DUMP.replace("sandbox_image", "sandbox").replace('"', "'"))
        self.assertEqual(self.run_it()[0], 0)

    def test_a_name_of_its_own(self):
        self.machine.write("proc/sys/kernel/hostname", "localhost\n")
        self.assert_wrong("a machine-id and a name: localhost")
        self.machine.write("etc/machine-id", "")
        self.assert_wrong("a machine-id and a name: no machine-id")

    def test_upstream_packages(self):
        m = self.machine
        m.stub("dpkg-query", 'case $* in *Status-Want*kubelet) echo -n hold ;; *Status*) echo -n install ;; esac')
        self.assert_wrong("Kubernetes packages are held: kubeadm: install", "kubelet reads /etc/kubernetes/kubelet.conf.d")
        m.stub("dpkg-query", "echo -n hold")
        m.stub("systemctl", 'echo "Environment=KUBELET_CONFIG_ARGS=--config=x --config-dir=/etc/kubernetes/kubelet.conf.d"')
        code, wrong, said = self.run_it()
        self.assertEqual((code, wrong), (0, []), said)


if __name__ == "__main__":
    unittest.main()
