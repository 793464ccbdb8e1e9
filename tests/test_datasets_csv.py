"""CSV files: every name comes back, and what cannot be read is refused."""

import csv
import io
import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

# Any names, which few file systems take.
from sklearn_ganprint._output import csv_bytes, csv_rows, csv_text
from sklearn_ganprint.datasets import load_image_folder

#: Names that POSIX file systems take: any bytes but NUL and slash.
NAMES = st.one_of(
    st.binary(min_size=1, max_size=12).map(os.fsdecode),
    st.text(" \t\r\n\",;=+-@'\u00a0\ufeff\u2028aé", min_size=1, max_size=6),
).filter(lambda name: not set(name) & {"\0", "/"})


@given(names=st.lists(st.tuples(NAMES, NAMES), min_size=1), spreadsheet=st.booleans())
@example(names=[("a.png ", "\u00a0x\t"), ("\r", '"')], spreadsheet=False)
@example(names=[("=1+1", "'=x"), ("''-x,y", "'"), ("@x", "+\n-")], spreadsheet=True)
@example(names=[("'=x", "'\t")], spreadsheet=False)
def test_any_name_comes_back(tmp_path_factory, names, spreadsheet):
    path = tmp_path_factory.getbasetemp() / "names.csv"
    path.write_bytes(csv_bytes(["path", "label"], names, spreadsheet=spreadsheet))
    rows = [(row["path"], row["label"]) for _, row in csv_rows(str(path), ("path", "label"))]
    assert rows == names


@given(names=st.lists(NAMES, min_size=1))
@example(names=["=1", "+1", "-1", "@a", "\t=1", "\r=1", " =1", "＝1", "a;=1", "a,=1"])
def test_spreadsheets_run_no_name(names):
    text = csv_text(["name", "value"], [(name, -0.5) for name in names], spreadsheet=True)
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert [row[1] for row in rows] == ["-0.5"] * len(names)  # numbers stay numbers
    assert not any(row[0].strip()[:1] in {*"=+-@＝＋－＠"} for row in rows if row[0].strip())
    raw = csv_text(["name"], [(name,) for name in names if not name.startswith("'")])
    cells = [row[0] for row in csv.reader(io.StringIO(raw, newline=""))][1:]
    assert cells == [name for name in names if not name.startswith("'")]


@pytest.fixture
def read(tmp_path):
    """Read a text as a list of paths and labels."""

    def make(text):
        path = tmp_path / "list.csv"
        path.write_text(text, encoding="utf-8", newline="")
        return [tuple(row.values()) for _, row in csv_rows(str(path), ("path", "label"))]

    return make


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na b.png,x\n",
        " path , label \n a b.png\t,\u00a0x \n",
        "path,label\r\n\r\n   \r\na b.png,x\r\n \t\r\n",
        "path,label\ra b.png,x\r\r",
        'label,"path"\nx , "a b.png" ',
        "\ufeffpath,label,note,note\na b.png,x,1,2\n",
        "\n\npath,label\na b.png,x",
    ],
)
def test_lists_written_by_hand(read, text):
    assert read(text) == [("a b.png", "x")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\n0.png,Canon, model 5D\n", 'line 2: expected 2 cells.*"Canon, model 5D"'),
        ("path,label\n\n0.png,Canon,\n", "line 3: expected 2 cells, as in line 1, found 3"),
        ("path,label,label\n0.png,a,b\n", "'label' is more than once"),
        ("path,label, label \n0.png,a,b\n", "'label' is more than once"),
        ('path,label\n"0.png,a\n1.png,b\n', "line 2 has a cell that begins with a quote"),
        ('path,label\n"0".png,a\n', "line 2 has a cell that begins with a quote"),
        ("path,label\n0.png\n", "line 2, column 'label'"),
        ('path,label\n"a\nb",c\n0.png, \n', "line 4, column 'label'"),
        ("p\0a\0t\0h\0", "UTF-16"),
    ],
)
def test_ambiguous_lists_are_refused(read, text, words):
    with pytest.raises(ValueError, match=words) as caught:
        read(text)
    assert "list.csv" in str(caught.value)


def test_labels_with_outer_spaces_survive_a_list(image_folder, tmp_path):
    folder, paths, _ = image_folder(n_per_class=2, labels=("x ", "\u00a0x", "x"))
    rows = [(path, os.path.basename(os.path.dirname(path))) for path in paths]
    (tmp_path / "list.csv").write_bytes(csv_bytes(["path", "label"], rows))
    listed = load_image_folder(tmp_path / "list.csv")
    assert listed.target_names.tolist() == load_image_folder(folder).target_names.tolist()
    assert len(listed.target_names) == 3
