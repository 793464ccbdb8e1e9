"""Sources that were never fitted on: how many are found, at which rate of false alarms.

Usage: python benchmarks/open_set.py [DIR ...] [--crop 256] [--groups name] [--seeds 5] [--jobs 1]
                                     [--output FILE.json]

Measures the bundled samples, then each DIR, which has a folder per source. Each source is left out
in turn; half of the images of the others is fitted on, thresholds included, and the other half and
the images left out are tested. With ``--groups name`` files of one name (one scene, translated
several times) stay on one side, in the inner folds too. Prints, and writes as JSON:

- AUROC of known against unknown, its mean over the sources left out and the worst of them;
- the share of unknown images that is found at a stated 1 % of false alarms, and with the threshold
  that 1 % of the tested known images are below ("oracle", which nobody has);
- the share of known images called unknown at a stated 1 % and 5 %.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from sklearn_ganprint import FingerprintClassifier, OpenSetClassifier, ResidualTransformer
from sklearn_ganprint.datasets import ImageReader, load_image_folder, load_samples
from sklearn_ganprint.open_set import discriminant_distances

LAG = 8
TILE_SIZES = (64, 128)
RATES = (0.01, 0.05)


def second_order(residuals: np.ndarray) -> np.ndarray:
    """Circular correlations of colour residuals (n, H, W, 3) at small lags, and log norms."""
    residuals = residuals - residuals.mean(axis=(1, 2), keepdims=True)
    norms = np.sqrt((residuals**2).sum(axis=(1, 2))) + 1e-6
    height, width = residuals.shape[1:3]
    spectra = np.fft.rfft2(residuals, axes=(1, 2))
    lags = np.arange(-LAG, LAG + 1)
    features = [np.log(norms / np.sqrt(height * width))]
    for a, b in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        product = spectra[..., a].conj() * spectra[..., b]
        correlation = np.fft.irfft2(product, s=(height, width), axes=(1, 2))
        window = correlation[:, lags][:, :, lags].reshape(len(residuals), -1)
        # An autocorrelation is symmetric, and 1 at lag 0.
        window = window[:, : window.shape[1] // 2] if a == b else window
        features.append(window / (norms[:, a] * norms[:, b])[:, np.newaxis])
    return np.hstack(features).astype(np.float32)


def with_tiles(residuals: np.ndarray) -> np.ndarray:
    """Features of each whole image, and of its tiles: shape (n, n_parts, n_features)."""
    n, height, width, channels = residuals.shape
    parts = [second_order(residuals)[:, np.newaxis]]
    for size in (size for size in TILE_SIZES if size < min(height, width)):
        grid = residuals[:, : height // size * size, : width // size * size]
        grid = grid.reshape(n, height // size, size, width // size, size, channels)
        tiles = grid.swapaxes(2, 3).reshape(-1, size, size, channels)
        parts.append(second_order(tiles).reshape(n, -1, parts[0].shape[2]))
    return np.concatenate(parts, axis=1)


class TiledClassifier(ClassifierMixin, BaseEstimator):
    """Fits on the features of all parts of an image, and judges the whole."""

    def __init__(self, estimator: Any, n_parts: int) -> None:
        self.estimator = estimator
        self.n_parts = n_parts

    def fit(self, X: np.ndarray, y: np.ndarray) -> "TiledClassifier":
        """Fit on rows, each the features of all parts one after the other."""
        rows = X.reshape(len(X) * self.n_parts, -1)
        self.estimator_ = clone(self.estimator).fit(rows, np.repeat(y, self.n_parts))
        self.classes_ = self.estimator_.classes_
        return self

    def inner_input(self, X: np.ndarray) -> np.ndarray:
        """Features of the whole, which come first."""
        return X[:, : X.shape[1] // self.n_parts]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Attribute whole images."""
        return self.estimator_.predict(self.inner_input(X))


class PooledDiscriminant(ClassifierMixin, BaseEstimator):
    """Discriminant analysis with one shrunk covariance for all classes, in single precision.

    scikit-learn's shrinks the covariance of each class, and takes some times as long.
    """

    def __init__(self, shrinkage: float) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: np.ndarray, y: np.ndarray) -> "PooledDiscriminant":
        """Fit on standardised features."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.means_ = np.stack([X[codes == code].mean(axis=0) for code in np.unique(codes)])
        rest = X - self.means_[codes]
        covariance = (1 - self.shrinkage) * (rest.T @ rest / len(rest))
        covariance.flat[:: len(covariance) + 1] += self.shrinkage * rest.var(axis=0).mean()
        self.coef_ = cho_solve(cho_factor(covariance.astype(np.float64)), self.means_.T).T
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Attribute to the nearest class."""
        return self.classes_[discriminant_distances(self, X).argmin(axis=1)]


class CombinedClassifier(ClassifierMixin, BaseEstimator):
    """Distances after discriminant analyses of all parts, and some of the paper's correlation.

    A score is the mean of three negative log distances (of the whole image and of the mean over
    parts with little shrinkage, and the mean log distance of the parts with more), plus `weight`
    times the correlation with the fingerprint, in standard deviations of the nearest's.
    """

    def __init__(self, n_parts: int, n_features: int, weight: float = 2.0) -> None:
        self.n_parts = n_parts
        self.n_features = n_features
        self.weight = weight

    def fit(self, X: np.ndarray, y: np.ndarray) -> "CombinedClassifier":
        """Fit on rows: the features of all parts, then the residual."""
        parts, residuals = self._split(X)
        self.fingerprint_ = FingerprintClassifier().fit(residuals, y)
        self.spread_ = self.fingerprint_.leave_one_out_scores(residuals, y).max(axis=1).std()
        self.classes_ = self.fingerprint_.classes_
        rows, labels = parts.reshape(-1, self.n_features), np.repeat(y, self.n_parts)
        self.scaler_ = StandardScaler().fit(rows)
        rows = self.scaler_.transform(rows)
        self.little_ = PooledDiscriminant(0.003).fit(rows, labels)
        self.more_ = PooledDiscriminant(0.1).fit(rows, labels)
        return self

    def class_scores(self, X: np.ndarray) -> np.ndarray:
        """Scores of shape (n, n_classes)."""
        parts, residuals = self._split(X)
        parts = self.scaler_.transform(parts.reshape(-1, self.n_features))
        more = np.log(discriminant_distances(self.more_, parts))
        parts = parts.reshape(len(X), self.n_parts, -1)
        distance = more.reshape(len(X), self.n_parts, -1).mean(axis=1)
        for rows in (parts[:, 0], parts.mean(axis=1)):
            distance = distance + np.log(discriminant_distances(self.little_, rows))
        z = self.fingerprint_.class_scores(residuals) / self.spread_
        return self.weight * z - distance / 3

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Attribute images to the greatest score."""
        return self.classes_[self.class_scores(X).argmax(axis=1)]

    def _split(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        end = self.n_parts * self.n_features
        return X[:, :end].reshape(len(X), self.n_parts, -1), X[:, end:]


def models(residuals: np.ndarray) -> dict[str, tuple[Any, np.ndarray]]:
    """Each model, and the rows that it takes."""
    parts = with_tiles(residuals)
    n, n_parts, n_features = parts.shape
    rows, tiled = residuals.reshape(n, -1), parts.reshape(n, -1)
    analysis = make_pipeline(StandardScaler(), PooledDiscriminant(0.03))
    little = make_pipeline(StandardScaler(), PooledDiscriminant(0.003))
    combined = CombinedClassifier(n_parts, n_features)
    return {
        "paper": (FingerprintClassifier(), rows),
        "second order": (analysis, parts[:, 0]),
        "second order, tiles": (TiledClassifier(little, n_parts), tiled),
        "second order, tiles, and first": (combined, np.hstack([tiled, rows])),
    }


def measure(
    estimator: Any, rows: np.ndarray, data: Bunch, left_out: int, seed: int
) -> dict[str, float]:
    """Leave one source out, fit on half of the others, and test on the rest."""
    splitter = StratifiedShuffleSplit if data.groups is None else GroupShuffleSplit
    splits = splitter(1, test_size=0.5, random_state=seed)
    fit, test = next(splits.split(data.target, data.target, data.groups))
    fit = fit[data.target[fit] != left_out]
    known = test[data.target[test] != left_out]
    unknown = test[data.target[test] == left_out]
    params = {} if data.groups is None else {"groups": data.groups[fit]}
    clf = OpenSetClassifier(estimator, calibration="pooled").fit(
        rows[fit], data.target[fit], **params
    )
    p_known, p_unknown = clf.known_p_values(rows[known]), clf.known_p_values(rows[unknown])
    known, unknown = clf.score_samples(rows[known]), clf.score_samples(rows[unknown])
    truth = np.repeat([1, 0], [len(known), len(unknown)])
    found = {
        "auroc": roc_auc_score(truth, np.concatenate([known, unknown])),
        "oracle": (unknown < np.quantile(known, 0.01)).mean(),
    }
    for rate in RATES:
        found[f"detected at {rate:.0%}"] = (p_unknown <= rate).mean()
        found[f"false alarms at {rate:.0%}"] = (p_known <= rate).mean()
    return {name: float(value) for name, value in found.items()}


def report(name: str, data: Bunch, options: argparse.Namespace) -> dict[str, Any]:
    """Print a table for one set of images; return all figures."""
    transformer = ResidualTransformer(channels="rgb", flatten=False)
    residuals = np.concatenate(
        [transformer.fit_transform(batch) for batch in np.array_split(data.data, 20)]
    )
    print(f"\n{name}: {len(residuals)} images of {len(data.target_names)} sources\n")
    print("| model | AUROC | worst | found at 1 % | oracle | false alarms at 1 % | at 5 % |")
    print("|---|---|---|---|---|---|---|", flush=True)
    results = {}
    n_sources = len(data.target_names)
    for model, (estimator, rows) in models(residuals).items():
        start = time.perf_counter()
        tasks = (
            delayed(measure)(estimator, rows, data, left_out, seed)
            for left_out in range(n_sources)
            for seed in range(options.seeds)
        )
        found = Parallel(n_jobs=options.jobs)(tasks)
        # One row a source left out: means over the seeds.
        table = {
            key: np.reshape([each[key] for each in found], (n_sources, -1)) for key in found[0]
        }
        means = {key: values.mean() for key, values in table.items()}
        spread = table["auroc"].mean(axis=0).std()
        print(
            f"| {model} | {means['auroc']:.3f} ± {spread:.3f} "
            f"| {table['auroc'].mean(axis=1).min():.2f} | {means['detected at 1%']:.2f} "
            f"| {means['oracle']:.2f} | {means['false alarms at 1%']:.4f} "
            f"| {means['false alarms at 5%']:.3f} |",
            flush=True,
        )
        results[model] = {
            "seconds": time.perf_counter() - start,
            "sources": [str(source) for source in data.target_names],
            **{key: values.tolist() for key, values in table.items()},
        }
    return results


def main() -> None:
    """Measure the bundled samples, then each folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", metavar="DIR", nargs="*")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--groups", choices=["name"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    samples = load_samples()
    # Every photo gave crops to every source, and there are few photos: halves are drawn by crop.
    samples.groups = None
    results = {"bundled samples": report("bundled samples", samples, options)}
    for directory in options.directories:
        reader = ImageReader(options.crop)
        data = load_image_folder(directory, reader=reader, groups=options.groups)
        results[directory] = report(directory, data, options)
    if options.output:
        options.output.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
