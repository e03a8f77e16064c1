"""What we do with each field of the format: the one list that `lower`, the tests and the docs read.

A field is acted on, has no effect here (one warning line when it is set to something else than its default), or is
not supported (an error, unless it is at its default). Fields inside a message that is not acted on share its fate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from peprank.config.place import Place


class Support(Enum):
    """What becomes of a field."""

    ACTED_ON = "acted on"
    NO_EFFECT = "has no effect here"
    REFUSED = "is not supported yet"


class Standing(NamedTuple):
    """A field's fate, and why or what to do instead."""

    support: Support
    remark: str = ""


ACTED_ON: Final[Mapping[str, str]] = {
    "EasyRecConfig": """
        train_input_path eval_input_path model_dir train_config eval_config export_config data_config feature_configs
        model_config""",
    "TrainConfig": """
        sparse_optimizer dense_optimizer num_steps num_epochs save_checkpoints_steps save_checkpoints_epochs
        keep_checkpoint_max fine_tune_checkpoint fine_tune_ckpt_param_map log_step_count_steps is_profiling
        use_tensorboard tensorboard_summaries mixed_precision gradient_accumulation_steps grad_clipping seed
        early_stopping""",
    "EarlyStopping": "metric patience larger_is_better min_delta",
    "GradClipping": "clipping_type max_gradient norm_type",
    "EvalConfig": "num_steps use_dense_ema gauc_feature",
    "ExportConfig": "exporter_type best_exporter_metric metric_larger_is_better use_dense_ema",
    "SparseOptimizer": """
        sgd_optimizer adagrad_optimizer adam_optimizer partial_rowwise_adam_optimizer rowwise_adagrad_optimizer
        constant_learning_rate exponential_decay_learning_rate manual_step_learning_rate
        cosine_annealing_learning_rate cosine_annealing_warm_restarts_learning_rate""",
    "DenseOptimizer": """
        sgd_optimizer adagrad_optimizer adam_optimizer adamw_optimizer adadelta_optimizer rmsprop_optimizer
        constant_learning_rate exponential_decay_learning_rate manual_step_learning_rate
        cosine_annealing_learning_rate cosine_annealing_warm_restarts_learning_rate part_optimizers ema""",
    "PartOptimizer": """
        sgd_optimizer adagrad_optimizer adam_optimizer adamw_optimizer adadelta_optimizer rmsprop_optimizer
        constant_learning_rate exponential_decay_learning_rate manual_step_learning_rate
        cosine_annealing_learning_rate cosine_annealing_warm_restarts_learning_rate regex_pattern""",
    "EMAConfig": "decay",
    "FusedSGDOptimizer": "lr gradient_clipping max_gradient",
    "FusedAdagradOptimizer": "lr gradient_clipping max_gradient initial_accumulator_value",
    "FusedAdamOptimizer": "lr beta1 beta2 weight_decay gradient_clipping max_gradient",
    "FusedPartialRowWiseAdamOptimizer": "lr beta1 beta2 weight_decay gradient_clipping max_gradient",
    "FusedRowWiseAdagradOptimizer": "lr weight_decay weight_decay_mode gradient_clipping max_gradient",
    "SGDOptimizer": "lr momentum weight_decay dampening nesterov",
    "AdagradOptimizer": "lr weight_decay initial_accumulator_value eps",
    "AdamOptimizer": "lr beta1 beta2 weight_decay eps amsgrad",
    "AdamWOptimizer": "lr beta1 beta2 weight_decay eps amsgrad",
    "AdadeltaOptimizer": "lr rho eps weight_decay",
    "RMSpropOptimizer": "lr alpha eps weight_decay",
    "ConstantLR": "",
    "ExponentialDecayLR": """
        decay_size decay_factor staircase warmup_learning_rate warmup_size min_learning_rate by_epoch""",
    "ManualStepLR": "schedule_sizes learning_rates warmup by_epoch",
    "CosineAnnealingLR": "T_max min_learning_rate warmup_learning_rate warmup_size by_epoch",
    "CosineAnnealingWarmRestartsLR": """
        T_0 T_mult min_learning_rate warmup_learning_rate warmup_size by_epoch""",
    "DataConfig": """
        batch_size eval_batch_size dataset_type fg_mode fg_encoded fg_threads fg_encoded_multival_sep label_fields
        sample_weight_fields num_workers input_fields input_fields_str delimiter with_header drop_remainder shuffle
        shuffle_buffer_size skip_bad_files bad_values""",
    "BadValues": "column policy default_value",
    "Field": "input_name input_type",
    "FeatureConfig": "id_feature raw_feature",
    "IdFeature": """
        feature_name expression embedding_name embedding_dim hash_bucket_size num_buckets vocab_list vocab_dict
        vocab_file asset_dir default_bucketize_value value_dim pooling default_value separator weighted init_fn
        fg_encoded_default_value trainable data_type""",
    "RawFeature": """
        feature_name expression embedding_name embedding_dim boundaries value_dim normalizer pooling default_value
        separator init_fn fg_encoded_default_value trainable data_type autodis mlp""",
    "AutoDisEmbedding": "num_channels temperature keep_prob",
    "MLPEmbedding": "",
    "ModelConfig": """
        feature_groups domain_feature default_domain embeddings_per_domain linear_init num_class losses metrics
        train_metrics pepnet simple_multi_task mmoe ple shared_bottom deepfm dcn_v1 dcn_v2 xdeepfm star ple_md hmoe
        m3oe""",
    "FeatureGroupConfig": "group_name feature_names group_type embedding_name_suffix",
    "PEPNet": """
        epnet_hidden_unit epnet_gamma epnet_gate ppnet_hidden_units ppnet_activation ppnet_dropout_ratio ppnet_gamma
        ppnet_gate_hidden_unit wiring domain_input_name task_domain_num task_towers main_group_name domain_group_name
        uia_group_name general_input detached_priors cross""",
    "DeepFM": "deep final wide_embedding_dim wide_init_fn input_group_names task_domain_num task_towers",
    "xDeepFM": "cin deep final wide_embedding_dim wide_init_fn input_group_names task_domain_num task_towers",
    "CIN": "cin_layer_size",
    "DCNV1": "cross deep final input_group_names task_domain_num task_towers",
    "DCNV2": "backbone cross deep final input_group_names task_domain_num task_towers",
    "Cross": "cross_num",
    "CrossV2": "cross_num low_rank",
    "MMoE": "expert_mlp gate_mlp num_expert task_towers input_group_names task_domain_num",
    "PLE": "extraction_networks task_towers input_group_names task_domain_num",
    "ExtractionNetwork": "network_name expert_num_per_task share_num task_expert_net share_expert_net",
    "SharedBottom": "bottom_mlp task_towers input_group_names task_domain_num",
    "SimpleMultiTask": "task_towers input_group_names task_domain_num",
    "Star": """
        star_mlp task_towers auxiliary_hidden_unit partitioned_normalization input_group_names task_domain_num""",
    "PLEMD": "extraction_networks task_towers input_group_names task_domain_num",
    "DomainExtractionNetwork": "network_name expert_num_per_task expert_num_per_domain share_num expert_mlp",
    "HMoE": "expert_mlp num_expert domain_mlp gate_mlp task_towers input_group_names task_domain_num",
    "M3oE": """
        domain_hidden_unit common_mlp expert_mlp num_expert task_towers input_group_names task_domain_num""",
    "TaskTower": """
        tower_name label_name metrics train_metrics losses num_class mlp weight sample_weight_name
        task_space_indicator_label in_task_space_weight out_task_space_weight""",
    "MLP": "hidden_units dropout_ratio activation use_bn bias use_ln",
    "LossConfig": "binary_cross_entropy softmax_cross_entropy l2_loss jrc_loss binary_focal_loss",
    "BinaryCrossEntropy": "label_smoothing",
    "SoftmaxCrossEntropy": "label_smoothing",
    "BinaryFocalLoss": "gamma alpha",
    "JRCLoss": "session_name alpha",
    "L2Loss": "",
    "MetricConfig": """
        auc multiclass_auc mean_absolute_error mean_squared_error accuracy grouped_auc xauc grouped_xauc
        normalized_entropy""",
    "TrainMetricConfig": "auc mean_absolute_error mean_squared_error accuracy xauc decay_rate decay_step",
    "AUC": "thresholds",
    "MulticlassAUC": "thresholds average",
    "MeanAbsoluteError": "",
    "MeanSquaredError": "",
    "Accuracy": "threshold top_k",
    "GroupedAUC": "grouping_key",
    "XAUC": "sample_ratio max_pairs",
    "GroupedXAUC": "grouping_key max_pairs_per_group",
    "NormalizedEntropy": "eta",
}

_TF32 = "float32 products keep full precision; ask for speed with mixed_precision"
_ONE_MACHINE = "tables are not sharded on one machine"
_FUSED = "the optimiser picks its kernel itself"
_ONE_GROUP = "all features of a row travel in one batch"

NO_EFFECT: Final[Mapping[str, Mapping[str, str]]] = {
    "TrainConfig": {
        "cudnn_allow_tf32": _TF32,
        "cuda_matmul_allow_tf32": _TF32,
        "global_embedding_constraints": _ONE_MACHINE,
        "grad_scaler": "only FP16 needs scaled gradients; BF16 and float32 do not",
        "save_checkpoints_timestamp_quorum": "there is one worker",
    },
    "GradClipping": {"enable_global_grad_clip": "on one machine every gradient is global"},
    "EvalConfig": {"log_step_count_steps": "`peprank evaluate` draws a progress bar, and training logs the result"},
    "ExportConfig": {"cudnn_allow_tf32": _TF32, "cuda_matmul_allow_tf32": _TF32},
    "SGDOptimizer": {"fused": _FUSED},
    "AdagradOptimizer": {"fused": _FUSED},
    "AdamOptimizer": {"fused": _FUSED},
    "AdamWOptimizer": {"fused": _FUSED},
    "DataConfig": {
        "pin_memory": "batches are moved to the device as the device needs it",
        "is_orderby_partition": "it orders ODPS partitions; files are read in order of their names",
        "odps_data_quota_name": "rows come from files, not from ODPS",
        "odps_data_compression": "rows come from files, not from ODPS",
        "force_base_data_group": _ONE_GROUP,
        "in_order": "rows always come in the order that the seed fixes",
    },
    "IdFeature": {"embedding_constraints": _ONE_MACHINE, "fg_value_type": "ids are int64 from file to table"},
    "RawFeature": {"embedding_constraints": _ONE_MACHINE},
    "TaskTower": {"pareto_min_loss_weight": "it belongs to use_pareto_loss_weight"},
    "XAUC": {"in_batch": "pairs are drawn from all rows"},
}

_REMOVE = "remove it"
_OTHER_SPARSE = "write adagrad_optimizer, rowwise_adagrad_optimizer, adam_optimizer or sgd_optimizer instead"
_OTHER_FEATURE = "the feature types are id_feature and raw_feature"
_OTHER_MODEL = "write another model, such as pepnet, mmoe or ple"
_EVENT_TIME = "it follows the event time of a stream; write save_checkpoints_steps instead"
_SAMPLER = "it serves retrieval models; remove it"
_SEQUENCE = "it belongs to sequence features; remove it"
_SID = "it belongs to semantic-id models; write binary_cross_entropy {} instead"
_RETRIEVAL_METRIC = "it belongs to retrieval models; write auc {} or grouped_auc instead"
_HASHED_TABLE = "write hash_bucket_size instead"
_MASK = "random masking is not built; remove it"
_SIZED_BATCH = "batches have a fixed number of rows; write batch_size instead"


def _all(fields: str, remark: str) -> dict[str, str]:
    return dict.fromkeys(fields.split(), remark)


REFUSED: Final[Mapping[str, Mapping[str, str]]] = {
    "TrainConfig": {
        **_all("save_checkpoints_timestamp_interval save_checkpoints_timestamps", _EVENT_TIME),
        "delta_embedding_dump_config": _REMOVE,
    },
    "ExportConfig": {"mixed_precision": "a bundle scores in float32; remove it"},
    "SparseOptimizer": _all(
        "lars_sgd_optimizer lamb_optimizer partial_rowwise_lamb_optimizer adadelta_optimizer rmsprop_optimizer",
        _OTHER_SPARSE,
    ),
    "DataConfig": {
        **_all(
            "negative_sampler negative_sampler_v2 hard_negative_sampler hard_negative_sampler_v2 tdm_sampler", _SAMPLER
        ),
        **_all("sample_mask_prob negative_sample_mask_prob", _MASK),
        **_all("sample_cost_field batch_cost_size", _SIZED_BATCH),
    },
    "FeatureConfig": _all(
        """combo_feature lookup_feature match_feature sequence_feature expr_feature overlap_feature tokenize_feature
        custom_feature kv_dot_product bool_mask_feature combine_feature sequence_id_feature sequence_raw_feature
        sequence_combo_feature sequence_lookup_feature sequence_match_feature sequence_expr_feature
        sequence_overlap_feature sequence_tokenize_feature sequence_custom_feature sequence_kv_dot_product
        sequence_bool_mask_feature sequence_combine_feature""",
        _OTHER_FEATURE,
    ),
    "IdFeature": {
        **_all("zch dynamicemb", _HASHED_TABLE),
        **_all("sequence_length sequence_delim sequence_fields", _SEQUENCE),
        "use_mask": _MASK,
        "stub_type": "a feature that feeds others is not built; remove it",
    },
    "RawFeature": {
        **_all("sequence_length sequence_delim sequence_fields", _SEQUENCE),
        "use_mask": _MASK,
        "stub_type": "a feature that feeds others is not built; remove it",
    },
    "ModelConfig": {
        **_all(
            """dlrm multi_tower multi_tower_din mask_net wide_and_deep wukong
            dbmtl dc2vr dlrm_hstu ultra_hstu dssm dssm_v2 dat hstu_match mind tdm
            rocket_launching sid_rqvae sid_rqkmeans""",
            _OTHER_MODEL,
        ),
        "variational_dropout": _REMOVE,
        "kernel": "the kernel is PYTORCH; remove it",
        "use_pareto_loss_weight": "write a weight in each of the task_towers instead",
    },
    "FeatureGroupConfig": {
        "sequence_groups": "name single features in feature_names",
        "sequence_encoders": "name single features in feature_names",
    },
    "LossConfig": _all("recon_loss commitment_loss contrastive_loss", _SID),
    "MetricConfig": {"recall_at_k": _RETRIEVAL_METRIC},
    "TrainMetricConfig": {"recall_at_k": "it belongs to retrieval models; write auc {} instead"},
}

# Required by the format, yet other rules decide whether they may be absent: lower_features and lower say more.
MAY_BE_ABSENT: Final = frozenset(
    {"EasyRecConfig.eval_input_path", "IdFeature.expression", "RawFeature.expression", "IdFeature.embedding_dim"}
)

_MAY_BE_INFINITE: Final = frozenset({"train_config.grad_clipping.norm_type"})  # the largest gradient of all


def standing(message: str, field: str) -> Standing:
    """What becomes of `message.field`.

    Raises:
        KeyError: the field is not on the list.

    Example:
        >>> standing("DataConfig", "pin_memory").support
        <Support.NO_EFFECT: 'has no effect here'>
    """
    if field in ACTED_ON.get(message, "").split():
        return Standing(Support.ACTED_ON)
    if field in NO_EFFECT.get(message, {}):
        return Standing(Support.NO_EFFECT, NO_EFFECT[message][field])
    return Standing(Support.REFUSED, REFUSED[message][field])


def review(at: Place) -> None:
    """Note, at and below a message, each field that is refused, has no effect, or is required and missing."""
    message = at.node
    assert isinstance(message, Message)
    _note_missing(at, message)
    _note_rivals(at, message)
    for field, value in message.ListFields():
        support, remark = standing(message.DESCRIPTOR.name, field.name)
        if support is Support.ACTED_ON:
            _review_inside(at[field.name], field)
        elif _is_default(field, value):
            continue
        elif support is Support.NO_EFFECT:
            at[field.name].warn(f"{support.value}: {remark}")
        else:
            at[field.name].error(f"{support.value}; {remark}")


def _review_inside(at: Place, field: FieldDescriptor) -> None:
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        _note_not_finite(at)
    if field.message_type is None or field.message_type.GetOptions().map_entry:
        return
    if field.is_repeated:
        assert isinstance(at.node, Iterable)
        for index in range(len(list(at.node))):
            review(at[index])
    else:
        review(at)


def _note_not_finite(at: Place) -> None:
    if at.path in _MAY_BE_INFINITE:
        return
    for place in [at[k] for k in range(len(at.node))] if isinstance(at.node, Sequence) else [at]:
        if not math.isfinite(cast(float, place.node)):
            place.error("must be a finite number, such as 0.5")


def _note_missing(at: Place, message: Message) -> None:
    for field in cast(list[FieldDescriptor], message.DESCRIPTOR.fields):
        if not field.is_required or field.has_default_value or message.HasField(field.name):
            continue
        if f"{message.DESCRIPTOR.name}.{field.name}" not in MAY_BE_ABSENT:
            at[field.name].error(f"is missing; {_example(field)}")


def _note_rivals(at: Place, message: Message) -> None:
    """Of the members of a oneof the last one counts; a file that names two means something else."""
    for oneof in message.DESCRIPTOR.oneofs:
        winner = message.WhichOneof(oneof.name)
        if winner is not None and at[winner].is_in_file():
            for rival in (at[field.name] for field in oneof.fields if field.name != winner):
                if rival.is_in_file():
                    rival.error(f"stands beside {winner}, and only one of the two can count; keep one")


def _example(field: FieldDescriptor) -> str:
    return f"write {field.name} {{ ... }}" if field.message_type else f"write {field.name}: {_placeholder(field)}"


def _placeholder(field: FieldDescriptor) -> str:
    return '"..."' if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else "..."


def _is_default(field: FieldDescriptor, value: object) -> bool:
    return not field.is_repeated and field.message_type is None and value == field.default_value
