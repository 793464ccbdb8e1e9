"""Pages, and how files get into their folder."""

import os

import jinja2
import pytest
from cli_helpers import no_leftovers

# What pages of any command share.
from sklearn_ganprint.cli._console import CommandError
from sklearn_ganprint.cli._pages import (
    check_folder,
    environment,
    percent,
    write_files,
)

OTHER_PAGE = """{% extends "page.html.jinja" %}
{% block title %}Of {{ name }}{% endblock %}
{% block style %}{{ super() }}em { color: red; }{% endblock %}
{% block main %}<p>{{ share | percent(1) }}</p>{% endblock %}"""


def test_another_page_has_the_same_style():
    template = environment().from_string(OTHER_PAGE)
    page = template.render(command="other", version="1.0", name="<b>", share=0.5)
    assert "<title>Of &lt;b&gt; – ganprint other</title>" in page
    assert "<h1>Of &lt;b&gt;</h1>" in page
    assert "<p>50.0\N{NO-BREAK SPACE}%</p>" in page
    assert "<footer>Made by <code>ganprint other</code>, sklearn_ganprint 1.0." in page
    assert page.index("--paper: #15191d") < page.index("em { color: red; }")


@pytest.mark.parametrize("values", [{}, {"name": "x"}, {"share": 0.5}])
def test_a_page_misses_no_value(values):
    with pytest.raises(jinja2.UndefinedError):
        environment().from_string(OTHER_PAGE).render(command="other", version="1.0", **values)


@pytest.mark.parametrize(
    ("args", "text"), [((0.125,), "12"), ((0.125, 1), "12.5"), ((1.0,), "100"), ((0.0, 2), "0.00")]
)
def test_percent(args, text):
    assert percent(*args) == f"{text}\N{NO-BREAK SPACE}%"


def test_write_files_replaces_only_its_own(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")
    last = write_files(str(tmp_path), [("a.txt", b"new"), ("deep/b.txt", b"b")])
    assert last == os.path.join(tmp_path, "deep/b.txt")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert (tmp_path / "deep/b.txt").read_bytes() == b"b"
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert no_leftovers(tmp_path) and no_leftovers(tmp_path / "deep")


def test_write_files_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files("", [("a.txt", b"a")])
    assert os.listdir() == ["a.txt"]


def test_check_folder(tmp_path):
    check_folder(str(tmp_path / "new"), force=False, files="its files")
    check_folder(str(tmp_path), force=False, files="its files")
    (tmp_path / "file").touch()
    check_folder(str(tmp_path), force=True, files="its files")
    with pytest.raises(CommandError, match=r"not empty.*its files.*--force"):
        check_folder(str(tmp_path), force=False, files="its files")
    with pytest.raises(CommandError, match="expected a folder, this is a file"):
        check_folder(str(tmp_path / "file"), force=True, files="its files")
