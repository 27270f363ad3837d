"""First boots with scripts from a Git repository: good ones, refused ones, interrupted ones."""

import json
import os
import shutil
import subprocess
import time
import unittest

from fixture import MAC, SERIAL, SETUP, Server, SiteTest, run, unused_port


class Good(SiteTest):
    def test_provisions_and_records(self):
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("signed by ops@example.org (ssh)", said)
        self.assertIn("source.floor is not set: anything runs", said)
        self.assertTrue(self.machine.provisioned())
        state = self.machine.state()
        self.assertEqual((state["status"], state["commit"], state["hostname"], state["tries"]),
                         ("provisioned", self.first, "cp1", 1))
        self.assertEqual(state["configuration"]["role"], "control-plane")
        self.assertIn(self.first, self.machine.read("var/lib/node-provisioned"))
        self.assertEqual(self.machine.read("proc/sys/kernel/hostname"), "cp1")
        self.assertEqual(self.machine.read("etc/hostname"), "cp1\n")
        self.assertEqual(len(self.machine.logs()), 1)
        self.assertIn(f"osb: provisioned {state['finished']} commit {self.first} as cp1\n", said)
        code, said = self.machine.run("opt/bootstrap/bootstrap.sh", "--status")
        self.assertEqual(code, 0)
        known = json.loads(said[said.index("{"):])
        self.assertEqual((known["state"]["commit"], known["identity"]["serial"]), (self.first, SERIAL))

    def test_node_config_is_complete(self):
        self.machine.write("boot/firmware/osb/node.toml", '[settings]\n"cluster.name" = "lab"\n')
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        seen = json.loads(self.machine.read("seen.json"))
        self.assertEqual(seen["node"], {"mac": MAC.upper(), "serial": SERIAL, "hostname": "cp1",
                                        "role": "control-plane", "ip": "192.168.1.10", "labels": {"zone": "a"}})
        self.assertEqual(seen["identity"]["macs"], [MAC])
        self.assertEqual(seen["identity"]["serial"], SERIAL)
        self.assertEqual(seen["source"]["commit"], self.first)
        self.assertEqual(seen["settings"], {"cluster.name": "lab"})
        self.assertEqual(seen["boot"]["state"], "disk")

    def test_second_run_repeats_nothing(self):
        self.assertEqual(self.boot()[0], 0)
        requests = len(self.server.http.requests)
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("marker yes, record provisioned", said)
        self.assertEqual(self.machine.runs(), 1)
        self.assertEqual(len(self.server.http.requests), requests)

    def test_lost_marker_is_written_again(self):
        self.assertEqual(self.boot()[0], 0)
        (self.machine.root / "var/lib/node-provisioned").unlink()
        self.assertEqual(self.boot()[0], 0)
        self.assertTrue(self.machine.provisioned())
        self.assertEqual(self.machine.runs(), 1)

    def test_newer_commit_after_failed_run(self):
        self.scripts.commit({"setup.sh": "#!/bin/bash\nexit 7\n"})
        self.scripts.push()
        code, said = self.boot()
        self.assertEqual(code, 1)
        self.assertIn("setup.sh ended with code 7", said)
        newer = self.scripts.commit()
        self.scripts.push()
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertEqual(self.machine.state()["commit"], newer)

    def test_a_tag_and_an_id_are_refs(self):
        self.scripts.git("tag", "v1")
        self.scripts.push("refs/tags/v1")
        self.scripts.commit({"setup.sh": "#!/bin/bash\nexit 7\n"})
        self.scripts.push()
        self.settings('ref = "refs/tags/v1"')
        self.assertEqual(self.boot()[0], 0)
        self.assertEqual(self.machine.state()["commit"], self.first)
        (self.machine.root / "var/lib/node-provisioned").unlink()
        (self.machine.root / "var/lib/osb/state.json").unlink()
        self.settings(f'ref = "{self.first}"')
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertEqual(self.machine.state()["commit"], self.first)

    def test_floor_is_the_commit_itself(self):
        self.settings(f'floor = "{self.first}"')
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertNotIn("source.floor", said)

    def test_a_node_toml_larger_than_an_argument(self):
        large = "x" * (200 << 10)
        self.machine.write("boot/firmware/osb/node.toml", f"""\
[settings]
large = "{large}"
[[files]]
path = "/etc/large"
text = "{large}"
""")
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertEqual(json.loads(self.machine.read("seen.json"))["settings"], {"large": large})

    def test_state_in_memory_leaves_no_marker(self):
        shutil.rmtree(self.machine.root / "var/lib")
        (self.machine.root / "var/lib").write_text("in the way of everything")
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("var/lib/node-provisioned cannot be written", said)
        self.assertIn("osb: provisioned 2", said)
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertEqual(self.machine.runs(), 1)

    def test_client_certificate(self):
        clients = Server(self.served, *self.certificate, clients=self.authority.certificate)
        self.addCleanup(clients.stop)
        self.settings(url=clients.url("git/bootstrap.git"))
        self.assertEqual(self.boot()[0], 1)
        certificate, key = self.authority.issue("node")
        self.trust("client.crt", certificate.read_text())
        self.trust("client.key", key.read_text())
        code, said = self.boot()
        self.assertEqual(code, 0, said)

    def test_openpgp_signature(self):
        if not (shutil.which("gpg") and shutil.which("sqv")):
            self.skipTest("SKIPPED: this machine has no gpg or no sqv")
        home = self.folder / "gnupg"
        home.mkdir(mode=0o700)
        environment = dict(os.environ, GNUPGHOME=str(home))
        self.addCleanup(subprocess.run, ["gpgconf", "--kill", "all"], env=environment)
        run("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "ops@example.org", "ed25519", "sign", env=environment)
        ring = run("gpg", "--armor", "--export", env=environment).stdout.decode()
        self.scripts.git("config", "gpg.format", "openpgp")
        self.scripts.git("config", "user.signingkey", "ops@example.org")
        os.environ["GNUPGHOME"] = str(home)
        self.addCleanup(os.environ.pop, "GNUPGHOME")
        self.scripts.commit()
        self.scripts.push()
        self.assert_refused("no keyring.pgp")
        self.trust("keyring.pgp", ring)
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("(OpenPGP)", said)


class Refused(SiteTest):
    def test_unsigned(self):
        self.scripts.commit(sign=False)
        self.scripts.push()
        self.assert_refused("REFUSED: commit", "it is not signed")

    def test_signed_by_a_stranger(self):
        self.scripts.commit(key="bad")
        self.scripts.push()
        fingerprint = run("ssh-keygen", "-lf", self.keys / "bad.pub").stdout.decode().split()[1]
        self.assert_refused("not in allowed_signers", fingerprint)

    def test_signed_parent_only(self):
        # The good commit is in the history; what would run is not signed.
        self.scripts.commit({"evil.sh": "#!/bin/bash\n"}, sign=False)
        self.scripts.git("tag", "-a", "v1", "-m", "a tag")
        self.scripts.push("refs/tags/v1")
        self.settings('ref = "refs/tags/v1"')
        self.assert_refused("it is not signed")

    def test_tampered(self):
        commit = self.scripts.git("cat-file", "commit", "HEAD") + "\n"
        path = self.folder / "commit"
        path.write_text(commit.replace("change", "changed"))
        forged = self.scripts.git("hash-object", "-t", "commit", "-w", str(path))
        self.scripts.push(f"{forged}:refs/heads/main")
        self.assert_refused("the signature of commit", "does not verify")

    def test_damaged_on_the_way(self):
        for path in (self.scripts.bare / "objects").glob("??/*"):
            path.chmod(0o644)
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0xFF
            path.write_bytes(data)
        code, said = self.boot()
        self.assertEqual(code, 1, said)
        self.assertEqual(self.machine.runs(), 0)
        self.assertFalse(self.machine.provisioned())

    def test_older_than_the_floor(self):
        floor = self.scripts.commit()
        self.scripts.push()
        self.settings(f'floor = "{floor}"')
        self.scripts.push(f"{self.first}:refs/heads/main")
        self.assert_refused("older than this image allows", floor)

    def test_older_than_what_ran_last(self):
        newer = self.scripts.commit({"setup.sh": "#!/bin/bash\nexit 7\n"})
        self.scripts.push()
        self.assertEqual(self.boot()[0], 1)
        self.scripts.push(f"{self.first}:refs/heads/main")
        self.assert_refused("older than what ran last", newer)

    def test_rewritten_history(self):
        self.scripts.commit({"setup.sh": "#!/bin/bash\nexit 7\n"})
        self.scripts.push()
        self.assertEqual(self.boot()[0], 1)
        self.scripts.git("checkout", "--quiet", "--orphan", "other")
        self.scripts.commit()
        self.scripts.push()
        self.assert_refused("older than what ran last")

    def test_wrong_authority(self):
        self.trust("ca.pem", self.stranger.certificate.read_text())
        self.assert_refused("is not who it must be", "(the clock is not synchronised: 20")
        self.assertEqual(len(self.machine.logs()), 1, "a refusal is not tried again")

    def test_wrong_authority_as_gnutls_says_it(self):
        """Debian's git has libcurl with GnuTLS: what version 8 of that says (lib/vtls/gtls.c)."""
        for cause in ("server verification failed: certificate signer not trusted. (CAfile: x CRLfile: none)",
                      "server verification failed: certificate has expired. (CAfile: x CRLfile: none)",
                      "server certificate verification failed. CAfile: x CRLfile: none",
                      "server certificate not activated yet.",
                      "SSL: certificate subject name (a) does not match target hostname 'b'"):
            with self.subTest(cause=cause):
                self.machine.stub("git", f"""\
[[ " $* " != *" fetch "* ]] || {{ echo "fatal: unable to access 'https://x/': {cause}" >&2; exit 128; }}
exec {shutil.which("git")} "$@"
""")
                self.assert_refused("is not who it must be")

    def test_no_setup(self):
        self.scripts.git("rm", "--quiet", "setup.sh")
        self.scripts.commit({"README": "nothing"})
        self.scripts.push()
        self.assert_refused("there is no setup.sh")

    def test_no_keys(self):
        (self.machine.root / "etc/osb/bootstrap/allowed_signers").unlink()
        self.assert_refused("this node has no allowed_signers")

    def test_the_image_pins_what_the_partition_cannot_widen(self):
        self.scripts.commit(key="bad")
        self.scripts.push()
        self.machine.write("boot/firmware/osb/allowed_signers", f"evil@example.org {self.bad}")
        self.assert_refused("not in allowed_signers")

    def test_the_image_pins_what_node_toml_cannot_lift(self):
        self.settings(f'floor = "{self.first}"')
        self.machine.write("boot/firmware/osb/node.toml", '[settings]\n"bootstrap.source.floor" = ""\n')
        code, said = self.boot()
        self.assertEqual(code, 2, said)
        self.assertIn("source.floor is the image's: osb/node.toml cannot change it", said)
        self.machine.write("boot/firmware/osb/node.toml", f'[settings]\n"bootstrap.source.floor" = "{self.first}"\n')
        self.assertEqual(self.boot()[0], 0)

    def test_a_key_of_several_people(self):
        self.trust("allowed_signers", f'gone@example.org valid-before="20200101" {self.good}\nops@example.org {self.good}')
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("signed by ops@example.org", said)

    def test_expired_key(self):
        self.trust("allowed_signers", f'ops@example.org valid-before="20200101" {self.good}')
        self.assert_refused("REFUSED")

    def test_redirect_to_another_place(self):
        self.settings(url=self.server.url("elsewhere/bootstrap.git"))
        self.assert_refused("cannot be fetched", code=1)


class Interrupted(SiteTest):
    def pauses(self):
        return [call.split()[1] for call in self.machine.called("sleep")]

    def test_server_down_for_good(self):
        self.settings(url=f"https://localhost:{unused_port()}/git/bootstrap.git")
        code, said = self.boot()
        self.assertEqual(code, 1, said)
        self.assertEqual(self.pauses(), ["15", "60"])
        self.assertEqual(len(self.machine.logs()), 3)
        self.assertIn("NOT provisioned", said)
        self.assertFalse(self.machine.provisioned())
        self.assertEqual(self.machine.state()["status"], "failed")
        # The server comes back; the next boot goes on.
        self.settings()
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("going on where try 3 stopped", said)

    def test_server_down_for_a_while(self):
        self.server.http.broken = 2
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertEqual(self.pauses(), ["15", "60"])
        self.assertEqual(self.machine.runs(), 1)

    def test_setup_fails_twice(self):
        setup = SETUP + '[[ $(wc -l <"$OSB_ROOT/runs") == 3 ]] || { echo not yet; exit 1; }\n'
        self.scripts.commit({"setup.sh": setup})
        self.scripts.push()
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertEqual(self.machine.runs(), 3)
        self.assertEqual(["not yet" in log.read_text() for log in self.machine.logs()], [True, True, False])

    def test_setup_hangs(self):
        self.machine.stub("sleep", "exec /usr/bin/sleep \"$@\"")
        self.scripts.commit({"setup.sh": SETUP + "sleep 30\n"})
        self.scripts.push()
        self.settings(limits="setup = 1\ntries = 1")
        code, said = self.boot()
        self.assertEqual(code, 1)
        self.assertIn("setup.sh took longer than 1 seconds", said)

    def test_setup_hangs_and_does_not_listen(self):
        self.machine.stub("timeout", f'exec {shutil.which("timeout")} "${{@/--kill-after=20/--kill-after=1}}"')
        self.scripts.commit({"setup.sh": SETUP + "trap '' TERM\n/usr/bin/sleep 30\n"})
        self.scripts.push()
        self.settings(limits="setup = 1\ntries = 1")
        code, said = self.boot()
        self.assertEqual(code, 1)
        self.assertIn("setup.sh took longer than 1 seconds", said)

    def test_setup_that_was_killed_did_not_take_long(self):
        self.scripts.commit({"setup.sh": SETUP + "kill -KILL $$\n"})
        self.scripts.push()
        self.settings(limits="tries = 1")
        self.assertIn("setup.sh ended with code 137", self.boot()[1])

    def test_pauses_do_not_grow_for_ever(self):
        self.settings(url=f"https://localhost:{unused_port()}/git/bootstrap.git", limits="pause = 1000\ntries = 4")
        self.assertEqual(self.boot()[0], 1)
        self.assertEqual(self.pauses(), ["1000", "3600", "3600"])

    def test_setup_leaves_something_running(self):
        self.scripts.commit({"setup.sh": SETUP + "/usr/bin/sleep 100 &\n"})
        self.scripts.push()
        started = time.time()
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertLess(time.time() - started, 60)

    def test_killed_in_the_middle(self):
        self.machine.stub("sleep", "exec /usr/bin/sleep \"$@\"")
        wait = SETUP + '[[ $(wc -l <"$OSB_ROOT/runs") -gt 1 ]] || sleep 30\n'
        self.scripts.commit({"setup.sh": wait})
        self.scripts.push()
        child = self.machine.start()
        self.machine.wait_for_run()
        self.machine.cut_power(child)
        self.assertEqual(self.machine.state()["status"], "started")
        self.assertFalse(self.machine.provisioned())
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("record started", said)
        self.assertIn("going on where try 1 stopped", said)
        self.assertEqual(self.machine.state()["tries"], 2)

    def test_killed_at_many_moments(self):
        """Whenever it dies, the next run ends well, and setup.sh is never thought done before it was."""
        for moment in range(1, 12):
            with self.subTest(moment=moment):
                shutil.rmtree(self.machine.root / "var/lib/osb", ignore_errors=True)
                (self.machine.root / "var/lib/node-provisioned").unlink(missing_ok=True)
                (self.machine.root / "runs").unlink(missing_ok=True)
                child = self.machine.start()
                time.sleep(moment * 0.1)
                self.machine.cut_power(child)
                self.assertFalse(self.machine.provisioned() and not self.machine.runs())
                code, said = self.boot()
                self.assertEqual(code, 0, said)
                self.assertTrue(self.machine.provisioned())
                self.assertGreaterEqual(self.machine.runs(), 1)

    def test_damaged_copy_is_made_anew(self):
        self.scripts.commit({"setup.sh": "#!/bin/bash\nexit 7\n"})
        self.scripts.push()
        self.assertEqual(self.boot()[0], 1)
        for path in (self.machine.root / "var/lib/osb/bootstrap/repository.git/objects").rglob("*"):
            if path.is_file():
                path.chmod(0o644)
                path.write_bytes(b"")
        self.scripts.commit()
        self.scripts.push()
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("made anew", said)

    def fail_once(self):
        """A first run that ends badly, after which its commit would end well."""
        setup = SETUP + '[[ $(wc -l <"$OSB_ROOT/runs") -gt 1 ]] || exit 7\n'
        commit = self.scripts.commit({"setup.sh": setup})
        self.scripts.push()
        self.settings(limits="tries = 1")
        self.assertEqual(self.boot()[0], 1)
        self.assertEqual(self.machine.runs(), 1)
        return commit

    def test_locks_of_a_power_cut_are_nobodys(self):
        self.fail_once()
        bootstrap = self.machine.root / "var/lib/osb/bootstrap"
        left = [bootstrap / "repository.git" / name for name in
                ("refs/osb/fetched.lock", "packed-refs.lock", "objects/pack/tmp_pack_x", "objects/12/tmp_obj_x")]
        left.append(bootstrap / "tree.index.lock")
        for path in left:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
        self.scripts.commit({"more": ""})
        self.scripts.push()
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertEqual([path for path in left if path.exists()], [])

    def damage(self, name):
        """A bit error in an object of the copy that is here: in the last byte of its checksum."""
        (path,) = (self.machine.root / "var/lib/osb/bootstrap/repository.git/objects/pack").glob("*.pack")
        objects = run("git", "verify-pack", "-v", path).stdout.decode().splitlines()
        (found,) = [line.split() for line in objects if line.startswith(name)]
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        data[int(found[4]) + int(found[3]) - 1] ^= 0xFF
        path.write_bytes(data)

    def test_a_bit_error_is_no_refusal_and_not_for_ever(self):
        self.fail_once()
        self.damage(self.scripts.git("rev-parse", "HEAD:setup.sh"))
        code, said = self.boot()
        self.assertEqual(code, 1, said)
        self.assertIn("failed: the copy of the repository is damaged, and was removed", said)
        code, said = self.boot()
        self.assertEqual(code, 0, said)

    def test_a_history_that_cannot_be_read_is_no_refusal(self):
        self.fail_once()
        # The file system's error comes after the copy was looked through.
        self.machine.stub("git", f'[[ "$*" != *merge-base* ]] || exit 128\nexec {shutil.which("git")} "$@"')
        code, said = self.boot()
        self.assertEqual(code, 1, said)
        self.assertIn("failed: the copy of the repository is damaged", said)
        (self.machine.stubs / "git").unlink()
        self.assertEqual(self.boot()[0], 0)

    def test_a_branch_in_the_way_of_another(self):
        self.fail_once()
        self.scripts.push("HEAD:refs/heads/a")
        self.settings(f'ref = "{self.first}"')
        self.boot()
        self.scripts.push(":refs/heads/a")
        self.scripts.push("HEAD:refs/heads/a/b")
        self.settings(f'ref = "{self.scripts.git("rev-parse", "HEAD")}"')
        code, said = self.boot()
        self.assertEqual(code, 0, said)

    def test_all_is_on_the_disk_before_it_counts_as_done(self):
        self.machine.stub("sync", '[[ $# -gt 0 ]] || cp "$OSB_ROOT"/{runs,var/lib/osb/state.json} "$OSB_ROOT/var"')
        self.assertEqual(self.boot()[0], 0)
        self.assertIn('"started"', self.machine.read("var/state.json"))
        self.assertEqual(self.machine.read("var/runs"), "run\n")

    def test_stopped_in_the_middle(self):
        self.machine.stub("sleep", "exec /usr/bin/sleep \"$@\"")
        self.scripts.commit({"setup.sh": SETUP + "sleep 30\n"})
        self.scripts.push()
        child = self.machine.start()
        self.machine.wait_for_run()
        self.machine.stop(child)
        said, _ = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 1, said)
        self.assertIn("NOT provisioned: stopped in the middle of it", said)
        self.assertEqual(self.machine.state()["status"], "started")

    def test_damaged_state_is_no_state(self):
        self.machine.write("var/lib/osb/state.json", '{"status": "prov')
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertEqual(self.machine.runs(), 1)

    def test_one_at_a_time(self):
        self.machine.stub("sleep", "exec /usr/bin/sleep \"$@\"")
        self.scripts.commit({"setup.sh": SETUP + "sleep 3\n"})
        self.scripts.push()
        first = self.machine.start()
        self.machine.wait_for_run()
        code, said = self.boot()
        self.assertEqual(code, 1)
        self.assertIn("another first boot is running", said)
        first.communicate()
        self.assertEqual(first.returncode, 0)
        self.assertEqual(self.machine.runs(), 1)

    def test_logs_are_not_kept_for_ever(self):
        for number in range(40):
            self.machine.write(f"var/lib/osb/log/{number:06}-old.log", "")
        self.assertEqual(self.boot()[0], 0)
        self.assertEqual(len(self.machine.logs()), 30)


class Signs(SiteTest):
    def test_joined_by_hand(self):
        self.machine.stub("systemctl", "exit 0")
        self.machine.stub("kubectl", "exit 0")
        self.machine.write("etc/kubernetes/kubelet.conf", "x")
        self.machine.write("proc/sys/kernel/hostname", "by-hand")
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("kubelet active yes, known to the cluster yes: adopted", said)
        self.assertEqual(self.machine.runs(), 0)
        self.assertTrue(self.machine.provisioned())
        self.assertTrue(self.machine.state()["adopted"])

    def test_half_joined_goes_on(self):
        self.machine.stub("systemctl", "exit 0")
        self.machine.write("var/lib/osb/state.json", '{"version": 1, "status": "started", "tries": 1}')
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        self.assertIn("record started, kubelet active yes, known to the cluster no: continue", said)
        self.assertEqual(self.machine.runs(), 1)


if __name__ == "__main__":
    unittest.main()
