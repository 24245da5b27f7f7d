"""What every table of a study rests on: the plan, the animals and the outcome dictionary, which travel together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pandas as pd

from periomics.statistics.claims.plan import Plan
from periomics.study.dictionary import direction_of


@dataclass(frozen=True, eq=False)
class Analysis:
    """A plan with the animals that it is asked of.

    Parameters
    ----------
    plan
        The claims.
    animals
        `animals.prepare`; without rows and columns where nothing is measured yet.
    dictionary
        resources/outcomes.tsv.
    """

    plan: Plan
    animals: pd.DataFrame = field(default_factory=pd.DataFrame)
    dictionary: pd.DataFrame = field(default_factory=pd.DataFrame)

    def of(self, animals: pd.DataFrame) -> Analysis:
        """The same plan on other rows."""
        return self if animals is self.animals else replace(self, animals=animals)

    def under(self, plan: Plan) -> Analysis:
        """The same animals under another plan."""
        return replace(self, plan=plan)

    def direction(self, outcome: str) -> float:
        """+1 or −1 as declared in the dictionary or under `directions`, NaN where neither says."""
        return direction_of(self.dictionary, outcome, self.plan.directions)
