"""A config of every model, over the columns of tests/tiny.py: what stands in `model_config` behind the groups."""

from __future__ import annotations

from tests import tiny

_TOWERS = """
    task_towers { tower_name: "ctr" label_name: "click" mlp { hidden_units: [4] } losses { binary_cross_entropy {} } }
    task_towers { tower_name: "cvr" label_name: "buy" losses { binary_cross_entropy {} } }
"""
_TASK = """
  losses { binary_cross_entropy {} }
  metrics { auc {} }
  metrics { grouped_auc { grouping_key: "user" } }
"""
_PRIORS = 'input_group_names: ["all", "domain", "uia"]'

_EXPERT = "expert_mlp { hidden_units: [8, 4] }"
_LEVEL = """extraction_networks {
    network_name: "level" expert_num_per_task: 2 task_expert_net { hidden_units: [8, 4] }
    share_num: 1 share_expert_net { hidden_units: 4 }
  }"""
_DEEP = "deep { hidden_units: [8, 4] }"
_FINAL = "final { hidden_units: 4 }"
_WIDE = 'feature_groups { group_name: "wide" feature_names: ["user", "item", "tags", "price"] group_type: WIDE }'
_FM = 'feature_groups { group_name: "fm" feature_names: ["user", "item", "tags", "price"] }'
_DOMAIN_LEVEL = """extraction_networks {
    network_name: "level" expert_num_per_task: 2 expert_num_per_domain: 1 share_num: 1 expert_mlp { hidden_units: 8 }
  }"""

_MODELS = {
    "pepnet": "pepnet { ppnet_hidden_units: [8, 4]",
    "pepnet-attached": "pepnet { ppnet_hidden_units: [8, 4] general_input: ATTACHED",
    "pepnet-left out": "pepnet { ppnet_hidden_units: [8, 4] general_input: LEFT_OUT detached_priors: true",
    "pepnet-crossed": "pepnet { ppnet_hidden_units: [8, 4] cross { cross_num: 2 low_rank: 3 }",
    "simple_multi_task": f"simple_multi_task {{ {_PRIORS} task_domain_num: 4",
    "shared_bottom": f"shared_bottom {{ {_PRIORS} bottom_mlp {{ hidden_units: [8, 4] dropout_ratio: 0.1 }}",
    "mmoe": f"mmoe {{ {_PRIORS} {_EXPERT} gate_mlp {{ hidden_units: 4 }} num_expert: 2",
    "ple": f"ple {{ {_PRIORS} {_LEVEL} {_LEVEL}",
    "mmoe-plain gate": f"mmoe {{ {_PRIORS} {_EXPERT} num_expert: 3",
    "deepfm": f"{_WIDE} {_FM} deepfm {{ {_PRIORS} {_DEEP} {_FINAL} wide_embedding_dim: 2",
    "deepfm-added up": f"{_WIDE} {_FM} deepfm {{ {_PRIORS} {_DEEP} task_domain_num: 4",
    "xdeepfm": f"{_WIDE} xdeepfm {{ {_PRIORS} cin {{ cin_layer_size: [6, 4] }} {_DEEP} {_FINAL} wide_embedding_dim: 3",
    "dcn_v1": f"dcn_v1 {{ {_PRIORS} cross {{}} {_DEEP} {_FINAL} task_domain_num: 4",
    "dcn_v2": f"dcn_v2 {{ {_PRIORS} backbone {{ hidden_units: 8 }} cross {{ low_rank: 4 }} {_DEEP} final {{}}",
    "dcn_v2-stacked": f"dcn_v2 {{ {_PRIORS} cross {{ cross_num: 2 low_rank: 0 }} {_FINAL}",
    "shared_bottom-embeddings per domain": (
        f"embeddings_per_domain: true shared_bottom {{ {_PRIORS} bottom_mlp {{ hidden_units: 4 }} task_domain_num: 4"
    ),
    "star": f"star {{ {_PRIORS} star_mlp {{ hidden_units: [8, 4] }} partitioned_normalization: true",
    "ple_md": f"ple_md {{ {_PRIORS} {_DOMAIN_LEVEL} {_DOMAIN_LEVEL}",
    "hmoe": f"hmoe {{ {_PRIORS} {_EXPERT} domain_mlp {{ hidden_units: 4 }} task_domain_num: 4",
    "m3oe": f"m3oe {{ {_PRIORS} domain_hidden_unit: 8 common_mlp {{ hidden_units: 6 }} {_EXPERT}",
}
_OF_ONE_TASK = {
    f"{name.partition('-')[0]}-one task": _MODELS[name]
    for name in ("deepfm-added up", "dcn_v1", "dcn_v2-stacked", "xdeepfm")
}


def _config(model: str, *, towers: str = _TOWERS, task: str = "") -> str:
    """The tiny config with another model in it; its tasks stand in the model or, if there is one only, beside it."""
    head = tiny.CONFIG[: tiny.CONFIG.index("  pepnet {")].replace("num_epochs: 2", "num_steps: 2")
    return f'{head}  domain_feature: "tab"\n  {model}{towers}  }}\n{task}}}\n'


# By the model's name and, after a dash, what is special.
EVERY_CONFIG = {name: _config(model) for name, model in _MODELS.items()} | {
    name: _config(model, towers="", task=_TASK) for name, model in _OF_ONE_TASK.items()
}
EVERY_CONFIG["pepnet-separate priors"] = EVERY_CONFIG["pepnet"].replace(
    'group_name: "uia"', 'group_name: "uia" embedding_name_suffix: "prior"'
)
