"""Where a node's configuration comes from: inventory, server, both; and what is wrong with it."""

import hashlib
import json
import shutil
import unittest
import urllib.parse

from fixture import MAC, SERIAL, SiteTest

OTHER = """\
nodes:
  - { mac: "00:00:00:00:00:01", hostname: other, role: worker }
"""
DEFAULT = OTHER + "default: { role: worker, hostname_prefix: lab-, auto_register: true, labels: { a: b } }\n"


class Inventory(SiteTest):
    def inventory(self, text):
        self.machine.write("boot/firmware/osb/nodes.yaml", text)

    def boot_as(self, name, role="worker"):
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        state = self.machine.state()
        self.assertEqual((state["hostname"], state["configuration"]["role"]), (name, role), said)
        return said

    def test_of_the_repository(self):
        (self.machine.root / "boot/firmware/osb/nodes.yaml").unlink()
        self.scripts.commit({"config/nodes.yaml": f"nodes:\n  - {{ serial: {SERIAL}, hostname: w7 }}\n"})
        self.scripts.push()
        self.boot_as("w7")

    def test_default(self):
        self.inventory(DEFAULT)
        self.boot_as(f"lab-{digits()}")
        self.assertEqual(self.machine.state()["configuration"]["labels"], {"a": "b"})

    def test_unknown(self):
        self.inventory(OTHER)
        self.assert_refused("nobody knows this machine", MAC, SERIAL)

    def test_half_of_an_entry_fits(self):
        self.inventory(f"nodes:\n  - {{ mac: {MAC}, serial: ffff, hostname: cp1 }}\n")
        self.assert_refused("only mac or serial fits", "nobody knows this machine")

    def test_two_entries(self):
        self.inventory(f"nodes:\n  - {{ mac: {MAC}, hostname: a }}\n  - {{ serial: {SERIAL}, hostname: b }}\n")
        self.assert_refused("more than one entry is this machine: a, b", code=2)

    def test_mistakes(self):
        for text, message in [
            ("nodes: [\n", "line 2"),
            ("nodes:\n  - { mac: 1, hostname: a }\n", "entry 1: mac must be six bytes"),
            (f"nodes:\n  - {{ mac: {MAC}, hostname: A_B }}\n", "hostname is missing or not a name"),
            (f"nodes:\n  - {{ mac: {MAC}, hostname: a, role: boss }}\n", "role must be control-plane or worker"),
            (f"nodes:\n  - {{ mac: {MAC}, hostname: a, rol: worker }}\n", "unknown key rol"),
            ("nodes:\n  - { hostname: a }\n", "neither mac nor serial"),
            ("nodes:\n  - { hostname: a, serial: }\n", "entry 1: serial is empty"),
        ]:
            with self.subTest(message=message):
                self.inventory(text)
                self.assert_refused(message, code=2)

    def test_address_of_digits_stays_an_address(self):
        self.machine.write("sys/class/net/end0/address", "12:34:56:12:34:56\n")
        self.inventory("nodes:\n  - { mac: 12:34:56:12:34:56, hostname: digits }\n")
        self.boot_as("digits")

    def test_a_card_in_another_machine(self):
        for who in ('mac = "00:00:00:00:00:01"', 'serial = "ffff"', f'mac = "{MAC}"\nserial = "ffff"'):
            with self.subTest(who=who):
                self.machine.write("boot/firmware/osb/node.toml", f'[node]\nname = "told"\n{who}\n')
                self.assert_refused("[node] of osb/node.toml is another machine")
        self.machine.write("boot/firmware/osb/node.toml", f'[node]\nname = "told"\nmac = "{MAC.upper()}"\n')
        self.boot_as("told")

    def test_a_refused_node_toml_is_not_used(self):
        self.machine.write("boot/firmware/osb/node.toml", 'hostname = "Worker_3"\n')
        self.machine.write("run/osb/node/refused", "hostname cannot be 'Worker_3'\n")
        code, said = self.boot()
        self.assertEqual(code, 2, said)
        self.assertIn("osb/node.toml is refused: hostname cannot be 'Worker_3'", said)

    def test_node_toml_counts_most(self):
        self.machine.write("boot/firmware/osb/node.toml", """\
version = 1
hostname = "told"
[node]
name = "told"
role = "worker"
ip = "10.0.0.5"
""")
        self.boot_as("told")
        self.assertEqual(self.machine.state()["found_in"], "node.toml")


class Asked(SiteTest):
    def setUp(self):
        super().setUp()
        (self.machine.root / "boot/firmware/osb/nodes.yaml").unlink()
        self.use("server")

    def use(self, source):
        self.settings(configuration=f'from = "{source}"\nendpoint = "{self.server.url("config")}"',
                      limits="tries = 1")

    def answer(self, status, answer):
        self.server.http.answers[MAC] = (status, answer)

    def test_server(self):
        self.answer(200, {"hostname": "w9", "role": "worker", "secrets": {"token": "t0p"}})
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        asked = [urllib.parse.unquote(path) for path in self.server.http.requests]
        self.assertIn(f"/config?mac={MAC}&serial={SERIAL}", asked)
        self.assertIn("t0p", self.machine.read("seen.json"))
        kept = json.loads(self.machine.read("var/lib/osb/node-config.json"))
        self.assertEqual(kept["node"], {"hostname": "w9", "role": "worker"})
        # Nothing secret is kept.
        for path in (self.machine.root / "var/lib").rglob("*"):
            if path.is_file():
                self.assertNotIn(b"t0p", path.read_bytes(), path)

    def test_unknown_there(self):
        self.assert_refused("nobody knows this machine")

    def test_not_allowed(self):
        self.answer(403, {})
        self.assert_refused("does not serve this node (HTTP 403)")

    def test_not_now(self):
        self.answer(500, {})
        self.assert_refused("answers HTTP 500", code=1)

    def test_redirects_are_not_followed(self):
        self.answer(302, {})
        self.assert_refused("answers HTTP 302", code=1)

    def test_no_json(self):
        self.answer(200, b"<html>")
        self.assert_refused("is not a JSON object", code=1)

    def test_answers_that_cannot_be(self):
        for answer, message in [
            ({"hostname": "a;reboot", "role": "worker"}, "hostname is missing or not a name"),
            ({"hostname": "a", "role": "boss"}, "role must be"),
            ({"hostname": "localhost"}, "hostname is missing or not a name"),
            ({"hostname": "a\n"}, "hostname is missing or not a name"),
            ({"hostname": "a", "ip": "$(x)"}, "ip is not an address"),
            ({"hostname": "a", "ip": "10.0.0.5/24"}, "ip is not an address"),
            ({"hostname": "a", "ip": "10.0.0.300"}, "ip is not an address"),
            ({"hostname": "a", "ip": "fe80::1%eth0"}, "ip is not an address"),
            ({"hostname": "a", "ip": 7}, "ip is not an address"),
            ({"hostname": "a", "labels": {"a": 1}}, "labels must be"),
        ]:
            with self.subTest(message=message):
                self.answer(200, answer)
                self.assert_refused(message, code=2)

    def test_name_of_dhcp_with_a_domain(self):
        self.machine.write("proc/sys/kernel/hostname", "W9.example.org")
        self.answer(200, {"role": "worker"})
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertEqual(self.machine.state()["hostname"], "w9")

    def test_an_answer_larger_than_an_argument(self):
        self.answer(200, {"hostname": "w9", "ip": "fd00::9", "notes": "x" * (200 << 10)})
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertEqual(self.machine.run("opt/bootstrap/bootstrap.sh", "--status")[0], 0)

    def test_no_secret_is_an_argument(self):
        """Any user of the machine may read the arguments of its programs."""
        self.answer(200, {"hostname": "w9", "secrets": {"token": "t0p"}})
        self.machine.stub("jq", f'exec {shutil.which("jq")} "$@"')
        self.assertEqual(self.boot()[0], 0)
        self.assertGreater(len(self.machine.called("jq")), 10)
        self.assertNotIn("t0p", self.machine.calls.read_text())

    def test_hybrid_takes_the_inventory_first(self):
        self.use("hybrid")
        self.machine.write("boot/firmware/osb/nodes.yaml", f"nodes:\n  - {{ mac: {MAC}, hostname: first }}\n")
        self.answer(200, {"hostname": "second"})
        self.assertEqual(self.boot()[0], 0)
        self.assertEqual(self.machine.state()["hostname"], "first")

    def test_hybrid_asks_for_unknown_ones(self):
        self.use("hybrid")
        self.machine.write("boot/firmware/osb/nodes.yaml", DEFAULT)
        self.answer(200, {"hostname": "second"})
        self.assertEqual(self.boot()[0], 0)
        self.assertEqual(self.machine.state()["hostname"], "second")

    def test_hybrid_default_if_the_server_does_not_know_either(self):
        self.use("hybrid")
        self.machine.write("boot/firmware/osb/nodes.yaml", DEFAULT)
        self.assertEqual(self.boot()[0], 0)
        self.assertEqual(self.machine.state()["hostname"], f"lab-{digits()}")

    def test_hybrid_does_not_guess_while_the_server_is_down(self):
        self.use("hybrid")
        self.machine.write("boot/firmware/osb/nodes.yaml", DEFAULT)
        self.answer(503, {})
        self.assert_refused("answers HTTP 503", code=1)


class Settings(SiteTest):
    def test_nothing_to_do(self):
        self.machine.write("etc/osb/bootstrap.toml", "")
        self.assertEqual(self.machine.run("opt/bootstrap/bootstrap.sh", "--wanted")[0], 1)
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("nothing to do", said)
        self.assertFalse(self.machine.provisioned())

    def test_node_toml_changes_them(self):
        self.settings(url="https://wrong.example.org/x.git")
        self.machine.write("boot/firmware/osb/node.toml", f"""\
[settings]
"bootstrap.source.url" = "{self.server.url("git/bootstrap.git")}"
"bootstrap.limits.tries" = "2"
""")
        self.assertEqual(self.machine.run("opt/bootstrap/bootstrap.sh", "--wanted")[0], 0)
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("try 1 of 2", said)

    def test_mistakes(self):
        for text, message in [
            ("[source]\nurl = 7\n", "source.url must be text"),
            ('[source]\nurl = "http://example.org/x"\n', "source.url must be https://"),
            ('[source]\nurl = "https://user:pass@example.org/x"\n', "source.url must be https://"),
            ('[source]\nref = "main"\n', "source.ref must be refs/heads/NAME"),
            ('[source]\nref = "refs/heads/../x"\n', "source.ref must be"),
            ('[source]\nref = "--upload-pack=x"\n', "source.ref must be"),
            ('[source]\nfloor = "abc"\n', "source.floor must be"),
            (f'[source]\nfloor = "{"a" * 64}"\n', "SHA-1, 40 digits"),
            (f'[source]\nfloor = "{"a" * 40}\\n"\n', "source.floor must be"),
            ("[limits]\npause = 3601\n", "limits.pause must be at most 3600"),
            ("[sauce]\n", "unknown table bootstrap.sauce"),
            ("[source]\nurll = 'x'\n", "unknown key source.urll"),
            ("[limits]\ntries = 0\n", "limits.tries must be 1 to 20"),
            ("[limits]\nsetup = 0\n", "limits.fetch and limits.setup must be at least 1"),
            ("[limits]\npause = -1\n", "limits.pause must be a whole number"),
            ("[configuration]\nfrom = 'server'\n", "configuration.endpoint is missing"),
            ("source = 1\n", "source must be a table"),
            ("[source\n", "bootstrap.toml"),
        ]:
            with self.subTest(message=message):
                self.machine.write("etc/osb/bootstrap.toml", text)
                code, said = self.boot()
                self.assertEqual(code, 2, said)
                self.assertIn(message, said)
                self.assertEqual(self.machine.run("opt/bootstrap/bootstrap.sh", "--wanted")[0], 0)


def digits():
    return hashlib.sha1(f"{MAC}\n".encode()).hexdigest()[:6]


if __name__ == "__main__":
    unittest.main()
