"""Sphinx configuration."""

import os

import sklearn_ganprint

# The gallery draws off screen.
os.environ.setdefault("MPLBACKEND", "agg")

project = "sklearn_ganprint"
author = "The sklearn_ganprint developers"
copyright = "2026, the sklearn_ganprint developers"
version = release = sklearn_ganprint.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "samples", "examples", "auto_examples/*.ipynb"]
templates_path = ["_templates"]
html_theme = "alabaster"
html_theme_options = {
    "description": "Fingerprint attribution for scikit-learn",
    "page_width": "1040px",
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
    "download_all_examples": False,
    "within_subsection_order": "FileNameSortKey",
}
