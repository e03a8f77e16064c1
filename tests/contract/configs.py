"""A config of every model, over the columns of tests/tiny.py: what stands in `model_config` behind the groups."""

from __future__ import annotations

from tests import tiny

_TOWERS = """
    task_towers { tower_name: "ctr" label_name: "click" mlp { hidden_units: [4] } losses { binary_cross_entropy {} } }
    task_towers { tower_name: "cvr" label_name: "buy" losses { binary_cross_entropy {} } }
"""
_PRIORS = 'input_group_names: ["all", "domain", "uia"]'

_EXPERT = "expert_mlp { hidden_units: [8, 4] }"
_LEVEL = """extraction_networks {
    network_name: "level" expert_num_per_task: 2 task_expert_net { hidden_units: [8, 4] }
    share_num: 1 share_expert_net { hidden_units: 4 }
  }"""

_MODELS = {
    "pepnet": "pepnet { ppnet_hidden_units: [8, 4]",
    "simple_multi_task": f"simple_multi_task {{ {_PRIORS} task_domain_num: 4",
    "shared_bottom": f"shared_bottom {{ {_PRIORS} bottom_mlp {{ hidden_units: [8, 4] dropout_ratio: 0.1 }}",
    "mmoe": f"mmoe {{ {_PRIORS} {_EXPERT} gate_mlp {{ hidden_units: 4 }} num_expert: 2",
    "ple": f"ple {{ {_PRIORS} {_LEVEL} {_LEVEL}",
    "mmoe_alone": f"mmoe {{ {_PRIORS} {_EXPERT} num_expert: 3",
}


def _config(model: str) -> str:
    """The tiny config with another model in it."""
    head = tiny.CONFIG[: tiny.CONFIG.index("  pepnet {")].replace("num_epochs: 2", "num_steps: 2")
    return f'{head}  domain_feature: "tab"\n  {model}{_TOWERS}  }}\n}}\n'


EVERY_CONFIG = {name: _config(model) for name, model in _MODELS.items()}
