"""Small longitudinal tables, as text."""

import numpy as np

MONTHS = (0, 6, 12, 24, 36, 48)
HEAD = "patient,month,score,age,sex,marker"


def write_lines(patients: int = 60, seed: int = 0) -> list[str]:
    """Lines of a table in which the score follows age and marker, and patients leave."""
    rng = np.random.default_rng(seed)
    lines = [HEAD]
    for patient in range(1, patients + 1):
        age, sex, marker = rng.normal(70, 8), rng.choice(["f", "m"]), rng.normal()
        for month in MONTHS[: 6 if patient % 3 else rng.integers(1, 6)]:
            score = 20 + 0.1 * (age - 70) + (1 + month / 24) * marker + rng.normal()
            lines.append(f"p{patient},{month},{score:.3f},{age:.1f},{sex},{marker:.4f}")
    return lines
