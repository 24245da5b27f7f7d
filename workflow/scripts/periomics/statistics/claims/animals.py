"""Animals of one outcome, cut to what one contrast compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from periomics.statistics.claims.plan import Adjustment, Contrast
from periomics.statistics.claims.twins import same_values
from periomics.statistics.kernels import contrasts as c
from periomics.statistics.kernels.adjusted import adjust
from periomics.study.design import estimable, only_in
from periomics.study.dictionary import RANGE, entry
from periomics.study.scale import comparable, limits

# As the check says of an arm, and as the tests of genes hold: below this there are estimates and no inference.
MIN_UNITS = 3
# A block that moves logits or logarithms alike moves means by different amounts: adjusted for, intervals cover .91 instead of .95.
BLOCKS_OF_MEANS = (
    "blocks left out: they do not move means alike, and every arm is spread over them alike"
)
UNADJUSTED = Adjustment(blocks=False)
# The covariate that is the outcome itself, before treatment.
BASELINE = "baseline"


@dataclass(frozen=True)
class Cut:
    """Rows of one outcome and variant at one time: a value a unit and arm.

    `natural` and `analysis` are the values on both scales, `arm` and `unit` indices into `arms` and `units`, `paired` whether
    units hold several arms. Units of which one arm has several doses are averaged. `limits` are the least and the
    largest value that the outcome can have.
    """

    time: float
    time_unit: str
    arms: tuple[str, ...]
    units: tuple[str, ...]
    natural: np.ndarray
    analysis: np.ndarray
    arm: np.ndarray
    unit: np.ndarray
    dose: np.ndarray
    block: np.ndarray
    batch: np.ndarray
    covariates: np.ndarray
    adjusted_for: tuple[str, ...]
    limits: tuple[float, float]
    paired: bool
    technical: bool
    note: str

    def weights(self, weights: Mapping[str, float]) -> np.ndarray:
        return np.array([weights.get(a, 0.0) for a in self.arms])

    def raw(self, natural: bool = False) -> c.Arms:
        """Arms as they are, nothing adjusted for."""
        return c.summarise(self.natural if natural else self.analysis, self.arm, len(self.arms))

    def summary(self, natural: bool = False) -> c.AnyArms:
        """Arms for contrasts: adjusted for what was declared, where this cut allows it, and bounded where one has no event."""
        return self._natural_arms if natural else self._arms

    @cached_property
    def without_events(self) -> tuple[np.ndarray, np.ndarray]:
        """How far the natural mean of each arm may lie above and below what was seen, since it shows no event."""
        return c.without_events(self.natural, self.arm, len(self.arms), self.limits)

    @cached_property
    def _arms(self) -> c.AnyArms:
        same = np.array_equal(self.analysis, self.natural, equal_nan=True)
        return self._natural_arms if same else self._fit(self.analysis)

    @cached_property
    def _natural_arms(self) -> c.AnyArms:
        up, down = self.without_events
        fit = self._fit(self.natural)
        return c.Bounded(fit, up, down) if up.any() or down.any() else fit

    @property
    def bounds_note(self) -> str:
        """What must be said of arms whose animals all have the least or the largest value; units with several arms have no bound."""
        said = []
        for i in (
            sorted(set(self.arm.tolist()), key=lambda i: self.arms[i]) if not self.paired else ()
        ):
            values = self.natural[self.arm == i]
            share = 100 * (1 - c.NO_EVENT ** (1 / len(values)))
            said += [
                f"all {len(values)} of {self.arms[i]} at {limit:g}: bounded by the at most {share:.0f} % "
                "of such animals that could be otherwise"
                for limit in self.limits
                if (values == limit).all()
            ]
        return "; ".join(said)

    def _fit(self, values: np.ndarray) -> c.AnyArms:
        if not self.adjusted_for:
            return c.summarise(values, self.arm, len(self.arms))
        blocks = (
            np.unique(self.block, return_inverse=True)[1] if "block" in self.adjusted_for else None
        )
        return adjust(values, self.arm, len(self.arms), blocks, self.covariates)


def prepare(table: pd.DataFrame, sheet: pd.DataFrame, dictionary: pd.DataFrame) -> pd.DataFrame:
    """Measured rows with the unit of analysis, its block and the value on the outcome's scale.

    Parameters
    ----------
    table
        outcomes/animals.tsv.
    sheet
        The animals sheet.
    dictionary
        resources/outcomes.tsv.

    Returns
    -------
    DataFrame
        With `unit_of_analysis, block, sex, weight_g, scale, analysis, scale_note, least, most, means`, sorted. `scale` is
        the one that the values are on: identity where the outcome's own has no place for one of them (shares of
        0 or 100 %, counts of 0), so that arithmetic means are compared. A value that cannot be leaves its
        animal out and is named.
    """
    df = table[(table["status"] == "measured") & table["value"].notna()].copy()
    known = sheet.drop_duplicates("animal_id").set_index("animal_id")
    for column, source in (("unit_of_analysis", "unit"), ("block", "block"), ("sex", "sex")):
        df[column] = _column(known, source, "").reindex(df["animal_id"]).fillna("").to_numpy()
    df["weight_g"] = _column(known, "weight_g", np.nan).reindex(df["animal_id"]).to_numpy(float)
    df["scale"], df["analysis"], df["scale_note"] = "", np.nan, ""
    df["least"], df["most"], df["means"] = -np.inf, np.inf, False
    for (outcome, _), part in df.groupby(["outcome", "variant"], sort=True):
        own = entry(dictionary, str(outcome))
        least, most = _limits(own, part)
        possible = part["value"].between(least, most) & np.isfinite(part["value"])
        named = _impossible(part[~possible], least, most)
        if not possible.any():
            df.loc[part.index, ["scale", "scale_note"]] = [str(own["scale"]), named]
            continue
        df = df.drop(index=part.index[~possible])
        part = part[possible]
        parts = [part.get(k) for k in ("numerator", "denominator")]
        unit = str(part["unit"].iloc[0])
        scale, values, note = comparable(part["value"], str(own["scale"]), unit, *parts)
        if scale != own["scale"]:
            note = f"arithmetic means of animals are compared ({note})"
            df.loc[part.index, "means"] = True
        df.loc[part.index, "analysis"] = values
        df.loc[part.index, ["scale", "scale_note"]] = [
            scale,
            "; ".join(x for x in (named, note) if x),
        ]
        df.loc[part.index, ["least", "most"]] = [least, most]
    for one, other in same_values(df):
        twins = df["animal_id"].isin([one, other])
        named = df["outcome"].isin(set(df.loc[twins, "outcome"]))
        note = f"{one} and {other} have the same values throughout: one animal under two ids?"
        df.loc[named, "scale_note"] = [
            f"{x}; {note}" if x else note for x in df.loc[named, "scale_note"]
        ]
    order = ["outcome", "variant", "animal_id", "condition", "dose", "time"]
    return df.sort_values(order, kind="stable", na_position="first").reset_index(drop=True)


def _limits(known: Mapping[str, object], part: pd.DataFrame) -> tuple[float, float]:
    """Least and largest value of an outcome; 0 where a size that has no other limit is never below it."""
    own = pd.to_numeric(pd.Series([known.get(k) for k in RANGE]), errors="coerce").to_numpy(float)
    if known["kind"] in ("binary", "ordinal"):
        least, most = -np.inf, np.inf
    else:
        least, most = limits(str(known["scale"]), str(part["unit"].iloc[0]))
    least, most = np.fmax(least, own[0]), np.fmin(most, own[1])
    if known["kind"] in ("binary", "ordinal"):
        return least, most
    return (0.0 if np.isinf(least) and (part["value"] >= 0).all() else least), most


def _impossible(rows: pd.DataFrame, least: float, most: float) -> str:
    """The animals whose values cannot be, by name."""
    if rows.empty:
        return ""
    allowed = f"at least {least:g}" if np.isinf(most) else f"{least:g} to {most:g}"
    unit = str(rows["unit"].iloc[0])
    each = ", ".join(f"{r.animal_id} ({r.value:g} {unit})" for r in rows.itertuples())
    return f"left out, since the value cannot be: {each}; allowed is {allowed} {unit}"


def _column(sheet: pd.DataFrame, name: str, empty: object) -> pd.Series:
    return sheet[name] if name in sheet.columns else pd.Series(empty, index=sheet.index)


def _matches(condition: np.ndarray, dose: np.ndarray, arm: str) -> np.ndarray:
    """Rows of an arm: its condition, or "condition@dose"."""
    plain = condition == arm
    if plain.any() or "@" not in arm:
        return plain
    name, _, wanted = arm.rpartition("@")
    try:
        return (condition == name) & np.isclose(dose, float(wanted))
    except ValueError:
        return plain


# What a cut needs of the rows of an outcome.
OF_A_CUT = (
    *("animal_id", "unit_of_analysis", "dose", "time", "time_unit", "value", "analysis"),
    *("least", "most", "means", "block", "batch", "sex", "weight_g"),
)


def cuts(
    rows: pd.DataFrame,
    contrast: Contrast,
    also: Iterable[str] = (),
    adjustment: Adjustment = UNADJUSTED,
) -> list[Cut]:
    """Cuts of one outcome and variant for a contrast, by time, the last the one that claims use by default.

    Parameters
    ----------
    rows
        Rows of `prepare` of one outcome and variant.
    contrast
        Names the arms, and the unit of analysis where only some units take part.
    also
        Further arms to carry along where they have rows: healthy and disease for margins, all arms with roles for blocks.
    adjustment
        What was declared to be adjusted for; what a cut does not allow is left out and noted.

    Returns
    -------
    list of Cut
        Empty if an arm of the contrast has no rows at all. Times are kept apart where a unit was measured repeatedly or every arm
        has at least two units at each of several times; otherwise they are pooled and the note says so.
    """
    names = (*contrast.weights, *(a for a in also if a not in contrast.weights))
    of = rows["unit_of_analysis"].to_numpy(object)
    takes_part = (
        (of == contrast.unit) | (of == "technical") if contrast.unit else np.full(len(of), True)
    )
    condition = rows["condition"].to_numpy(object)[takes_part]
    dose = rows["dose"].to_numpy(float)[takes_part]
    label = np.full(len(condition), "", object)
    for name in names:
        label[_matches(condition, dose, name) & (label == "")] = name
    need = set(contrast.weights)
    if not need <= set(label):  # before any table is made: most outcomes have few of the arms
        return []
    columns = [c for c in OF_A_CUT if c in rows]
    own = rows.loc[takes_part, columns].assign(_arm=label)
    rows = _with_baseline(own[label != ""], adjustment)
    times = sorted(rows["time"].dropna().unique())
    if len(times) < 2:
        return [
            _cut(rows, names, float(times[0]) if times else np.nan, "", contrast.trend, adjustment)
        ]
    repeated = (
        rows[rows["time"].notna()]
        .groupby(["animal_id", "_arm", rows["dose"].fillna(-1)])["time"]
        .nunique()
        .max()
        > 1
    )
    per_time = (
        rows[rows["_arm"].isin(need)]
        .groupby(["time", "_arm"])["animal_id"]
        .nunique()
        .unstack(fill_value=0)
    )
    full = per_time.reindex(columns=sorted(need), fill_value=0)
    if repeated:
        usable = full.index[(full >= 1).all(axis=1)]
        return [
            _cut(rows[rows["time"] == t], names, float(t), "", contrast.trend, adjustment)
            for t in usable
        ]
    usable = full.index[(full >= 2).all(axis=1)]
    if len(usable) > 1:
        return [
            _cut(rows[rows["time"] == t], names, float(t), "", contrast.trend, adjustment)
            for t in usable
        ]
    unit = rows["time_unit"].iloc[0]
    return [
        _cut(
            rows,
            names,
            np.nan,
            f"times {times[0]:g} to {times[-1]:g} {unit} pooled".strip(),
            contrast.trend,
            adjustment,
        )
    ]


def _with_baseline(rows: pd.DataFrame, adjustment: Adjustment) -> pd.DataFrame:
    """Rows with what their unit had at the declared time before treatment, on the outcome's scale; that time itself has none."""
    if BASELINE not in adjustment.covariates:
        return rows
    first = np.isclose(rows["time"], adjustment.baseline_time)
    before = rows[first].groupby("animal_id")["analysis"].mean()
    value = rows["animal_id"].map(before).to_numpy(float)
    return rows.assign(**{BASELINE: np.where(first, np.nan, value)})


def _cut(
    rows: pd.DataFrame,
    names: tuple[str, ...],
    time: float,
    note: str,
    keep_doses: bool,
    adjustment: Adjustment,
) -> Cut:
    one, averaged = _one_each(rows, keep_doses)
    note = "; ".join(n for n in (note, "units' doses averaged" if averaged else "") if n)
    paired = bool(one["animal_id"].duplicated().any())
    adjusted_for, covariates, said = (
        ((), np.empty((len(one), 0)), "") if paired else _adjustment(one, adjustment)
    )
    if (
        bool(rows["means"].iloc[0])
        and "block" in adjusted_for
        and _balanced(one["_arm"], one["block"])
    ):
        adjusted_for = tuple(name for name in adjusted_for if name != "block")
        note = "; ".join(n for n in (note, BLOCKS_OF_MEANS) if n)
    bounds = (float(rows["least"].iloc[0]), float(rows["most"].iloc[0]))
    note = "; ".join(n for n in (note, said) if n)
    units = tuple(dict.fromkeys(one["animal_id"]))
    return Cut(
        time=time,
        time_unit=str(rows["time_unit"].iloc[0]),
        arms=names,
        units=units,
        natural=one["natural"].to_numpy(float),
        analysis=one["analysis"].to_numpy(float),
        arm=one["_arm"].map({a: i for i, a in enumerate(names)}).to_numpy(int),
        unit=one["animal_id"].map({u: i for i, u in enumerate(units)}).to_numpy(int),
        dose=one["dose"].to_numpy(float),
        block=one["block"].to_numpy(str),
        batch=one["batch"].to_numpy(str),
        covariates=covariates,
        adjusted_for=adjusted_for,
        limits=bounds,
        paired=paired,
        technical=bool((rows["unit_of_analysis"] == "technical").any()),
        note=note,
    )


def balanced(cut: Cut) -> bool:
    """Whether every arm of a cut is spread over the blocks alike."""
    return _balanced(cut.arm, cut.block)


def _balanced(arm: ArrayLike, block: ArrayLike) -> bool:
    shares = pd.crosstab(np.asarray(arm), np.asarray(block), normalize="index").to_numpy()
    return bool(np.allclose(shares, shares[0]))


def _one_each(rows: pd.DataFrame, keep_doses: bool) -> tuple[pd.DataFrame, bool]:
    """One row for each unit and arm (and dose), sorted by them; whether doses were averaged."""
    key = ["animal_id", "_arm"]
    if not rows.duplicated(key).any():  # the usual case, twenty times faster than grouping
        return rows.sort_values(key, kind="stable").rename(
            columns={"value": "natural"}
        ).reset_index(drop=True), False
    averaged = not keep_doses and bool((rows.groupby(key)["dose"].nunique() > 1).any())
    if keep_doses:
        rows, key = rows.assign(_dose=rows["dose"].fillna(0.0)), [*key, "_dose"]
    one = rows.groupby(key, sort=True).agg(
        natural=("value", "mean"),
        analysis=("analysis", "mean"),
        block=("block", "first"),
        batch=("batch", "first"),
        dose=("dose", "mean"),
        sex=("sex", "first"),
        weight_g=("weight_g", "first"),
        **({BASELINE: (BASELINE, "first")} if BASELINE in rows else {}),
    )
    return one.reset_index(), averaged


def _adjustment(one: pd.DataFrame, wanted: Adjustment) -> tuple[tuple[str, ...], np.ndarray, str]:
    """What the animals of a cut can be adjusted for, the covariates as columns, and what had to be left out."""
    used, columns, notes = [], [], []
    blocks = one["block"]
    if wanted.blocks and (blocks != "").any():
        if (blocks == "").any():
            notes.append("blocks left out: some animals have none")
        elif 1 < blocks.nunique() < len(one):
            used.append("block")
    for name in wanted.covariates:
        values = one[name].map({"F": 0.0, "M": 1.0}) if name == "sex" else one[name]
        if values.notna().sum() < 2 or values.nunique() < 2:
            notes.append(
                f"{name} left out: {'it does not vary' if values.notna().any() else 'not given'}"
            )
            continue
        if values.isna().any():
            notes.append(
                f"{name} of {int(values.isna().sum())} animal(s) set to the mean of all, blind to arms"
            )
        used.append(name)
        columns.append(values.fillna(values.mean()).to_numpy(float))
    return tuple(used), np.array(columns).reshape(len(columns), len(one)).T, "; ".join(notes)


def confounded(cut: Cut, weights: Mapping[str, float]) -> str:
    """Why batches (or blocks) make a contrast of different animals not estimable; empty if they do not."""
    if cut.paired:
        return ""
    used = np.isin(cut.arm, [i for i, a in enumerate(cut.arms) if a in weights])
    arm = np.array(cut.arms)[cut.arm[used]]
    for what, labels in (("batch", cut.batch[used]), ("block", cut.block[used])):
        if (labels == "").any() or len(set(labels)) < 2 or len(set(labels)) == len(labels):
            continue
        design = pd.DataFrame({"arm": arm, "batch": labels})
        if not estimable(design, weights):
            return f"{what} and arm cannot be told apart ({only_in(design, weights)})"
    return ""


def estimate(
    cut: Cut, contrast: Contrast, weights: Mapping[str, float], natural: bool = False
) -> tuple[c.Estimate, str, np.ndarray]:
    """Estimate of a weighted sum of arms in a cut.

    Returns
    -------
    form
        Scalars.
    method
        In words.
    differences
        Within-unit differences where units hold several arms, else empty.
    """
    values = cut.natural if natural else cut.analysis
    w = cut.weights(weights)
    if contrast.trend and cut.paired:
        slopes, units = c.within_unit_slopes(values, np.log2(dose_of_each(cut, w) + 1), cut.unit)
        return c.one_sample(slopes), "t on slopes over log2(dose + 1) within units", slopes[units]
    if contrast.trend:
        arms, slope, _ = dose_arms(cut, w, values)
        return arms.form(slope), f"slope over log2(dose + 1), {method_words(cut)}", np.empty(0)
    if cut.paired:
        differences, units = c.within_units(values, cut.arm, cut.unit, w)
        return c.one_sample(differences), "t on differences within units", differences[units]
    return cut.summary(natural).form(w), method_words(cut), np.empty(0)


def dose_of_each(cut: Cut, w: np.ndarray) -> np.ndarray:
    """Doses of the rows of a cut; the arm that others are compared with is at 0 where it states none."""
    return np.where(np.isnan(cut.dose) & (w[cut.arm] < 0), 0.0, cut.dose)


def dose_arms(
    cut: Cut, w: np.ndarray, values: np.ndarray
) -> tuple[c.AnyArms, np.ndarray, np.ndarray]:
    """Animals of a cut by dose, as arms, and the weights that make their slope over log2(dose + 1).

    Returns
    -------
    arms
        One for each dose, adjusted for what the cut is adjusted for.
    weights
        Of least squares over animals: the slope is the sum of weights × means. NaN with one dose only.
    doses
        Of the arms, rising.
    """
    dose = dose_of_each(cut, w)
    used = (w[cut.arm] != 0) & ~np.isnan(dose)
    doses, group = np.unique(dose[used], return_inverse=True)
    if cut.adjusted_for:
        blocks = np.unique(cut.block[used], return_inverse=True)[1]
        arms: c.AnyArms = adjust(
            values[used],
            group,
            len(doses),
            blocks if "block" in cut.adjusted_for else None,
            cut.covariates[used],
        )
    else:
        arms = c.summarise(values[used], group, len(doses))
    n = np.bincount(group, minlength=len(doses)).astype(float)
    x = np.log2(doses + 1)
    centred = n * (x - np.average(x, weights=n)) if len(doses) else x
    with np.errstate(invalid="ignore", divide="ignore"):
        return arms, centred / (centred * x).sum(), doses


def method_words(cut: Cut) -> str:
    """How contrasts of different animals are estimated in a cut."""
    if not cut.adjusted_for:
        return "group-wise variances, Satterthwaite"
    names = " and ".join(
        {"weight_g": "weight", BASELINE: "baseline value"}.get(n, n) for n in cut.adjusted_for
    )
    return f"adjusted for {names}, HC2 with Bell-McCaffrey degrees of freedom"


def counts(cut: Cut, weights: Mapping[str, float]) -> dict[str, int]:
    """Units in each arm of a contrast."""
    return {
        a: int(np.unique(cut.unit[cut.arm == i]).size)
        for i, a in enumerate(cut.arms)
        if weights.get(a)
    }
