"""Fusion of classifiers that are fitted on copies, held to copies that are made by hand."""

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from estimators import GivenScores
from PIL import Image
from sklearn import config_context
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_ganprint import (
    CorrelationTransformer,
    FileBatchEstimator,
    FingerprintClassifier,
    FusionClassifier,
    ResidualTransformer,
    SubclassDiscriminantAnalysis,
    load_model,
    save_model,
)
from sklearn_ganprint.ensemble._fusion import ALL_COPIES
from sklearn_ganprint.ensemble._fusion import COPIES as NUMBERS_OF_COPIES
from sklearn_ganprint.open_set import discriminant_distances
from sklearn_ganprint.perturbations import (
    GaussianBlur,
    GaussianNoise,
    RandomHistory,
    check_perturbation,
)

COPIES = ["jpeg 60", "blur 1", ("noise 2", "jpeg 80"), "noise 4", "jpeg 90"]
NAMES = ["original", "JPEG 60", "blur 1", "noise 2, JPEG 80", "noise 4", "JPEG 90"]
#: What versions have gone through: nothing, no compression, or compression.
PARTS = [0, 2, 1, 2, 1, 2]
#: Copies of each image that are scored, beside the image.
N_SCORED = 4


def few_pixels(X):
    return np.reshape(X, (len(X), -1))[:, ::97].astype(np.float64)


FEW_PIXELS = FunctionTransformer(few_pixels)


def discriminant():
    return make_pipeline(FEW_PIXELS, LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1))


def fingerprint(**params):
    return make_pipeline(ResidualTransformer("gaussian", **params), FingerprintClassifier())


def distance_scores(model, X):
    return -np.log1p(discriminant_distances(model[-1], model[:-1].transform(X)))[:, np.newaxis]


def all_scores(model, X):
    return model[-1].all_scores(model[:-1].transform(X))


def copies_of(X, perturbations=COPIES):
    """The images, and a copy for each perturbation."""
    versions = [X]
    for chain in perturbations:
        version = X
        for step in [chain] if isinstance(chain, str) else chain:
            version = check_perturbation(step).transform(version)
        versions.append(version)
    return versions


def unseen_scores(estimator, score, versions, y, fold_of, **params):
    """Score versions, (n, n_scored, n_scores, n_classes), by models without all of the image.

    `params` of the fit are (n_versions, n).
    """
    scores = {}
    for fold in np.unique(fold_of):
        rest = fold_of != fold
        model = clone(estimator).fit(
            np.concatenate([version[rest] for version in versions]),
            np.tile(y[rest], len(versions)),
            **{name: values[:, rest].ravel() for name, values in params.items()},
        )
        for image in np.flatnonzero(fold_of == fold):
            own = [score(model, version[[image]])[0] for version in versions[:N_SCORED]]
            scores[image] = own
    return np.array([scores[image] for image in range(len(y))])


def unseen_correlations(versions, y, fold_of):
    """Correlate versions with mean fingerprints of images that are as they are."""
    found = np.empty((len(y), N_SCORED, 1, len(np.unique(y))))
    for fold in np.unique(fold_of):
        own, rest = fold_of == fold, fold_of != fold
        model = fingerprint().fit(versions[0][rest], y[rest])
        for number, version in enumerate(versions[:N_SCORED]):
            found[own, number, 0] = model.decision_function(version[own])
    return found


def check_unseen(clf, expected, y):
    """Compare what a fusion knows of unseen versions with scores (n, n_scored, m, n_classes)."""
    flat = expected.reshape(-1, *expected.shape[2:])
    np.testing.assert_allclose(clf.out_of_fold_scores_, clf._fuse(flat), rtol=1e-4, atol=1e-4)
    # Images of one size.
    assert clf.size_slopes_.tolist() == [0, 0]
    typicality = np.einsum(
        "imc,m->ic", flat - clf.own_means_[:, np.newaxis], clf.typicality_weights_
    )
    fused = clf._fuse(flat)
    typicality += clf.fused_weight_ * (fused - fused.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(clf.out_of_fold_typicality_, typicality, rtol=1e-4, atol=1e-4)
    n_scored = expected.shape[1]
    np.testing.assert_array_equal(clf.out_of_fold_versions_, np.tile(np.arange(n_scored), len(y)))
    codes = np.searchsorted(clf.classes_, y)
    np.testing.assert_array_equal(clf.out_of_fold_codes_, np.repeat(codes, n_scored))


@pytest.mark.parametrize("by_group", [False, True])
def test_copies_of_an_image_are_left_out_with_it(make_images, by_group):
    X, y = make_images(n_per_class=6, shape=(24, 24, 3))
    splitter = StratifiedGroupKFold(3) if by_group else StratifiedKFold(3)
    groups = np.tile(np.arange(6) // 2, 3) if by_group else None
    fold_of = np.empty(len(y), dtype=int)
    for fold, (_, test) in enumerate(splitter.split(X, y, groups)):
        fold_of[test] = fold
    clf = FusionClassifier([("lda", discriminant())], cv=splitter, perturbations=COPIES)
    clf.fit(X, y, groups=groups)
    assert clf.versions_ == NAMES
    versions = copies_of(X)
    expected = unseen_scores(discriminant(), distance_scores, versions, y, fold_of)
    check_unseen(clf, expected, y)
    whole = discriminant().fit(np.concatenate(versions), np.tile(y, len(versions)))
    np.testing.assert_allclose(
        clf.estimators_[0].decision_function(X), whole.decision_function(X), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("cv", [None, 3])
def test_mean_fingerprints_are_those_of_images_alone(make_images, cv):
    X, y = make_images(n_per_class=5, shape=(24, 24, 3))
    fold_of = np.empty(len(y), dtype=int)
    for fold, (_, test) in enumerate(StratifiedKFold(cv or 5).split(X, y)):
        fold_of[test] = fold
    clf = FusionClassifier([("first", fingerprint())], cv=cv, perturbations=COPIES).fit(X, y)
    check_unseen(clf, unseen_correlations(copies_of(X), y, fold_of), y)
    alone = fingerprint().fit(X, y)
    np.testing.assert_allclose(
        clf.estimators_[0][-1].fingerprints_, alone[-1].fingerprints_, rtol=1e-5, atol=1e-5
    )


def test_all_classifiers_score_the_same_copies(make_images):
    X, y = make_images(n_per_class=5, shape=(24, 24, 3))
    members = [("first", fingerprint()), ("lda", discriminant()), ("again", fingerprint())]
    drawing = GaussianNoise(40, random_state=np.random.RandomState(3))
    drawn = clone(drawing).random_state.randint(np.iinfo(np.int32).max)
    found = FusionClassifier(members, perturbations=[drawing]).fit(X, y)
    expected = clone(found).set_params(perturbations=[GaussianNoise(40, random_state=drawn)])
    expected.fit(X, y)
    np.testing.assert_array_equal(found.out_of_fold_scores_, expected.out_of_fold_scores_)
    assert isinstance(drawing.random_state, np.random.RandomState)


@pytest.fixture
def parts_member():
    """A classifier of classes in parts, which scales its features by those of its fit or not."""

    def make(scaled):
        scaler = [("scaler", StandardScaler())] if scaled else []
        return Pipeline([("rows", FEW_PIXELS), *scaler, ("lda", SubclassDiscriminantAnalysis())])

    return make


def unseen_part_scores(member, versions, y, fold_of, **params):
    """The same by a classifier of parts; `params` are (n_versions, n)."""
    if len(member) == 3:
        steps = {f"lda__{name}": values for name, values in params.items()}
        return unseen_scores(member, all_scores, versions, y, fold_of, **steps)
    # Mean and scale of the features are those of all rows.
    rows = np.concatenate([few_pixels(version) for version in versions])
    n_versions = len(versions)
    flat = {name: values.ravel() for name, values in params.items()}
    scores = SubclassDiscriminantAnalysis().fold_scores(
        rows, np.tile(y, n_versions), np.tile(fold_of, n_versions), **flat
    )
    scores = scores.reshape(n_versions, len(y), 2, 3).swapaxes(0, 1)
    return scores[:, :N_SCORED]


@pytest.mark.parametrize("scaled", [False, True])
def test_images_and_copies_are_parts_of_a_class(make_images, parts_member, scaled):
    X, y = make_images(n_per_class=6, shape=(24, 24, 3))
    fold_of = np.tile(np.arange(6) % 3, 3)
    member = parts_member(scaled)
    clf = FusionClassifier(
        [("parts", member)], cv=PredefinedSplit(fold_of), perturbations=COPIES
    ).fit(X, y)
    parts = np.tile(PARTS, (len(y), 1)).T
    check_unseen(clf, unseen_part_scores(member, copies_of(X), y, fold_of, subclasses=parts), y)
    assert clf.score_names_ == ["parts", "parts, score 2"]
    np.testing.assert_array_equal(clf.typicality_weights_, 1 / clf.scales_)
    assert clf.fused_weight_ == 0.5
    typicality, fused = clf.typicality_scores(X), clf.class_scores(X)
    clf.fused_weight_ = 0
    expected = 0.5 * (fused - fused.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(
        typicality - clf.typicality_scores(X), expected, rtol=1e-6, atol=1e-9
    )


#: Other sources: whose traces image i gets, goes by i.
SOURCES = ["source 5", "source 19", GaussianNoise(8, random_state=0), "blur 2"]


def of_other_sources(X):
    """Give each image the traces of its source; tell which that is."""
    numbers = np.arange(len(X)) % len(SOURCES)
    made = [
        check_perturbation(SOURCES[number]).transform(image[np.newaxis])[0]
        for image, number in zip(X, numbers, strict=True)
    ]
    return np.stack(made), numbers


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("n_copies", [0, 1, 5])
def test_images_of_other_sources_are_a_background(make_images, parts_member, scaled, n_copies):
    X, y = make_images(n_per_class=8, shape=(24, 24, 3))
    fold_of = np.tile(np.arange(8) // 2, 3)
    member, copies = parts_member(scaled), COPIES[:n_copies]
    clf = FusionClassifier(
        [("parts", member)], cv=PredefinedSplit(fold_of), perturbations=copies, background=SOURCES
    ).fit(X, y)
    others, sources = of_other_sources(X)
    versions = [*copies_of(X, copies), *copies_of(others, copies[:1])]
    # Copies of other sources are one part, compressed or not.
    parts = [*PARTS[: 1 + n_copies], *[0, 1][: 1 + min(1, n_copies)]]
    background = np.full((len(versions), len(y)), -1)
    background[1 + n_copies :] = sources
    params = {"subclasses": np.tile(parts, (len(y), 1)).T, "background": background}
    expected = unseen_part_scores(member, versions, y, fold_of, **params)
    check_unseen(clf, expected[:, : 1 + n_copies], y)
    whole = clf.estimators_[0][-1]
    assert len(whole.background_means_) == 1 + min(1, n_copies)
    rows = np.concatenate([few_pixels(version) for version in versions])
    if not scaled:
        flat = {name: values.ravel() for name, values in params.items()}
        alone = SubclassDiscriminantAnalysis().fit(rows, np.tile(y, len(versions)), **flat)
        new = few_pixels(X)
        np.testing.assert_allclose(whole.all_scores(new), alone.all_scores(new), rtol=1e-6)


@pytest.mark.parametrize("member", [discriminant(), fingerprint()], ids=["lda", "fingerprint"])
def test_other_classifiers_see_no_images_of_other_sources(make_images, parts_member, member):
    X, y = make_images(n_per_class=6, shape=(24, 24, 3))
    folds = PredefinedSplit(np.tile(np.arange(6) % 3, 3))
    members = [("parts", parts_member(False)), ("other", member)]
    clf, alone = (
        FusionClassifier(which, cv=folds, perturbations=COPIES, background=SOURCES).fit(X, y)
        for which in (members, members[1:])
    )
    expected = FusionClassifier(members[1:], cv=folds, perturbations=COPIES).fit(X, y)
    np.testing.assert_array_equal(alone.out_of_fold_scores_, expected.out_of_fold_scores_)
    new = X + 1
    np.testing.assert_array_equal(
        clf.estimators_[1].decision_function(new), expected.estimators_[0].decision_function(new)
    )


def test_background_images_are_those_of_files_in_any_batches(sources, tmp_path):
    X, y = sources
    paths = [str(tmp_path / f"{number}.png") for number in range(len(X))]
    for image, path in zip(X, paths, strict=True):
        Image.fromarray(image).save(path)
    clf = clone(ANY_SIZE).set_params(n_copies=1, background=SOURCES)
    expected = clone(clf).fit(X, y).estimators_[0][-1]
    for batch_size in (3, 100):
        found = FileBatchEstimator(clf, batch_size=batch_size).fit(paths, y).estimator_
        for name in ("background_means_", "background_covariances_"):
            actual, wanted = getattr(found.estimators_[0][-1], name), getattr(expected, name)
            np.testing.assert_allclose(actual, wanted, rtol=1e-2, atol=1e-2, err_msg=name)


@pytest.mark.parametrize("background", [["sauce 3"], [3], 3, ["source -1"]])
def test_what_is_no_background_is_refused(make_images, background):
    X, y = make_images(n_per_class=4, shape=(24, 24, 3))
    clf = FusionClassifier([("lda", discriminant())], background=background)
    with pytest.raises((ValueError, TypeError), match="sauce 3|such as|'background'|'number'"):
        clf.fit(X, y)


@pytest.mark.filterwarnings("ignore:X has feature names, but")
def test_columns_keep_their_names_in_all_versions(make_images):
    X, y = make_images(n_per_class=5, shape=(6, 6))
    frame = pd.DataFrame(X.reshape(len(X), -1).astype(float)).add_prefix("pixel")
    names, positions = ["pixel3", "pixel7", "pixel20", "pixel30"], [3, 7, 20, 30]
    clf = FusionClassifier(
        [("lda", SubclassDiscriminantAnalysis())],
        cv=3,
        perturbations=[GaussianNoise(9, random_state=0, image_shape=(6, 6))],
        background=[GaussianBlur(1, image_shape=(6, 6))],
    )
    found, expected = (
        clone(clf).set_params(
            estimators=[("lda", make_pipeline(FunctionTransformer(some), clf.estimators[0][1]))]
        )
        for some in (lambda rows: rows[names], lambda rows: rows[:, positions])
    )
    with config_context(transform_output="pandas"):
        found.fit(frame, y)
    expected.fit(frame.to_numpy(), y)
    np.testing.assert_allclose(
        found.out_of_fold_scores_, expected.out_of_fold_scores_, rtol=1e-6, atol=1e-6
    )
    assert len(found.estimators_[0][-1].background_means_) == 2


def test_weights_are_those_of_scores_of_unseen_versions(make_images):
    X, y = make_images(n_per_class=8, shape=(24, 24, 3), strength=2)
    fold_of = np.tile(np.arange(8) % 4, 3)
    members = [("lda", discriminant()), ("first", fingerprint())]
    folds = PredefinedSplit(fold_of)
    clf = FusionClassifier(members, cv=folds, perturbations=COPIES).fit(X, y)
    versions = copies_of(X)
    scores = unseen_scores(discriminant(), distance_scores, versions, y, fold_of)
    prints = unseen_correlations(versions, y, fold_of)
    scores, prints = scores.reshape(-1, 1, 3), prints.reshape(-1, 1, 3)
    codes = np.repeat(np.searchsorted(["a", "b", "c"], y), N_SCORED)
    of_others = codes[:, np.newaxis] != np.arange(3)
    floor = np.quantile(prints[:, 0][of_others], 0.99)
    given = np.concatenate([scores, prints, (prints - floor).clip(0)], axis=1)
    expected = FusionClassifier(
        [(f"member{number}", GivenScores(number)) for number in range(3)],
        cv=PredefinedSplit(np.repeat(fold_of, N_SCORED)),
    ).fit(given.reshape(len(codes), -1), codes)
    assert clf.score_names_ == ["lda", "first", "first above its floor"]
    np.testing.assert_allclose(clf.floors_, [np.inf, floor], rtol=1e-5)
    for name in ("scales_", "weights_", "class_weights_", "intercept_", "out_of_fold_scores_"):
        actual, wanted = getattr(clf, name), getattr(expected, name)
        np.testing.assert_allclose(actual, wanted, rtol=1e-3, atol=1e-3, err_msg=name)
    np.testing.assert_allclose(clf.own_means_, expected.own_means_[:2], rtol=1e-5)
    np.testing.assert_array_equal(clf.typicality_weights_, 1 / clf.scales_[:2])


def test_a_classifier_that_is_blind_to_processed_images_does_not_lead(make_images):
    X, y = make_images(20, labels=("a", "b"), shape=(24, 24, 3), strength=3)
    members = [("brightness", discriminant()), ("fingerprint", fingerprint())]
    X[y == "b"] += 20
    shares = []
    for perturbations in (None, ["blur 2", "blur 3"]):
        clf = FusionClassifier(members, cv=4, perturbations=perturbations).fit(X, y)
        shares.append(clf.weights_[1] / clf.weights_.sum())
    assert shares[1] < shares[0] / 2


ANY_SIZE = FusionClassifier(
    [
        (
            "correlations",
            make_pipeline(
                CorrelationTransformer(("gaussian",), max_lag=2, colour_lag=None, window=3),
                SubclassDiscriminantAnalysis(),
            ),
        ),
        ("fingerprint", fingerprint(anchor="top-left")),
    ],
    perturbations=RandomHistory(),
    n_copies=3,
    background=["source 5", "source 19", "source 3"],
)


@pytest.fixture
def sources(make_images):
    return make_images(n_per_class=5, shape=(72, 80, 3), strength=12)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_files_are_answered_as_images_in_memory_by_any_number_of_workers(sources, tmp_path, n_jobs):
    X, y = sources
    paths = [str(tmp_path / f"{number}.png") for number in range(len(X))]
    for image, path in zip(X, paths, strict=True):
        Image.fromarray(image).save(path)
    files = FileBatchEstimator(ANY_SIZE, batch_size=4, n_jobs=n_jobs).fit(paths, y)
    memory = clone(ANY_SIZE).set_params(n_jobs=n_jobs).fit(X, y)
    found = files.estimator_
    assert found.versions_ == memory.versions_
    assert found.versions_[1:] == ["history web", "history web, draw 1", "history web, draw 2"]
    for name in ("out_of_fold_scores_", "out_of_fold_typicality_", "weights_", "floors_"):
        actual, expected = getattr(found, name), getattr(memory, name)
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3, err_msg=name)
    np.testing.assert_array_equal(found.out_of_fold_versions_, memory.out_of_fold_versions_)
    scores = memory.class_scores(X)
    np.testing.assert_allclose(files.estimator_.class_scores(X), scores, rtol=1e-3, atol=1e-3)


def copies_with_histories(X, draws):
    """For each draw the copies of all images, and the part of its class that each belongs to."""
    for draw in draws:
        history = RandomHistory(draw=draw)
        names = [{str(step).split()[0] for step in own} for own in history.histories(X)]
        yield history.transform_whole(X), [2 if own & {"jpeg", "webp"} else 1 for own in names]


@pytest.mark.parametrize("height", [150, 72])
def test_few_images_are_cut_into_quarters_of_at_least_64_pixels(make_images, height):
    X, y = make_images(n_per_class=3, labels=("a", "b"), shape=(height, 140, 3), strength=12)
    features = ANY_SIZE.estimators[0][1]
    clf = FusionClassifier([("only", features)], perturbations=RandomHistory(), cv=3).fit(X, y)
    assert len(clf.versions_) == 1 + NUMBERS_OF_COPIES[1]
    upper, lower = (slice(75), slice(75, None)) if height == 150 else (slice(64), slice(8, None))
    quarters = [
        X[:, rows, columns] for rows in (upper, lower) for columns in (slice(70), slice(70, None))
    ]
    versions, parts = [X, *quarters], [[0] * len(y)] * 5
    for whole, own in copies_with_histories(X, range(NUMBERS_OF_COPIES[1])):
        versions.append(whole)
        parts.append(own)
    rows = [features[0].transform(image[np.newaxis]) for whole in versions for image in whole]
    alone = SubclassDiscriminantAnalysis().fit(
        np.concatenate(rows), np.tile(y, len(versions)), subclasses=np.concatenate(parts)
    )
    new = features[0].transform(X)
    np.testing.assert_allclose(
        clf.estimators_[0][-1].all_scores(new), alone.all_scores(new), rtol=1e-3, atol=1e-3
    )


def test_a_history_gives_the_copies_of_its_draws(sources):
    X, y = sources
    features = ANY_SIZE.estimators[0][1]
    clf = FusionClassifier(
        [("only", features)], perturbations=RandomHistory(draw=5), n_copies=2, cv=3
    ).fit(X, y)
    rows, parts = [features[0].transform(X)], [[0] * len(y)]
    for whole, own in copies_with_histories(X, (5, 6)):
        rows.append(np.concatenate([features[0].transform(image[np.newaxis]) for image in whole]))
        parts.append(own)
    assert {*parts[1]} == {*parts[2]} == {1, 2}
    alone = SubclassDiscriminantAnalysis().fit(
        np.concatenate(rows), np.tile(y, 3), subclasses=np.concatenate(parts)
    )
    new = features[0].transform(X)
    np.testing.assert_allclose(
        clf.estimators_[0][-1].all_scores(new), alone.all_scores(new), rtol=1e-3, atol=1e-3
    )


def pinball(values):
    """What a line with 5 % of the values below it has least of."""
    return np.maximum(0.05 * values, -0.95 * values).sum()


def least_pinball(values, columns):
    """Find the least of all combinations of columns and a constant, which pass through values."""
    rows = np.column_stack([columns, np.ones(len(values))])
    found = np.inf
    for chosen in map(list, combinations(range(len(values)), rows.shape[1])):
        if abs(np.linalg.det(rows[chosen])) > 1e-9:
            found = min(
                found, pinball(values - rows @ np.linalg.solve(rows[chosen], values[chosen]))
            )
    return found


def test_sizes_of_images_are_taken_off_their_typicality(sources):
    X, y = sources
    clf = clone(ANY_SIZE).set_params(n_copies=2).fit(X, y)
    sizes = [[np.log(72 * 80)] * len(X)]
    for whole, _ in copies_with_histories(X, (0, 1)):
        sizes.append([np.log(image.shape[0] * image.shape[1]) for image in whole])
    sizes = np.transpose(sizes).ravel()
    assert clf.usual_log_size_ == pytest.approx(np.log(72 * 80))
    above = sizes - np.log(72 * 80)
    columns = np.stack([np.minimum(above, 0), np.maximum(above, 0)], axis=1)
    own = clf.out_of_fold_typicality_[np.arange(len(sizes)), clf.out_of_fold_codes_]
    plain = own + columns @ clf.size_slopes_
    assert len(own) == 45 and clf.size_slopes_.all()
    least = min(pinball(own - constant) for constant in own)
    assert least == pytest.approx(least_pinball(plain, columns), rel=1e-6)
    mixed = [X[0], X[1, :40, :50], X[2].repeat(2, axis=0)]
    actual = clf.typicality_scores(mixed)
    np.testing.assert_allclose(clf._both_scores(mixed)[:, 1], actual)
    (below, beyond), clf.size_slopes_ = clf.size_slopes_, np.zeros(2)
    taken = clf.typicality_scores(mixed) - actual
    expected = [0, below * np.log(40 * 50 / (72 * 80)), beyond * np.log(2)]
    np.testing.assert_allclose(taken, np.tile(expected, (3, 1)).T, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("n_images", [10, 2000, 10**6])
def test_of_many_images_there_are_fewer_copies(n_images):
    least, most = NUMBERS_OF_COPIES
    expected = min(max(ALL_COPIES // n_images, least), most)
    assert (expected == most) == (n_images == 10)
    assert (expected == least) == (n_images == 10**6)
    clf = FusionClassifier([("only", discriminant())], perturbations=RandomHistory())
    image = np.zeros((1, 64, 64, 3))
    assert len(clf._versions(n_images, image).chains) == 1 + expected
    assert not clf._versions(n_images, image).quartered
    assert clone(ANY_SIZE).set_params(n_copies="auto")._versions(n_images, image).quartered == (
        n_images == 10
    )
    assert not clone(ANY_SIZE)._versions(n_images, image).quartered
    assert len(clf.set_params(n_copies=7)._versions(n_images, image).chains) == 8
    assert len(clf.set_params(perturbations=COPIES)._versions(n_images, image).chains) == 6


def test_a_saved_fusion_answers_alike(sources, tmp_path):
    X, y = sources
    clf = clone(ANY_SIZE).fit(X, y)
    save_model(clf, tmp_path / "model.skops")
    again = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(again.class_scores(X), clf.class_scores(X))
    np.testing.assert_array_equal(again.typicality_scores(X), clf.typicality_scores(X))
    assert again.score_names_ == clf.score_names_
    assert again.versions_ == clf.versions_


def test_an_empty_list_makes_no_copies(make_images):
    X, y = make_images(n_per_class=4, shape=(24, 24, 3))
    members = [("lda", discriminant()), ("first", fingerprint())]
    clf = FusionClassifier(members, perturbations=[]).fit(X, y)
    expected = FusionClassifier(members).fit(X, y)
    np.testing.assert_array_equal(clf.out_of_fold_scores_, expected.out_of_fold_scores_)
    assert clf.versions_ == expected.versions_ == ["original"]
    assert expected.floors_.shape == (0,)


def test_rows_stay_at_their_length(sources):
    X, y = sources
    rows, history = X.reshape(len(X), -1), RandomHistory(image_shape=(72, 80, 3))
    clf = FusionClassifier([("only", discriminant())], perturbations=history, n_copies=1)
    clf.fit(rows, y)
    assert clf.n_features_in_ == rows.shape[1]
    images = np.concatenate([rows, history.transform(rows)])
    expected = discriminant().fit(images, np.tile(y, 2))
    np.testing.assert_allclose(
        clf.estimators_[0].decision_function(rows),
        expected.decision_function(rows),
        rtol=1e-5,
        atol=1e-5,
    )
    with pytest.warns(UserWarning, match="RandomHistory got rows without image_shape"):
        clf.set_params(perturbations=RandomHistory()).fit(rows[:, :500], y)


@pytest.mark.parametrize(
    ("member", "perturbations", "message"),
    [
        (fingerprint(), ["resize 0.75"], r"'resize 0.75' leads to images of shape \(54, 60\)"),
        (fingerprint(), RandomHistory(crop=(1, 0.5, 0.5)), "begins with ResidualTransformer"),
        (fingerprint(), "jpeg 75", "must be a sequence such as"),
        (fingerprint(), ["jpg"], "got 'jpg'"),
        (fingerprint(), 3, "'perturbations' parameter"),
    ],
)
def test_copies_that_a_classifier_does_not_take_are_refused(
    sources, member, perturbations, message
):
    clf = FusionClassifier([("only", member)], perturbations=perturbations, n_copies=1)
    with pytest.raises(ValueError, match=message):
        clf.fit(*sources)


def test_rows_of_another_length_are_refused(sources):
    X, y = sources
    clf = FusionClassifier([("only", LogisticRegression())], perturbations=["resize 0.75"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="begins with LogisticRegression does not take"):
            clf.fit(X.reshape(len(X), -1), y)
