"""Table of arms in the outcome's own unit: what a claim compares."""

COLUMNS = (
    "contrast",
    "outcome",
    "variant",
    "time",
    "time_unit",
    "arm",
    "n",
    "value",
    "lower",
    "upper",
    "level",
    "unit",
    "estimand",
    "scale",
    "sd",
    "reason",
)
# Values of `estimand`: what the value of an arm is.
GEOMETRIC, TYPICAL, MEAN = "geometric mean", "typical animal", "arithmetic mean"
MEDIAN, SHARE = "median", "share of animals"
