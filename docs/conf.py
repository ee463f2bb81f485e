"""Sphinx's settings: `sphinx-build -W -n -b html docs OUT`."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "channels_socketio.tests.settings"

import django  # noqa: E402

django.setup()

import channels_socketio  # noqa: E402

project = "channels-socketio"
release = version = channels_socketio.__version__
copyright = re.findall(r"Copyright \(c\) (.*)", (ROOT / "LICENSE").read_text())[0]  # noqa: A001

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinxcontrib.mermaid"]
default_role = "code"  # what stands in backticks in docstrings

myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

mermaid_height = "auto"
mermaid_fullscreen = False

html_theme = "furo"
html_title = f"channels-socketio {version}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]

# Annotations name types of modules that are no part of the public surface.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
nitpick_ignore_regex = [("py:(class|exc|obj)", r"(?!channels_socketio\.\w+$).*")]
