"""How fingerprints of simulated generators depend on architecture and weights."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.datasets._simulator._generators import FAMILIES, Generator
from sklearn_ganprint.datasets._simulator._sources import draw_scene, paint
from sklearn_ganprint.experiments import study_dependence

SMALL = {"image_size": 32, "n_repeats": 1, "denoiser": "gaussian"}


def relation(result, architecture, name, weights):
    keys = ("architecture", "relation", "weights")
    (row,) = [
        row for row in result.rows() if [row[key] for key in keys] == [architecture, name, weights]
    ]
    return row


def residuals_of(side, generator):
    scenes = [draw_scene((0, side, index), 32, 32) for index in range(9)]
    images = np.stack([paint(generator, scene) for scene in scenes])
    return ResidualTransformer("gaussian", channels="rgb").fit_transform(images).astype(np.float64)


def test_a_pair_is_compared_as_in_the_plain_way():
    family = replace(FAMILIES["Pro-GAN"], index=1001)
    first, second = (
        residuals_of(side, Generator(replace(family, shared=shared), 0))
        for side, shared in enumerate((1.0, 0.8**2))
    )
    model = FingerprintClassifier().fit(
        np.concatenate([first[:5], second[:5]]), np.repeat(["first", "second"], 5)
    )
    tests = np.concatenate([first[5:], second[5:]])
    scores = model.correlate(tests)
    y = np.repeat(["first", "second"], 4)
    found = relation(study_dependence(5, 4, **SMALL), "Pro-GAN", "fine-tuned", 0.8)
    own = np.concatenate([scores[:4, 0], scores[4:, 1]])
    other = np.concatenate([scores[:4, 1], scores[4:, 0]])
    assert found["own"] == pytest.approx(own.mean(), abs=1e-6)
    assert found["cross"] == pytest.approx(other.mean(), abs=1e-6)
    fingerprints = [first[:5].mean(axis=0), second[:5].mean(axis=0)]
    between = np.corrcoef(fingerprints)[0, 1]
    assert found["between_fingerprints"] == pytest.approx(between, abs=1e-6)
    assert found["accuracy"] == np.mean(model.predict(tests) == y)
    aucs = [
        np.mean(np.subtract.outer(own[half], other[half]) > 0) for half in (slice(4), slice(4, 8))
    ]
    assert found["auc"] == pytest.approx(np.mean(aucs))


def test_fingerprints_differ_as_weights_do():
    result = study_dependence(24, 16, **SMALL | {"image_size": 64})
    between = [
        relation(result, "Pro-GAN", name, weights)["between_fingerprints"]
        for name, weights in (("same network", 1.0), ("fine-tuned", 0.95), ("another seed", 0.0))
    ]
    assert between == sorted(between, reverse=True) and between[0] > 2 * between[-1]
    other = relation(result, "Pro-GAN", "another architecture", None)["between_fingerprints"]
    assert between[0] > 2 * other


def test_goes_on_where_it_was_interrupted(tmp_path):
    def interrupt(done, total):
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study_dependence(3, 3, **SMALL, folder=tmp_path, progress=interrupt)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    told = []
    result = study_dependence(3, 3, **SMALL, folder=tmp_path, progress=lambda *n: told.append(n))
    assert len(kept) > 7 and told[-1][0] == told[-1][1] == 14 * 12
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert result.to_dict() == study_dependence(3, 3, **SMALL).to_dict()
    with pytest.raises(ValueError, match="other settings"):
        study_dependence(3, 4, **SMALL, folder=tmp_path)


@pytest.mark.parametrize(
    "change", [{"n_fit": 0}, {"n_test": 0}, {"n_repeats": 0}, {"image_size": 8}]
)
def test_refuses_numbers_that_are_too_small(change):
    (name,) = change
    with pytest.raises(ValueError, match=f"{name}: expected"):
        study_dependence(**change)
