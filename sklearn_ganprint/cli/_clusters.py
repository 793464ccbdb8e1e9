"""What `ganprint cluster` has found, for terminals and for pages."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from sklearn.utils import Bunch

    from sklearn_ganprint.comparison import ModelComparison
    from sklearn_ganprint.datasets import ImageReadError

#: What the cluster of an image is called that fits nowhere.
NOWHERE = "nowhere"

#: Chance that any two clusters are called alike by accident.
LEVEL = 0.01


class Clusters(NamedTuple):
    """What a run has found."""

    bunch: "Bunch"  # files whose header can be read
    labels: "np.ndarray"  # (n_files,): number of the cluster from 0, -1 nowhere, -2 not usable
    fingerprints: "np.ndarray"  # (n_clusters, H, W, C)
    comparison: "ModelComparison | None"  # of the clusters with each other, if there are several
    crop: tuple[int, int]
    failures: "list[ImageReadError]"
    warnings: list[str]
    reasons: dict[str, str]  # of files that fit nowhere since they have no residual

    @property
    def names(self) -> list[str]:
        """Name of each cluster."""
        return cluster_names(len(self.fingerprints))

    def files_of(self, code: int) -> list[str]:
        """Files of one cluster, or with -1 those that fit nowhere."""
        files: list[str] = self.bunch.filenames[self.labels == code].tolist()
        return files


def cluster_names(n_clusters: int) -> list[str]:
    """Name clusters by their numbers from 1."""
    return [f"cluster-{number}" for number in range(1, n_clusters + 1)]


def pair_level(comparison: "ModelComparison") -> float:
    """p-value that a pair of clusters must have to stand out from as many as there are."""
    return LEVEL / len(comparison.rows())


def in_words(clusters: Clusters) -> str:
    """Sum up what was found."""
    n_used = int((clusters.labels > -2).sum())
    n_nowhere = int((clusters.labels == -1).sum())
    n_clusters = len(clusters.names)
    plural = "" if n_clusters == 1 else "s"
    rest = f"; {n_nowhere} fit nowhere" if n_nowhere else ""
    if clusters.reasons:
        rest += f", {len(clusters.reasons)} of them without a residual"
    return f"{n_clusters} cluster{plural} in {n_used} images{rest}"
