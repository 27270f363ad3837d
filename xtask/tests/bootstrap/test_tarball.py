"""First boots with scripts from a signed archive."""

import hashlib
import io
import tarfile
import unittest

from fixture import SETUP, SiteTest, run


class Tarball(SiteTest):
    def setUp(self):
        super().setUp()
        self.settings('kind = "tarball"', limits="tries = 1", url=self.server.url("scripts.tar.gz"))
        self.publish()

    def publish(self, version="1.2", key="good", **files):
        archive = self.served / "scripts.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for name, text in {"setup.sh": SETUP, **({"VERSION": version + "\n"} if version else {}), **files}.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(text), 0o755
                tar.addfile(member, io.BytesIO(text.encode()))
        self.sign(archive, key)

    def sign(self, archive, key="good", namespace="osb-bootstrap"):
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        (self.served / "scripts.tar.gz.sha256").write_text(f"{digest}  scripts.tar.gz\n")
        (self.served / "scripts.tar.gz.sig").unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-Y", "sign", "-f", self.keys / key, "-n", namespace, archive)

    def test_good(self):
        code, said = self.boot()
        self.assertEqual(code, 0, said)
        state = self.machine.state()
        self.assertEqual((state["release"], state["commit"]), ("1.2", None))
        self.assertEqual(state["source"]["kind"], "tarball")

    def test_pinned_digest(self):
        self.settings(f'kind = "tarball"\nsha256 = "{"0" * 64}"', limits="tries = 1", url=self.server.url("scripts.tar.gz"))
        self.assert_refused("has the checksum")

    def test_other_bytes(self):
        with (self.served / "scripts.tar.gz").open("ab") as file:
            file.write(b"x")
        self.assert_refused("has the checksum")

    def test_other_bytes_with_their_checksum(self):
        archive = self.served / "scripts.tar.gz"
        archive.write_bytes(archive.read_bytes() + b"x")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        (self.served / "scripts.tar.gz.sha256").write_text(digest)
        self.assert_refused("signature of", "does not verify")

    def test_signed_by_a_stranger(self):
        self.publish(key="bad")
        self.assert_refused("not in allowed_signers")

    def test_no_signature(self):
        (self.served / "scripts.tar.gz.sig").unlink()
        self.assert_refused("HTTP 404", code=1)

    def test_signed_for_another_purpose(self):
        for namespace in ("git", "file"):
            with self.subTest(namespace=namespace):
                self.sign(self.served / "scripts.tar.gz", namespace=namespace)
                self.assert_refused("does not verify")

    def test_no_version(self):
        self.publish(version=None)
        self.assert_refused("the archive has no VERSION")

    def test_older_than_the_floor(self):
        self.settings('kind = "tarball"\nfloor = "1.10"', limits="tries = 1", url=self.server.url("scripts.tar.gz"))
        self.assert_refused("version 1.2 of the scripts is older than 1.10")
        self.publish(version="1.10")
        self.assertEqual(self.boot()[0], 0)

    def test_older_than_what_ran_last(self):
        self.publish(version="2.0", **{"setup.sh": "#!/bin/bash\nexit 7\n"})
        self.assertEqual(self.boot()[0], 1)
        self.publish(version="1.9")
        self.assert_refused("older than 2.0")

    def test_paths_that_lead_out(self):
        self.publish(**{"../../../evil": "x"})
        self.boot()
        self.assertEqual(list(self.machine.root.rglob("evil")), [])
        self.assertEqual(list(self.folder.rglob("../evil")), [])

    def test_no_archive(self):
        archive = self.served / "scripts.tar.gz"
        archive.write_bytes(b"nothing")
        self.sign(archive)
        self.assert_refused("cannot be unpacked")


if __name__ == "__main__":
    unittest.main()
