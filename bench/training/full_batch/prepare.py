"""The kind of full-batch run that a specification asks for."""

from bench.catalogue.method import Method
from bench.core.suite import Suite
from bench.records import RunSpec
from bench.training.full_batch.infer import Inferred
from bench.training.full_batch.run import FullBatchRun
from bench.training.full_batch.solve import Solved


def prepare_full_batch_run(spec: RunSpec, suite: Suite, method: Method) -> FullBatchRun:
    """The full-batch run of a specification: by its own inference for a self-fitting sharing, else by a solver.

    Builds the model. Raises ValueError or UsageError as its parts do.
    """
    cell = Inferred if method.fits_itself else Solved
    return cell(spec, suite, method)
