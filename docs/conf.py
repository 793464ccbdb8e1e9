"""Sphinx configuration."""

import os
import sys
from pathlib import Path

# The gallery draws off screen, and its diagrams of estimators link to pages beside it.
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["GANPRINT_DOCS"] = "../../api/generated"

sys.path.insert(0, str(Path(__file__).parent))

import make_pictures  # noqa: E402

import sklearn_ganprint  # noqa: E402

project = "sklearn_ganprint"
author = "The sklearn_ganprint developers"
copyright = "2026, the sklearn_ganprint developers"
version = release = sklearn_ganprint.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "sphinx_reredirects",
]
exclude_patterns = ["_build", "samples", "examples", "auto_examples/*.ipynb"]
templates_path = ["_templates"]

html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "logo": {"text": "sklearn_ganprint"},
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_nav_level": 1,
}
# All pages stand in one column of captions; the bar on top has the search alone.
html_theme_options |= {"navbar_center": [], "navbar_end": ["theme-switcher"]}
html_sidebars = {"**": ["sidebar-nav-whole"]}
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
toc_object_entries_show_parents = "hide"

# Former names of pages.
redirects = {
    "blind": "clustering.html",
    "first_order": "better_fingerprints.html",
    "second_order": "autocorrelation.html",
    "robustness": "augmentation.html",
    "auto_examples/plot_second_order": "attribution/plot_autocorrelation.html",
}
# Examples stood in one folder once.
redirects |= {
    f"auto_examples/{path.stem}": f"{path.parent.name}/{path.stem}.html"
    for path in Path(__file__).parent.glob("examples/*/plot_*.py")
}

# Links to what other projects document. Their inventories are fetched only where that is asked
# for, so that the documentation builds without a network.
intersphinx_mapping = {}
if os.environ.get("GANPRINT_INTERSPHINX"):
    intersphinx_mapping = {
        "joblib": ("https://joblib.readthedocs.io/en/stable", None),
        "matplotlib": ("https://matplotlib.org/stable", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "python": ("https://docs.python.org/3", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "skops": ("https://skops.readthedocs.io/en/stable", None),
    }

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    # an example that fails fails the build
    "abort_on_example_error": True,
    "show_memory": False,
    "write_computation_times": False,
    "remove_config_comments": True,
    "download_all_examples": False,
    "subsection_order": ["examples/attribution", "examples/evaluation", "examples/scores", "*"],
    "within_subsection_order": "FileNameSortKey",
    # one page of thumbnails, none for each section
    "nested_sections": False,
    # examples that use a class are shown on its page
    "backreferences_dir": "api/backreferences",
    "doc_module": ("sklearn_ganprint",),
}


def setup(app):
    """Make the pictures of the front page before it is read."""
    app.connect(
        "builder-inited", lambda app: make_pictures.make_front_page(Path(app.srcdir, "pictures"))
    )
