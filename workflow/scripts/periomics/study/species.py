"""The species that libraries and tables can be of."""

from typing import Literal, get_args

Species = Literal["rat", "mouse", "human"]
SPECIES: tuple[str, ...] = get_args(Species)
