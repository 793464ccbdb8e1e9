"""Texts made fit for their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

# Names of any letters and numbers, which take too long as files that a command is run on.
from sklearn_ganprint.cli._console import one_line
from sklearn_ganprint.cli._pages import file_slugs, slugs


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["pggan_car", "Camera-2"], ["pggan_car", "Camera-2"]),
        (["a b", "a/b", "a.b"], ["a-b", "a-b-2", "a-b-3"]),
        (["a b", "a-b-2", "a-b"], ["a-b", "a-b-2", "a-b-3"]),
        (["Real", "real"], ["Real", "real-2"]),
        (["日本", "中国"], ["-", "--2"]),
        ([3, 7], ["3", "7"]),
    ],
)
def test_slugs(names, expected):
    assert slugs(names) == dict(zip(map(str, names), expected, strict=True))


@given(st.lists(st.text(alphabet="aA-2 ./é", max_size=5)))
def test_slugs_are_plain_and_keep_names_apart(names):
    found = slugs(names)
    assert set(found) == set(names)
    assert len({slug.lower() for slug in found.values()}) == len(set(names))
    assert set("".join(found.values())) <= set("aA-2") | set("0123456789")


def test_slugs_are_names_that_any_file_system_takes():
    names = ["x" * 250, "x" * 251, "X" * 252, *(f"dir/{n}/" + "y" * 99 for n in range(300))]
    found = slugs(names)
    assert max(map(len, found.values())) < 100
    assert len({slug.lower() for slug in found.values()}) == len(names)


def test_one_line():
    assert one_line("a\nb\x1b[2J\udcff") == r"a b\x1b[2J\xff"


def test_file_slugs():
    found = file_slugs(["a/x.png", "b/X.jpg", "b/x y.png", "c/x.png"])
    assert list(found.values()) == ["x", "X-2", "x-y", "x-3"]
