"""Peak memory of fitting on image files, for growing numbers of files.

Usage: python benchmarks/memory.py DIR [--counts 200 2000] [--crop 256] [--jobs 1]

DIR has a folder per source. Its files are repeated as often as the count asks for. Each count is
measured in a process of its own, since a process never gives its peak back.
"""

import argparse
import itertools
import resource
import subprocess
import sys

from joblib.externals.loky import get_reusable_executor
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FileBatchClassifier, FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets import ImageReader, load_image_folder


def fit_and_report(directory: str, count: int, crop: int, jobs: int) -> None:
    """Fit on `count` files, and print the peaks of this process and of its largest worker."""
    folder = load_image_folder(directory, load_content=False, reader=ImageReader(crop))
    # Every k-th file, so that a small count still has all sources.
    order = [i for start in range(16) for i in range(start, len(folder.filenames), 16)]
    rows = list(itertools.islice(itertools.cycle(order), count))
    classifier = FileBatchClassifier(
        make_pipeline(ResidualTransformer(), FingerprintClassifier()),
        reader=ImageReader(crop),
        n_jobs=jobs,
    )
    classifier.fit(folder.filenames[rows], folder.target_names[folder.target[rows]])
    # A worker counts among the children once it has ended.
    get_reusable_executor().shutdown(wait=True)
    peaks = [
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    print(f"| {count} | {peaks[0]:.0f} | {peaks[1]:.0f} |")


def main() -> None:
    """Measure each count in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", metavar="DIR", help="a folder with a folder per source")
    parser.add_argument("--counts", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    if len(options.counts) == 1:
        fit_and_report(options.directory, options.counts[0], options.crop, options.jobs)
        return
    print("| files | peak, MiB | largest worker, MiB |\n|---|---|---|", flush=True)
    for count in options.counts:
        arguments = ["--counts", str(count), "--crop", str(options.crop), "--jobs"]
        subprocess.run(
            [sys.executable, __file__, options.directory, *arguments, str(options.jobs)],
            check=True,
        )


if __name__ == "__main__":
    main()
