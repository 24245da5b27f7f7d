"""Animals of one outcome, cut to what one contrast compares."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from periomics.statistics.claims.plan import Adjustment, Contrast
from periomics.statistics.claims.possible import limits_of, what_can_be
from periomics.statistics.claims.twins import same_values
from periomics.statistics.kernels import contrasts as c
from periomics.statistics.kernels.adjusted import adjust
from periomics.statistics.kernels.means import of_means, spread_of_logs
from periomics.study.design import estimable, only_in
from periomics.study.dictionary import entry
from periomics.study.scale import comparable

# As the check says of an arm, and as the tests of genes hold: below this there are estimates and no inference.
MIN_UNITS = 3
# A block that moves logits or logarithms alike moves means by different amounts: adjusted for or
# left out, intervals cover .90.
BLOCKS_OF_MEANS = "blocks do not move means alike: what they leave in a difference is counted in its standard error"
OF_MEANS = "ends stretched by the skewness of means"
UNADJUSTED = Adjustment(blocks=False)
# Scale of sizes, which are log-normal where they are not 0.
SIZES = "log"
# The covariate that is the outcome itself, before treatment.
BASELINE = "baseline"


@dataclass(frozen=True)
class Cut:
    """Rows of one outcome and variant at one time: a value a unit and arm.

    `natural` and `analysis` are the values on both scales, `arm` and `unit` indices into `arms` and `units`, `paired` whether
    units hold several arms. Units of which one arm has several doses are averaged. `limits` are the least and the
    largest value that the outcome can have. `means`: the outcome's own scale where arithmetic
    means are compared, else ''; with what blocks leave in them where `by_block`. `when`: the times
    of the values where several are pooled.
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
    means: str = ""
    by_block: bool = False
    when: tuple[str, ...] = ()

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
        fit = self.over_blocks(self._fit(self.natural), self.natural, self.arm)
        return c.Bounded(fit, up, down) if up.any() or down.any() else fit

    def over_blocks(
        self, arms: c.AnyArms, values: np.ndarray, arm: np.ndarray, used: c.Index = ()
    ) -> c.AnyArms:
        """Arms with what blocks and skewness add, where arithmetic means are compared; `used` names
        the rows of these values."""
        if not self.means:
            return arms
        block = self.block[used] if self.by_block else None
        return of_means(arms, values, arm, self.limits, block, self.means == SIZES)

    @cached_property
    def spread_of_sizes(self) -> float:
        """SD of the logarithms within arms, where means of sizes are compared; else 0."""
        if self.means != SIZES:
            return 0.0
        return float(spread_of_logs(self.natural, self.limits[0], self.arm, len(self.arms)))

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


# What `prepare` adds by outcome, and what stands there before.
PREPARED: Mapping[str, Any] = {
    "scale": np.array("", object),
    "analysis": np.nan,
    "scale_note": np.array("", object),
    "least": -np.inf,
    "most": np.inf,
    "means": np.array("", object),
}


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
    found: dict[str, np.ndarray] = {c: np.full(len(df), empty) for c, empty in PREPARED.items()}
    kept = np.full(len(df), True)
    # Written by place: a table that is changed outcome by outcome takes seconds.
    value, units = df["value"].to_numpy(float), df["unit"].to_numpy()
    counted = [df[k].to_numpy() if k in df else None for k in ("numerator", "denominator")]
    for (outcome, _), places in df.groupby(["outcome", "variant"], sort=True).indices.items():
        own = entry(dictionary, str(outcome))
        y = value[places]
        least, most = limits_of(own, y, str(units[places[0]]))
        possible, named = what_can_be(df.iloc[places], least, most)
        if not possible.any():
            found["scale"][places], found["scale_note"][places] = str(own["scale"]), named
            continue
        kept[places[~possible]] = False
        places = places[possible]
        parts = [None if x is None else x[places] for x in counted]
        unit = str(units[places[0]])
        scale, values, note = comparable(value[places], str(own["scale"]), unit, *parts)
        if scale != own["scale"]:
            note = f"arithmetic means of animals are compared ({note})"
            found["means"][places] = str(own["scale"])
        found["analysis"][places] = values
        found["scale"][places] = scale
        found["scale_note"][places] = "; ".join(x for x in (named, note) if x)
        found["least"][places], found["most"][places] = least, most
    df = df.assign(**found)[kept]
    for one, other in same_values(df):
        twins = df["animal_id"].isin([one, other])
        named = df["outcome"].isin(set(df.loc[twins, "outcome"]))
        note = f"{one} and {other} have the same values throughout: one animal under two ids?"
        df.loc[named, "scale_note"] = [
            f"{x}; {note}" if x else note for x in df.loc[named, "scale_note"]
        ]
    order = ["outcome", "variant", "animal_id", "condition", "dose", "time"]
    return df.sort_values(order, kind="stable", na_position="first").reset_index(drop=True)


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


def without_rows(rows: pd.DataFrame, arms: Iterable[str]) -> list[str]:
    """Arms of which there are no rows."""
    condition, dose = rows["condition"].to_numpy(object), rows["dose"].to_numpy(float)
    return [arm for arm in arms if not _matches(condition, dose, arm).any()]


# What a cut needs of the rows of an outcome.
OF_A_CUT = (
    *("animal_id", "unit_of_analysis", "dose", "time", "time_unit", "value", "analysis"),
    *("least", "most", "means", "block", "batch", "sex", "weight_g"),
)


def by_outcome(
    rows: pd.DataFrame, more: Collection[str] = ()
) -> Iterator[tuple[str, str, dict[str, np.ndarray]]]:
    """Outcome, variant and their rows of `prepare` as arrays: what `cuts` needs, and `more`."""
    names = dict.fromkeys(("condition", *OF_A_CUT, *more))
    columns = {c: rows[c].to_numpy() for c in names if c in rows}
    groups = rows.groupby(["outcome", "variant"], sort=True).indices
    for (outcome, variant), places in sorted(groups.items()):
        yield str(outcome), str(variant), {c: x[places] for c, x in columns.items()}


def cuts(
    rows: pd.DataFrame | Mapping[str, np.ndarray],
    contrast: Contrast,
    also: Iterable[str] = (),
    adjustment: Adjustment = UNADJUSTED,
) -> list[Cut]:
    """Cuts of one outcome and variant for a contrast, by time, the last the one that claims use by default.

    Parameters
    ----------
    rows
        Rows of `prepare` of one outcome and variant, or their columns, for many contrasts of them.
    contrast
        Names the arms, and the unit of analysis where only some units take part.
    also
        Further arms to carry along where they have rows: healthy and disease for margins, all arms with roles for blocks.
    adjustment
        What was declared to be adjusted for; what a cut does not allow is left out and noted.

    Returns
    -------
    list of Cut
        Empty if an arm of the contrast has no rows at all, or none at a time that every arm has.
        Times that are not kept apart (`_usable_times`) are pooled and the note says so.
    """
    names = (*contrast.weights, *(a for a in also if a not in contrast.weights))
    of = np.asarray(rows["unit_of_analysis"], object)
    places = np.arange(len(of))
    if contrast.unit:
        places = np.flatnonzero((of == contrast.unit) | (of == "technical"))
    condition = np.asarray(rows["condition"], object)[places]
    dose = np.asarray(rows["dose"], float)[places]
    label = np.full(len(places), "", object)
    for name in names:
        label[_matches(condition, dose, name) & (label == "")] = name
    need = set(contrast.weights)
    if not need <= set(label):  # before anything is made: most outcomes have few of the arms
        return []
    taken = places[label != ""]
    own = {c: np.asarray(rows[c])[taken] for c in OF_A_CUT if c in rows}
    own |= {"_arm": label[label != ""]} | _baseline(own, adjustment)

    def cut(where: np.ndarray, time: float, note: str = "") -> Cut:
        part = {c: values[where] for c, values in own.items()}
        return _cut(part, names, time, note, contrast.trend, adjustment)

    time = own["time"].astype(float)
    times = np.unique(time[~np.isnan(time)])
    everything = np.full(len(time), True)
    if len(times) < 2:
        return [cut(everything, float(times[0]) if len(times) else np.nan)]
    apart, usable = _usable_times(own, time, need)
    if apart:
        return [cut(time == t, float(t)) for t in usable]
    note = f"times {times[0]:g} to {times[-1]:g} {own['time_unit'][0]} pooled".strip()
    pooled = cut(everything, np.nan, note)
    if len(set(pooled.when)) > 1 and not _alike(pooled.arm, pooled.when):
        pooled = replace(pooled, note=pooled.note.replace(note, f"{note}, not alike in all arms"))
    return [pooled]


Columns = Mapping[str, np.ndarray]


def _usable_times(
    own: Columns, time: np.ndarray, need: Collection[str]
) -> tuple[bool, list[float]]:
    """Whether times are kept apart, and those at which every arm has a unit, or two where none was
    measured repeatedly.

    Apart: units were measured repeatedly, several times are usable, or one is and each time of an
    arm has enough animals.
    """
    of_unit: dict[tuple[str, str, float], set[float]] = {}
    at: dict[tuple[float, str], set[str]] = {}
    dose = np.nan_to_num(own["dose"].astype(float), nan=-1.0)
    for animal, arm, d, t in zip(own["animal_id"], own["_arm"], dose, time, strict=True):
        if not np.isnan(t):
            of_unit.setdefault((animal, arm, d), set()).add(t)
            at.setdefault((t, arm), set()).add(animal)
    repeated = max(map(len, of_unit.values())) > 1
    least = 1 if repeated else 2
    usable = [
        t for t in sorted({t for t, _ in at}) if all(len(at.get((t, a), ())) >= least for a in need)
    ]
    planned = min(map(len, at.values())) >= MIN_UNITS
    return repeated or len(usable) > 1 or (planned and len(usable) == 1), usable


def _baseline(own: Columns, adjustment: Adjustment) -> dict[str, np.ndarray]:
    """What units had at the declared time before treatment, on the outcome's scale; that time itself has none."""
    if BASELINE not in adjustment.covariates:
        return {}
    first = np.isclose(own["time"].astype(float), adjustment.baseline_time)
    before = pd.Series(own["analysis"][first]).groupby(own["animal_id"][first]).mean()
    value = pd.Series(own["animal_id"]).map(before).to_numpy(float)
    return {BASELINE: np.where(first, np.nan, value)}


def _cut(
    rows: Columns,
    names: tuple[str, ...],
    time: float,
    note: str,
    keep_doses: bool,
    adjustment: Adjustment,
) -> Cut:
    one, averaged = _one_each(rows, keep_doses)
    note = "; ".join(n for n in (note, "units' doses averaged" if averaged else "") if n)
    units = tuple(dict.fromkeys(one["animal_id"]))
    paired = len(units) < len(one["animal_id"])
    adjusted_for, covariates, said = (
        ((), np.empty((len(one["animal_id"]), 0)), "") if paired else _adjustment(one, adjustment)
    )
    means = "" if paired else str(rows["means"][0])
    by_block = bool(means) and "block" in adjusted_for
    if by_block:
        adjusted_for = tuple(name for name in adjusted_for if name != "block")
        note = "; ".join(n for n in (note, BLOCKS_OF_MEANS) if n)
    arm_of, unit_of = ({x: i for i, x in enumerate(of)} for of in (names, units))
    return Cut(
        time=time,
        time_unit=str(rows["time_unit"][0]),
        arms=names,
        units=units,
        natural=one["value"].astype(float),
        analysis=one["analysis"].astype(float),
        arm=np.array([arm_of[a] for a in one["_arm"]], int),
        unit=np.array([unit_of[u] for u in one["animal_id"]], int),
        dose=one["dose"].astype(float),
        block=one["block"].astype(str),
        batch=one["batch"].astype(str),
        covariates=covariates,
        adjusted_for=adjusted_for,
        limits=(float(rows["least"][0]), float(rows["most"][0])),
        paired=paired,
        technical=bool((rows["unit_of_analysis"] == "technical").any()),
        note="; ".join(n for n in (note, said) if n),
        means=means,
        by_block=by_block,
        when=tuple(f"{t:g} {rows['time_unit'][0]}".strip() for t in one["time"].astype(float))
        if np.isnan(time)
        else (),
    )


def balanced(cut: Cut) -> bool:
    """Whether every arm of a cut is spread over the blocks alike."""
    return _alike(cut.arm, cut.block)


def _alike(arm: ArrayLike, label: ArrayLike) -> bool:
    """Whether every arm has the same share of each label."""
    shares = pd.crosstab(np.asarray(arm), np.asarray(label), normalize="index").to_numpy()
    return bool(np.allclose(shares, shares[0]))


def _one_each(rows: Columns, keep_doses: bool) -> tuple[Columns, bool]:
    """One row for each unit and arm (and dose), sorted by them; whether doses were averaged."""
    key = list(zip(rows["animal_id"], rows["_arm"], strict=True))
    if len(set(key)) == len(key):
        order = sorted(range(len(key)), key=key.__getitem__)
        return {c: values[order] for c, values in rows.items()}, False
    table, by = pd.DataFrame(dict(rows)), ["animal_id", "_arm"]
    averaged = not keep_doses and bool((table.groupby(by)["dose"].nunique() > 1).any())
    if keep_doses:
        table, by = table.assign(_dose=table["dose"].fillna(0.0)), [*by, "_dose"]
    means, firsts = (
        ("value", "analysis", "dose"),
        ("time", "block", "batch", "sex", "weight_g", BASELINE),
    )
    how = dict.fromkeys(means, "mean") | {c: "first" for c in firsts if c in table}
    one = table.groupby(by, sort=True).agg(how).reset_index()
    return {c: one[c].to_numpy() for c in one}, averaged


def _adjustment(one: Columns, wanted: Adjustment) -> tuple[tuple[str, ...], np.ndarray, str]:
    """What the animals of a cut can be adjusted for, the covariates as columns, and what had to be left out."""
    used, columns, notes = [], [], []
    blocks = set(one["block"])
    if wanted.blocks and blocks != {""}:
        if "" in blocks:
            notes.append("blocks left out: some animals have none")
        elif 1 < len(blocks) < len(one["block"]):
            used.append("block")
        elif len(blocks) > 1:
            notes.append("blocks left out: each animal has one of its own")
    for name in wanted.covariates:
        given = pd.Series(one[name])
        values = given.map({"F": 0.0, "M": 1.0}) if name == "sex" else given.astype(float)
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
    n = len(one["block"])
    return tuple(used), np.array(columns).reshape(len(columns), n).T, "; ".join(notes)


def confounded(cut: Cut, weights: Mapping[str, float]) -> str:
    """Why batches, blocks or pooled times make a contrast of different animals not estimable; empty
    if they do not."""
    if cut.paired:
        return ""
    used = np.isin(cut.arm, [i for i, a in enumerate(cut.arms) if a in weights])
    arm = np.array(cut.arms)[cut.arm[used]].tolist()
    when = np.array(cut.when) if cut.when else np.full(len(used), "")
    labels = {"batch": cut.batch, "block": cut.block, "time": when}
    rows = [(what, tuple(zip(arm, x[used].tolist(), strict=True))) for what, x in labels.items()]
    return _confounded(tuple(rows), tuple(weights.items()))


@lru_cache(maxsize=256)
def _confounded(
    by: tuple[tuple[str, tuple[tuple[str, str], ...]], ...],
    contrast: tuple[tuple[str, float], ...],
) -> str:
    """`confounded` of pairs of arm and label: most outcomes of a study have the same animals."""
    weights = dict(contrast)
    for what, pairs in by:
        labels = [label for _, label in pairs]
        if "" in labels or len(set(labels)) < 2 or len(set(labels)) == len(labels):
            continue
        design = pd.DataFrame(pairs, columns=["arm", "batch"])
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
    arms = cut.over_blocks(arms, values[used], group, used)
    n = np.bincount(group, minlength=len(doses)).astype(float)
    x = np.log2(doses + 1)
    centred = n * (x - np.average(x, weights=n)) if len(doses) else x
    with np.errstate(invalid="ignore", divide="ignore"):
        return arms, centred / (centred * x).sum(), doses


def method_words(cut: Cut) -> str:
    """How contrasts of different animals are estimated in a cut."""
    means = f", {OF_MEANS}" if cut.means else ""
    if not cut.adjusted_for:
        return f"group-wise variances, Satterthwaite{means}"
    names = " and ".join(
        {"weight_g": "weight", BASELINE: "baseline value"}.get(n, n) for n in cut.adjusted_for
    )
    return f"adjusted for {names}, HC2 with Bell-McCaffrey degrees of freedom{means}"


def counts(cut: Cut, weights: Mapping[str, float]) -> dict[str, int]:
    """Units in each arm of a contrast."""
    return {
        a: int(np.unique(cut.unit[cut.arm == i]).size)
        for i, a in enumerate(cut.arms)
        if weights.get(a)
    }
