"""The images that come with the package."""

from pathlib import Path

from sklearn.utils import Bunch

from sklearn_ganprint.datasets._folder import load_image_folder

_SAMPLES = Path(__file__).parent / "samples"


def load_samples(*, load_content: bool = True) -> Bunch:
    """Load the bundled images: the output of several GANs, and untouched photos.

    Parameters
    ----------
    load_content : bool, default=True
        Whether to read the pixels; without them the bunch has the file names and labels only.

    Returns
    -------
    Bunch
        As :func:`load_image_folder` returns it; ``groups`` names the photo that an image was
        made from, ``DESCR`` tells how the images were made and under which licences they are.

    See Also
    --------
    load_image_folder : Loads images of your own.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples()
    >>> samples.data.shape[1:]
    (128, 128, 3)
    >>> "real" in samples.target_names
    True
    """
    samples = load_image_folder(_SAMPLES / "samples.csv", load_content=load_content)
    samples["DESCR"] = (_SAMPLES / "SOURCES.md").read_text(encoding="utf-8")
    return samples
