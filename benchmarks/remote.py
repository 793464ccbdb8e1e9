"""Time of fitting and predicting by images in an S3 store, against the same images on disk.

Usage: python benchmarks/remote.py [DIR] [--repeats 3] [--jobs 1] [--options=--fast]

DIR has a folder per source; without it images of simulated generators are made. The store is
moto's, in a process of its own on this machine, so that what is measured is the work and not a
network. Needs the extra test.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import s3fs
from common import line

_SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def store() -> Iterator[None]:
    """Run a store, which S3 clients of this process and of those it starts talk to."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", _SERVER], **pipes) as process:
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{process.stdout.readline().strip()}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        yield
        process.stdin.close()


def ganprint(*words: str) -> float:
    """Run a command in a process of its own; return the seconds that it takes."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "sklearn_ganprint", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode > 1:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}")
    return time.perf_counter() - start


def measure(commands: Sequence[list[str]], repeats: int) -> list[float]:
    """Return the median seconds of commands, which are run in turn."""
    times = [[ganprint(*command) for command in commands] for _ in range(repeats)]
    return [statistics.median(each) for each in zip(*times, strict=True)]


def compare(folder: Path, scratch: Path, options: argparse.Namespace) -> None:
    """Print a line for each command."""
    remote = s3fs.S3FileSystem()
    remote.mkdir("images")
    remote.put(f"{folder}/", "images/all/", recursive=True)
    places, jobs = (str(folder), "s3://images/all"), ["--jobs", str(options.jobs)]
    how = [*jobs, *options.options.split()]
    models = [str(scratch / f"{number}.skops") for number in range(2)]
    commands = {
        "fit": [
            ["fit", place, "--model", model, "--force", *how]
            for place, model in zip(places, models, strict=True)
        ],
        "predict": [["predict", models[0], place, *jobs] for place in places],
    }
    n_files = sum(path.is_file() for path in folder.rglob("*"))
    print(f"{n_files} images, {sum(p.stat().st_size for p in folder.rglob('*')) >> 20} MiB")
    print("| command | on disk, s | in S3, s | ratio |\n|---|---|---|---|", flush=True)
    for name, both in commands.items():
        disk, s3 = measure(both, options.repeats)
        print(line([name, f"{disk:.1f}", f"{s3:.1f}", f"{s3 / disk:.2f}"]), flush=True)


def main() -> None:
    """Make images if none are given, put them into a store, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", metavar="DIR", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--options", default="--fast", help="further ones of `ganprint fit`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, store():
        folder = options.directory
        if folder is None:
            ganprint("simulate", scratch, "--images", "50", "--sources", "C1", "C2", "C3", "C4")
            (folder,) = (path for path in Path(scratch).iterdir() if path.is_dir())
        compare(folder, Path(scratch), options)


if __name__ == "__main__":
    main()
