"""The commands by images in an S3 store, which a server on this machine has."""

import json
import logging
import shutil
import socket

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from sklearn_ganprint.datasets import ImageReader, ImageReadError, list_images

_DENIED = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::bucket/images/a/denied.png",
}


@pytest.fixture(scope="module")
def server():
    """The address of a store."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(server, monkeypatch):
    """A client of a store with an empty bucket, which workers find too."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    client = fsspec.filesystem("s3")
    client.mkdir("bucket")
    yield client
    client.rm("bucket", recursive=True)


def test_answers_are_those_of_files_on_disk(client, image_folder, fit, ganprint, tmp_path):
    folder, _, _ = image_folder(n_per_class=4)
    client.put(f"{folder}/", "bucket/images/", recursive=True)
    found = []
    for place, workers in ((str(folder), 1), ("s3://bucket/images", 2)):
        model = tmp_path / "model.skops"
        status, fitted, err = fit(place, model, "--format", "json", "--force", "--jobs", workers)
        assert status == 0, err
        status, told, err = ganprint("predict", model, place, "--format", "json")
        assert status == 0, err
        found.append([json.loads(text.replace(place, "PLACE")) for text in (fitted, told)])
    assert found[0] == found[1]
    assert found[0][1]["results"][0]["file"] == "PLACE/a/000.png"


def test_what_cannot_be_fetched_is_named(client, image_folder, fit, tmp_path):
    folder, paths, _ = image_folder(n_per_class=3)
    client.put(f"{folder}/", "bucket/images/", recursive=True)
    with open(paths[0], "rb") as stream:
        whole = stream.read()
    client.pipe("bucket/images/a/cut.png", whole[: len(whole) // 2])
    client.pipe("bucket/images/a/empty.png", b"")
    client.pipe("bucket/images/a/denied.png", whole)
    policy = {"Version": "2012-10-17", "Statement": [_DENIED]}
    client.call_s3("put_bucket_policy", Bucket="bucket", Policy=json.dumps(policy))
    client.pipe("bucket/list.csv", b"path,label\nimages/a/none.png,a\n")
    status, out, err = fit("s3://bucket/images", tmp_path / "m.skops", "--format", "json")
    assert status == 1, err
    place = "s3://bucket/images/a/"
    reasons = {
        row["file"].removeprefix(place): row["reason"] for row in json.loads(out)["failures"]
    }
    words = {"cut.png": "truncated", "denied.png": "is denied", "empty.png": "is empty"}
    assert all(word in reasons.pop(name) for name, word in words.items()) and not reasons
    status, _, err = fit("s3://bucket/list.csv", tmp_path / "n.skops")
    assert status == 2 and "s3://bucket/images/a/none.png: cannot be opened: There is no" in err


def test_archives_in_a_store_are_read_in_place(client, image_folder, tmp_path):
    folder, paths, _ = image_folder(n_per_class=2)
    for kind in ("zip", "tar"):
        client.put(shutil.make_archive(tmp_path / "images", kind, folder), f"bucket/i.{kind}")
        names = list_images(f"s3://bucket/i.{kind}").filenames
        assert names[0] == f"s3://bucket/i.{kind}/a/000.png" and len(names) == 6
        read = ImageReader().read(names[::5])
        assert (read == ImageReader().read(paths[::5])).all()


def test_what_has_changed_in_a_store_is_seen(client, image_folder):
    folder, paths, _ = image_folder(n_per_class=1)
    client.put(f"{folder}/", "bucket/images/", recursive=True)
    assert len(list_images("s3://bucket/images").filenames) == 3
    other = fsspec.get_filesystem_class("s3")(skip_instance_cache=True)
    other.put(paths[0], "bucket/images/a/new.png")
    assert len(list_images("s3://bucket/images").filenames) == 4


def test_a_store_that_does_not_answer_is_given_up(client, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as dead:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{dead.getsockname()[1]}")
        monkeypatch.setattr(type(client), "retries", 1)
        config = {"read_timeout": 0.1, "retries": {"max_attempts": 0}}
        monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": config})
        with pytest.raises(ImageReadError, match=r"s3://bucket/1.png: .*(?i:time)"):
            ImageReader().read_one("s3://bucket/1.png")
