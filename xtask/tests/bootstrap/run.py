#!/usr/bin/env python3
"""Runs all tests of the first boot, one process for each class, as many at once as there are
processors: most of their time is spent starting programs. Arguments name tests to run instead.

The last line counts; the exit code is 1 if one failed. What cannot be run here is SKIPPED.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).parent


def classes(suite):
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from classes(part)
        else:
            yield f"{type(part).__module__}.{type(part).__qualname__}"


def run(name):
    done = subprocess.run([sys.executable, "-B", "-m", "unittest", "-v", name], cwd=HERE, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def main():
    sys.path.insert(0, str(HERE))
    sys.dont_write_bytecode = True
    names = sys.argv[1:] or sorted(set(classes(unittest.TestLoader().discover(HERE))))
    ran = skipped = failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for name, (code, text) in zip(names, pool.map(run, names)):
            count = re.search(r"^Ran (\d+) test", text, re.M)
            ran += int(count[1]) if count else 0
            for line in re.findall(r"^.*skipped .*$", text, re.M):
                print(line)
                skipped += 1
            if code != 0:
                failed += 1
                print(f"{name}: FAILED\n{text}")
    print(f"{ran - skipped} tests of {len(names)} classes ran, {skipped} SKIPPED, {failed} classes failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
