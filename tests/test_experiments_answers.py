"""Answers held against the truth, by a loop over images."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from sklearn_ganprint.experiments import judge_answers

NAMES = ("right", "unsure", "unknown", "wrong", "accuracy", "coverage")


@pytest.fixture
def case():
    """Scores, codes, known images and sets, of known sources and unknown ones."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(200, 4))
    codes = rng.integers(-1, 4, size=200)
    scores[np.arange(200), codes] += 1.5 * (codes >= 0)
    return scores, codes, rng.random(200) > 0.3, scores >= scores.max(axis=1, keepdims=True) - 0.7


def outcome(scores, code, known, members):
    """The answer for one image, in words."""
    if not known:
        return "unknown"
    named = [source for source, held in enumerate(members) if held]
    named = named or [int(np.argmax(scores))]
    if code not in named:
        return "wrong"
    return "right" if named == [code] else "unsure"


@pytest.mark.parametrize("with_sets", [True, False])
@pytest.mark.parametrize("foreign", [True, False])
def test_shares_are_those_of_a_loop(case, with_sets, foreign):
    scores, codes, known, sets = case
    chosen = np.arange(200) % 3 > 0
    answers = judge_answers(scores, codes, known=known, sets=sets if with_sets else None)
    shares = answers.shares(chosen, foreign=foreign)
    own = [i for i in range(200) if chosen[i] and (codes[i] < 0) == foreign]
    members = sets if with_sets else np.zeros_like(sets)
    found = [outcome(scores[i], codes[i], known[i], members[i]) for i in own]
    expected = {name: found.count(name) / len(own) for name in ("unknown", "wrong")}
    if not foreign:
        expected |= {name: found.count(name) / len(own) for name in ("right", "unsure")}
        expected["accuracy"] = np.mean([np.argmax(scores[i]) == codes[i] for i in own])
        if with_sets:
            expected["coverage"] = expected["right"] + expected["unsure"]
    assert shares.images == len(own)
    for name in NAMES:
        np.testing.assert_allclose(getattr(shares, name), expected.get(name, np.nan))
    size = np.mean([sets[i].sum() for i in own if known[i]]) if with_sets else np.nan
    np.testing.assert_allclose(shares.set_size, size)


def test_each_image_has_one_outcome(case):
    scores, codes, known, sets = case
    answers = judge_answers(scores, codes, known=known, sets=sets)
    for row in range(200):
        expected = outcome(scores[row], codes[row], known[row], sets[row])
        flags = {name: bool(getattr(answers, name)[row]) for name in ("right", "unsure", "wrong")}
        flags["unknown"] = not answers.known[row]
        assert [name for name, flag in flags.items() if flag] == [expected]


def test_intervals_are_wilsons(case):
    scores, codes, known, sets = case
    shares = judge_answers(scores, codes, known=known, sets=sets).shares()
    assert set(shares.intervals) == set(NAMES)
    for name, interval in shares.intervals.items():
        count = round(getattr(shares, name) * shares.images)
        reference = binomtest(count, shares.images).proportion_ci(method="wilson")
        np.testing.assert_allclose(interval, (reference.low, reference.high))


def test_shares_of_no_image_and_as_plain_values(case):
    scores, codes, *_ = case
    answers = judge_answers(scores, codes)
    empty = answers.shares(np.zeros(200, dtype=bool))
    assert json.loads(json.dumps(empty.to_dict())) == {
        **{"images": 0, "set_size": None, "intervals": {}},
        **dict.fromkeys(NAMES),
    }
    (row,) = answers.shares().rows()
    assert row["accuracy"] == row["right"] > 0.5 and row["coverage"] is None
    assert "intervals" not in row


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scores": np.zeros(200)}, r"shape \(n, n_classes\), got the shape \(200,\)"),
        ({"scores": np.full((200, 4), np.nan)}, "some NaN"),
        ({"codes": np.zeros(3, dtype=int)}, r"Expected codes and known of shape \(200,\)"),
        ({"sets": np.zeros((200, 3), dtype=bool)}, r"sets of shape \(200, 4\)"),
        ({"codes": np.full(200, 4)}, "to 3, got"),
        ({"codes": np.full(200, 0.5)}, "codes: expected whole numbers"),
    ],
)
def test_what_does_not_go_together_is_refused(case, changed, message):
    scores, codes, known, sets = case
    given = {"scores": scores, "codes": codes, "known": known, "sets": sets} | changed
    with pytest.raises(ValueError, match=message):
        judge_answers(**given)
