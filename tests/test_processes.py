"""Tests of nbs/02_processes.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import os
import signal
import subprocess
import sys
import time

import pytest

from prism_repro.processes import process_pool


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as f:  # a zombie waits to be collected; it does nothing any more
        return f.read().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text("import os, time\nfrom prism_repro.processes import process_pool\n"
                      "if __name__ == '__main__':\n    pool = process_pool(1)\n    print(pool.submit(os.getpid).result(), flush=True)\n"
                      "    pool.submit(time.sleep, 60).result()\n")
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    assert _alive(worker)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while _alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(worker)


def test_each_process_is_started_once(tmp_path):
    with process_pool(1, os.mkdir, (str(tmp_path / "started"),)) as pool:  # a second start would raise FileExistsError and break the pool
        assert pool.submit(os.getpid).result() == pool.submit(os.getpid).result()
    assert (tmp_path / "started").is_dir()
