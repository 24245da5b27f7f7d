"""Signed networks: the team's table, and third-party tables in their own forms.

Forms are told apart by their columns, as their makers write them: OmniPath (`source_genesymbol`, `target_genesymbol`, stimulation and
inhibition), SIGNOR (`ENTITYA`, `ENTITYB`, `EFFECT`), tables of COSMOS, CARNIVAL and CORNETO (`source`, `target`, `sign` or `interaction`),
regulons of CollecTRI (`source`, `target`, `weight`) and DoRothEA (`tf`, `target`, `mor`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.genes.orthologs import between
from periomics.genes.regulons import FORMS, TRANSCRIPTION
from periomics.study.settings.linkage import SignallingNetwork

SIGNALLING = "signalling"
BINDING = "ligand_receptor"
LAYERS = (BINDING, SIGNALLING, TRANSCRIPTION)
COLUMNS = ["source", "sign", "target", "layer", "evidence"]
# Evidence of edges of a table that the study names.
CONFIGURED = "configured"
# Columns of source, target and sign.
_PLAIN = {
    "COSMOS, CARNIVAL": ("source", "target", "interaction"),
    "CORNETO": ("source", "target", "sign"),
    **FORMS,
}
_OMNIPATH = ("source_genesymbol", "target_genesymbol")
_SIGNOR = ("ENTITYA", "ENTITYB", "EFFECT")
_BY_EXPRESSION = "by expression"
_YES, _NO = {"true", "1", "1.0", "t", "yes"}, {"false", "0", "0.0", "f", "no", ""}
_UNSIGNED = {"", "na", "nan", "none", "0", "0.0"}
# Members of a complex.
_JOINED = re.compile(r"[_:,]")


@dataclass(frozen=True)
class Signed:
    """A signed network in the symbols of a species.

    Attributes
    ----------
    edges
        COLUMNS; no edge twice.
    symbols
        Node as its table names it → in the species; '' where it has no ortholog.
    notes
        What was left out, and pairs of both signs.
    """

    edges: pd.DataFrame
    symbols: Mapping[str, str]
    notes: tuple[str, ...] = ()


def goals_of(edges: pd.DataFrame) -> frozenset[str]:
    """Nodes that may be genes to explain: targets of transcription; where no edge is of that layer, all with an edge in."""
    by_factors = edges["layer"] == TRANSCRIPTION
    known = edges["layer"].isin(LAYERS)
    return frozenset(edges.loc[by_factors | (known & ~by_factors.any()), "target"])


def own_table(path: str, species: str) -> Signed:
    """The team's table in the symbols of a species."""
    df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    df["sign"] = df["sign"].astype(int)
    symbols: dict[str, str] = {}
    for end in ("source", "target"):
        here = df[end] if species == "human" else df[f"{end}_{species}"].replace("NA", "")
        symbols |= dict(zip(df[end], here, strict=True))
    return _in_species(df[COLUMNS], symbols, ())


def read_signed(path: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Edges of a third-party table as it names its nodes.

    Parameters
    ----------
    path
        Tab- or comma-separated, plain or gz.

    Returns
    -------
    edges
        COLUMNS. A pair of both signs is two edges. Edges of SIGNOR by expression are transcription.
    notes
        How many edges have no sign and were left out.

    Raises
    ------
    InputError
        If the form is not known, a sign is not one, or no edge has a sign.
    """
    df = _read(path)
    source, target, up, down = _signs(df, path)
    layer = np.full(len(df), SIGNALLING, dtype=object)
    if set(_SIGNOR) <= set(df.columns):
        layer[df["EFFECT"].str.contains(_BY_EXPRESSION, regex=False)] = TRANSCRIPTION
    elif "layer" in df.columns:
        layer = df["layer"].to_numpy(object)
        _refuse(~np.isin(layer, LAYERS), df["layer"], path, "no layer of a network", LAYERS)
    whole = pd.DataFrame({"source": source, "target": target, "layer": layer})
    parts = [whole[np.asarray(has)].assign(sign=sign) for has, sign in ((up, 1), (down, -1))]
    edges = pd.concat(parts).assign(evidence=CONFIGURED)[COLUMNS]
    edges = edges[(edges["source"] != "") & (edges["target"] != "")]
    if edges.empty:
        raise InputError("no edge has a sign", file=path)
    without = int((~(up | down)).sum())
    notes = (f"{without} edges of {path} have no sign and were left out",) if without else ()
    return _sorted(edges), notes


def _read(path: str) -> pd.DataFrame:
    try:
        df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        if len(df.columns) == 1 and "," in str(df.columns[0]):
            df = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, EOFError, ValueError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot be read as a table: {text}", file=path) from error
    return df.apply(lambda column: column.str.strip())


def _signs(df: pd.DataFrame, path: str) -> tuple[pd.Series, pd.Series, pd.Series, pd.Series]:
    """Source, target, whether an edge activates, whether it inhibits."""
    have = set(df.columns)
    if set(_OMNIPATH) <= have:
        for of in ("consensus", "is"):
            names = [f"{of}_stimulation", f"{of}_inhibition"]
            if set(names) <= have:
                up, down = (_yes(df[n], path) for n in names)
                return df[_OMNIPATH[0]], df[_OMNIPATH[1]], up, down
    if set(_SIGNOR) <= have:
        effect = df["EFFECT"].str.lower()
        up, down = effect.str.startswith("up-regulates"), effect.str.startswith("down-regulates")
        return df["ENTITYA"], df["ENTITYB"], up, down
    for source, target, sign in _PLAIN.values():
        if {source, target, sign} <= have:
            value = pd.to_numeric(df[sign], errors="coerce")
            wrong = value.isna() & ~df[sign].str.lower().isin(_UNSIGNED)
            _refuse(wrong.to_numpy(), df[sign], path, "is no sign", ("1", "-1"))
            return df[source], df[target], value > 0, value < 0
    known = [f"OmniPath ({', '.join(_OMNIPATH)}, is_ or consensus_ stimulation and inhibition)"]
    known += [f"SIGNOR ({', '.join(_SIGNOR)})"]
    known += [f"{name} ({', '.join(columns)})" for name, columns in _PLAIN.items()]
    shown = ", ".join(map(str, df.columns[:20]))
    message = f"is no signed network of a known form: it has the columns {shown}"
    raise InputError(message, file=path, allowed="; ".join(known))


def _yes(column: pd.Series, path: str) -> pd.Series:
    text = column.str.lower()
    wrong = ~text.isin(_YES | _NO | _UNSIGNED)
    _refuse(wrong.to_numpy(), column, path, "neither yes nor no", ("1", "0", "True", "False"))
    return text.isin(_YES)


def _refuse(
    wrong: np.ndarray, column: pd.Series, path: str, message: str, allowed: Sequence[str]
) -> None:
    if wrong.any():
        i = int(np.argmax(wrong))
        raise InputError(
            message,
            file=path,
            row=i + 2,
            column=str(column.name),
            value=column.iloc[i],
            allowed=", ".join(allowed),
        )


def _sorted(edges: pd.DataFrame) -> pd.DataFrame:
    keys = ["source", "sign", "target"]
    return edges.drop_duplicates(keys).sort_values(keys).reset_index(drop=True)


def _both(edges: pd.DataFrame) -> tuple[str, ...]:
    """A note of the pairs that have both signs; none where there are none."""
    signs = edges.groupby(["source", "target"])["sign"].nunique()
    pairs = [f"{s} to {t}" for s, t in signs[signs > 1].index]
    if not pairs:
        return ()
    more = f" and {len(pairs) - 10} more" if len(pairs) > 10 else ""
    return (f"both signs, kept as two edges: {', '.join(pairs[:10])}{more}",)


def translated(name: str, orthologs: Mapping[str, str]) -> str:
    """A node in another species, a complex by its members; '' where one has no ortholog."""
    if name in orthologs:
        return orthologs[name]
    members = [orthologs.get(m, "") for m in _JOINED.split(name)]
    return "_".join(members) if all(members) else ""


def _in_species(edges: pd.DataFrame, symbols: Mapping[str, str], notes: tuple[str, ...]) -> Signed:
    out = edges.assign(**{end: edges[end].map(symbols) for end in ("source", "target")})
    kept = (out["source"] != "") & (out["target"] != "")
    return Signed(_sorted(out[kept]), symbols, notes)


def third_party(
    path: str, own: str, species: str, orthologs: Mapping[str, str | None] | None = None
) -> Signed:
    """A third-party table in the symbols of a species.

    Parameters
    ----------
    path
        Of the table.
    own, species
        Species of its symbols, and of the libraries.
    orthologs
        Rodent → path of its table with human.

    Raises
    ------
    InputError
        If the table is not of a known form, or an ortholog table is needed and not configured.
    """
    edges, notes = read_signed(path)
    other = between(orthologs or {}, own, species)
    names = sorted(set(edges["source"]) | set(edges["target"]))
    symbols = {n: n if other is None else translated(n, other) for n in names}
    lost = sum(not s for s in symbols.values())
    if lost:
        text = f"{lost} of the {len(names)} nodes of {path} have no ortholog in {species}"
        notes = (*notes, f"{text}; their edges were left out")
    return _in_species(edges, symbols, notes)


def configured_network(
    own: str,
    species: str,
    *,
    table: str | None = None,
    regulons: str | None = None,
    table_species: str = "human",
    orthologs: Mapping[str, str | None] | None = None,
) -> Signed:
    """The network that a study asks for, in the symbols of its libraries.

    Parameters
    ----------
    own
        Path of the team's table, which knows its own orthologs.
    species
        Of the libraries.
    table
        A third-party table that stands in its place.
    regulons
        A table of factors and genes that is the layer of transcription in place of any other.
    table_species, orthologs
        Of `third_party`, for both.

    Returns
    -------
    Signed
        Its last note names pairs of both signs, which are kept as two edges.
    """
    found = (
        third_party(table, table_species, species, orthologs) if table else own_table(own, species)
    )
    if regulons:
        more = third_party(regulons, table_species, species, orthologs)
        rest = found.edges[found.edges["layer"] != TRANSCRIPTION]
        both = pd.concat([more.edges.assign(layer=TRANSCRIPTION), rest], ignore_index=True)
        symbols = {**more.symbols, **found.symbols}
        found = Signed(_sorted(both), symbols, found.notes + more.notes)
    return Signed(found.edges, found.symbols, (*found.notes, *_both(found.edges)))


def named_inputs(inputs: Mapping[str, int], network: Signed) -> tuple[dict[str, int], list[str]]:
    """Inputs in the symbols of the libraries, and why any of them is left out.

    Parameters
    ----------
    inputs
        Node as its table names it (the team's own: human symbols) → +1 or −1.
    network
        The network.

    Raises
    ------
    InputError
        If the table has no such node.
    """
    out, lost = {}, []
    sources = set(network.edges["source"])
    for name, sign in inputs.items():
        if name not in network.symbols:
            raise InputError(
                f"the signalling table has no such input{nearest(name, sorted(network.symbols))}",
                column="linkage/networks",
                value=name,
            )
        symbol = network.symbols[name]
        if not symbol:
            lost.append(f"{name} has no ortholog in the species of the libraries")
        elif symbol not in sources:
            lost.append(f"no edge leads on from {name}")
        else:
            out[symbol] = int(sign)
    return out, lost


def network_of(
    files: Mapping[str, str], settings: SignallingNetwork, species: str
) -> tuple[Signed, frozenset[str]]:
    """The network of a job's files, and the receptors that the team's table knows, in the symbols of a species.

    Parameters
    ----------
    files
        `signalling` (the team's); where the study names them `table`, `regulons`, `orthologs_mouse`, `orthologs_rat`.
    settings, species
        Of the network; of its libraries.
    """
    own = own_table(files["signalling"], species).edges
    receptors = frozenset(own.loc[own["layer"] == BINDING, "target"])
    found = configured_network(
        files["signalling"],
        species,
        table=files.get("table"),
        regulons=files.get("regulons"),
        table_species=settings.table_species,
        orthologs={s: files.get(f"orthologs_{s}") for s in ("mouse", "rat")},
    )
    return found, receptors
