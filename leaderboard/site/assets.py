"""What the pages load: the site's own style, scripts and pictures, in its folder so that pages need no network."""

from pathlib import Path

from leaderboard.report.sharing_picture import KINDS_OF_SHARING, draw_sharing

STATIC = Path(__file__).parent / "static"


def collect_assets() -> dict[str, bytes]:
    """File name -> content of every file in the site's folder `assets/`."""
    files = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
    files["sharing.svg"] = draw_sharing().encode()
    return files | {f"sharing-{kind}.svg": draw_sharing([kind]).encode() for kind in KINDS_OF_SHARING}
