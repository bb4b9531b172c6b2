"""What the pages load: their own style and script, and the bundles of the chart and table libraries."""

import re
from importlib.util import find_spec
from pathlib import Path

STATIC = Path(__file__).parent / "static"


def assets() -> dict[str, bytes]:
    """name -> content of every file in `assets/`.

    Plotly's bundle is taken as it is. That of DataTables is a module, which a page opened from disk may not import:
    it is wrapped into a function that puts its constructor where `site.js` finds it.
    """
    tables = (_package("itables") / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    exports = list(re.finditer(r"export\s*\{([^}]*)\};?", tables))[-1]
    names = {public: own for own, public in re.findall(r"([\w$]+) as ([\w$]+)", exports[1])}
    body = f"{tables[: exports.start()]}window.DataTable={names['default']};{tables[exports.end() :]}"
    found = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
    found["plotly.min.js"] = (_package("plotly") / "package_data" / "plotly.min.js").read_bytes()
    found["datatables.min.js"] = f"(()=>{{{body}\n}})();\n".encode()
    return found


def _package(name: str) -> Path:
    """The folder of an installed package."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"The site needs the package `{name}`; `pip install {name}` brings it.")
    return Path(spec.origin).parent
