"""wandb as a mirror of a record: config, curves, summary. Nothing ever reads from it.

wandb is an optional package, imported in the functions that need it. A failure here must not cost the record, which is
stored first; callers turn it into a warning.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.records import ResultRecord, slug


def check_login() -> None:
    """Raise UsageError where wandb has no key to upload with."""
    import wandb

    if not wandb.login(prompt=False, verify=False):  # asks neither the user nor a server
        raise UsageError(
            "`--wandb online` should be given after `wandb login`, or with $WANDB_API_KEY. Found no key; "
            "`--wandb offline` keeps runs for `wandb sync`."
        )


def mirror(record: ResultRecord, mode: str, folder: Path | None = None, panels: Sequence[bytes] = ()) -> Path:
    """Write `record` as a wandb run, `offline` or `online`; returns the run's directory.

    The project is mtlbench, the group the suite, the job type the method, the tags seed, status, sharing, constraint
    and weighting; curves have one step per epoch; the record itself is the artifact `record-ID` of type `record`.

    Args:
        record: finished or failed.
        mode: `offline` or `online`.
        folder: where wandb makes its directory; by default $WANDB_DIR or the current directory, as wandb's own do.
        panels: PNG files, logged as images.
    """
    import wandb
    from PIL import Image

    spec = record.spec
    run = wandb.init(
        project="mtlbench",
        mode=mode,  # type: ignore[arg-type]
        dir=folder,
        id=f"{record.run_id}-{record.digest[:8]}",  # wandb takes an id once: a run trained again needs another
        name=f"{record.method} seed {spec.seed}",
        group=slug(record.suite),
        job_type=slug(record.method),
        tags=[f"seed {spec.seed}", record.status, *_parts(record)],
        config=spec.model_dump(mode="json") | {"run_id": record.run_id},
        settings=wandb.Settings(
            silent=True, console="off", x_disable_meta=True, x_disable_stats=True, disable_git=True
        ),  # or wandb would upload host name, command line and repository
        reinit="finish_previous",
    )
    for epoch, row in enumerate(_rows(record), start=1):
        run.log(row, step=epoch)
    if panels:
        run.log({"panels": [wandb.Image(Image.open(io.BytesIO(panel))) for panel in panels]})
    run.summary.update(_summary(record))
    artifact = wandb.Artifact(f"record-{record.run_id}", type="record", metadata={"digest": record.digest})
    with artifact.new_file(f"{record.run_id}.json", mode="w", encoding="utf-8") as file:
        file.write(record.model_dump_json(indent=1))
    run.log_artifact(artifact)
    directory = Path(run.dir).parent
    run.finish(exit_code=0 if record.status == "done" else 1)
    return directory


def _parts(record: ResultRecord) -> list[str]:
    """`sharing=NAME`, `constraint=NAME` and `weighting=NAME`, as the versions in the specification name them."""
    return sorted(part.replace("/", "=") for part in record.spec.versions if not part.startswith("suite/"))


def _rows(record: ResultRecord) -> list[dict[str, Any]]:
    """One row per epoch: train_loss/TASK and val/TASK/METRIC."""
    curves = {f"train_loss/{task}": values for task, values in record.curves.train_loss.items()}
    for task, metrics in record.curves.val.items():
        curves |= {f"val/{task}/{metric}": values for metric, values in metrics.items()}
    length = max((len(values) for values in curves.values()), default=0)
    return [{name: values[epoch] for name, values in curves.items() if epoch < len(values)} for epoch in range(length)]


def _summary(record: ResultRecord) -> dict[str, Any]:
    """test/RULE/TASK/METRIC -> score, cost/NAME -> cost, with the status and the digest of the record."""
    summary: dict[str, Any] = {
        f"test/{rule}/{task}/{metric}": value
        for rule, tasks in record.scores.items()
        for task, metrics in tasks.items()
        for metric, value in metrics.items()
    }
    if record.cost:
        summary |= {f"cost/{name}": value for name, value in record.cost.model_dump().items()}
    return summary | {"status": record.status, "digest": record.digest}
