"""What the pages load: the site's own style and script, and the bundles of the chart and table libraries.

Everything is copied into the site, so that pages work without a network.
"""

import re
from importlib.util import find_spec
from pathlib import Path

STATIC = Path(__file__).parent / "static"


def collect_assets() -> dict[str, bytes]:
    """File name -> content of every file in the site's folder `assets/`.

    Plotly's bundle is copied unchanged. The DataTables bundle is an ES module, which browsers refuse to import on a
    page opened from disk; it is wrapped into a function that puts its default export where `site.js` looks for it.

    Raises:
        ModuleNotFoundError: one of the packages that bring the bundles is not installed.
    """
    tables = (_package("itables") / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    # A module's exports come last; what looks like one before may be inside a string.
    exports = list(re.finditer(r"export\s*\{([^}]*)\};?", tables))[-1]
    names = {public: own for own, public in re.findall(r"([\w$]+) as ([\w$]+)", exports[1])}
    body = f"{tables[: exports.start()]}window.DataTable={names['default']};{tables[exports.end() :]}"
    files = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
    files["plotly.min.js"] = (_package("plotly") / "package_data" / "plotly.min.js").read_bytes()
    files["datatables.min.js"] = f"(()=>{{{body}\n}})();\n".encode()
    return files


def _package(name: str) -> Path:
    """The folder of an installed package, without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"The site needs the package `{name}`; `pip install {name}` brings it.")
    return Path(spec.origin).parent
