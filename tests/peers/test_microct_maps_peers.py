"""Maps as the viewers' readers see them: nibabel, napari with two plugins, and ITK-SNAP's sister c3d; installed by `make peers`."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from periomics.microct.formats.lazy import open_volume
from periomics.microct.formats.nifti import frame_of, write_nifti

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

NAPARI = """
import json, sys
import npe2, numpy as np
from napari.components import ViewerModel
npe2.PluginManager.instance().discover()
plugin, scan, labels, part = sys.argv[1:]
viewer = ViewerModel()
viewer.open([scan, part], plugin=plugin)
viewer.open(labels, plugin=plugin, layer_type="labels")
scan, part, labels = viewer.layers
at = labels.data_to_world(np.argwhere(np.asarray(labels.data) == 3)[0])
inside = {layer.name: np.array(layer.world_to_data(at)) for layer in (scan, part)}
steps = {layer.name: sorted(float(np.linalg.norm(np.subtract(layer.data_to_world(to), layer.data_to_world((0, 0, 0)))))
                            for to in ((1, 0, 0), (0, 1, 0), (0, 0, 1))) for layer in viewer.layers}
print(json.dumps({
    "types": [layer._type_string for layer in viewer.layers], "count": int((np.asarray(labels.data) == 3).sum()),
    "shapes": [layer.data.shape for layer in viewer.layers], "steps": list(steps.values()),
    "off": [float(np.abs(at - at.round()).max()) for at in inside.values()],
    "values": [float(layer.data[tuple(inside[layer.name].round().astype(int))]) for layer in (scan, part)],
}))
"""
C3D = """
import json, sys
from picsl_c3d import Convert3D
import SimpleITK as sitk
found = []
for path in sys.argv[1:]:
    program = Convert3D()
    program.execute(f"{path} -info")
    image = program.peek(-1)
    at = image.TransformIndexToPhysicalPoint((4, 3, 3) if image.GetSize() == (8, 7, 6) else (1, 2, 1))
    values = sitk.GetArrayFromImage(image).ravel().tolist()
    found.append({"at": at, "spacing": image.GetSpacing(), "size": image.GetSize(), "values": values})
print(json.dumps(found))
"""
STRAIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
TURNED = (0.8, -0.6, 0.0, 0.48, 0.64, -0.6, 0.36, 0.48, 0.8)
VALUES = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)


def ask(root, code, *words):
    """What the peers' Python prints."""
    python = Path(os.environ.get("PERIOMICS_PEERS", root / ".venv-peers/bin/python"))
    if not python.exists():
        pytest.skip(
            "no peers: run `make peers`, or set PERIOMICS_PEERS to a Python that has requirements-peers.lock"
        )
    done = subprocess.run(
        [python, "-c", code, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def write_maps(folder, direction):
    """A scan, a label map of its shape and a map of a part of it that begins at its voxel (2, 1, 3)."""
    image = sitk.GetImageFromArray(np.arange(6 * 7 * 8, dtype=np.int16).reshape(6, 7, 8))
    image.SetSpacing((0.018, 0.018, 0.02))
    image.SetOrigin((3.5, -20.25, 7.0))
    image.SetDirection(direction)
    paths = [folder / f"{name}.nii.gz" for name in ("scan", "labels", "part")]
    sitk.WriteImage(image, str(paths[0]))
    scan = open_volume(paths[0])
    frame = frame_of(scan.facts, scan.spacing_um)
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[3, 3, 4] = 3
    write_nifti(paths[1], labels.shape, "uint8", [labels], frame)
    write_nifti(paths[2], VALUES.shape, "float32", [VALUES], frame, (2, 1, 3))
    return paths


@pytest.mark.parametrize("direction", [STRAIGHT, TURNED], ids=["straight", "turned"])
def test_nibabel_places_a_part_within_its_scan(root, tmp_path, direction):
    scan, _, part = write_maps(tmp_path, direction)
    found = ask(root, CODE, scan, part)
    assert found["place"] == pytest.approx(found["in_scan"], abs=1e-5)
    assert found["zooms"] == pytest.approx([0.018, 0.018, 0.02], rel=1e-6)
    assert found["unit"] == "mm"
    assert found["axes"]
    assert found["shape"] == [5, 4, 3]
    assert found["type"] == "float32"
    assert found["value"] == pytest.approx(float(VALUES[1, 2, 1]), rel=1e-6)


@pytest.mark.parametrize("direction", [STRAIGHT, TURNED], ids=["straight", "turned"])
@pytest.mark.parametrize("plugin", ["napari-nifti", "napari-itk-io"])
def test_napari_shows_the_labels_over_their_scan(root, tmp_path, plugin, direction):
    found = ask(root, NAPARI, plugin, *write_maps(tmp_path, direction))
    assert found["types"] == ["image", "image", "labels"]
    assert found["shapes"] == [[6, 7, 8], [3, 4, 5], [6, 7, 8]]
    assert found["count"] == 1
    assert found["off"][0] < 1e-4
    assert found["values"][0] == 3 * 56 + 3 * 8 + 4
    for steps in found["steps"]:
        assert steps == pytest.approx([0.018, 0.018, 0.02], rel=1e-5)


def test_napari_shows_a_part_within_its_scan(root, tmp_path):
    """With ITK's reader and a scan along the axes: napari-nifti 0.0.20 mirrors each volume in its own middle."""
    found = ask(root, NAPARI, "napari-itk-io", *write_maps(tmp_path, STRAIGHT))
    assert max(found["off"]) < 1e-4
    assert found["values"][1] == pytest.approx(float(VALUES[1, 2, 1]))


@pytest.mark.parametrize("direction", [STRAIGHT, TURNED], ids=["straight", "turned"])
def test_c3d_reads_the_maps_over_their_scan(root, tmp_path, direction):
    scan, labels, part = ask(root, C3D, *write_maps(tmp_path, direction))
    assert scan["at"] == pytest.approx(labels["at"], abs=1e-5)
    assert scan["at"] == pytest.approx(part["at"], abs=1e-5)
    assert scan["spacing"] == pytest.approx([0.018, 0.018, 0.02], rel=1e-6)
    assert labels["size"] == scan["size"] == [8, 7, 6]
    assert part["values"] == pytest.approx(VALUES.ravel().tolist(), rel=1e-6)
    assert np.flatnonzero(labels["values"]).tolist() == [3 * 56 + 3 * 8 + 4]
