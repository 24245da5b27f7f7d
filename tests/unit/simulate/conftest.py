"""Shared by tests of the simulator: the team's tables that studies are planted from."""

import pytest

from periomics.core.results import read_result
from periomics.genes.axes import SetTables


@pytest.fixture(scope="session")
def tables(root):
    folder = root / "resources"
    return SetTables.read(folder / "signatures.tsv", folder / "responses.tsv")


@pytest.fixture(scope="session")
def signalling(root):
    return read_result(root / "resources/signalling.tsv")
