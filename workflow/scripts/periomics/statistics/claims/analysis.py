"""What every table of a study rests on: the plan, the animals and the outcome dictionary, which travel together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pandas as pd

from periomics.statistics.claims.plan import Plan
from periomics.study.dictionary import direction_of, entry


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
    _rows: dict[str, pd.Series] = field(default_factory=dict, repr=False)
    _directions: dict[str, float] = field(default_factory=dict, repr=False)

    def of(self, animals: pd.DataFrame) -> Analysis:
        """The same plan on other rows."""
        return self if animals is self.animals else replace(self, animals=animals)

    def under(self, plan: Plan) -> Analysis:
        """The same animals under another plan."""
        return replace(self, plan=plan, _directions={})

    def entry(self, outcome: str) -> pd.Series:
        """The dictionary row of an outcome, looked up once."""
        if outcome not in self._rows:
            self._rows[outcome] = entry(self.dictionary, outcome)
        return self._rows[outcome]

    def direction(self, outcome: str) -> float:
        """+1 or −1 as declared in the dictionary or under `directions`, NaN where neither says."""
        if outcome not in self._directions:
            self._directions[outcome] = direction_of(self.dictionary, outcome, self.plan.directions)
        return self._directions[outcome]
