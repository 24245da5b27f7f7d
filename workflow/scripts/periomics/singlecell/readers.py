"""Cells of all libraries in one table of counts: h5ad, folders of a matrix (mtx) and 10x h5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from periomics.core.errors import InputError, nearest
from periomics.genes.combined import COMBINED, is_combined
from periomics.genes.dates import AS_BEFORE, spoiled_names
from periomics.genes.design import one_species
from periomics.genes.kinds import refuse_other_species, refuse_two_species
from periomics.genes.symbols import common_names
from periomics.singlecell.annotated import read_annotated
from periomics.singlecell.formats import (
    joined_libraries,
    no_cells_file,
    of_one_depth,
    refuse_scaled,
    whole,
)
from periomics.singlecell.parts import part_of
from periomics.singlecell.tenx import Droplets, read_folder, read_h5
from periomics.study.settings.singlecell import Atlas

if TYPE_CHECKING:
    from anndata import AnnData


CELLS_TWICE = "two cells have the same name"


def libraries_of(
    facts: Sequence[Mapping[str, object]], settings: Atlas
) -> list[Mapping[str, object]]:
    """Rows of the sheet whose cells make the atlas, by specimen_id; raises InputError where they are of several species."""
    wanted = settings.species
    own = [f for f in facts if wanted is None or str(f.get("species", "")) == wanted]
    if not own:
        message = "no library is of the atlas' species"
        raise InputError(message, file="config", column="singlecell/atlas/species", value=wanted)
    one_species(pd.DataFrame(own), "singlecell/atlas")
    return sorted(own, key=lambda f: str(f["specimen_id"]))


def read_cells(facts: Sequence[Mapping[str, object]], settings: Atlas | None = None) -> AnnData:
    """Read the cells of all libraries.

    Parameters
    ----------
    facts
        Rows of the libraries sheet: specimen_id, animal_id, batch, path, format, sample, species, reference,
        cell_type. Libraries may share a file, whose cells then name their library in `sample_column`, or a folder with a matrix each.
    settings
        sample_column is the column of the cells that holds the sheet's `sample` (specimen_id where the sheet has none),
        label_column one with labels of one's own to be kept as `given_label`.

    Returns
    -------
    AnnData
        Counts (cells × genes, sparse, whole numbers) with obs specimen_id, animal_id, batch; cells are named
        `<specimen_id>:<barcode>`; genes that all files have, sorted; var has `symbol`. uns has `notes` (library → what has to
        be said of it) and `mixed_species` (library → cells of two species in its file, where references are combined).

    Raises
    ------
    InputError
        If a file is no such file, holds no whole counts, lacks a library's cells, or names genes of another species; if files
        share too few genes.
    """
    settings = settings or Atlas()
    files: dict[tuple[str, str], AnnData] = {}
    shared = pd.Series([_part(f) for f in facts]).value_counts()
    parts, paths = [], []
    notes: dict[str, str] = {}
    mixed: dict[str, int] = {}
    sorted_types = any(_text(f.get("cell_type")) for f in facts)
    for fact in facts:
        path, specimen = str(fact["path"]), str(fact["specimen_id"])
        key = path, _sample(fact) if Path(path).is_dir() else ""
        if key not in files:
            files[key] = _read(path, fact)
        names = list(files[key].var_names), list(files[key].var["symbol"])
        if not is_combined(fact):
            check_species(*names, fact, settings, path)
        own = _of_library(files[key], fact, settings, alone=shared[_part(fact)] == 1)
        part = part_of(own, fact, settings)
        joined = "" if settings.sample_column in own.obs else joined_libraries(own.obs_names)
        depth = of_one_depth(sp.csr_matrix(part.cells.X))
        said = "; ".join(filter(None, (part.note, joined, depth)))
        notes |= {specimen: said} if said else {}
        mixed |= {specimen: part.mixed} if part.mixed is not None else {}
        parts.append(_as_library(part.cells, fact, settings, sorted_types))
        paths.append(path)
    out = _together(parts, paths, settings, notes)
    out.uns |= {"notes": notes, "mixed_species": mixed}
    return out


def _part(fact: Mapping[str, object]) -> tuple[str, str]:
    """What of a file a library may have for itself: all of it, or its species' cells."""
    return str(fact["path"]), str(fact.get("species", "")) if is_combined(fact) else ""


def _sample(fact: Mapping[str, object]) -> str:
    return _text(fact.get("sample")) or str(fact["specimen_id"])


def _as_library(
    part: AnnData, fact: Mapping[str, object], settings: Atlas, sorted_types: bool
) -> AnnData:
    """A library's cells with the columns of the atlas."""
    import anndata as ad

    specimen, label = str(fact["specimen_id"]), settings.label_column
    columns = {c: _text(fact.get(c)) for c in ("animal_id", "batch")}
    index = [f"{specimen}:{b}" for b in part.obs_names]
    obs = pd.DataFrame({"specimen_id": specimen, **columns}, index=index)
    if label or sorted_types:
        obs["given_label"] = _given_labels(part, fact, label)
    counts = sp.csr_matrix(part.X)
    whole(counts.data, fact["path"])
    counts = counts.astype(np.float32, copy=False)
    counts.eliminate_zeros()
    refuse_scaled(counts, fact["path"])
    var = pd.DataFrame({"symbol": part.var["symbol"].to_numpy()}, index=part.var_names)
    out = ad.AnnData(counts, obs=obs, var=var)
    out.var_names_make_unique()
    return out


def _together(
    parts: Sequence[AnnData], paths: Sequence[str], settings: Atlas, notes: dict[str, str]
) -> AnnData:
    """All libraries in one table with the genes that all of them have; what that leaves out goes to `notes`."""
    import anndata as ad

    names, said = common_names([p.var_names for p in parts])
    for part, index in zip(parts, names, strict=True):
        part.var_names = index
    _refuse_versions(parts, paths)
    genes = sorted(set.intersection(*(set(p.var_names) for p in parts)))
    largest = max(p.n_vars for p in parts)
    if not genes or len(genes) < settings.min_shared * largest:
        fewest = min(range(len(parts)), key=lambda i: parts[i].n_vars)
        raise InputError(
            f"the files have {len(genes)} genes in common, of {largest} in the largest: are they of one "
            "annotation and kind of id?",
            file=paths[fewest],
            value=str(next(iter(set(parts[fewest].var_names) - set(genes)), "")),
            allowed=f"{100 * settings.min_shared:g} % (singlecell/atlas/min_shared)",
        )
    for part in parts if len(genes) < largest else ():
        kept = float(part[:, genes].X.sum()) / max(float(part.X.sum()), 1.0)
        library = str(part.obs["specimen_id"].iloc[0]) if part.n_obs else ""
        if part.n_vars > len(genes) and library:
            words = f"{part.n_vars - len(genes)} genes that not every file has were left out, with "
            said_of = f"{words}{100 * (1 - kept):.2g} % of its counts"
            notes[library] = "; ".join(filter(None, (notes.get(library, ""), said_of, *said)))
    out = ad.concat([p[:, genes] for p in parts], join="inner", merge="first")
    if not out.obs_names.is_unique:
        value = out.obs_names[out.obs_names.duplicated()][0]
        files = "; ".join(sorted(set(paths)))
        raise InputError(CELLS_TWICE, file=files, value=value)
    return out


def _refuse_versions(parts: Sequence[AnnData], paths: Sequence[str]) -> None:
    for part, path in zip(parts, paths, strict=True):
        if not part.var_names.is_unique:
            value = str(part.var_names[part.var_names.duplicated()][0])
            raise InputError("holds one gene under two versions of its id", file=path, value=value)


def check_species(
    ids: Sequence[str],
    symbols: Sequence[str],
    fact: Mapping[str, object],
    settings: Atlas,
    path: object,
) -> None:
    """Refuse genes of another species than the library's, by ids and by symbols, and names that a spreadsheet changed."""
    species = str(fact.get("species", ""))
    for names in (ids, symbols):
        spoiled, message = spoiled_names([str(g) for g in names])
        if spoiled:
            value = ", ".join(spoiled[:5])
            raise InputError(message, file=str(path), value=value, allowed=AS_BEFORE)
    for names in (ids, symbols) if species else ():
        genes = [str(g) for g in names]
        refuse_two_species(genes, species, path, COMBINED)
        refuse_other_species(genes, species, settings.min_own_species, path)


def _text(value: object) -> str:
    """A cell of the sheet as text; missing is ''."""
    return "" if value is None or value != value else str(value)


def _given_labels(
    cells: AnnData, fact: Mapping[str, object], label_column: str | None
) -> np.ndarray:
    """Labels of one's own: the sheet's cell_type, else the cells' column; '' without either."""
    sorted_type = _text(fact.get("cell_type"))
    if sorted_type or not label_column:
        return np.full(cells.n_obs, sorted_type, dtype=object)
    if label_column not in cells.obs:
        raise InputError(
            f"cells have no such column{nearest(label_column, cells.obs)}",
            file=str(fact["path"]),
            column=label_column,
        )
    return cells.obs[label_column].astype(str).to_numpy(object)


def _read(path: str, fact: Mapping[str, object]) -> AnnData:
    where = Path(path)
    try:
        if where.is_dir():
            return _annotated([read_folder(where, _sample(fact))])
        if where.suffix == ".h5":
            return _annotated(read_h5(where))
        if where.suffix == ".h5ad":
            return read_annotated(where)
    except InputError as error:
        if error.file:
            raise
        raise InputError(
            error.message,
            file=path,
            row=error.row,
            column=error.column,
            value=error.value,
            allowed=error.allowed,
        ) from error
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"cannot be read as cells: {error}", file=path) from error
    raise no_cells_file(where, _text(fact.get("format")))


def _annotated(tables: Sequence[Droplets]) -> AnnData:
    """Droplets as a table; several of one file, a reference each, side by side."""
    import anndata as ad

    made = [
        ad.AnnData(t.counts, obs=pd.DataFrame(index=t.cells), var=_genes(t.ids, t.symbols))
        for t in tables
    ]
    if len(made) == 1:
        return made[0]
    out = ad.concat(made, join="outer", merge="first", axis=0, fill_value=0)
    # One droplet may hold genes of each reference.
    names = out.obs_names.unique()
    sums = sp.csr_matrix(
        (np.ones(out.n_obs), (names.get_indexer(out.obs_names), np.arange(out.n_obs))),
        (len(names), out.n_obs),
    )
    return ad.AnnData(sp.csr_matrix(sums @ out.X), obs=pd.DataFrame(index=names), var=out.var)


def _genes(ids: Sequence[str], symbols: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({"symbol": list(symbols)}, index=list(ids))


def _of_library(
    cells: AnnData, fact: Mapping[str, object], settings: Atlas, alone: bool
) -> AnnData:
    sample, column, path = _sample(fact), settings.sample_column, str(fact["path"])
    if column not in cells.obs:
        if alone or Path(path).is_dir():
            return cells
        raise InputError(
            f"several libraries share this file, but its cells have no column {column}{nearest(column, cells.obs)}",
            file=path,
            column="singlecell/atlas/sample_column",
            allowed=", ".join(map(str, cells.obs)),
        )
    labels = cells.obs[column].astype(str)
    if not (labels == sample).any():
        known = sorted(set(labels))
        raise InputError(
            f"has no cells of library {fact['specimen_id']}{nearest(sample, known)}",
            file=path,
            column="sample",
            value=sample,
            allowed=", ".join(known[:12]),
        )
    return cells[(labels == sample).to_numpy()]
