"""What the tests of sections drawn apart share."""

import pytest

from periomics.imaging.stains import load_stains


@pytest.fixture(scope="session")
def table(request):
    """The table of stain vectors."""
    return load_stains(request.config.rootpath / "resources" / "stains.yaml")
