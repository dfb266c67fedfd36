"""Sphinx's configuration. Nothing that a page loads comes from anywhere else."""

from service import __version__

project = "Numbergate"
release = __version__
extensions = ["myst_parser"]
exclude_patterns = [".doctrees"]
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
html_theme = "furo"
html_title = "Numbergate"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
