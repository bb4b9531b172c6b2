"""The typed list of modules is a ModuleList to torch, and spares the type checks exemptions."""

import tomllib
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.api import Blueprint, Modules, Stage
from bench.planning.plan import parse_suite

ROOT = Path(__file__).parents[3]


def linear_maps(cls: type[nn.ModuleList]) -> nn.ModuleList:
    """Two linear maps from one seed, beside a list of one."""
    torch.manual_seed(0)
    return cls([nn.Linear(2, 3), cls([nn.Linear(3, 1)])])


def test_stored_states_are_those_of_a_module_list() -> None:
    ours, torchs = linear_maps(Modules).state_dict(), linear_maps(nn.ModuleList).state_dict()
    assert list(ours) == list(torchs) == ["0.weight", "0.bias", "1.0.weight", "1.0.bias"]
    assert all(torch.equal(ours[name], torchs[name]) for name in torchs)


def test_a_slice_is_a_typed_list_of_the_same_modules() -> None:
    whole = linear_maps(Modules)
    assert type(whole[1:]) is Modules
    assert list(whole[1:]) == [whole[1]]


@pytest.mark.parametrize("suite", ["synthetic", "multidigits"])
def test_a_blueprint_gives_stages(suite: str) -> None:
    stages = Blueprint(parse_suite(suite)[1], seed=0).backbone()
    assert type(stages) is Modules
    assert {type(stage) for stage in stages} == {Stage}


def test_no_module_of_the_project_is_exempt_from_the_type_checks() -> None:
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
    exempt = {name for override in overrides for name in override["module"]}
    assert {name for name in exempt if name.split(".")[0] in ("bench", "suites", "leaderboard", "benchmarks")} == set()
