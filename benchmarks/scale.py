"""What large folders cost: by kind of model, and with the workers of a cluster, some of them lost.

Usage: python benchmarks/scale.py [--count 20000] [--size 64] [--images DIR] [--kinds KIND ...]
    [--names N ...]

Simulated images are written to a temporary folder, or to DIR, which is kept. Fingerprints of all of
them are fitted by one process, by two of joblib's, and by four workers of dask, processes of their
own with a limit of 1 GiB each; in a last run one of these is killed midway. Each run is a process
of its own, since a process never gives its peak of memory back, and so is the scheduler.
CPU-seconds, which other programs disturb less than seconds, are those of all processes but the one
that is killed. Ends with status 1 if answers differ.

Then each kind of model is fitted on 160 images of 256 pixels, by one process, for the time and the
bytes of an image: what comes back of its batches is what a checkpoint holds.

At last ``ganprint predict --parquet`` is given N empty files, in folders of 1000 and in one, for
the memory that names take: each gets a row, which says that it is empty.
"""

import argparse
import hashlib
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import psutil
from dask.distributed import Client
from distributed.deploy.subprocess import SubprocessCluster

from sklearn_ganprint import FileBatchEstimator, OpenSetClassifier, make_attribution_pipeline
from sklearn_ganprint.cli import main as ganprint
from sklearn_ganprint.datasets import ImageReader, list_images, write_generator_images

SOURCES = ["C1", "C4", "G1", "G3", "G5", "S1", "N1", "N2"]
KINDS = [
    *("fingerprint", "autocorrelation", "autocorrelation without p-values", "nearest-mean"),
    *("fusion", "robust"),
]
RUNS = [
    *("one process", "joblib, 2 processes", "joblib, 4 processes", "dask, 4 workers"),
    *("dask, 4 workers, tuned", "dask, one of 4 killed midway"),
]

#: Dask's profiler looks at each worker every 10 ms, and its workers give memory back to the system
#: and ask for it again with each array.
TUNED = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    **dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(1 << 30)),
}


def workers(run: str, stack: ExitStack) -> Client | None:
    """Make joblib use the workers of a run; return the client of a cluster."""
    if not run.startswith("dask"):
        return None
    if run.endswith("tuned"):
        os.environ.update(TUNED)
    limits = {"n_workers": 4, "threads_per_worker": 1, "worker_kwargs": {"memory_limit": "1GiB"}}
    quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": ":0"}
    cluster = stack.enter_context(SubprocessCluster(**limits, **quiet))
    client = stack.enter_context(Client(cluster))
    client.wait_for_workers(4)
    stack.enter_context(joblib.parallel_config("dask"))
    return client


def kill_halfway(client: Client) -> Any:
    """Make a callable for `progress` that kills a worker once half of the files are done."""
    pids = list(client.run(os.getpid).values())

    def progress(n_done: int, n_files: int) -> None:
        if 2 * n_done >= n_files and pids:
            os.kill(pids[0], signal.SIGKILL)
            pids.clear()

    return progress


def cpu_times() -> dict[int, float]:
    """Return the CPU-seconds of this process and of all that have come of it, by process."""
    this = psutil.Process()
    times = {each.pid: each.cpu_times() for each in (this, *this.children(recursive=True))}
    return {pid: each.user + each.system for pid, each in times.items()}


def fit_once(folder: str, run: str, n_files: int, crop: int) -> dict[str, Any]:
    """Fit on some of the files of each source; return what it took, and a digest of the answer."""
    limit = n_files // len(SOURCES)
    listed = list_images(folder, layout="nested", limit_per_source=limit)
    files = FileBatchEstimator(
        make_attribution_pipeline("fingerprint"),
        reader=ImageReader(crop),
        batch_size=256,  # of small images, or the scheduler has more to do than the workers
        n_jobs=int(run.split()[1]) if run.startswith("joblib") else None,
    )
    with ExitStack() as stack:
        client = workers(run, stack)
        some = np.arange(0, len(listed.filenames), max(1, len(listed.filenames) // 256))
        # Workers start, and import: all of them, or some would do so in the time that is measured.
        files.set_params(batch_size=8).fit(listed.filenames[some], listed.labels[some])
        files.set_params(batch_size=256)
        if run.endswith("midway") and client is not None:
            files.set_params(progress=kill_halfway(client))
        start, before = time.perf_counter(), cpu_times()
        files.fit(listed.filenames, listed.labels)
        seconds = time.perf_counter() - start
        cpu = sum(used - before.get(pid, 0) for pid, used in cpu_times().items())
    last = files.estimator_[-1]
    answer = np.ascontiguousarray(last.fingerprints_).tobytes() + last.class_count_.tobytes()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    digest = hashlib.sha256(answer).hexdigest()
    used = int(last.class_count_.sum())
    return {"seconds": seconds, "cpu": cpu, "peak": peak, "images": used, "digest": digest}


def cost(folder: str, kind: str) -> dict[str, float]:
    """Fit and ask one kind of model; return CPU-seconds and bytes an image."""
    listed = list_images(folder, layout="nested")
    n_files = len(listed.filenames)
    kind, _, without = kind.partition(" ")
    estimator = make_attribution_pipeline(kind)
    if kind == "robust":
        estimator[-1].set_params(n_copies=4)  # as it makes of more than 4000 images
    if not without:
        estimator = OpenSetClassifier(estimator, false_alarm_rate=0.2)
    files = FileBatchEstimator(estimator, reader=ImageReader(256))
    with tempfile.TemporaryDirectory() as kept:
        files.set_params(checkpoint=os.path.join(kept, "kept"))
        start = time.process_time()
        files.fit(listed.filenames, listed.labels)
        fitted = time.process_time()
        # Sums of groups are replaced by later ones, and stay as few.
        records = [path for path in Path(kept).rglob("results*")]
        came_back = sum(path.stat().st_size for path in records) / n_files
        files.set_params(checkpoint=None)
        (files.decision_function if without else files.assess)(listed.filenames)
        asked = time.process_time()
    seconds = (fitted - start) / n_files, (asked - fitted) / n_files
    return {"fit": seconds[0], "bytes": came_back, "predict": seconds[1]}


def apart(*words: object) -> dict[str, Any]:
    """Run a part of this file in a process of its own."""
    command = [sys.executable, __file__, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare_runs(folder: str, count: int, crop: int) -> bool:
    """Print a line for each run; return whether all give the same."""
    print(
        "| run | images | seconds | CPU-seconds | peak of the client, MiB | same answer |\n"
        "|---|---|---|---|---|---|"
    )
    alike = True
    for n_files in dict.fromkeys((max(count // 10, 64), count)):
        expected = None
        for run in RUNS:
            found = apart("--run", run, "--images", folder, "--count", n_files, "--size", crop)
            expected = expected or found["digest"]
            same = found["digest"] == expected
            alike &= same
            times = f"{found['seconds']:.1f} | {found['cpu']:.1f}"
            row = f"{found['images']} | {times} | {found['peak']:.0f}"
            print(f"| {run} | {row} | {'yes' if same else 'NO'} |", flush=True)
    return alike


def print_costs(folder: str, kinds: list[str]) -> None:
    """Print a line for each kind, on one core: threads that wait for each other count, too."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    print("\n| kind | fit, CPU ms | comes back in a fit, kB | predict, CPU ms |\n|---|---|---|---|")
    for kind in kinds:
        found = apart("--kind", kind, "--images", folder)
        times = found["fit"] * 1e3, found["bytes"] / 1e3, found["predict"] * 1e3
        print("| {} | {:.1f} | {:.1f} | {:.1f} |".format(kind, *times), flush=True)


def print_memory_of_names(few: Path, counts: list[int]) -> None:
    """Print a line for each number of empty files, and of these in a folder."""
    model = few.with_name("m.skops")
    words = ["--layout", "nested", "--kind", "fingerprint", "--crop", "64", "--force"]
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere), redirect_stdout(nowhere):
        ganprint(["fit", str(few), "--model", str(model), *words])
    print("\n| files | in a folder | peak, MiB |\n|---|---|---|")
    for count in counts:
        for n_together in dict.fromkeys((min(1000, count), count)):
            with tempfile.TemporaryDirectory() as folder:
                for number in range(count):
                    path = Path(folder, f"{number // n_together:06d}/{number:08d}.png")
                    path.parent.mkdir(exist_ok=True)
                    path.touch()
                found = apart("--asked", model, "--images", folder)
            print(f"| {count} | {n_together} | {found['peak']:.0f} |", flush=True)


def ask_about(folder: str, model: str) -> dict[str, float]:
    """Write answers for all files in a folder to a file; return the peak of memory."""
    with tempfile.TemporaryDirectory() as temporary, open(os.devnull, "w") as nowhere:
        with redirect_stderr(nowhere):
            ganprint(["predict", model, folder, "--parquet", os.path.join(temporary, "rows")])
    return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    """Write images, and measure each run and kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20000, help="files in all")
    parser.add_argument("--size", type=int, default=64, help="of these, in pixels")
    parser.add_argument("--images", metavar="DIR")
    parser.add_argument("--kinds", nargs="*", default=KINDS, metavar="KIND")
    parser.add_argument("--names", nargs="*", type=int, default=[10_000, 1_000_000], metavar="N")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--asked", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    if options.run:
        print(json.dumps(fit_once(options.images, options.run, options.count, options.size)))
        return
    if options.kind:
        print(json.dumps(cost(options.images, options.kind)))
        return
    if options.asked:
        print(json.dumps(ask_about(options.images, options.asked)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder, few = (Path(options.images or temporary) / name for name in ("many", "few"))
        each, made = options.count // len(SOURCES), {"sources": SOURCES, "n_jobs": 2}
        write_generator_images(folder, each, image_size=options.size, **made)
        alike = compare_runs(str(folder), options.count, options.size)
        write_generator_images(few, 20, image_size=256, **made)
        if options.kinds:
            print_costs(str(few), options.kinds)
        if options.names:
            print_memory_of_names(few, options.names)
    sys.exit(not alike)


if __name__ == "__main__":
    main()
