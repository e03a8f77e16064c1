"""Looking at the gates of a model on rows, from the rows on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import peprank
from peprank.data import columns_of, conform_table
from peprank.evaluation import gates_on
from peprank.models import look_at_gates
from tests import tiny


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> peprank.Scorer:
    folder = tmp_path_factory.mktemp("look")
    return peprank.load(peprank.train(tiny.write(folder)).model_dir)


def test_means_are_those_of_the_rows_of_each_domain(ranker: peprank.Scorer) -> None:
    table = tiny.rows(300, seed=4)
    rows = conform_table(table, columns_of(ranker.spec, with_targets=False), "made up")
    shown = look_at_gates(ranker.ranker, ranker.encoder.features(rows), ["ctr", "cvr"])
    found = peprank.gates(ranker, table)
    assert (found.rows, found.domain_column, set(found.domains)) == (300, "tab", {"home", "search"})
    assert found.model == "PEPNet, PAPER wiring"
    tab = np.array(table["tab"].to_pylist())
    for gate, values in zip(found.gates, shown, strict=True):
        assert (gate.name, gate.layer, gate.task) == (values.gate, values.layer, values.task)
        for domain in found.domains:
            cell = gate.cell(domain=domain)
            assert cell is not None
            assert cell.rows == (tab == domain).sum()
            assert cell.mean == pytest.approx(values.values.numpy()[tab == domain].mean(), abs=2e-6)


def test_files_and_tables_and_batches_of_any_size_agree(ranker: peprank.Scorer, tmp_path: Path) -> None:
    told = []
    table = tiny.rows(200, seed=4).drop_columns(["click", "buy"])  # no labels needed
    pq.write_table(table, tmp_path / "rows.parquet")
    whole = peprank.gates(ranker, table, on_rows=lambda rows, total: told.append((rows, total)))
    assert peprank.gates(ranker, tmp_path / "rows.parquet") == whole
    assert told == [(200, 200)]


def test_users_are_the_gauc_groups_unless_another_feature_is_named(ranker: peprank.Scorer) -> None:
    table = tiny.rows(400, seed=4)

    def users(**options: str) -> tuple[str | None, int]:
        gates = peprank.gates(ranker, table, **options)  # type: ignore[arg-type]
        spread = gates.gates[0].cells[0].spread
        assert spread is not None
        return gates.user_feature, spread.users

    assert users() == ("user", len(set(table["user"].to_pylist())))
    assert users(by_user="item") == ("item", len(set(table["item"].to_pylist())))


def test_a_feature_that_is_not_there_is_named(ranker: peprank.Scorer) -> None:
    with pytest.raises(peprank.SpecError) as refused:
        peprank.gates(ranker, tiny.rows(3), by_user="uid")
    assert str(refused.value) == (
        "by_user = 'uid': is no feature of this model; it has user, item, tags, tab, price, age"
    )


def test_no_rows_is_an_error_and_not_a_page_of_nothing(ranker: peprank.Scorer) -> None:
    with pytest.raises(peprank.DataError, match=r"^there are no rows, so there is nothing to say of the gates$"):
        peprank.gates(ranker, tiny.rows(0))


def test_a_row_that_has_no_user_counts_for_no_user(ranker: peprank.Scorer) -> None:
    table = tiny.rows(200, seed=4)
    user = pa.array([None if k < 150 else value for k, value in enumerate(table["user"].to_pylist())])
    gates = peprank.gates(ranker, table.set_column(0, "user", user))
    spread = gates.gates[0].cells[0].spread
    assert spread is not None
    assert spread.users == len(set(user.to_pylist()) - {None})
    assert gates.rows == 200


def test_without_a_domain_feature_rows_are_told_together(ranker: peprank.Scorer) -> None:
    spec = replace(ranker.spec, model=replace(ranker.spec.model, domain=None))
    columns = columns_of(spec, with_targets=False)
    rows = conform_table(tiny.rows(50), columns, "made up")
    gates = gates_on(ranker.ranker, ranker.encoder, [rows], spec)
    assert (gates.domains, gates.domain_column, gates.user_feature) == ((), None, None)
    assert {cell.domain for gate in gates.gates for cell in gate.cells} == {None}


def test_users_that_a_row_has_several_of_are_refused(ranker: peprank.Scorer) -> None:
    with pytest.raises(peprank.DataError, match="rows have more than one value; give each row one"):
        peprank.gates(ranker, tiny.rows(100), by_user="tags")
