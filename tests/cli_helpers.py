"""What several tests of the command line need."""

import os
import signal
import sys
from pathlib import Path

from PIL import Image

# To be killed in the middle of it.
from sklearn_ganprint._output import atomic

#: The command in a process of its own.
COMMAND = [sys.executable, "-m", "sklearn_ganprint"]


def add_broken_files(folder):
    """One readable file among others that each fail in a way of their own."""
    Path(folder, "text.png").write_text("no image")
    Path(folder, "empty.png").touch()
    Image.new("RGB", (5, 5)).save(Path(folder, "small.png"))
    return [os.path.join(folder, name) for name in ("empty.png", "small.png", "text.png")]


def no_leftovers(folder):
    return not [name for name in os.listdir(folder) if name.endswith(".part")]


def killed_while_writing(path):
    """Let a process be killed that was writing a file."""
    process = os.fork()
    if not process:
        with atomic(Path(path)) as part:
            part.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
