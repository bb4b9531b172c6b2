"""A camera at another size sees the same view."""

import pytest

from suites._shared.dense.camera import NYUV2, parse_size


def test_a_smaller_picture_is_the_same_view() -> None:
    small = NYUV2.resize((72, 96))
    # The corner of the image is the same ray at every size.
    for camera in (NYUV2, small):
        corner = ((-0.5 - camera.cx) / camera.fx, (camera.cy + 0.5) / camera.fy)
        assert corner == pytest.approx(((-0.5 - NYUV2.cx) / NYUV2.fx, (NYUV2.cy + 0.5) / NYUV2.fy))
    assert parse_size("72x96") == (72, 96)
    for wrong in ("72", "72x", "axb", "8x9000", "72x96x3", "-72x96"):
        with pytest.raises(ValueError, match="ROWSxCOLUMNS"):
            parse_size(wrong)
