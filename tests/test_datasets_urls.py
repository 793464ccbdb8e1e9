"""Images at URLs: listed, fetched and named as files on disk are, without what is secret."""

import json
import pickle
import re
import socket
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import fsspec
import numpy as np
import pytest

from sklearn_ganprint import FileBatchEstimator, load_model, make_attribution_pipeline, save_model
from sklearn_ganprint.datasets import (
    ImageReader,
    ImageReadError,
    content_keys,
    inspect_images,
    list_images,
    load_image_folder,
)


@pytest.fixture
def in_memory(image_folder):
    """Images on disk, the same in fsspec's memory, and how that file system is asked."""
    folder, paths, labels = image_folder(n_per_class=2, labels=("a", "b"))
    memory = fsspec.filesystem("memory")
    memory.put(f"{folder}/", "/bucket/images/", recursive=True)
    yield folder, memory, paths
    memory.rm("/bucket", recursive=True)


class _Handler(SimpleHTTPRequestHandler):
    """Files in a folder, and paths that go wrong in a way of their own."""

    def do_GET(self):
        match self.path.partition("?"):
            case "/denied.png", _, _:
                self.send_error(403)
            case "/cut.png", _, _:
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"\x89PNG\r\n")
            case "/endless.png", _, _:
                self.send_response(200)
                self.end_headers()
                while True:
                    self.wfile.write(bytes(1 << 20))
            case _, _, "signature=wrong":
                self.send_error(403)
            case _:
                super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def web(image_folder):
    """Images in folders, and the address of a server that has them."""
    folder, paths, _ = image_folder(n_per_class=2, labels=("a", "b"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    server.handle_error = lambda *args: None  # of clients that hang up
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield paths, f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_folder_at_a_url_is_loaded_as_one_on_disk(in_memory):
    folder, memory, _ = in_memory
    memory.pipe("/bucket/images/.hidden/1.png", b"")
    memory.pipe("/bucket/images/a/Thumbs.db", b"")
    memory.pipe("/bucket/images/stray.png", b"x")
    local = load_image_folder(folder)
    with pytest.warns(UserWarning, match="Thumbs.db: left out"):
        remote = load_image_folder("memory://bucket/images", n_jobs=2)
    np.testing.assert_array_equal(remote.data, local.data)
    np.testing.assert_array_equal(remote.target, local.target)
    names = [f"memory://bucket/images/{a}/{n:03d}.png" for n, a in enumerate("aabb")]
    assert remote.filenames.tolist() == names
    (failure,) = remote.failures
    assert failure.filename == "memory://bucket/images/stray.png"


def test_layouts_are_found_at_urls(in_memory):
    _, memory, paths = in_memory
    places = ["0_real/1.png", "1_fake/2.png", "x/0_real/3.png", "x/1_fake/4.png"]
    for path, place in zip(paths, places, strict=True):
        memory.put(path, f"/bucket/nets/gan/{place}")
    table = b"image_path,target\n./1.png,0\nin/2.png,3\n"
    memory.pipe({"/bucket/art/a/metadata.csv": table, "/bucket/art/b/metadata.csv": table})
    for path, place in zip(paths, ["a/1.png", "a/in/2.png", "b/1.png", "b/in/2.png"], strict=True):
        memory.put(path, f"/bucket/art/{place}")
    nets = list_images("memory://bucket/nets", layout="forensynths")
    art = list_images("memory://bucket/art", layout="artifact")
    assert nets.labels.tolist() == ["gan", "gan", "real", "real"]
    assert art.labels.tolist() == ["a", "b", "real", "real"] and art.failures == []
    assert art.filenames[0] == "memory://bucket/art/a/in/2.png"


@pytest.mark.parametrize("at_url", [True, False])
def test_a_table_names_images_at_urls(in_memory, tmp_path, at_url):
    _, memory, paths = in_memory
    cells = ["memory://bucket/images/a/000.png", "memory://bucket/images/b/002.png"]
    if at_url:
        cells += ["a/001.png", "../images/b/003.png"]
    rows = "".join(f"{cell},{cell[-9:-8]}\n" for cell in cells)
    table = "memory://bucket/images/list.csv" if at_url else tmp_path / "list.csv"
    with fsspec.open(str(table), "w") as stream:
        stream.write(f"path,label\n{rows}")
    bunch = load_image_folder(table)
    own = [paths[int(cell[-5])] for cell in cells]
    np.testing.assert_array_equal(bunch.data, ImageReader().read(own))
    assert bunch.target_names.tolist() == ["/a", "/b"] or list(bunch.target_names) == ["a", "b"]


def test_what_is_not_there_is_named_and_the_rest_is_read(in_memory):
    paths = ["memory://bucket/images/a/000.png", "memory://bucket/none.png", "nowhere://x/1.png"]
    images, kept, failures = ImageReader().try_read(paths)
    assert len(images) == 1 and kept.tolist() == [0]
    assert str(failures[0]) == "memory://bucket/none.png: cannot be opened: There is no such file"
    assert "nowhere://x/1.png: cannot be opened: ValueError: Protocol not known" in str(failures[1])
    assert content_keys(paths)[1] == (-1, paths[1])
    with pytest.raises(OSError, match="memory://bucket/none"):
        load_image_folder("memory://bucket/none.csv")
    with pytest.raises(ValueError, match="memory://bucket/none: .* found no folder"):
        load_image_folder("memory://bucket/none", layout="nested")


def test_a_file_of_more_bytes_than_a_reader_takes_is_refused(in_memory):
    _, memory, _ = in_memory
    memory.pipe("/bucket/large.png", bytes((64 << 20) + 1))
    with pytest.raises(ImageReadError, match="large.png: .* more than 64 MiB"):
        ImageReader(max_pixels=1000).read_one("memory://bucket/large.png")


def test_an_empty_file_at_a_url(in_memory):
    _, memory, _ = in_memory
    memory.pipe("/bucket/empty.png", b"")
    with pytest.raises(ImageReadError, match="the file is empty"):
        ImageReader().read_one("memory://bucket/empty.png")


def test_a_file_on_disk_may_be_called_like_a_url(in_memory, tmp_path, monkeypatch):
    _, _, paths = in_memory
    monkeypatch.chdir(tmp_path)
    (tmp_path / "memory:").symlink_to(tmp_path / "sources")
    name = "memory://a/000.png"
    np.testing.assert_array_equal(ImageReader().read([name])[0], ImageReader().read_one(paths[0]))
    assert load_image_folder("memory://").filenames[0] == name


def test_without_fsspec_it_is_said_how_to_get_it(in_memory, monkeypatch, ganprint):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ImportError, match=r"s3://b/1.png: .*pip install 'sklearn_ganprint\[remote"):
        ImageReader().read(["s3://b/1.png"])
    status, _, err = ganprint("inspect", "s3://b/1.png")
    assert status == 2 and "pip install 'sklearn_ganprint[remote]'" in err


def test_a_page_that_lists_files_is_a_folder(web):
    paths, host = web
    bunch = load_image_folder(f"http://{host}/")
    np.testing.assert_array_equal(bunch.data, ImageReader().read(paths))
    assert bunch.filenames[0] == f"http://{host}/a/000.png"
    assert list_images(f"http://{host}/a/000.png", layout=None).filenames.tolist() == [
        f"http://{host}/a/000.png"
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.png", "There is no such file"),
        ("denied.png", "403"),
        ("cut.png", "payload is not completed"),
        ("endless.png", "more than 64 MiB"),
        ("a/000.png?signature=wrong", "403"),
    ],
)
def test_what_a_server_does_wrong_is_named(web, name, reason):
    paths, host = web
    urls = [f"http://user:hunter2@{host}/{name}", f"http://{host}/a/000.png?signature=right"]
    images, kept, (failure,) = ImageReader(max_pixels=2000).try_read(urls)
    assert kept.tolist() == [1] and len(images) == 1
    assert failure.filename == f"http://{host}/{name.partition('?')[0]}"
    assert re.search(reason, failure.reason) and not re.search("hunter2|signature", str(failure))
    assert not re.search("hunter2", repr(failure.__cause__) + repr(failure.__context__))


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    timeout = aiohttp.ClientTimeout(sock_read=0.2)
    monkeypatch.setitem(fsspec.config.conf, "http", {"client_kwargs": {"timeout": timeout}})
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/1.png"
        with pytest.raises(ImageReadError, match="1.png: .* timed out"):
            ImageReader().read_one(url)


def test_images_that_differ_in_their_query_alone_are_told_apart(web):
    paths, host = web
    urls = [f"http://{host}/a/000.png?x={x}" for x in (1, 2, 1)]
    keys, bunch = content_keys(urls), inspect_images(urls)
    name = f"http://{host}/a/000.png"
    assert len(keys) == 3 and bunch.filenames.tolist() == [name, f"{name} (2)", name]
    again = pickle.loads(pickle.dumps(bunch.filenames))
    assert len(ImageReader().read(again)) == 3


def test_nothing_secret_is_printed_or_saved(web, tmp_path, ganprint, model):
    paths, host = web
    model_path, _, _ = model
    secret = f"http://user:hunter2@{host}/a/000.png?signature=hunter2"
    lost = f"http://user:hunter2@{host}/a/none.png?signature=hunter2"
    kept = tmp_path / "case" / "kept"
    words = ["predict", model_path, secret, lost, paths[0], "--resume", kept]
    status, out, err = ganprint(*words, "--format", "json", "--out", tmp_path / "case", "--force")
    assert status == 1, err
    assert [row["file"] for row in json.loads(out)["results"]] == [
        f"http://{host}/a/000.png",
        f"http://{host}/a/none.png",
        paths[0],
    ]
    written = [path.read_bytes() for path in (tmp_path / "case").rglob("*") if path.is_file()]
    assert b"http://" in b"".join(written) and len(list(kept.rglob("results*"))) == 1
    for text in (out.encode(), err.encode(), *written):
        assert b"hunter2" not in text and b"signature" not in text
    ganprint("predict", model_path, secret, "--resume", kept)
    assert len(list(kept.rglob("results*"))) == 1  # nothing tells whether it has changed


@pytest.mark.parametrize("query", ["(1)&k=hunter2", "it's&k=hunter2", "a b=hunter2", "<a>hunter2"])
def test_a_query_of_any_signs_is_no_part_of_a_name(web, ganprint, query):
    _, host = web
    for path in ("none.png", "denied.png"):
        _, out, err = ganprint("inspect", f"http://{host}/{path}?{query}")
        assert f"http://{host}/{path}: cannot be opened" in err and "hunter2" not in out + err


def test_a_saved_model_has_no_secret_of_the_files_that_failed(web, tmp_path):
    _, host = web
    names = ["a/000.png", "a/001.png", "b/002.png", "b/003.png", "none.png"]
    urls = [f"http://user:hunter2@{host}/{name}?hunter2" for name in names]
    classifier = FileBatchEstimator(make_attribution_pipeline("fingerprint"), on_error=print)
    classifier.fit(urls, list("aabbb"))
    save_model(classifier, tmp_path / "model.skops")
    with zipfile.ZipFile(tmp_path / "model.skops") as members:
        assert not any(b"hunter2" in members.read(name) for name in members.namelist())
    loaded = load_model(tmp_path / "model.skops")
    assert loaded.failures_ == [
        (f"http://{host}/none.png", "cannot be opened: There is no such file")
    ]
    assert loaded.predict(urls[:1]).tolist() == classifier.predict(urls[:1]).tolist()
