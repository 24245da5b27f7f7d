"""A table whose symbols a program or a person wrote in lower case: no gene of it would be found, without a word."""

import pytest

from periomics.core.errors import InputError
from periomics.genes.kinds import refuse_other_species

NAMES = [
    f"{a}{b}{i}" for a in ("vegf", "kdr", "col", "hla-d") for b in "abcdefgh" for i in (1, 2, 3)
]


@pytest.mark.parametrize("species", ["human", "rat", "mouse"])
def test_lower_case_is_refused_and_the_first_is_named(species):
    with pytest.raises(InputError, match="lower case") as error:
        refuse_other_species(NAMES, species, 0.5, "counts.tsv")
    assert error.value.value == "vegfa1"


def test_as_the_species_writes_them_and_numbers_are_read():
    refuse_other_species([n.upper() for n in NAMES], "human", 0.5, "counts.tsv")
    refuse_other_species([n.capitalize() for n in NAMES], "rat", 0.5, "counts.tsv")
    refuse_other_species([f"var{i}" for i in range(200)], "rat", 0.5, "counts.tsv")
    refuse_other_species([f"gene{i}" for i in range(200)], "rat", 0.5, "counts.tsv")
    refuse_other_species([f"g{i:05d}" for i in range(200)], "human", 0.5, "counts.tsv")
    few = [n.capitalize() for n in NAMES] + ["tdtomato", "egfp", "cre"]
    refuse_other_species(few, "mouse", 0.5, "counts.tsv")
