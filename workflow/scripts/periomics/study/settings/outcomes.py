"""From measurements to one value an animal."""

from __future__ import annotations

from pydantic import Field

from periomics.study.settings.section import Section


class OutcomeRules(Section):
    """From measurements to one value an animal."""

    min_sections: int = Field(
        1,
        ge=1,
        description="sections that an animal needs, else its value is missing; 2 are recommended",
    )
