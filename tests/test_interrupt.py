"""Ctrl-C in the command, at times when it is hard to bear."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import COMMAND

pytestmark = pytest.mark.core

#: What comes first on the path, and presses Ctrl-C when it is imported.
PRESS = "import os, signal; os.killpg(0, signal.SIGINT)"
SCRIPT = "import sys\nfrom sklearn_ganprint.cli import main\nsys.exit(main())\n"


def run(words, folder):
    """Run a command in a process group of its own, with a folder first on the path.

    What runs the tests in the background may ignore Ctrl-C, which processes inherit.
    """
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "PYTHONPATH": str(folder)},
    )


@pytest.mark.parametrize("as_script", [True, False])
def test_while_the_package_is_imported(tmp_path, as_script):
    (tmp_path / "sklearn.py").write_text(PRESS)
    (tmp_path / "ganprint").write_text(SCRIPT)
    words = [sys.executable, tmp_path / "ganprint"] if as_script else COMMAND
    done = run([*words, "info", "model.skops"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_other_programs_get_the_exception(tmp_path):
    (tmp_path / "sklearn.py").write_text(PRESS)
    (tmp_path / "other").write_text("import sklearn_ganprint.pipelines")
    done = run([sys.executable, tmp_path / "other"], tmp_path)
    assert done.returncode != 130
    assert "KeyboardInterrupt" in done.stderr


def test_while_workers_start(tmp_path, model):
    path, folder, _ = model
    # sitecustomize is imported before all else, by workers too.
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nif any('popen_loky' in word for word in sys.orig_argv): {PRESS}\n"
    )
    done = run([*COMMAND, "predict", path, folder, "--jobs", "2"], tmp_path)
    assert (done.returncode, done.stdout) == (130, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "interrupted"


def test_where_python_can_only_print_it(tmp_path):
    (tmp_path / "skops.py").write_text(
        "import os, signal, weakref\n"
        "class Key: pass\n"
        "key = Key()\n"
        "link = weakref.ref(key, lambda _: os.kill(os.getpid(), signal.SIGINT))\n"
        "del key\n"
        "import time; time.sleep(20)\n"
    )
    saved = Path(__file__).parent / "models" / "paper_closed.skops"
    done = run([*COMMAND, "info", saved], tmp_path)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_while_a_string_is_executed(tmp_path):
    # As for a namedtuple: Python itself would die of the signal at its end.
    press = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    (tmp_path / "skops.py").write_text(f"exec({press!r})\nimport time; time.sleep(20)\n")
    saved = Path(__file__).parent / "models" / "paper_closed.skops"
    done = run([*COMMAND, "info", saved], tmp_path)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


WORKER = """
import os, sys, time
from sklearn_ganprint._batches import end_with_parent
end_with_parent(int(sys.argv[1]))
print("at work", flush=True)
time.sleep(60)
"""

PARENT = """
import os, signal, subprocess, sys
words = [sys.executable, "-c", sys.argv[1], str(os.getpid())]
subprocess.Popen(words, stdout=subprocess.PIPE).stdout.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_a_process_that_is_killed():
    # Returns once no process has the other end of stderr any more.
    words = [sys.executable, "-c", PARENT, WORKER]
    done = subprocess.run(words, stderr=subprocess.PIPE, timeout=40)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, b"")
