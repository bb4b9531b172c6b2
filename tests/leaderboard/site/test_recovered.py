"""What the pages draw of recovered weights: each method beside the truth that the records hold."""

import numpy as np

from bench.records import Packed, Solution
from leaderboard.site.figures import plot_choice, plot_matrices, plot_recovered
from tests.leaderboard.conftest import build_record

TRUE = np.array([[2.0, 1.0], [0.0, 0.0], [1.0, 3.0]])
SPARSE = np.array([[1.5, 1.0], [0.0, 0.0], [1.0, 2.5]])
DENSE = SPARSE + 0.25


def parts(W):
    values = np.linalg.svd(W, compute_uv=False)
    return {"covariance": W.T @ W, "support": (W != 0) * 1.0, "spectrum": values[None] / values[0]}


def record(method, W, seed=0, truth=TRUE):
    known = {f"true {name}": matrix for name, matrix in parts(truth).items()} if truth is not None else {}
    learned = {"learned covariance": W.T @ W}
    packed = {name: Packed.pack(matrix) for name, matrix in {**parts(W), **known, **learned}.items()}
    return build_record(method, seed, {"pooled": 90.0}, matrices=packed)


def test_each_method_is_drawn_beside_the_truth():
    covariance, support, spectrum = plot_recovered(
        {"sparse": record("soft+l21", SPARSE), "dense": record("single_task", DENSE)}, "recovered"
    )
    assert covariance.panels.titles == ["truth", "sparse", "dense"]
    for trace, W in zip(covariance.traces, (TRUE, SPARSE, DENSE), strict=True):
        assert np.allclose(trace["z"], W.T @ W, rtol=1e-3)
    assert support.panels.titles == ["truth", "sparse"]
    assert "Methods that are not here use all." in support.text
    assert np.array_equal(support.traces[0]["z"], TRUE != 0)
    assert support.scale is None
    assert spectrum.panels.titles == ["sparse", "dense"]
    assert spectrum.text.endswith("Seed 0. Dotted: the truth.")
    dotted = [trace for trace in spectrum.traces if trace["line"].get("dash")]
    assert [trace["panel"] for trace in dotted] == [0, 1]
    assert all(np.allclose(trace["y"], parts(TRUE)["spectrum"], rtol=1e-3) for trace in dotted)


def test_without_a_truth_there_is_what_was_found_and_without_weights_nothing():
    found = plot_recovered({"sparse": record("soft+l21", SPARSE, truth=None)}, "recovered")
    assert [figure.panels.titles for figure in found] == [["sparse"]] * 3
    assert not any("truth" in figure.text for figure in found)
    assert plot_recovered({"plain": build_record("hard", 0, {"pooled": 90.0})}, "recovered") == []
    assert plot_recovered({}, "recovered") == []


def test_truths_of_several_seeds_are_not_averaged():
    runs = [record("soft+l21", SPARSE * (1 + seed), seed, TRUE * (1 + seed)) for seed in range(3)]
    alone, all_ = plot_matrices(runs[:1], "matrices"), plot_matrices(runs, "matrices")
    assert alone.panels.titles == ["learned covariance"]  # the others have figures of their own
    for one, other in zip(alone.traces, all_.traces, strict=True):
        np.testing.assert_array_equal(one["z"], other["z"])
    assert all_.text == "Seed 0."
    unknown = [record("soft+l21", SPARSE * (1 + seed), seed, None) for seed in range(3)]
    assert plot_matrices(unknown, "matrices").text == "Mean over 3 runs."


def test_the_choice_of_a_strength_is_drawn_and_what_is_proved_is_told():
    solution = Solution(
        strength=2.0,
        strengths=[4.0, 2.0, 1.0],
        errors=[0.5, 0.25, 0.75],
        objective=3.5,
        certificate="gap",
        value=2e-9,
        met=True,
        iterations=40,
    )
    run = build_record("soft+l21", 0, {"pooled": 90.0}, solution=solution)
    path, chosen = plot_choice(run).traces
    assert (path["x"], path["y"]) == ([4.0, 2.0, 1.0], [0.5, 0.25, 0.75])
    assert (chosen["x"], chosen["y"]) == ([2.0], [0.25])
    assert plot_choice(build_record("hard", 0, {"pooled": 90.0})) is None
