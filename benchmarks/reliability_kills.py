"""What commands leave behind that are killed or interrupted.

Usage: python benchmarks/reliability_kills.py [--count 100 | --seconds 60] [--seed 0]

Each command is run once without disturbance, then again and again, and gets SIGKILL or SIGINT (as
Ctrl-C: with its workers) at a random time. What it has written must be whole, an interruption must
end with one line and status 130, and after a rerun nothing may be there that an undisturbed run
does not leave. Ends with status 1 if something is not so.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from sklearn_ganprint.persistence import read_metadata

COMMAND = [sys.executable, "-m", "sklearn_ganprint"]
FEW = ["--images", "12", "--size", "64", "--sources", "C1", "G3", "N2"]
FINGERPRINT = ["--kind", "fingerprint", "--jobs", "2", "--batch-size", "8"]
AUDIT = ["--layout", "nested", "--out", "OUT/audit.txt", "--csv", "OUT/groups.csv"]
REPRODUCE = ["--layout", "nested", "--n-fit", "6", "--n-test", "4", "--n-robustness", "0"]

#: Words of each command; OUT is the folder that it writes to. Those without --force go on with what
#: is there, and would refuse a folder that is complete.
COMMANDS = {
    "simulate": ["simulate", "OUT", *FEW, "--jobs", "2"],
    "audit": ["audit", "zoo", *AUDIT, "--jobs", "2", "--force"],
    "fit": [
        "fit",
        "zoo",
        "--layout",
        "nested",
        "--model",
        "OUT/m.skops",
        *FINGERPRINT,
        "--force",
        "--resume",
    ],
    "predict": ["predict", "m.skops", "zoo", "--jobs", "2", "--out", "OUT", "--force"],
    "verify": ["verify", "m.skops", "camera/N2", "zoo/camera", "--out", "OUT", "--force"],
    "info": ["info", "m.skops"],
    "cluster": ["cluster", "zoo", "--out", "OUT", "--force", "--jobs", "2"],
    "localize": ["localize", "l.skops", "zoo/camera", "--out", "OUT", "--masks", "--force"],
    "compare": ["compare", "m.skops", "--out", "OUT", "--force"],
    "reproduce": ["reproduce", "zoo", "--out", "OUT", *REPRODUCE],
    "demo": ["demo", "--out", "OUT", "--force"],
}


def start(words: list[str], folder: Path) -> "subprocess.Popen[str]":
    """Start a command in a process group of its own."""
    (folder / words[0]).mkdir(exist_ok=True)
    return subprocess.Popen(
        [*COMMAND, *(word.replace("OUT", words[0]) for word in words)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(words: list[str], folder: Path) -> None:
    """Run a command to its end."""
    process = start(words, folder)
    _, err = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}:\n{err}")


def make_ready(folder: Path) -> None:
    """Make images, and a model of each sort."""
    finish(["simulate", "zoo", *FEW], folder)
    for name, how in (("m", ["--kind", "fingerprint"]), ("l", ["--task", "localize"])):
        words = ["fit", "zoo", "--layout", "nested", *how, "--model", f"{name}.skops"]
        finish(words, folder)


def files_in(folder: Path) -> list[str]:
    """List all files below a folder."""
    return sorted(
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, names in os.walk(folder)
        for name in names
    )


def fault_of(path: Path) -> str | None:
    """Say what of a file is not whole; files in the making, which are hidden, are not judged."""
    if path.suffix == ".part":
        return None
    try:
        if path.suffix in (".png", ".jpg"):
            Image.open(path).load()
        elif path.suffix == ".json":
            json.loads(path.read_text("utf-8"))
        elif path.suffix == ".skops":
            read_metadata(path)
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                dict(arrays)
        elif path.suffix == ".html" and not path.read_text("utf-8").rstrip().endswith("</html>"):
            return f"{path.name} has no end"
        elif path.suffix in (".csv", ".svg") and not path.read_bytes().endswith(b"\n"):
            return f"{path.name} has no end"
    except (OSError, ValueError, SyntaxError) as error:
        return f"{path.name}: {error}"
    return None


def disturb(words: list[str], folder: Path, after: float, how: str) -> list[str]:
    """Run a command, kill or interrupt it, and say what is wrong then."""
    process = start(words, folder)
    time.sleep(after)
    if process.poll() is None:
        if how == "SIGKILL, parent only":
            process.kill()
        else:
            os.killpg(process.pid, signal.Signals[how])
    try:
        _, err = process.communicate(timeout=60)  # until its workers have ended too
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return ["a process is still there after 60 seconds"]
    faults = []
    if how == "SIGINT" and process.returncode:
        last = err.rstrip().rpartition("\n")[2]
        if process.returncode != 130 or last != "interrupted" or "Traceback" in err:
            faults.append(f"status {process.returncode}, stderr ends {err[-300:]!r}")
    out = folder / words[0]
    found = (fault_of(out / name) for name in files_in(out))
    return faults + [fault for fault in found if fault]


def main() -> int:
    """Disturb commands until the count or the time is reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_ready(Path(folder))
        return run(options, random.Random(options.seed), Path(folder))


def run(options: argparse.Namespace, rng: random.Random, folder: Path) -> int:
    """Disturb one command after the other, and print what was found."""
    begin, undisturbed, done, n_faults = time.monotonic(), {}, 0, 0
    while done < options.count and time.monotonic() - begin < options.seconds:
        name = list(COMMANDS)[done % len(COMMANDS)]
        words = COMMANDS[name]
        out = folder / name
        if name not in undisturbed:
            started = time.monotonic()
            finish(words, folder)
            undisturbed[name] = time.monotonic() - started, files_in(out)
        seconds, expected = undisturbed[name]
        # Over a finished run every other time: then there is something to replace.
        if "--force" not in words or rng.random() < 0.5:
            shutil.rmtree(out)
        how = rng.choice(["SIGINT", "SIGKILL", "SIGKILL, parent only"])
        # Before its first lines are read, Python itself answers.
        after = rng.uniform(0.2, seconds)
        faults = disturb(words, folder, after, how)
        if expected:
            # A run whose page is there was finished: it is left alone unless forced.
            finished = name == "reproduce" and (out / "index.html").exists()
            finish([*words, "--force"] if finished else words, folder)
            left = set(files_in(out)) ^ set(expected)
            faults += [f"differs after a rerun: {each}" for each in sorted(left)]
        done += 1
        n_faults += bool(faults)
        print(f"{name}: {how} after {after:.2f} s: {'; '.join(faults) or 'whole'}", flush=True)
    print(f"\n{done} commands disturbed, {n_faults} with something wrong")
    return int(n_faults > 0)


if __name__ == "__main__":
    sys.exit(main())
