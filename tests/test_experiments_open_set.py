import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from sklearn_ganprint.experiments import oscr

scores = st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=30)


@given(scores, scores, st.integers(0, 2**30))
def test_oscr_equals_the_count_of_pairs(known, unknown, bits):
    correct = [bool(bits >> i & 1) for i in range(len(known))]
    pairs = [
        right * (1.0 if k > u else 0.5 if k == u else 0.0)
        for k, right in zip(known, correct, strict=True)
        for u in unknown
    ]
    assert oscr(known, correct, unknown) == pytest.approx(np.mean(pairs))


@given(scores, scores)
def test_oscr_of_attributions_that_are_all_right_is_the_auroc(known, unknown):
    truth = np.repeat([1, 0], [len(known), len(unknown)])
    area = roc_auc_score(truth, known + unknown)
    assert oscr(known, np.ones(len(known)), unknown) == pytest.approx(area)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [True, False], [1.0]), "expected one length, got 1 and 2"),
        (([], [], [1.0]), "known: expected at least one score"),
        (([1.0], [True], []), "unknown: expected at least one score"),
        (([1.0, np.nan], [True, True], [1.0]), "known: expected scores, got NaN"),
        (([1.0], [True], [np.nan]), "unknown: expected scores, got NaN"),
    ],
)
def test_oscr_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        oscr(*arguments)
