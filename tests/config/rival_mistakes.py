"""Mistakes in the messages of PEPNet's rivals, one each."""

from __future__ import annotations

from tests.config.mistakes import SOFTMAX, Mistake

PEPNET = """\
  pepnet {
    domain_input_name: "tab"
    task_domain_num: 3
    ppnet_hidden_units: [16, 8]
    ppnet_dropout_ratio: [0.1, 0.2]
"""
BOTTOM = "bottom_mlp { hidden_units: [8, 4] }"
EXPERT = "expert_mlp { hidden_units: [8, 4] }"
CROSS, CIN = "cross {}", "cin { cin_layer_size: [6, 4] }"
DEEP, FINAL = "deep { hidden_units: [8, 4] }", "final { hidden_units: 6 }"
STAR = "star_mlp { hidden_units: [8, 4] }"
OWN_TABLES = "embeddings_per_domain: true"
TAB = 'domain_feature: "tab"'


def _level(fields: str) -> str:
    return f'extraction_networks {{\n network_name: "low"\n {fields}\n }}'


OWN = "task_expert_net { hidden_units: [8, 4] }"
ONE_OWN = f"expert_num_per_task: 1 {OWN}"
LEVEL = _level(ONE_OWN)
OF_DOMAINS = f"expert_num_per_task: 1 expert_num_per_domain: 1 share_num: 1 {EXPERT}"
DOMAIN_LEVEL = _level(OF_DOMAINS)
HMOE = f"{EXPERT} domain_mlp {{ hidden_units: 4 }}"
M3OE = f"{EXPERT} domain_hidden_unit: 8 common_mlp {{ hidden_units: 6 }}"


def _group(name: str, features: str, kind: str = "DEEP") -> str:
    return f'  feature_groups {{\n group_name: "{name}" feature_names: [{features}] group_type: {kind}\n  }}\n'


WIDE, FM = _group("wide", '"user_id", "item"', "WIDE"), _group("fm", '"user_id", "item"')
DEEPFM = WIDE + FM + _group("deep", '"tab", "price"')


def _in(model: str, name: str, fields: str, at: str, says: str, *, domain: str = TAB, groups: str = "") -> Mistake:
    """BASE with another model, which has these fields before its towers, and with more groups."""
    return Mistake(f"{model}: {name}", PEPNET, f"{groups}  {domain}\n  {model} {{\n    {fields}\n", at, says)


def _inputs_and_domain(model: str, fields: str = "", *, groups: str = "") -> list[Mistake]:
    """What every rival has; `fields` and `groups` are those that this one needs."""
    made = [
        _in(model, "unknown input", f'{fields} input_group_names: "uja"', "uja", "did you mean 'uia'?"),
        _in(
            model, "input twice", f'{fields} input_group_names: ["all", "all"]', '"all", "all"', "in this list already"
        ),
        _in(model, "few towers", f"{fields} task_domain_num: 2", "num: 2", "ids from 2 on have no tower"),
        _in(model, "no towers", f"{fields} task_domain_num: 0", "num: 0", "must be at least 1"),
        _in(
            model, "no domain", f"{fields} task_domain_num: 3", "num: 3", "write model_config.domain_feature", domain=""
        ),
        _in(model, "plain domain", fields, '"age"', "holds plain numbers", domain='domain_feature: "age"'),
    ]
    return [mistake._replace(new=f"{groups}{mistake.new}") for mistake in made]


RIVAL_MISTAKES = [
    *_inputs_and_domain("simple_multi_task"),
    *_inputs_and_domain("shared_bottom", BOTTOM),
    *_inputs_and_domain("mmoe", EXPERT),
    *_inputs_and_domain("ple", LEVEL),
    *_inputs_and_domain("deepfm", DEEP, groups=DEEPFM),
    *_inputs_and_domain("xdeepfm", f"{CIN} {DEEP} {FINAL}", groups=DEEPFM),
    *_inputs_and_domain("dcn_v1", f"{CROSS} {DEEP} {FINAL}"),
    *_inputs_and_domain("dcn_v2", f"{CROSS} {FINAL}"),
    *_inputs_and_domain("star", STAR),
    *_inputs_and_domain("ple_md", DOMAIN_LEVEL),
    *_inputs_and_domain("hmoe", HMOE),
    *_inputs_and_domain("m3oe", M3OE),
    _in("shared_bottom", "no layers", "", "shared_bottom {", "is missing; write bottom_mlp { ... }"),
    _in("shared_bottom", "empty bottom", "bottom_mlp {}", "bottom_mlp", "has no layers; write hidden_units"),
    _in("shared_bottom", "dropouts", f"{BOTTOM[:-1]} dropout_ratio: 1 }}", "dropout_ratio", "must lie in [0, 1)"),
    _in("mmoe", "no experts", "num_expert: 2", "mmoe {", "is missing; write expert_mlp { ... }"),
    _in("mmoe", "empty expert", "expert_mlp {}", "expert_mlp", "has no layers; write hidden_units: [128, 64], say"),
    _in("mmoe", "zero experts", f"{EXPERT} num_expert: 0", "num_expert: 0", "must be at least 1; 3 is usual"),
    _in("mmoe", "empty gate", f"{EXPERT}\n gate_mlp {{}}", "gate_mlp", "has no layers"),
    _in("mmoe", "expert width", "expert_mlp { hidden_units: [8, 0] }", "[8, 0]", "every width must be at least 1"),
    _in("star", "no layers", "", "star {", "is missing; write star_mlp { ... }"),
    _in("star", "empty layers", "star_mlp {}", "star_mlp", "has no layers; write hidden_units: [128, 64], say"),
    _in("star", "batch norm", f"{STAR[:-1]} use_bn: true }}", "star_mlp", "use_bn would mix the domains"),
    _in(
        "star",
        "no domain for weights",
        STAR,
        "star {",
        "no feature says the domain; write model_config.domain_feature",
        domain="",
    ),
    _in("mmoe", "no domain for tables", EXPERT, "per_domain", "write model_config.domain_feature", domain=OWN_TABLES),
    _in("ple_md", "no domain for experts", DOMAIN_LEVEL, "ple_md {", "write model_config.domain_feature", domain=""),
    _in("ple_md", "no level", "", "ple_md {", "is missing; write at least one extraction_networks { ... }"),
    _in(
        "ple_md", "empty expert", _level(f"{OF_DOMAINS[: -len(EXPERT)]} expert_mlp {{}}"), "expert_mlp", "has no layers"
    ),
    _in(
        "ple_md", "no experts", _level(OF_DOMAINS[: -len(EXPERT)]), "extraction_networks {", "write expert_mlp { ... }"
    ),
    *(
        _in(
            "ple_md", f"no {count}", DOMAIN_LEVEL.replace(f"{count}: 1", ""), "extraction_networks {", f"write {count}:"
        )
        for count in ("expert_num_per_task", "expert_num_per_domain", "share_num")
    ),
    *(
        _in(
            "ple_md",
            f"zero {count}",
            DOMAIN_LEVEL.replace(f"{count}: 1", f"{count}: 0"),
            f"{count}: 0",
            "at least 1; 1 is usual",
        )
        for count in ("expert_num_per_task", "expert_num_per_domain", "share_num")
    ),
    _in("ple_md", "batch norm", DOMAIN_LEVEL.replace("[8, 4]", "4 use_bn: true"), "expert_mlp", "write use_ln instead"),
    _in("hmoe", "no domain for layers", HMOE, "hmoe {", "write model_config.domain_feature", domain=""),
    _in("hmoe", "no experts", "domain_mlp { hidden_units: 4 }", "hmoe {", "is missing; write expert_mlp { ... }"),
    _in("hmoe", "no layers", EXPERT, "hmoe {", "is missing; write domain_mlp { ... }"),
    _in("hmoe", "empty layers", f"{EXPERT}\n domain_mlp {{}}", "domain_mlp", "has no layers"),
    _in("hmoe", "empty gate", f"{HMOE}\n gate_mlp {{}}", "gate_mlp", "has no layers"),
    _in(
        "hmoe",
        "batch norm",
        f"{HMOE}\n gate_mlp {{ hidden_units: 4 use_bn: true }}",
        "gate_mlp",
        "write use_ln instead",
    ),
    _in("hmoe", "zero experts", f"{HMOE} num_expert: 0", "num_expert: 0", "must be at least 1; 3 is usual"),
    _in("m3oe", "no domain for layers", M3OE, "m3oe {", "write model_config.domain_feature", domain=""),
    _in(
        "m3oe", "no width", M3OE.replace("domain_hidden_unit: 8", ""), "m3oe {", "is missing; write domain_hidden_unit"
    ),
    _in("m3oe", "zero width", M3OE.replace("unit: 8", "unit: 0"), "unit: 0", "every width must be at least 1"),
    _in("m3oe", "no common layers", f"{EXPERT} domain_hidden_unit: 8", "m3oe {", "is missing; write common_mlp"),
    _in("m3oe", "empty common layers", M3OE.replace("hidden_units: 6", ""), "common_mlp", "has no layers"),
    _in("m3oe", "no experts", M3OE[len(EXPERT) :], "m3oe {", "is missing; write expert_mlp { ... }"),
    _in("m3oe", "zero experts", f"{M3OE} num_expert: 0", "num_expert: 0", "must be at least 1; the paper uses 1 to 4"),
    _in("ple", "no level", "", "ple {", "is missing; write at least one extraction_networks { ... }"),
    _in("ple", "no own experts", _level(OWN), "extraction_networks {", "is missing; write expert_num_per_task: ..."),
    _in("ple", "zero own experts", _level(f"expert_num_per_task: 0 {OWN}"), "per_task: 0", "must be at least 1"),
    _in("ple", "no own layers", _level("expert_num_per_task: 1"), "extraction_networks {", "write task_expert_net"),
    _in("ple", "empty own", _level("expert_num_per_task: 1\n task_expert_net {}"), "task_expert_net", "has no layers"),
    _in("ple", "no shared layers", _level(f"{ONE_OWN} share_num: 2"), "share_num: 2", "layers of those experts"),
    _in(
        "ple",
        "unequal widths",
        _level(f"{ONE_OWN} share_num: 1\n share_expert_net {{ hidden_units: [4, 8] }}"),
        "share_expert_net",
        "must end in the width of task_expert_net, 4, since a gate mixes both",
    ),
    _in("deepfm", "no wide group", DEEP, "deepfm {", "there is no feature group 'wide'", groups=DEEPFM[len(WIDE) :]),
    _in("deepfm", "no deep group", DEEP, "deepfm {", "there is no feature group 'deep'", groups=WIDE + FM),
    _in("deepfm", "no deep", FINAL, "deepfm {", "is missing; write deep { ... }", groups=DEEPFM),
    _in("deepfm", "empty deep", f"{FINAL}\n deep {{}}", "deep {}", "has no layers; write hidden_units", groups=DEEPFM),
    _in("deepfm", "zero width", f"{DEEP} wide_embedding_dim: 0", "dim: 0", "must be at least 1", groups=DEEPFM),
    _in("deepfm", "initializer", f'{DEEP} wide_init_fn: "zero"', '"zero"', "not a supported init", groups=DEEPFM),
    _in(
        "deepfm",
        "unequal vectors",
        DEEP,
        '"item", "tab"',
        "'item' has 8 columns and 'tab' has 4, but only vectors of one width can be multiplied; give all of them one "
        "embedding_dim, or name those to multiply in a group 'fm'",
        groups=WIDE + _group("deep", '"item", "tab"'),
    ),
    _in(
        "deepfm",
        "unequal vectors of several groups",
        f'{DEEP} input_group_names: ["all", "domain"]',
        "deepfm {",
        "'user_id' has 8 columns and 'tab' has 4, but only vectors of one width can be multiplied",
        groups=WIDE,
    ),
    _in(
        "deepfm",
        "classes added up",
        f"{DEEP}\n task_towers {{ tower_name: 'c' label_name: 'click' num_class: 3 {SOFTMAX} }}",
        "deepfm {",
        "so wide and fm would be added to all classes alike and change no probability; write final { hidden_units",
        groups=DEEPFM,
    ),
    _in("xdeepfm", "no cin", f"{DEEP} {FINAL}", "xdeepfm {", "is missing; write cin { ... }", groups=DEEPFM),
    _in("xdeepfm", "empty cin", f"{DEEP} {FINAL}\n cin {{}}", "cin {}", "write cin_layer_size: [64", groups=DEEPFM),
    _in("xdeepfm", "empty deep", f"{CIN} {FINAL}\n deep {{}}", "deep {}", "has no layers; write hidden", groups=DEEPFM),
    _in("xdeepfm", "no final", f"{CIN} {DEEP}", "xdeepfm {", "is missing; write final { ... }", groups=DEEPFM),
    _in(
        "xdeepfm",
        "zero vectors",
        f"{DEEP} {FINAL}\n cin {{ cin_layer_size: [6, 0] }}",
        "[6, 0]",
        "every width must be at least 1",
        groups=DEEPFM,
    ),
    _in(
        "xdeepfm",
        "plain numbers",
        f"{CIN} {DEEP} {FINAL}",
        '"item", "age"',
        "'item' has 16 columns and 'age' has 1, but only vectors of one width can be multiplied; give all of them one "
        "embedding_dim, or leave plain numbers out and write group_type: WIDE",
        groups=_group("wide", '"item", "age"', "WIDE") + _group("deep", '"tab"'),
    ),
    _in("dcn_v1", "no cross", f"{DEEP} {FINAL}", "dcn_v1 {", "is missing; write cross { ... }"),
    _in("dcn_v1", "no deep", f"{CROSS} {FINAL}", "dcn_v1 {", "is missing; write deep { ... }"),
    _in("dcn_v1", "no final", f"{CROSS} {DEEP}", "dcn_v1 {", "is missing; write final { ... }"),
    _in("dcn_v1", "empty deep", f"{CROSS} {FINAL}\n deep {{}}", "deep {}", "has no layers; write hidden_units"),
    _in("dcn_v1", "zero crosses", f"{DEEP} {FINAL}\n cross {{ cross_num: 0 }}", "num: 0", "must be at least 1; 3 is"),
    _in("dcn_v1", "final width", f"{CROSS} {DEEP}\n final {{ hidden_units: 0 }}", "units: 0", "must be at least 1"),
    _in("dcn_v2", "zero crosses", f"{FINAL}\n cross {{ cross_num: 0 }}", "num: 0", "must be at least 1; 3 is usual"),
    _in("dcn_v2", "empty backbone", f"{CROSS} {FINAL}\n backbone {{}}", "backbone {}", "has no layers"),
    _in("dcn_v2", "empty deep", f"{CROSS} {FINAL}\n deep {{}}", "deep {}", "has no layers; write hidden_units"),
    _in("dcn_v2", "no final", CROSS, "dcn_v2 {", "is missing; write final { ... }"),
]
