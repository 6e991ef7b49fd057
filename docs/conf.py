"""Configuration of the site. ``make docs`` builds it; it needs no network, nor do its pages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import eccvkit

project = "eccvkit"
author = "The eccvkit authors"
project_copyright = author
release = version = eccvkit.__version__

extensions = [
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx.ext.githubpages",
    "mathml",
    "generate",
    "nearest",
]
# Included by other pages, not pages themselves.
exclude_patterns = ["_build", "_generated", "**/.ipynb_checkpoints"]

# Notebooks are stored with their outputs: a build never executes them.
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # the default is fetched from a CDN
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

napoleon_google_docstring = False
napoleon_use_ivar = True  # "Attributes" sections must not clash with documented fields
add_module_names = False
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "eccvkit"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("filter.js", {"defer": "defer"})]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "eccvkit", "alt_text": "eccvkit"},
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {page: [] for page in ("index", "gallery", "ledger", "citing", "chapters/**")}
