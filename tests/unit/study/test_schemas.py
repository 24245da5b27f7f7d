"""Generated files are in step with the models, and the toy study's comments with the defaults."""

import jsonschema
import yaml

from periomics.study.config import Config, check_config, resolve_config
from periomics.study.measurements import tidy
from periomics.study.schemas import measurements_schema, schema_files, with_reference


def test_schemas_and_reference_are_in_step(root):
    for path, text in schema_files(root / "workflow/schemas").items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make schemas`"
    readme = (root / "config/README.md").read_text(encoding="utf-8")
    assert with_reference(readme) == readme, "run `make schemas`"


def test_every_study_satisfies_the_generated_schema(root):
    schema = yaml.safe_load(
        (root / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8")
    )
    files = sorted((root / "config").rglob("config.yaml"))
    assert len(files) > 10
    for file in files:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        jsonschema.validate(config, schema)
        assert check_config(config) == [], file


def test_measurements_satisfy_their_schema():
    row = tidy(
        [
            {
                "specimen_id": "a",
                "modality": "microct",
                "outcome": "bvtv",
                "value": 1.0,
                "level": "specimen",
            }
        ]
    ).iloc[0]
    record = {k: v for k, v in row.items() if v == v}
    jsonschema.validate(record, {**measurements_schema(), "required": []})


def test_defaults_are_filled_in_once_and_broken_configs_left_alone(root):
    config = yaml.safe_load((root / "config/nano/config.yaml").read_text(encoding="utf-8"))
    full = resolve_config(config)
    assert full["microct"]["ovtv_width_um"] == 54 and full["on_broken_specimen"] == "flag"
    assert resolve_config(full) == full
    assert resolve_config({"study": 1}) == {"study": 1}


def test_the_toy_study_names_every_measuring_key(root):
    """Whoever reads config/config.yaml sees every science knob with its reason."""
    toy = yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))
    for section in ("microct", "culture", "bulk", "singlecell", "outcomes", "linkage", "planning"):
        model = Config.model_fields[section].annotation
        model = getattr(model, "__args__", (model,))[0]
        assert set(toy[section]) == set(model.model_fields), section
