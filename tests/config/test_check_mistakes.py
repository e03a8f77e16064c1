"""Each mistake of the table is answered by one problem: on its line, with the field's path, in words that help."""

import pytest

from peprank.config import lower, parse
from peprank.errors import ConfigError, Problem
from tests.config.base import BASE, changed
from tests.config.mistakes import MISTAKES, Mistake
from tests.config.rival_mistakes import RIVAL_MISTAKES

EVERY_MISTAKE = [*MISTAKES, *RIVAL_MISTAKES]


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        lower(parse(text, "pipeline.config"))
    return caught.value.problems


def test_the_table_is_long_and_no_mistake_stands_in_it_twice() -> None:
    assert len(EVERY_MISTAKE) >= 100
    assert len({mistake.name for mistake in EVERY_MISTAKE}) == len(EVERY_MISTAKE)


def test_the_config_that_the_mistakes_are_made_in_has_none() -> None:
    assert lower(parse(BASE, "pipeline.config")).warnings == ()


@pytest.mark.parametrize("mistake", EVERY_MISTAKE, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_at_its_line(mistake: Mistake) -> None:
    text = changed(mistake.old, mistake.new)
    (problem,) = problems(text)
    assert mistake.says in problem.message
    if mistake.at:
        assert problem.line is not None
        assert mistake.at in text.splitlines()[problem.line - 1]
    assert problem.path
    assert not problem.is_warning


def test_the_norm_of_gradients_may_be_that_of_the_largest_one() -> None:
    text = changed("num_epochs: 1", 'num_epochs: 1\n  grad_clipping { clipping_type: "norm" norm_type: inf }')
    assert lower(parse(text, "pipeline.config")).spec.train.clipping.norm_type == float("inf")


def test_all_mistakes_of_a_file_are_listed_in_file_order() -> None:
    text = BASE
    for old, new in (
        ("lr: 0.01", "lr: -1"),
        ('"tab", "price"', '"tab", "prise"'),
        ("num_epochs: 1", ""),
        ("[16, 8]", "[0]"),
    ):
        text = text.replace(old, new)
    found = problems(text)
    assert [problem.line for problem in found] == sorted(problem.line or 0 for problem in found)
    assert [problem.path.rpartition(".")[2] for problem in found] == [
        "num_epochs",
        "lr",
        "feature_names[3]",
        "ppnet_hidden_units",
    ]


def test_an_error_reads_as_one_line_with_place_path_value_and_remedy() -> None:
    (problem,) = problems(changed('"user:uid"', '"usr:uid"'))
    assert str(problem) == (
        'pipeline.config:30:5  feature_configs[0].id_feature.expression = "usr:uid": '
        "the side 'usr' is not known (did you mean 'user'?); write one of user, item, context"
    )


def test_names_and_meaning_are_checked_together() -> None:
    text = changed("batch_size: 64", "batch_sise: 64").replace('"user:uid"', '"usr:uid"')
    assert [problem.path for problem in problems(text)] == [
        "data_config.batch_sise",
        "feature_configs[0].id_feature.expression",
    ]


def test_a_field_that_could_not_be_read_is_not_called_missing_too() -> None:
    (problem,) = problems(changed("embedding_dim: 8", 'embedding_dim: "eight"'))
    assert problem.path == "feature_configs[0].id_feature.embedding_dim"


def test_a_mistake_on_the_command_line_has_no_line() -> None:
    file = parse(BASE, "pipeline.config", ["model_config.pepnet.epnet_gamma=0"])
    with pytest.raises(ConfigError) as caught:
        lower(file)
    assert str(caught.value) == "--set  model_config.pepnet.epnet_gamma = 0.0: must be > 0; the paper uses 2.0"


def test_another_model_is_refused_by_name() -> None:
    text = BASE[: BASE.index("  pepnet {")] + "  dbmtl {}\n}\n"
    (problem,) = problems(text)
    assert problem.path == "model_config.dbmtl"
    assert problem.message == "is not supported yet; write another model, such as pepnet, mmoe or ple"


def test_a_model_config_without_a_model_says_what_to_write() -> None:
    (problem,) = problems(BASE[: BASE.index("  pepnet {")] + "}\n")
    assert (problem.path, problem.message) == ("model_config", "names no model; write pepnet { ... }")


def test_an_empty_file_lists_the_sections_to_write() -> None:
    assert [problem.path for problem in problems("")] == [
        "train_input_path",
        "model_dir",
        "train_config",
        "data_config",
        "model_config",
        "feature_configs",
    ]


def test_a_file_that_names_no_features_has_one_problem_and_not_one_per_name() -> None:
    start, end = BASE.index("feature_configs"), BASE.index("model_config")
    text = (BASE[:start] + BASE[end:]).replace('domain_input_name: "tab"\n    task_domain_num: 3', "")
    text = text.replace('metrics { grouped_auc { grouping_key: "user_id" } }', "")
    assert [problem.path for problem in problems(text)] == ["feature_configs"]


def test_whatever_line_is_missing_there_is_a_plan_or_a_problem() -> None:
    lines = BASE.splitlines()
    plans = 0
    for index, line in enumerate(lines):
        if line.count("{") != line.count("}"):
            continue
        try:
            lower(parse("\n".join(lines[:index] + lines[index + 1 :]), "c"))
            plans += 1
        except ConfigError as error:
            assert error.problems, line  # noqa: PT017 - either outcome is right, silence is not
    assert 10 < plans < len(lines)


@pytest.mark.parametrize("section", ["train_config", "eval_config", "export_config", "data_config", "model_config"])
def test_whatever_section_is_empty_there_is_a_plan_or_a_problem(section: str) -> None:
    start = BASE.index(f"{section} {{")
    end = BASE.index("\n}", start)
    text = f"{BASE[:start]}{section} {{{BASE[end:]}"
    if section in ("eval_config", "export_config"):
        assert lower(parse(text, "c")).warnings == ()
    else:
        assert problems(text)
