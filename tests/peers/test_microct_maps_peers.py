"""Maps as nibabel (and what is built on it) sees them; nibabel is installed by `make peers`."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from periomics.microct.lazy import open_volume
from periomics.microct.nifti import frame_of, write_nifti

CODE = """
import json, sys
import nibabel, numpy as np
scan, part = (nibabel.load(p) for p in sys.argv[1:])
at = part.affine @ np.array([1, 2, 1, 1.0])
print(json.dumps({
    "place": at.tolist(), "in_scan": (scan.affine @ np.array([4, 3, 3, 1.0])).tolist(),
    "zooms": [float(z) for z in part.header.get_zooms()], "unit": part.header.get_xyzt_units()[0],
    "axes": nibabel.aff2axcodes(part.affine) == nibabel.aff2axcodes(scan.affine),
    "value": float(part.get_fdata()[1, 2, 1]), "type": str(part.get_data_dtype()), "shape": part.shape,
}))
"""


def test_nibabel_places_a_part_within_its_scan(root, tmp_path):
    python = Path(os.environ.get("PERIOMICS_PEERS", root / ".venv-peers/bin/python"))
    if not python.exists():
        pytest.skip("no peers: run `make peers`, or set PERIOMICS_PEERS to a Python that has requirements-peers.lock")
    image = sitk.GetImageFromArray(np.zeros((6, 7, 8), np.int16))
    image.SetSpacing((0.018, 0.018, 0.02))
    image.SetOrigin((3.5, -20.25, 7.0))
    image.SetDirection((0.8, -0.6, 0.0, 0.48, 0.64, -0.6, 0.36, 0.48, 0.8))
    sitk.WriteImage(image, str(tmp_path / "scan.nii.gz"))
    scan = open_volume(tmp_path / "scan.nii.gz")
    values = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    write_nifti(
        tmp_path / "part.nii.gz", values.shape, "float32", [values], frame_of(scan.facts, scan.spacing_um), (2, 1, 3)
    )
    command = [python, "-c", CODE, tmp_path / "scan.nii.gz", tmp_path / "part.nii.gz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["place"] == pytest.approx(found["in_scan"], abs=1e-5)
    assert found["zooms"] == pytest.approx([0.018, 0.018, 0.02], rel=1e-6) and found["unit"] == "mm"
    assert found["axes"] and found["shape"] == [5, 4, 3] and found["type"] == "float32"
    assert found["value"] == pytest.approx(float(values[1, 2, 1]), rel=1e-6)
