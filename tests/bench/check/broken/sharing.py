"""Sharings that break one rule each."""

from typing import Annotated, ClassVar, Literal

import torch
from torch import nn
from torch.nn import Parameter

from bench.api import Blueprint, Found, Ge, ParameterGroup, Phase, SelfFitting, Sharing, align_copies, run_stages
from tests.bench.check.broken import Broken, change


class Good(Sharing):
    """Towers whose features have a gain that all tasks own, g f_t(x), and nothing else in common.

    rate: factor on the learning rate of the gain, in [0, inf).
    sign: whether the gain starts at `one` or at `minus` one.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        rate: Annotated[float, Ge(0)] = 1.0,
        sign: Literal["one", "minus"] = "one",
    ) -> None:
        super().__init__()
        self.tasks, self.rate = blueprint.tasks, rate
        self.towers = nn.ModuleList(blueprint.towers())
        self.output_shape = self.towers[0][-1].output_shape
        self.gain = Parameter(torch.ones(1) if sign == "one" else -torch.ones(1))

    def forward(self, inputs, state):
        towers = dict(zip(self.tasks, self.towers, strict=True))
        return {task: self.gain * run_stages(towers[task], x) for task, x in inputs.items()}

    def coupled(self):
        return align_copies(self.towers)

    def parameter_groups(self, optimiser):
        return [
            ParameterGroup(list(self.towers.parameters())),
            ParameterGroup([self.gain], role="coupling", lr_factor=self.rate),
        ]

    def matrices(self):
        return {"gain": self.gain.detach()}


class Limited(Good):
    """`Good` with a claim that is true."""

    __doc__ = Good.__doc__
    limits: ClassVar = {"rate=0": "single_task"}


class Mutable(Sharing):
    """Towers that all read all tasks' gains, sum_s g_s f_t(x); muted, T g_t f_t(x).

    muted: 1 cuts the path between tasks.
    """

    twin = "muted=1"

    def __init__(self, blueprint: Blueprint, *, muted: Literal[0, 1] = 0) -> None:
        super().__init__()
        self.tasks, self.muted = blueprint.tasks, muted
        self.towers = nn.ModuleList(blueprint.towers())
        self.output_shape = self.towers[0][-1].output_shape
        self.gains = Parameter(torch.ones(len(self.tasks)))

    def gain(self, t):
        return len(self.tasks) * self.gains[t] if self.muted else self.gains.sum()

    def forward(self, inputs, state):
        numbers = {task: t for t, task in enumerate(self.tasks) if task in inputs}
        return {task: self.gain(t) * run_stages(self.towers[t], inputs[task]) for task, t in numbers.items()}


class Means(SelfFitting):
    """Every task predicts the mean of its training targets, whatever the inputs."""

    tolerance = 0.0

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self.output_shape = (1,)
        self.means = dict.fromkeys(blueprint.tasks, 0.0)

    def fit(self, inputs, targets, iterations, generator, on_step=None):
        self.means = {task: self.mean(y, generator) for task, y in targets.items()}
        return Found(0.0, 0.0, 1, len(targets))

    def mean(self, y, generator):
        return y.mean()

    def forward(self, inputs, state):
        return {task: x.new_zeros(len(x), 1) + self.means[task] for task, x in inputs.items()}


class Pooled(Means):
    """Every task predicts the mean of all training targets, or of its own.

    own: whether it is of its own.
    """

    twin = "own=true"

    def __init__(self, blueprint: Blueprint, *, own: bool = False) -> None:
        super().__init__(blueprint)
        self.own = own

    def fit(self, inputs, targets, iterations, generator, on_step=None):
        whole = torch.cat(list(targets.values()))
        return super().fit(inputs, {task: y if self.own else whole for task, y in targets.items()}, 1, generator)


def started(after):
    """A constructor that does `after(self, blueprint)` at its end."""

    def init(self, blueprint: Blueprint, *, rate: Annotated[float, Ge(0)] = 1.0):
        Good.__init__(self, blueprint, rate=rate)
        after(self, blueprint)

    return init


def answering(turn):
    """A forward pass whose features are `turn(self, features, inputs, state)`."""
    return lambda self, inputs, state: turn(self, Good.forward(self, inputs, state), inputs, state)


def each(turn):
    """A forward pass with `turn` on the features of every task."""
    return answering(lambda self, features, inputs, state: {task: turn(x) for task, x in features.items()})


def raises(error):
    def fail(*_):
        raise error

    return fail


def crash_on_one_task(self, blueprint):
    if len(blueprint.tasks) == 1:
        raise RuntimeError("no pairs")


def vague(self, blueprint):
    raise ValueError("bad")


def fixed_seed(self, blueprint, *, rate: float = 1.0):
    Good.__init__(self, Blueprint(blueprint.suite, 0), rate=rate)


def illegal_default(self, blueprint, *, rate: Annotated[float, Ge(0)] = -1.0):
    Good.__init__(self, blueprint)


def whole_default(self, blueprint, *, rate: Annotated[float, Ge(0)] = 1):
    Good.__init__(self, blueprint, rate=rate)


def crash_by_choice(self, blueprint, *, rate: float = 1.0, sign: Literal["one", "two"] = "one"):
    Good.__init__(self, blueprint, rate=rate)
    if sign == "two":
        self.output_shape = (3,)


def drawn_gain(self, blueprint):
    self.gain.data = torch.rand(1)


def hidden_gain(self, blueprint):
    self.hidden = torch.rand(1, generator=blueprint.generator("hidden")).double()


def own_weights(self, blueprint):
    for parameter in self.towers.parameters():
        parameter.data.normal_(generator=blueprint.generator("towers"))


def read_data(self, blueprint):
    blueprint.suite.dataset("test", blueprint.seed)


def unused(self, blueprint):
    self.unused = Parameter(torch.ones(2))


def foreign_copies(self, blueprint):
    self.foreign = [[tower] for tower in blueprint.towers()]  # in a plain list: not in the module


def counter(self, blueprint):
    self.register_buffer("calls", torch.zeros(()))


def count(self, features, inputs, state):
    self.calls += 1
    return features


def by_view(self, inputs, state):
    features = {}
    for task, tower in zip(self.tasks, self.towers, strict=True):
        x = inputs.get(task)
        for stage in tower if x is not None else []:
            y = stage(x)
            x = y.view(-1).view(y.shape)
        if x is not None:
            features[task] = self.gain * x
    return features


def clipping(self, inputs, state):
    return Good.forward(self, {task: x.clamp_(max=0.1) for task, x in inputs.items()}, state)


def thawed(self, blueprint):
    self.towers.requires_grad_(True)


def crash_on_frozen(self, blueprint):
    for parameter in self.towers.parameters():
        parameter.register_hook(lambda gradient: gradient)


def noisy(self, features, inputs, state):
    noise = torch.rand((), generator=state.generator)
    return {task: feature * noise for task, feature in features.items()}


def with_unused_group(self, optimiser):
    return [*Good.parameter_groups(self, optimiser), ParameterGroup([self.unused])]


def without_gain(self, optimiser):
    return [ParameterGroup(list(self.towers.parameters()))]


def with_another_role(self, optimiser):
    return [ParameterGroup(list(self.parameters()), "head")]


def without_gain_in_forward(self, inputs, state):
    towers = dict(zip(self.tasks, self.towers, strict=True))
    return {task: run_stages(towers[task], x) for task, x in inputs.items()}


def by_number_of_tasks(self, features, inputs, state):
    return {task: feature * len(inputs) for task, feature in features.items()}


def all_tasks(self, features, inputs, state):
    return {task: features[task] for task in self.tasks}


def scaled_by_hidden(self, features, inputs, state):
    return {task: feature * self.hidden.to(feature) for task, feature in features.items()}


def steps(self, blueprint):
    self.steps = 0


def by_steps(self, features, inputs, state):
    if self.training:
        self.steps += 1
        features = {task: feature * (1 + 0.1 * self.steps) for task, feature in features.items()}
    return features


def other_start(self, blueprint, *, muted: Literal[0, 1] = 0):
    Mutable.__init__(self, blueprint, muted=muted)
    self.gains.data += muted


def fewer_products(self, inputs, state):
    features = Mutable.forward(self, inputs, state)
    return features if self.muted else {task: x + 0 * (x @ x.mT @ x) for task, x in features.items()}


def asks_for_targets(self, inputs, state, targets=None):
    return Good.forward(self, inputs, state)


BROKEN: list[Broken] = [
    ("documented", "docstring", change(Good, __doc__=None)),
    ("documented", "`sign`", change(Good, __doc__="One tower per task.\n\nrate: of the gain.")),
    ("options", "`-1.0`", change(Good, __init__=illegal_default)),
    ("options", "read back", change(Good, __init__=whole_default)),
    ("builds", "synthetic:tasks=1", change(Good, __init__=started(crash_on_one_task))),
    ("builds", "ValueError: bad", change(Good, __init__=started(vague))),
    ("builds", "full stop", change(Good, supports=lambda self, suite: True)),
    ("builds", "refusal of each", change(Good, supports=lambda self, suite: "works nowhere.")),
    ("phases", "('warm', 0.5)", change(Good, phases=lambda self: [Phase("warm", 0.5)])),
    ("shapes", "`output_shape`", change(Good, __init__=started(lambda self, _: delattr(self, "output_shape")))),
    ("shapes", "of shape", change(Good, forward=each(lambda x: x[:, 1:]))),
    ("shapes", "finite", change(Good, forward=each(lambda x: x / 0))),
    ("shapes", "list", change(Good, forward=answering(lambda self, features, *_: list(features.values())))),
    ("shapes", "sharing.py", change(Good, forward=raises(KeyError("task01")))),
    ("float64", "torch.float32", change(Good, forward=each(lambda x: x.float()))),
    ("choices", "sign=two", change(Good, __init__=crash_by_choice)),
    ("gradients", "['unused']", change(Good, __init__=started(unused), parameter_groups=with_unused_group)),
    ("gradients", "['gain']", change(Good, forward=without_gain_in_forward)),
    ("regulariser", "0-dimensional", change(Good, regulariser=lambda self: self.gain)),
    ("separate", "['gain']", change(Good, separate=True)),
    ("coupled", "one parameter per task", change(Good, coupled=lambda self: {"gain": [self.gain]})),
    ("coupled", "name copies", change(Good, needs_constraint=True, coupled=lambda self: {})),
    (
        "coupled",
        "parameters of the module",
        change(
            Good,
            __init__=started(foreign_copies),
            coupled=lambda self: align_copies([tower for [tower] in self.foreign]),
        ),
    ),
    ("parameter groups", "['gain']", change(Good, parameter_groups=without_gain)),
    ("parameter groups", "role", change(Good, parameter_groups=with_another_role)),
    ("matrices", "detach", change(Good, matrices=lambda self: {"gain": self.gain})),
    ("paired start", "`towers.0`", change(Good, __init__=started(own_weights))),
    ("same seed same numbers", "['gain']", change(Good, __init__=started(drawn_gain))),
    ("another seed other numbers", "blueprint that is passed in", change(Good, __init__=fixed_seed)),
    (
        "state round trip",
        "buffers",
        change(Good, __init__=started(hidden_gain), forward=answering(scaled_by_hidden)),
    ),
    ("state round trip", "train on alike", change(Good, __init__=started(steps), forward=answering(by_steps))),
    ("evaluation repeats", "self.training", change(Good, forward=answering(noisy))),
    ("evaluation repeats", "['calls']", change(Good, __init__=started(counter), forward=answering(count))),
    ("rows are independent", "other rows", change(Good, forward=each(lambda x: x - x.mean(dim=0)))),
    ("some of the tasks", "one by one", change(Good, forward=answering(by_number_of_tasks))),
    ("some of the tasks", "`task00` alone", change(Good, forward=answering(all_tasks))),
    ("no access to targets", "suite.dataset", change(Good, __init__=started(read_data))),
    ("no access to targets", "'targets'", change(Good, forward=asks_for_targets)),
    ("inputs stay", "clamp_", change(Good, forward=clipping)),
    ("frozen weights stay", "'towers.0.0.0.weight'", change(Good, __init__=started(thawed))),
    ("frozen weights stay", "hook", change(Good, __init__=started(crash_on_frozen))),
    ("memory format", "reshape", change(Good, forward=by_view)),
    ("claimed limits", "`limits` claims", change(Good, limits={"rate=1": "single_task"})),
    ("claimed limits", "no sharing `single`", change(Good, limits={"rate=0": "single"})),
    ("muted twin", "2 of 2 common numbers of `gains`", change(Mutable, gain=lambda self, t: self.gains.sum())),
    (
        "muted twin",
        "should not follow those of others",
        change(Mutable, gain=lambda self, t: Mutable.gain(self, t) + self.gains.detach().sum()),
    ),
    ("muted twin", "start alike", change(Mutable, __init__=other_start)),
    ("muted twin", "run everything", change(Mutable, forward=fewer_products)),
    ("muted twin", "the nearest it has: `muted`", change(Mutable, twin="mutd=1")),
    ("muted twin", "no sharing `single`", change(Mutable, twin="single")),
    ("muted twin", "['int']", change(Mutable, twin="single_task:int=same")),
    ("muted twin", "should not follow the labels of others", change(Pooled, twin="own=false")),
    ("fits", "unchanged", change(Means, mean=lambda self, y, generator: 0.0)),
    ("fits", "not finite", change(Means, mean=lambda self, y, generator: y.mean() / 0)),
    ("fits", "generator that is passed in", change(Means, mean=lambda self, y, generator: torch.randn(()))),
    ("fits", "LookupError", change(Means, mean=raises(LookupError("rows")))),
]
