"""Who may import whom, read from the source of every module; and what must not load torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOPS = ("mtlbench", "bench", "suites", "leaderboard", "benchmarks", "documentation", "tests")
RECORDS = ("bench.errors", "bench.records", "bench.scores")
CONTRACTS = (*RECORDS, "bench.catalogue", "bench.core", "bench.kinds")  # what every runner of methods knows
ROOM_NAMES = ("boards", "store", "analysis", "claims", "trust", "intake", "report", "ask", "figures", "site")
ROOMS = tuple(f"leaderboard.{name}" for name in ROOM_NAMES)

# What a module may import of the project; the longest prefix that fits decides. `.` is its own package.
ALLOWED: dict[str, tuple[str, ...]] = {
    # From the ground to the roof: each room of the harness may import those below it that its row names.
    "bench.__init__": (),
    "bench.errors": (),
    "bench.system": (".", "bench.errors"),
    "bench.kinds": ("bench.errors",),
    "bench.stored_statistics": ("bench.kinds",),
    "bench.joint_kinds": ("bench.kinds", "bench.stored_statistics"),
    "bench.level_kinds": ("bench.kinds", "bench.stored_statistics"),
    "bench.tag_kinds": ("bench.kinds", "bench.stored_statistics"),
    "bench.scores": (
        *("bench.kinds", "bench.joint_kinds", "bench.level_kinds", "bench.stored_statistics", "bench.tag_kinds"),
    ),
    "bench.records": (".", "bench.errors", "bench.scores"),
    "bench.core": (".", *RECORDS),
    "bench.toolbox": (".", "bench.core", "bench.errors"),
    "bench.catalogue": (".", "bench.core", "bench.errors", "bench.records"),
    "bench.api": ("bench.catalogue", "bench.core", *RECORDS),
    # Parts of methods: through the contract and the toolbox, as outsiders. A package imports its own modules, too.
    "bench.backbones": ("bench.api", "bench.errors", "bench.toolbox"),
    "bench.sharing": (".", "bench.api", "bench.toolbox"),
    "bench.sharing.m3t": ("bench.api", "bench.linear", "bench.toolbox"),  # its first step is the solver's group lasso
    "bench.constraints": (".", "bench.api", "bench.toolbox"),
    "bench.weightings": (".", "bench.api", "bench.toolbox"),
    # Copied by `mtlbench new`: written as outsiders write parts, a metric beside a suite that is there.
    "bench.templates": ("bench.api", "bench.backbones", "suites.synthetic"),
    "bench.linear": (".", "bench.catalogue", "bench.core", "bench.errors", "bench.records"),
    "bench.planning": (".", "bench.catalogue", "bench.core", *RECORDS, "bench.linear"),
    "bench.loop": (".", "bench.catalogue", "bench.core", "bench.errors", "bench.records", "bench.toolbox"),
    "bench.training": (".", *CONTRACTS, "bench.linear", "bench.loop", "bench.planning", "bench.system"),
    "bench.check": (".", *CONTRACTS, "bench.api", "bench.loop", "bench.planning", "bench.training"),
    "bench.perf": (".", *CONTRACTS, "bench.linear", "bench.loop", "bench.planning", "bench.training"),
    "bench.judge": (".", *CONTRACTS, "bench.check", "bench.planning", "bench.system", "bench.training"),
    "bench.engines": (".", "bench.errors", "bench.records", "bench.system"),
    "bench.prediction": (
        *(".", *CONTRACTS, "bench.system", "bench.training"),
        *("leaderboard.store",),
    ),
    "bench.execution": (
        *(".", *CONTRACTS, "bench.engines", "bench.judge", "bench.planning", "bench.system", "bench.training"),
        "leaderboard",
    ),
    "bench.cli": ("bench", "suites", "leaderboard"),
    # Beside the one import, what reads files: its child does not load torch.
    "suites": (
        *(".", "bench.api", "bench.backbones", "bench.errors", "bench.system", "bench.toolbox"),
        "suites._shared",
    ),
    "suites.__init__": ("suites._own",),  # `import_table`, when it is called
    "submissions": ("bench.api", "bench.toolbox"),  # plug-ins that lie in leaderboard/submissions
    # From the ground to the roof: each package of the leaderboard may import those below it.
    "leaderboard.__init__": ("leaderboard.boards", "leaderboard.store"),
    "leaderboard.boards": (".", *RECORDS),
    "leaderboard.store": (".", "bench.errors", "bench.system.files", "bench.records", "bench.system.regular"),
    "leaderboard.analysis": (".", *RECORDS, "leaderboard.boards"),
    "leaderboard.claims": (".", *RECORDS, *ROOMS[:3]),
    "leaderboard.trust": (".", *RECORDS, *ROOMS[:3]),
    "leaderboard.intake": (".", *RECORDS, "bench.catalogue.source_text", *ROOMS[:5]),
    "leaderboard.report": (".", *RECORDS, *ROOMS[:6]),
    "leaderboard.export": (".", *RECORDS, *ROOMS[:3]),
    "leaderboard.ask": (".", *RECORDS, *ROOMS[:7]),
    "leaderboard.figures": (".", *RECORDS, *ROOMS[:7]),
    "leaderboard.site": (".", *RECORDS, *ROOMS[:7], "leaderboard.export"),
    # The library: it may import everything, and nobody but what stands outside imports it.
    "mtlbench": ("mtlbench", "bench", "suites", "leaderboard"),
    "benchmarks": (".", "mtlbench", "bench", "suites", "leaderboard"),
    "documentation": (".", "bench", "leaderboard"),  # what they say of themselves, as pages
    "tests": ("mtlbench", "bench", "suites", "leaderboard", "benchmarks", "documentation", "tests"),
}

# What these modules may import of others than the standard library and the project.
THIRD_PARTY: dict[str, set[str]] = {
    "bench.errors": set(),
    "bench.system": set(),
    "bench.system.data_folder": {"platformdirs"},
    "bench.system.reading": {"numpy"},
    "bench.kinds": set(),
    "bench.stored_statistics": {"numpy"},
    "bench.joint_kinds": {"numpy"},
    "bench.level_kinds": {"numpy"},
    "bench.tag_kinds": {"numpy"},
    "bench.scores": {"numpy"},
    "bench.records": {"numpy", "pydantic"},
    "bench.catalogue": {"annotated_types", "pydantic"},
    "bench.core": {"numpy", "scipy", "torch"},
    "bench.toolbox": {"numpy", "scipy", "torch"},
    "bench.engines": {"ray", "torch"},
    "mtlbench.__init__": set(),  # the import itself costs nothing
    "leaderboard.export": {"pyarrow", "yaml"},
    "leaderboard.figures": {"matplotlib", "numpy"},
    "leaderboard": {"jinja2", "numpy", "pydantic", "pydantic_core", "rich", "scipy"},
}
ONLY_IN_TRAINING = {"lightning", "pytorch_lightning", "wandb"}


def within(name: str, prefix: str) -> bool:
    """Whether module `name` is `prefix` or inside it."""
    return name == prefix or name.startswith(f"{prefix}.")


def deciding(name: str, table: dict[str, tuple[str, ...]] | dict[str, set[str]]) -> str | None:
    """The longest prefix in `table` that `name` is within."""
    return max((prefix for prefix in table if within(name, prefix)), key=len, default=None)


@cache
def sources() -> dict[str, Path]:
    """Dotted name -> file of every module; a package is `name.__init__`, a submitted file `submissions.name.method`."""
    files = [file for top in TOPS for file in (ROOT / top).rglob("*.py")]
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in sorted(files)}
    return {
        name.removeprefix("leaderboard.") if name.startswith("leaderboard.submissions.") else name: file
        for name, file in names.items()
    }


def imports(name: str) -> Iterator[tuple[str, int]]:
    """(module, line) of every import in a module, at the top or inside a function."""
    for node in ast.walk(ast.parse(sources()[name].read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}, line {node.lineno}: imports are absolute in this project"
            for alias in node.names:  # `from bench import records` is the module bench.records
                full = f"{node.module}.{alias.name}"
                known = full in sources() or f"{full}.__init__" in sources()
                yield (full if known else str(node.module)), node.lineno


def package_of(name: str) -> str:
    """The package that `.` stands for; a suite's is its own folder, that of a part of a method its file or folder."""
    parts = ("bench.sharing", "bench.constraints", "bench.weightings")
    depth = (
        1
        if name.split(".")[0] in ("benchmarks", "documentation")
        else 3
        if any(within(name, part) for part in parts)
        else 2
    )
    return ".".join(name.split(".")[:depth])


def project_violations(name: str) -> list[str]:
    """Imports of the project that the table does not allow."""
    prefix = deciding(name, ALLOWED)
    if prefix is None:
        return [f"{name} is in no row of the table"]
    allowed = {package_of(name) if entry == "." else entry for entry in ALLOWED[prefix]}
    return [
        f"{name}, line {line}: {module}"
        for module, line in imports(name)
        if module.split(".")[0] in TOPS and not any(within(module, entry) for entry in allowed)
    ]


def foreign_violations(name: str) -> list[str]:
    """Imports of other packages that the second table does not allow."""
    foreign = {
        (module.split(".")[0], line)
        for module, line in imports(name)
        if module.split(".")[0] not in {*sys.stdlib_module_names, *TOPS}
    }
    prefix = deciding(name, THIRD_PARTY)
    limited = THIRD_PARTY[prefix] if prefix else {package for package, _ in foreign}
    if not within(name, "bench.training"):
        limited = limited - ONLY_IN_TRAINING
    return sorted(f"{name}, line {line}: {package}" for package, line in foreign if package not in limited)


def circle(top: str) -> list[str]:
    """Modules of `top` of which each imports the next and the last the first; empty where there are none."""
    graph = {
        name: {module if module in sources() else f"{module}.__init__" for module, _ in imports(name)} - {name}
        for name in sources()
        if within(name, top)
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_project_imports_follow_the_table() -> None:
    assert [violation for name in sources() for violation in project_violations(name)] == []


def test_other_packages_stay_where_they_belong() -> None:
    product = [name for name in sources() if not within(name, "tests")]
    assert [violation for name in product for violation in foreign_violations(name)] == []


@pytest.mark.parametrize("top", ["mtlbench", "bench", "suites", "leaderboard", "benchmarks"])
def test_no_imports_go_in_circles(top: str) -> None:
    assert circle(top) == []


def test_every_room_has_a_row_of_its_own() -> None:
    """No package or module at the second level is judged by a row above it."""
    names = {
        ".".join(name.split(".")[:2]) for name in sources() if within(name, "bench") or within(name, "leaderboard")
    }
    assert names - ALLOWED.keys() == set()


def test_a_circle_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also one that goes through a function and a package."""
    for name, line in {
        "leaderboard.store.__init__": "from leaderboard.store.first import a",
        "leaderboard.store.first": "from leaderboard.store import second",
        "leaderboard.store.second": "def f():\n    from leaderboard.store import Store",
    }.items():
        (tmp_path / name).write_text(line)
        monkeypatch.setitem(sources(), name, tmp_path / name)
    assert {name.rpartition(".")[2] for name in circle("leaderboard")} == {"__init__", "first", "second"}


def test_the_rule_sees_what_it_forbids(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The checks themselves, on modules that break each rule once."""
    bad = {
        "bench.sharing.bad": ("from bench.core.sharing import Sharing", "import bench.sharing.hard"),
        "bench.sharing.wide.__init__": ("import bench.sharing.hard", "from bench.core.suite import Suite"),
        "bench.sharing.wide.helper": ("from bench.sharing import wider", "import bench.core.sharing"),
        "bench.constraints.bad": ("from bench.weightings import uniform", "def f():\n    from bench import training"),
        "suites.bad.__init__": ("import bench.training.fit", "from suites.synthetic import Synthetic"),
        "leaderboard.bad": ("import bench.errors", "import torch"),  # it is in no package
        "leaderboard.store.bad": ("import bench.core", "from leaderboard.boards.board import boards"),
        "leaderboard.trust.bad": (
            "from leaderboard.store import Store",
            "def f():\n    import leaderboard.intake",
            "import torch",
        ),
        "bench.engines.bad": ("from tests import conftest", "import lightning as L"),
        "bench.cli.bad": ("import tests.conftest", "import wandb"),
        "suites.bad.suite": ("import mtlbench as mb", "from mtlbench.statistics import holm"),
    }
    for name, lines in bad.items():
        file = tmp_path / name
        file.write_text("\n".join(lines))
        monkeypatch.setitem(sources(), name, file)
        found = project_violations(name) + foreign_violations(name)
        assert len(found) == 2, (name, found)


@pytest.mark.parametrize(
    "statement",
    [
        "import bench.records, bench.scores, bench.errors",
        "import leaderboard",
        "import mtlbench",
        "import pkgutil, importlib, leaderboard\n"
        "for m in pkgutil.walk_packages(leaderboard.__path__, 'leaderboard.'): importlib.import_module(m.name)",
        "import bench.system.reading.child, suites._shared.mat_file",  # for every file that is read
        "import bench.cli.main",  # so that --help and a mistyped command answer at once
    ],
)
def test_torch_is_not_loaded(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint(sorted({{'torch', 'lightning', 'wandb', 'pandas'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
