"""The rooms by themselves: identity, boot mode, files, names."""

import hashlib
import json
import subprocess
import sys
import unittest

from fixture import MAC, REPOSITORY, SERIAL, MachineTest

DIGITS = hashlib.sha1(f"{MAC}\n".encode()).hexdigest()[:6]


class Identity(MachineTest):
    def identity(self):
        return json.loads(self.machine.shell("identity")[1])

    def test_of_a_board(self):
        self.machine.interface("wlan0", "02:00:00:00:00:01")
        self.machine.write("sys/class/net/wlan0/phy80211/name", "phy0")
        self.machine.interface("lo", "00:00:00:00:00:00", kind="772", device=False)
        self.machine.interface("br0", "02:00:00:00:00:02", device=False)
        self.machine.interface("enx1", "02:00:00:00:00:03", assigned="1")
        self.machine.interface("enu1", "AA:00:00:00:00:04")
        self.assertEqual(self.identity(), {
            "serial": SERIAL, "macs": [MAC, "aa:00:00:00:00:04"], "model": "Raspberry Pi 5 Model B Rev 1.0",
            "machine_id": "0123456789abcdef0123456789abcdef",
        })

    def test_of_a_pc(self):
        for name in ("serial-number", "model"):
            (self.machine.root / "proc/device-tree" / name).unlink()
        for name, text in [("product_serial", "To Be Filled By O.E.M."), ("board_serial", "  B-77 "),
                           ("sys_vendor", "Maker"), ("product_name", "Default string"), ("product_uuid", "u-u")]:
            self.machine.write(f"sys/class/dmi/id/{name}", text + "\n")
        self.assertEqual(self.identity()["serial"], "B-77")
        self.assertEqual(self.identity()["dmi"], {"vendor": "Maker", "uuid": "u-u"})

    def test_without_anything(self):
        subprocess.run(["rm", "-r", self.machine.root / "sys/class/net/end0", self.machine.root / "proc/device-tree"], check=True)
        self.assertEqual(self.identity()["macs"], [])
        self.assertEqual(self.machine.shell("hostname_by_mac worker- || echo none")[1], "none")

    def test_digits_are_those_of_sha1sum(self):
        path = self.machine.root / "sys/class/net/end0/address"
        expected = subprocess.run(["sha1sum", path], capture_output=True, text=True).stdout[:6]
        self.assertEqual(self.machine.shell("hostname_by_mac worker-")[1], f"worker-{expected}")


class BootMode(MachineTest):
    def mode(self, mounts, cmdline="rw", devices=()):
        self.machine.write("proc/self/mountinfo", mounts)
        self.machine.write("proc/cmdline", cmdline + "\n")
        for number, path in devices:
            target = self.machine.root / "sys/devices" / path
            target.mkdir(parents=True, exist_ok=True)
            link = self.machine.root / "sys/dev/block" / number
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(target)
        code, said, wrong = self.machine.shell("boot_description")
        self.assertEqual(code, 0, wrong)
        return tuple(json.loads(said)[key] for key in ("mode", "state", "persistent", "containers"))

    def test_disks(self):
        for number, path, mode in [
            ("259:2", "pci/nvme/nvme0/nvme0n1/nvme0n1p2", "nvme"),
            ("179:2", "soc/mmc_host/mmc0/mmc0:1/block/mmcblk0/mmcblk0p2", "sd"),
            ("8:2", "pci/ata1/host0/block/sda/sda2", "disk"),
            ("254:2", "pci/virtio2/block/vda/vda2", "disk"),
        ]:
            with self.subTest(mode=mode, path=path):
                mounts = f"21 1 {number} / / rw,noatime shared:1 - ext4 /dev/root rw\n"
                self.assertEqual(self.mode(mounts, devices=[(number, path)]), (mode, "disk", True, "direct"))

    def test_below_device_mapper(self):
        disk = self.machine.root / "sys/devices/pci/nvme/nvme0/nvme0n1"
        disk.mkdir(parents=True)
        slaves = self.machine.root / "sys/devices/virtual/block/dm-0/slaves"
        slaves.mkdir(parents=True)
        (slaves / "nvme0n1").symlink_to(disk)
        mounts = "21 1 253:0 / / rw - ext4 /dev/mapper/root rw\n"
        self.assertEqual(self.mode(mounts, devices=[("253:0", "virtual/block/dm-0")])[0], "nvme")

    def test_network_root(self):
        nfs = "21 1 0:25 / / {} - nfs 10.0.0.1:/srv/node rw,vers=3\n"
        self.assertEqual(self.mode(nfs.format("rw,relatime")), ("nfs", "network", True, "loop-file"))
        self.assertEqual(self.mode(nfs.format("ro,relatime")), ("nfs", "memory", False, "memory"))

    def test_network_root_with_state_elsewhere(self):
        mounts = ("21 1 0:25 / / ro - nfs 10.0.0.1:/srv/node rw\n"
                  "40 21 8:3 / /var/lib rw,relatime shared:9 - ext4 /dev/sda3 rw\n")
        self.assertEqual(self.mode(mounts), ("nfs", "disk", True, "direct"))

    def test_memory(self):
        self.assertEqual(self.mode("21 1 0:25 / / rw - tmpfs root rw\n"), ("ram", "memory", False, "memory"))
        overlay = "21 1 0:25 / / rw - overlay overlay rw,lowerdir=/ro,upperdir=/rw/up\n"
        self.assertEqual(self.mode(overlay), ("ram", "memory", False, "memory"))
        self.assertEqual(self.mode(overlay, "boot=nfs root=/dev/nfs")[0], "nfs")
        self.machine.write("dev/nvme0n1p2", "")
        link = self.machine.root / "dev/disk/by-partuuid/abc-02"
        link.parent.mkdir(parents=True)
        link.symlink_to("../../nvme0n1p2")
        self.assertEqual(self.mode(overlay, "root=PARTUUID=abc-02"), ("nvme", "memory", False, "memory"))

    def test_a_file_system_that_is_read_only_below_its_mount(self):
        # After an error, errors=remount-ro: the mount says rw.
        self.assertEqual(self.mode("21 1 8:2 / / rw - ext4 /dev/sda2 ro,errors=remount-ro\n")[1], "memory")

    def test_the_last_mount_counts(self):
        mounts = "1 1 0:2 / / rw - rootfs rootfs rw\n21 1 8:2 / / rw - ext4 /dev/sda2 rw\n"
        self.assertEqual(self.mode(mounts)[0:2], ("disk", "disk"))
        # /var/lib2 does not hold /var/lib/osb.
        self.assertEqual(self.mode(mounts + "30 21 0:9 / /var/lib2 rw - tmpfs t rw\n")[1], "disk")


class ToJson(MachineTest):
    def convert(self, kind, text):
        path = self.folder / "file"
        path.write_bytes(text)
        done = subprocess.run([self.machine.root / "usr/lib/osb/bootstrap/to-json", kind, path], capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    def test_values_of_yaml_stay_text(self):
        found = self.convert("yaml", b"\xef\xbb\xbfa: 12:34:56\r\nb: no\r\nc: 1e5\r\nd: 007\r\n")
        self.assertEqual(found, {"a": "12:34:56", "b": "no", "c": "1e5", "d": "007"})

    def test_what_is_refused(self):
        for text, message in [(b"a: 1\na: 2\n", "line 2: `a` is there twice"),
                              (b"a: &x 1\nb: *x\n", "line 2: aliases"),
                              (b"a: [", "line "), (b"? [a]\n: b\n", "a key must be text"),
                              (b"a: \xff\n", "utf-8"), (b"#" * (2 << 20), "larger than"),
                              (b"[" * 5000, "file: ")]:
            with self.subTest(message=message):
                self.assertIn(message, self.convert("yaml", text))
        self.assertIn("line 1", self.convert("toml", b"a = \n"))


class NodeName(MachineTest):
    def name(self):
        code, said = self.machine.run("usr/lib/osb/name-node")
        self.assertEqual(code, 0, said)
        return self.machine.read("proc/sys/kernel/hostname"), said

    def test_by_address(self):
        self.assertEqual(self.name()[0], f"worker-{DIGITS}")
        self.assertEqual(self.machine.read("etc/hostname"), f"worker-{DIGITS}\n")
        self.assertEqual((self.machine.root / "etc/hostname").stat().st_mode & 0o777, 0o644)

    def test_prefix_of_the_image(self):
        self.machine.write("etc/osb/bootstrap.toml", '[hostname]\nprefix = "sd-"\n')
        self.assertEqual(self.name()[0], f"sd-{DIGITS}")

    def test_left_to_dhcp(self):
        self.machine.write("etc/osb/bootstrap.toml", '[hostname]\nunknown = "dhcp"\n')
        name, said = self.name()
        self.assertEqual(name, "localhost")
        self.assertIn("DHCP may give one", said)
        self.assertFalse((self.machine.root / "etc/hostname").exists())

    def test_inventory(self):
        self.machine.write("boot/firmware/osb/nodes.yaml", f"nodes:\n  - {{ mac: {MAC}, hostname: cp1 }}\n")
        self.assertEqual(self.name()[0], "cp1")

    def test_broken_inventory_is_told_and_passed_over(self):
        self.machine.write("boot/firmware/osb/nodes.yaml", f"nodes:\n  - {{ mac: {MAC}, hostname: C! }}\n")
        name, said = self.name()
        self.assertEqual(name, f"worker-{DIGITS}")
        self.assertIn("osb/nodes.yaml on the boot partition cannot be used", said)

    def test_order(self):
        self.machine.write("var/lib/osb/hostname", "configured\n")
        self.assertEqual(self.name()[0], "configured")
        self.machine.write("boot/firmware/osb/nodes.yaml", f"nodes:\n  - {{ serial: {SERIAL}, hostname: listed }}\n")
        self.assertEqual(self.name()[0], "listed")
        self.machine.write("var/lib/node-provisioned", "")
        self.machine.write("etc/hostname", "joined\n")
        self.assertEqual(self.name()[0], "joined")
        self.machine.write("boot/firmware/osb/node.toml", 'version = 1\nhostname = "told"\n')
        self.assertEqual(self.name()[0], "told")

    def test_default_of_the_inventory(self):
        default = "nodes: []\ndefault: {{ hostname_prefix: lab-, auto_register: {} }}\n"
        self.machine.write("boot/firmware/osb/nodes.yaml", default.format("false"))
        self.assertEqual(self.name()[0], f"worker-{DIGITS}")
        self.machine.write("boot/firmware/osb/nodes.yaml", default.format("true"))
        self.assertEqual(self.name()[0], f"lab-{DIGITS}")
        # A server may know the name; the default is what is left then.
        source = '[configuration]\nfrom = "{}"\nendpoint = "https://example.org/"\n'
        self.machine.write("etc/osb/bootstrap.toml", source.format("hybrid"))
        self.assertEqual(self.name()[0], f"worker-{DIGITS}")

    def test_the_inventory_does_not_count_beside_a_server(self):
        self.machine.write("etc/osb/bootstrap.toml", '[configuration]\nfrom = "server"\nendpoint = "https://example.org/"\n')
        self.machine.write("boot/firmware/osb/nodes.yaml", f"nodes:\n  - {{ mac: {MAC}, hostname: cp1 }}\n")
        self.assertEqual(self.name()[0], f"worker-{DIGITS}")

    def test_a_wrong_node_toml_does_not_leave_it_nameless(self):
        for text in ('hostname = "Worker_3"', 'node = "x"', '[node]\nname = 7', 'hostname = "localhost"'):
            with self.subTest(text=text):
                self.machine.write("boot/firmware/osb/node.toml", text + "\n")
                self.assertEqual(self.name()[0], f"worker-{DIGITS}")

    def test_a_refused_node_toml_names_nobody(self):
        self.machine.write("boot/firmware/osb/node.toml", 'version = 7\nhostname = "told"\n')
        self.machine.write("run/osb/node/refused", "version 7; this image knows 1\n")
        name, said = self.name()
        self.assertEqual(name, f"worker-{DIGITS}")
        self.assertIn("osb/node.toml is refused: version 7", said)

    def test_a_card_in_another_machine(self):
        self.machine.write("boot/firmware/osb/node.toml", '[node]\nname = "told"\nserial = "ffff"\n')
        name, said = self.name()
        self.assertEqual(name, f"worker-{DIGITS}")
        self.assertIn("[node] of osb/node.toml is another machine", said)

    def test_dhcp_does_not_rename_where_no_name_is_kept(self):
        # For root everything can be written, but not what is not there.
        code, _, wrong = self.machine.shell('rm -r "$ROOT/etc"; set_hostname worker-1')
        self.assertEqual(code, 0, wrong)
        dropin = self.machine.read("run/systemd/network/80-osb-wired.network.d/50-osb-name.conf")
        self.assertEqual(dropin, "[DHCPv4]\nUseHostname=no\n[DHCPv6]\nUseHostname=no\n")

    def test_wrong_settings_do_not_leave_it_nameless(self):
        self.machine.write("etc/osb/bootstrap.toml", "[hostname\n")
        name, said = self.name()
        self.assertEqual(name, f"worker-{DIGITS}")
        self.assertIn("going on without these settings", said)


class ApplyNode(MachineTest):
    """What the base layer's program leaves for the first boot."""

    def apply(self, text):
        self.machine.write("boot/firmware/osb/node.toml", text)
        program = REPOSITORY / "layers/base/files/usr/lib/osb/apply-node"
        done = subprocess.run([sys.executable, "-IB", program, self.machine.root], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_its_verdict(self):
        self.assertEqual(self.apply("version = 7\n")[0], 1)
        self.assertEqual(self.machine.read("run/osb/node/refused"), "version 7; this image knows 1\n")
        self.assertEqual(self.apply("version = 1\n")[0], 0)
        self.assertFalse((self.machine.root / "run/osb/node/refused").exists())

    def test_what_the_image_trusts_is_not_replaced(self):
        for path in ("/etc/osb/bootstrap/allowed_signers", "/etc/osb/bootstrap.toml"):
            with self.subTest(path=path):
                code, said = self.apply(f'version = 1\n[[files]]\npath = "{path}"\ntext = "x"\n')
                self.assertEqual(code, 1)
                self.assertIn(f"cannot be in '{path}'", said)


class Units(unittest.TestCase):
    def test_no_first_boot_without_the_boot_partition(self):
        unit = (REPOSITORY / "layers/bootstrap/files/usr/lib/systemd/system/first-boot.service").read_text()
        self.assertIn("\nRequires=osb-boot-firmware.service\n", unit)
        self.assertIn("\nAfter=osb-boot-firmware.service", unit)


class Time(MachineTest):
    def test_limit(self):
        self.machine.write("etc/osb/bootstrap.toml", "[limits]\nclock = 1\n")
        self.machine.stub("sleep", "exec /usr/bin/sleep 0.2")
        code, said = self.machine.run("usr/lib/osb/wait-for-time")
        self.assertEqual(code, 0)
        self.assertIn("not synchronised after 1 seconds; going on with", said)
        # Of one second each, whatever the clock does meanwhile.
        self.assertEqual(len(self.machine.called("sleep")), 1)

    def test_synchronised(self):
        self.machine.write("run/systemd/timesync/synchronized", "")
        self.assertIn("is synchronised", self.machine.run("usr/lib/osb/wait-for-time")[1])


if __name__ == "__main__":
    unittest.main()
