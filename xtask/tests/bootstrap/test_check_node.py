"""`/usr/lib/osb/check-node` of the layer k8s-prereq on a fake root: what it calls right and wrong."""

import os
import shutil
import unittest
import unittest.mock

from fixture import REPOSITORY, MachineTest

PROGRAM = REPOSITORY / "layers/k8s-prereq/files/usr/lib/osb/check-node"
CONFIG = REPOSITORY / "layers/k8s-prereq/files/etc/containerd/config.toml"
# What `containerd config dump` says, as far as it matters.
DUMP = """
version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "registry.k8s.io/pause:3.10.2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
"""
DUMP_3 = """
version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'registry.k8s.io/pause:3.10.2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = true
"""
NOT_SYSTEMD = "containerd leaves cgroups to systemd: /etc/containerd/config.toml does not say so for runc"


def not_pinned(image):
    return f"the pause image is pinned: containerd takes {image}, which /etc/containerd/config.toml does not name"


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
            "containerd runs: failed", NOT_SYSTEMD, not_pinned("registry.k8s.io/pause:3.8"), "CNI plugins: no loopback")

    def test_a_pause_image_that_nobody_named(self):
        self.machine.write("etc/containerd/config.toml", "version = 2\n")
        self.assert_wrong(not_pinned("registry.k8s.io/pause:3.10.2"))

    def test_a_pause_image_that_an_import_names(self):
        m = self.machine
        m.write("etc/containerd/config.toml", "version = 2\nimports = ['/etc/containerd/conf.d/*.toml', 'none.toml']\n")
        m.write("etc/containerd/conf.d/a.toml", "version = 2\nimports = ['b.toml', '../config.toml']\n")
        self.assert_wrong(not_pinned("registry.k8s.io/pause:3.10.2"))
        image = '\tsandbox_image\t=\t"registry.k8s.io/pause:3.10.2" # ours\n'
        m.write("etc/containerd/conf.d/b.toml", f"version = 2\n[plugins.'io.containerd.grpc.v1.cri']\n{image}")
        self.assertEqual(self.run_it()[0], 0)

    def test_settings_of_containerd_2(self):
        self.containerd(DUMP_3)
        code, wrong, said = self.run_it()
        self.assertEqual((code, wrong), (0, []), said)

    def test_settings_that_containerd_does_not_read(self):
        self.containerd(DUMP.replace("runtimes.runc.options", "runtimes.kata.options"))
        self.assert_wrong(NOT_SYSTEMD)
        for dump in (DUMP.replace("version = 2", "version = 3"), DUMP_3.replace("version = 3", "version = 2")):
            self.containerd(dump)
            self.assert_wrong(NOT_SYSTEMD, not_pinned("none"))

    def test_programs_that_only_root_has_in_its_path(self):
        self.machine.stub("systemctl", "case $PATH in */usr/sbin*) ;; *) exit 1 ;; esac")
        with unittest.mock.patch.dict(os.environ, PATH="/usr/bin:/bin"):
            code, wrong, said = self.run_it()
        self.assertEqual((code, wrong), (0, []), said)

    def test_a_name_of_its_own(self):
        self.machine.write("proc/sys/kernel/hostname", "localhost\n")
        self.assert_wrong("a machine-id and a name: localhost")
        for text in ("", "uninitialized\n", "0123\n"):
            self.machine.write("etc/machine-id", text)
            self.assert_wrong("a machine-id and a name: no machine-id")

    def test_upstream_packages(self):
        m = self.machine
        m.stub("dpkg-query", 'case $* in *Status-Want*kubelet) echo -n hold ;; *Status*) echo -n install ;; esac')
        self.assert_wrong("Kubernetes packages are held: kubeadm: install", "kubelet reads /etc/kubernetes/kubelet.conf.d")
        m.stub("dpkg-query", 'case $* in *Status-Want*kubectl) echo -n install ;; *) echo -n hold ;; esac')
        self.assertIn("NOT ok: Kubernetes packages are held: kubectl: install", self.run_it()[1])
        m.stub("dpkg-query", "echo -n hold")
        m.stub("systemctl", 'echo "Environment=KUBELET_CONFIG_ARGS=--config=x --config-dir=/etc/kubernetes/kubelet.conf.d"')
        code, wrong, said = self.run_it()
        self.assertEqual((code, wrong), (0, []), said)


if __name__ == "__main__":
    unittest.main()
