"""Messages and progress."""

import io
import re
import time
import warnings

import pytest

# Streams that are terminals, and tables of any cells.
from sklearn_ganprint.cli._console import (
    Column,
    Messages,
    Table,
    plain_warnings,
    print_results,
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_progress_in_a_log_is_ten_lines():
    stream = io.StringIO()
    with Messages(stream).progress("fitting") as update:
        for done in range(1, 1001):
            update(done, 1000)
    lines = stream.getvalue().splitlines()
    assert lines == [f"fitting: {done} of 1000" for done in range(100, 1001, 100)]


def test_progress_of_a_second_pass_is_shown():
    stream = io.StringIO()
    with Messages(stream).progress("fitting") as update:
        for done in (30, 60, 60, 30, 60):
            update(done, 60)
    lines = [f"{title}: {n} of 60" for title in ("fitting", "fitting, pass 2") for n in (30, 60)]
    assert stream.getvalue().splitlines() == lines


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("csv", "name,score,list\n=1,-0.333333,a; -b\n-1,1,\n"),
        ("spreadsheet", "name,score,list\n'=1,-0.333333,a; -b\n'-1,1,\n"),
    ],
)
def test_numbers_stay_numbers_in_every_csv(capsys, form, expected):
    columns = [Column(key, key) for key in ("name", "score", "list")]
    rows = [{"name": "=1", "score": -1 / 3, "list": ["a", "-b"]}, {"name": "-1", "score": 1.0}]
    print_results(form, {}, Table(columns, rows))
    assert capsys.readouterr().out == expected.replace("a; -b", '"a; -b"')


def test_titles_are_no_markup_and_no_commands():
    stream = Terminal()
    with Messages(stream).progress("reading [/red]\x1b]0;x\x07\u202e") as update:
        update(3, 10)
        time.sleep(0.2)
    assert r"reading [/red]\x1b]0;x\x07\u202e" in stream.getvalue()


def test_progress_on_a_terminal_keeps_messages_apart():
    stream = Terminal()
    messages = Messages(stream)
    with messages.progress("fitting") as update:
        update(3, 10)
        messages.say("[red]file.png: is damaged")
        time.sleep(0.2)  # of the bar's own pace
    messages.say("done")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "[red]file.png: is damaged\n" in text
    assert "3/10" in text
    assert text.endswith("done\n")


def test_a_warning_is_shown_once(capsys):
    with plain_warnings():
        for text in ("no such letter", "something else", "no such letter"):
            warnings.simplefilter("always")
            warnings.warn(text, stacklevel=1)
    lines = ["warning: no such letter", "warning: something else"]
    assert capsys.readouterr().err.splitlines() == lines
