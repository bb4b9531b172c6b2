"""What probes found of a network, as it trained and at its end: part of a record where `--probe` asks for it."""

from pydantic import BaseModel, ConfigDict, Field

from bench.records.packed import Packed


class ProbeResults(BaseModel):
    """Who shares what: features, parameters and inputs. Tasks are in the order of the record's tasks.

    The lists have one number for each of `epochs`; the other fields are of the last epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: list[int] = Field(description="at which the network was probed as it trained, counted from 1")
    sharing: dict[str, list[float]] = Field(
        default={},
        description="parameter -> effective sharing of all updates so far: 1 - |U - mean U|^2 / |U|^2 of the towers",
    )
    decodable: dict[str, dict[str, list[float]]] = Field(
        default={},
        description="true feature -> task -> R^2 of a linear fit from the task's last features, each row left out in "
        "turn; not below -1",
    )
    likeness: dict[str, Packed] = Field(default={}, description="depth -> linear CKA (T, T) of the tasks' features")
    uses: dict[str, Packed] = Field(
        default={},
        description="depth -> Spearman's correlation (T, T) of how much predictions change with each feature",
    )
    owners: dict[str, float] = Field(
        default={}, description="parameter -> (sum_t F_t)^2 / sum_t F_t^2 of the tasks' shares of information in it"
    )
    blocks: dict[str, dict[str, float]] = Field(
        default={},
        description="block of inputs -> task -> by how much its loss rises where the block is dealt out anew",
    )
