"""Folders that the workers of a cluster go through, some of which are lost."""

import os
import signal

import dask
import joblib
import numpy as np
import pytest
from dask.distributed import Client, LocalCluster
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    FileBatchEstimator,
    FingerprintClassifier,
    FusionClassifier,
    ResidualTransformer,
)

# What comes back of a group of batches shows from outside in nothing but the traffic.
from sklearn_ganprint._batches import GroupedSum

residual = ResidualTransformer("gaussian")


@pytest.fixture
def cluster():
    """Two workers, processes of their own that are started again when they end."""
    with (
        # On a machine that stops for some minutes the scheduler would give all workers up.
        dask.config.set({"distributed.scheduler.worker-ttl": None}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def kill_once(client, when):
    """Make a callable for `progress` that kills a worker once so many files are done."""
    pids = list(client.run(os.getpid).values())

    def progress(n_done, n_files):
        if n_done >= when and pids:
            os.kill(pids.pop(), signal.SIGKILL)
            pids.clear()

    return progress


def test_a_worker_that_is_killed_costs_nothing_but_time(image_folder, cluster):
    _, paths, y = image_folder(n_per_class=16)
    fusion = FusionClassifier([("only", FingerprintClassifier())], cv=2)
    files = FileBatchEstimator(make_pipeline(residual, fusion), batch_size=2)
    expected = files.fit(paths, y).class_scores(paths)
    files.set_params(progress=kill_once(cluster, when=22))
    with joblib.parallel_config("dask"):
        scores = files.fit(paths, y).set_params(progress=None).class_scores(paths)
    # What would be lost, or counted twice, would show in the last digits at least.
    np.testing.assert_array_equal(scores, expected)


def pair(number):
    return None, np.full(3, number)


def test_sums_of_groups_are_what_comes_back():
    threads = Client(processes=False, n_workers=1, dashboard_address=":0")
    with threads, joblib.parallel_config("dask"):
        total = GroupedSum(np.add)
        parts = [total._cluster.submit(pair, each) for each in range(20)]
        complete = [total.push(part) for part in parts]
        assert [number for number, done in enumerate(complete) if done] == [15]
        np.testing.assert_array_equal(total.total, np.full(3, sum(range(16))))
        np.testing.assert_array_equal(total.finish(), np.full(3, sum(range(20))))


def test_an_error_in_a_worker_is_raised(image_folder, cluster):
    _, paths, y = image_folder(n_per_class=2)
    files = FileBatchEstimator(make_pipeline(residual, FingerprintClassifier()), on_error="raise")
    open(paths[3], "w").close()
    with joblib.parallel_config("dask"), pytest.raises(ValueError, match="empty"):
        files.fit(paths, y)
