"""Models of one's own: written here by hand where onnxruntime and onnx are at hand, and what is no
such model refused at check whether they are or not."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box
from sketched import Slide

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.measure import measure_section
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.histology.stated import check_stains
from periomics.imaging import user_model
from periomics.imaging.rois import Annotation

BLOCK = {"detector": "nuclei", "vectors": "H-E", "nuclei": "model", "roi": "region"}
BLOCK |= {"outcomes": {"all": "cell_density"}, "white": [240, 240, 240], "model_um": 1.0}
DICTIONARY = pd.DataFrame({"outcome": ["cell_density"]})
STAINS = str(Path(__file__).parents[3] / "resources/stains.yaml")


def told(block, file):
    """What check says of a stain and a file of a model."""
    config = {"histology": {"stains": {"X": block}}, "resources": {"nuclei_model": file}}
    study = SimpleNamespace(config=config)
    return [p.describe() for p in check_stains(study, DICTIONARY, STAINS)]


def test_what_is_no_model_is_refused_at_check(tmp_path, monkeypatch):
    (line,) = told(BLOCK, "")
    assert "resources/nuclei_model names none" in line
    weights = tmp_path / "model.pt"
    weights.write_bytes(b"\x80\x04.")
    (line,) = told(BLOCK, str(weights))
    assert "may run code as they are read" in line and "allowed: .onnx" in line
    (line,) = told(BLOCK, str(tmp_path / "gone.onnx"))
    assert "file does not exist" in line
    (tmp_path / "a.onnx").write_bytes(b"no model")

    def missing(name):
        raise ImportError(name)

    user_model.load_model.cache_clear()
    monkeypatch.setattr(user_model, "import_module", missing)
    (line,) = told(BLOCK, str(tmp_path / "a.onnx"))
    assert "onnxruntime is not installed" in line


def test_stars_are_laid_the_likeliest_first():
    """Two discs that touch, a third that lies in one of them, on a grid of two pixels."""
    likely, rays = np.zeros((40, 40)), np.zeros((40, 40, 32))
    for (row, column), p, radius in (((10, 10), 0.9, 8), ((10, 18), 0.8, 8), ((13, 12), 0.7, 8)):
        likely[row, column], rays[row, column] = p, radius
    labels = user_model._stars(likely, rays, (80, 80))
    assert labels.max() == 2
    y, x = np.mgrid[:80, :80]
    for k, middle in ((1, (20, 20)), (2, (20, 36))):
        disc = np.hypot(y - middle[0], x - middle[1]) < 8
        assert (labels == k)[disc].mean() > 0.95 and (labels == k)[~disc].sum() < 12


class Thresholds:
    """Stands for a session: what is darker than a level, parted by scipy."""

    def __init__(self, output="labels"):
        self.output = output

    def get_inputs(self):
        return [SimpleNamespace(name="x", type="tensor(float)", shape=[1, 3, "h", "w"])]

    def run(self, _, given):
        from scipy import ndimage

        (tensor,) = given.values()
        return [ndimage.label(tensor[0, 0] < 0.55)[0][None, None]]


@pytest.fixture(scope="module")
def section():
    """143 nuclei, none at a side, over more than a tile of the model's pixels in one direction."""
    slide = Slide(900, 70, seed=2)
    slide.put(np.ones(slide.x.shape), "eosin", 0.15)
    at = [(x, y) for y in (15, 35, 55) for x in range(14, 890, 19)]
    for k, place in enumerate(at):
        slide.oval(place, (4.5, 3.5), 0.4 * k, "haema", 0.8)
    return slide.photograph(), len(at)


def measured(picture, table, file):
    stain = stain_settings({"sweep_percent": 0, "stains": {"S": BLOCK}}, table, None, file)["S"]
    high, wide = picture.shape[:2]
    opened = with_masks(picture, 0.5, 1.0, [Annotation("region", box(0, 0, wide, high))], stain)
    row = batch_rows(pd.DataFrame([pool([sample_section(opened)], stain)]))["S"]
    return measure_section(opened, stain, row, {"section_id": "s"})


def test_nuclei_of_a_model_are_counted_over_tiles(table, section, monkeypatch):
    picture, n = section
    model = user_model.UserModel(Thresholds(), 3, False, "labels", "ab" * 32)
    monkeypatch.setattr(user_model, "load_model", lambda *_: model)
    found = measured(picture, table, "model.onnx")
    assert found.rows[0]["numerator"] == n
    assert "ONNX, SHA-256 abababababab" in found.rows[0]["method"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A model that calls dark pixels 1: every such region is one label only where nuclei do not
    touch numbers, so the graph numbers them by their rows and columns on a lattice of 19 pixels."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is optional")
    onnx = pytest.importorskip("onnx", reason="the test's model is written with onnx")
    from onnx import TensorProto, helper

    def constant(name, value):
        array = onnx.numpy_helper.from_array(np.asarray(value), name)
        return helper.make_node("Constant", [], [name], value=array)

    nodes = [
        constant("level", np.float32(0.55)),
        constant("axes", np.array([1], np.int64)),
        helper.make_node("ReduceMin", ["x", "axes"], ["low"], keepdims=1),
        helper.make_node("Less", ["low", "level"], ["dark"]),
        helper.make_node("Cast", ["dark"], ["labels"], to=TensorProto.FLOAT),
    ]
    shape = [1, 3, "h", "w"]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    gives = helper.make_tensor_value_info("labels", TensorProto.FLOAT, [1, 1, "h", "w"])
    graph = helper.make_graph(nodes, "dark", [given], [gives])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path = tmp_path_factory.mktemp("model") / "dark.onnx"
    onnx.save(model, path)
    return str(path)


def test_a_written_model_is_read_and_its_contract_held(table, written):
    assert told(BLOCK, written) == []
    (line,) = told(BLOCK | {"model_output": "stardist"}, written)
    assert "outputs are not those of stardist" in line
    shining = {"image": "fluorescence", "channels": ["DAPI", "Ki67"]}
    block = {k: v for k, v in BLOCK.items() if k not in ("vectors", "white")} | shining
    (line,) = told(block, written)
    assert "another number of channels" in line
    slide = Slide(60, 40, seed=2)
    slide.put(np.ones(slide.x.shape), "eosin", 0.15)
    slide.oval((30, 20), (4.5, 3.5), 0.4, "haema", 0.8)
    found = measured(slide.photograph(), table, written)
    assert found.rows[0]["numerator"] == 1
    assert found.objects["area_um2"].iloc[0] == pytest.approx(np.pi * 4.5 * 3.5, rel=0.15)
