"""Mistakes that people make in configs, one each, with the line and the words that should answer them."""

from typing import NamedTuple


class Mistake(NamedTuple):
    """BASE with `old` replaced by `new`; the problem stands on the line that holds `at`."""

    name: str
    old: str
    new: str
    at: str
    says: str


TOWER = '    task_towers {\n      tower_name: "ltr"'
USER = '    expression: "user:uid"\n    hash_bucket_size: 100\n    embedding_dim: 8'
ITEM = '    expression: "item:item_id"\n    num_buckets: 50\n    embedding_dim: 8'
PRICE = '    expression: "item:price"\n    boundaries: [1, 2.5, 10]\n    embedding_dim: 4'
AGE = '    normalizer: "method=zscore,mean=40,standard_deviation=12.5"'
TABLE = 'embedding_name: "shared"'
MLP = "mlp { hidden_units: [8, 4] }"
UNGATED = f"""\
    task_domain_num: 3
    ppnet_hidden_units: [16, 8]
    ppnet_dropout_ratio: [0.1, 0.2]
    task_towers {{
      tower_name: "ctr"
      label_name: "click"
      {MLP}"""
LOSS = "losses { binary_cross_entropy {} }"
SOFTMAX = "losses { softmax_cross_entropy {} }"
AUC = "metrics { auc {} }"
RATE = "    constant_learning_rate {}\n  }\n  dense_optimizer {"
DENSE_RATE = "    constant_learning_rate {}\n  }\n  num_epochs: 1"


def _pipeline() -> list[Mistake]:
    path = 'train_input_path: "data/train.parquet"'
    return [
        Mistake("odps path", path, 'train_input_path: "odps://p/t"', "odps://", "or give --train-input data/*.parquet"),
        Mistake("kafka path", path, 'train_input_path: "kafka://b/t"', "kafka://", "reads from kafka, which is out of"),
        Mistake("empty path", path, 'train_input_path: " , "', "train_input_path", "names no file"),
        Mistake(
            "best of nothing",
            'eval_input_path: "data/eval.parquet"',
            'export_config { exporter_type: "best" }',
            "exporter_type",
            "needs evaluations, but eval_input_path names no rows; name some, or write exporter_type",
        ),
        Mistake(
            "stop by nothing",
            'eval_input_path: "data/eval.parquet"',
            'train_config { early_stopping { metric: "auc" } }',
            "early_stopping",
            "needs evaluations, but eval_input_path names no rows; name some, or remove this",
        ),
        Mistake("blank model_dir", 'model_dir: "runs/1"', 'model_dir: " "', "model_dir", "names no folder; write"),
        Mistake("no model_dir", 'model_dir: "runs/1"\n', "", "", 'is missing; write model_dir: "..."'),
    ]


def _train() -> list[Mistake]:
    return [
        Mistake("steps and epochs", "num_epochs: 1", "num_epochs: 1\n  num_steps: 5", "num_steps: 5", "keep one of"),
        Mistake("no length", "  num_epochs: 1\n", "", "train_config {", "write num_epochs: 1, or num_steps"),
        Mistake(
            "no sparse optimiser", "    adagrad_optimizer { lr: 0.01 }\n", "", "sparse_optimizer {", "names no optim"
        ),
        Mistake(
            "no dense optimiser", "    adam_optimizer { lr: 0.001 }\n", "", "dense_optimizer {", "adam_optimizer { lr"
        ),
        Mistake(
            "no sparse rate", RATE, "  }\n  dense_optimizer {", "sparse_optimizer {", "write constant_learning_rate {}"
        ),
        Mistake(
            "no dense rate", DENSE_RATE, "  }\n  num_epochs: 1", "dense_optimizer {", "write constant_learning_rate"
        ),
        Mistake(
            "lamb", "adagrad_optimizer { lr: 0.01 }", "lamb_optimizer { lr: 0.01 }", "lamb", "is not supported yet"
        ),
        Mistake("lars", "adagrad_optimizer {", "lars_sgd_optimizer {", "lars", "rowwise_adagrad_optimizer"),
        Mistake("negative rate", "lr: 0.001", "lr: -0.001", "lr: -0.001", "must be >= 0"),
        Mistake("infinite rate", "lr: 0.001", "lr: inf", "lr: inf", "must be a finite number, such as 0.5"),
        Mistake("rate of nan", "lr: 0.01", "lr: nan", "lr: nan", "must be a finite number, such as 0.5"),
        Mistake("infinite bound", "[1, 2.5, 10]", "[1, 2.5, inf]", "boundaries", "must be a finite number"),
        Mistake("infinite weight", "weight: 0.5", "weight: -inf", "weight: -inf", "must be a finite number"),
        Mistake("eps of 0", "lr: 0.001", "lr: 0.001 eps: 0", "eps: 0", "must be > 0; 1e-8 is usual"),
        Mistake("beta of one", "lr: 0.001", "lr: 0.001 beta1: 1.0", "beta1", "must lie in [0, 1)"),
        Mistake(
            "no decay size", DENSE_RATE, _rate("exponential_decay_learning_rate {}"), "exponential", "decay_size: 1000"
        ),
        Mistake(
            "falls by epochs",
            f"{DENSE_RATE}",
            _rate("cosine_annealing_learning_rate { by_epoch: true }").replace("num_epochs: 1", "num_steps: 5"),
            "cosine",
            "is missing: how many epochs num_steps comes to is not known; write T_max, in epochs",
        ),
        Mistake("T_max of 0", DENSE_RATE, _rate("cosine_annealing_learning_rate { T_max: 0 }"), "T_max", "T_max: 1000"),
        Mistake(
            "rates and sizes",
            DENSE_RATE,
            _rate("manual_step_learning_rate { schedule_sizes: [10, 20] learning_rates: [0.1] }"),
            "schedule_sizes",
            "has 1 values for 2 schedule_sizes; give one rate per size",
        ),
        Mistake(
            "sizes descend",
            DENSE_RATE,
            _rate("manual_step_learning_rate { schedule_sizes: [20, 10] learning_rates: [0.1, 0.2] }"),
            "schedule_sizes",
            "must ascend strictly",
        ),
        Mistake(
            "part pattern",
            "num_epochs: 1",
            'num_epochs: 1\n  dense_optimizer { part_optimizers { regex_pattern: "tower(" sgd_optimizer {} } }',
            "tower(",
            "is no regular expression",
        ),
        Mistake(
            "nesterov",
            "adam_optimizer { lr: 0.001 }",
            "sgd_optimizer { nesterov: true momentum: 0 }",
            "nesterov",
            "momentum: 0.9",
        ),
        Mistake(
            "ema decay", DENSE_RATE, _rate("constant_learning_rate {}\n    ema { decay: 1 }"), "ema {", "must lie in"
        ),
        Mistake(
            "summary", "num_epochs: 1", 'num_epochs: 1\n  tensorboard_summaries: "los"', '"los"', "did you mean 'loss'"
        ),
        Mistake(
            "clipping", "num_epochs: 1", 'num_epochs: 1\n  grad_clipping { clipping_type: "nrm" }', "nrm", "'norm'"
        ),
        Mistake("fp16", "num_epochs: 1", 'num_epochs: 1\n  mixed_precision: "FP16"', "FP16", 'write "BF16"'),
        Mistake("fp8", "num_epochs: 1", 'num_epochs: 1\n  mixed_precision: "FP8"', "FP8", "write 'BF16'"),
        Mistake(
            "delta dump", "num_epochs: 1", "num_epochs: 1\n  delta_embedding_dump_config {}", "delta", "not supported"
        ),
        Mistake(
            "event time", "num_epochs: 1", "num_epochs: 1\n  save_checkpoints_timestamps: 5", ": 5", "not supported yet"
        ),
        Mistake(
            "map without checkpoint",
            "num_epochs: 1",
            'num_epochs: 1\n  fine_tune_ckpt_param_map: "names.txt"',
            "names.txt",
            "fine_tune_checkpoint is not set",
        ),
        Mistake(
            "map that is missing",
            "num_epochs: 1",
            'num_epochs: 1\n  fine_tune_checkpoint: "old"\n  fine_tune_ckpt_param_map: "no such file.txt"',
            "no such file",
            "cannot be read",
        ),
        Mistake(
            "patience for nothing",
            "num_epochs: 1",
            "num_epochs: 1\n  early_stopping {}",
            "early_",
            'write metric: "auc"',
        ),
        Mistake(
            "stopping on a typo",
            "num_epochs: 1",
            'num_epochs: 1\n  early_stopping { metric: "auc_crt" }',
            "early_stopping",
            "did you mean 'auc_ctr'?",
        ),
    ]


def _rate(schedule: str) -> str:
    return f"    {schedule}\n  }}\n  num_epochs: 1"


def _judging() -> list[Mistake]:
    return [
        Mistake(
            "exporter", "export_config {", 'export_config {\n  exporter_type: "bst"', "bst", 'write "latest" or "best"'
        ),
        Mistake(
            "best metric",
            "export_config {",
            'export_config {\n  exporter_type: "best"\n  best_exporter_metric: "auc_cvr"',
            "auc_cvr",
            "is not a metric of this model",
        ),
        Mistake(
            "best of the worst",
            "export_config {",
            'export_config {\n  exporter_type: "best"\n  best_exporter_metric: "logloss"',
            "best_exporter_metric",
            "'logloss' is better when smaller; write metric_larger_is_better: false",
        ),
        Mistake("export ema", "export_config {", "export_config {\n  use_dense_ema: true", "use_dense", "write ema {}"),
        Mistake(
            "gauc", "eval_config {", 'eval_config {\n  gauc_feature: "usr_id"', "usr_id", "did you mean 'user_id'?"
        ),
        Mistake(
            "gauc of numbers",
            "eval_config {",
            'eval_config {\n  gauc_feature: "age"',
            "gauc_feature",
            "is a raw feature",
        ),
    ]


def _data() -> list[Mistake]:
    return [
        Mistake("no rows", "batch_size: 64", "batch_size: 0", "batch_size: 0", "must be at least 1"),
        Mistake(
            "label twice", 'label_fields: "like"', 'label_fields: "click"\n  label_fields: "like"', "", "listed twice"
        ),
        Mistake(
            "csv without names", "ParquetDataset", "CsvDataset", "", "write with_header: true, or name them in input_f"
        ),
        Mistake(
            "csv delimiter",
            "ParquetDataset",
            'CsvDataset\n  with_header: true\n  delimiter: "||"',
            '"||"',
            "must be a single character",
        ),
        Mistake(
            "csv type",
            "ParquetDataset",
            'CsvDataset\n  input_fields_str: "a:INT64;b:STRNG"',
            "STRNG",
            "did you mean 'STRING'?",
        ),
        Mistake("sampler", "batch_size: 64", "negative_sampler {}", "negative_sampler", "is not supported yet"),
        Mistake("mask", "batch_size: 64", "sample_mask_prob: 0.1", "sample_mask", "is not supported yet"),
        Mistake(
            "empty shuffle", "batch_size: 64", "shuffle: true\n  shuffle_buffer_size: 0", "size: 0", "at least 1 batch"
        ),
        *(
            Mistake(f"bad values: {says}", "batch_size: 64", f"bad_values {{ {text} }}", "bad_values", says)
            for text, says in (
                ('column: "clik" policy: ERROR', "reads it (did you mean 'click'?); write one of uid"),
                ('column: "user_id" policy: DEFAULT', "no feature, label or weight reads it"),
                ('column: "click" policy: DEFAULT', "write default_value: 0, say"),
                ('column: "click" policy: DEFAULT default_value: 2', "must be a class of its task, 0 to 1"),
                ('column: "row_weight" policy: DEFAULT default_value: -1', "must be finite and at least 0"),
                ('column: "age" policy: DEFAULT default_value: 1', "write the feature's default_value instead"),
                ('column: "like" policy: DROP_ROW default_value: 1', "has no effect without policy: DEFAULT"),
                ('column: "like" policy: ERROR } bad_values { column: "like" policy: ERROR', "has a policy already"),
                ("policy: ERROR", "is missing"),
            )
        ),
    ]


def _features() -> list[Mistake]:
    return [
        Mistake(
            "feature twice",
            "model_config {",
            'feature_configs { raw_feature { feature_name: "tab" expression: "user:x" } }\nmodel_config {',
            'raw_feature { feature_name: "tab"',
            "the name of an earlier feature",
        ),
        Mistake("side", '"user:uid"', '"usr:uid"', "usr:uid", "did you mean 'user'?"),
        Mistake("no side", '"user:uid"', '"uid"', '"uid"', 'not of the form side:column; write "user:uid"'),
        Mistake("derived input", '"user:uid"', '"feature:uid"', "feature:uid", "'feature:' input is not supported yet"),
        Mistake("constant input", '"user:uid"', '"const:1"', "const:1", "'const:' input is not supported yet"),
        Mistake(
            "no expression", '    expression: "user:uid"\n', "", "", 'is missing; write expression: "user:user_id"'
        ),
        Mistake("no rows at all", "    num_buckets: 50\n", "", "", "has no row count; write num_buckets"),
        Mistake(
            "two row counts", "num_buckets: 50", "num_buckets: 50\n    vocab_list: ['a']", "vocab_list", "keep one of"
        ),
        Mistake("zero rows", "num_buckets: 50", "num_buckets: 0", "num_buckets: 0", "must be at least 1"),
        Mistake("zero hash rows", "hash_bucket_size: 100", "hash_bucket_size: 0", "size: 0", "must be at least 1"),
        Mistake("word twice", "num_buckets: 50", "vocab_list: ['a', 'b', 'a']", "vocab_list", "lists 'a' twice"),
        Mistake(
            "reserved word", "num_buckets: 50", "vocab_list: ['<OOV>']", "vocab_list", "lists '<OOV>', which has id 1"
        ),
        Mistake(
            "unknown id",
            "num_buckets: 50",
            "vocab_list: ['a', 'b']\n    default_bucketize_value: 2",
            "default_bucketize_value",
            "unknown words get id 2, but ids end at 1; write an id in [0, 2)",
        ),
        Mistake(
            "file alone", "num_buckets: 50", 'vocab_file: "v.txt"', "v.txt", "write default_bucketize_value: 0, say"
        ),
        Mistake(
            "missing file",
            "num_buckets: 50",
            'vocab_file: "no such file.txt"\n    default_bucketize_value: 0',
            "no such",
            "cannot be read",
        ),
        Mistake("zch", "num_buckets: 50", "zch { zch_size: 9 }", "zch", "is not supported yet; write hash_bucket_size"),
        Mistake("dynamic", "num_buckets: 50", "dynamicemb { max_capacity: 9 }", "dynamicemb", "is not supported yet"),
        Mistake("no width", ITEM, ITEM[: ITEM.rindex("\n")], "", "is missing; write embedding_dim: 16, say"),
        Mistake("zero width", "embedding_dim: 8", "embedding_dim: 0", "embedding_dim: 0", "must be at least 1"),
        Mistake("pooling", USER, USER + '\n    pooling: "men"', '"men"', "did you mean 'mean'?"),
        Mistake("data type", USER, USER + '\n    data_type: "INT8"', "INT8", 'write "FP32" or "FP16"'),
        Mistake("initializer", USER, USER + '\n    init_fn: "nn.init.unifrm_"', "unifrm", "did you mean 'uniform_'?"),
        Mistake("init argument", USER, USER + '\n    init_fn: "nn.init.normal_,a=1"', "a=1", "has no argument 'a'"),
        Mistake("init code", USER, USER + '\n    init_fn: "os.system"', "os.system", "is not a supported initializer"),
        Mistake("use_mask", USER, USER + "\n    use_mask: true", "use_mask", "is not supported yet"),
        Mistake("stub", USER, USER + "\n    stub_type: true", "stub_type", "is not supported yet"),
        Mistake(
            "sequence", "    num_buckets: 50", "    sequence_length: 9\n    num_buckets: 50", ": 9", "not supported yet"
        ),
        Mistake(
            "combo",
            "eval_config {\n}",
            'feature_configs { combo_feature { feature_name: "c" } }',
            "combo",
            "not supported",
        ),
        Mistake("no feature", "eval_config {\n}", "feature_configs {}", "feature_configs {}", "names no feature"),
        Mistake("boundaries", "[1, 2.5, 10]", "[1, 10, 2.5]", "[1, 10, 2.5]", "must ascend strictly"),
        Mistake("method", "method=zscore", "method=zscor", "zscor,", "did you mean 'zscore'?"),
        Mistake("no deviation", ",standard_deviation=12.5", "", "zscore", "needs standard_deviation"),
        Mistake("zero deviation", "deviation=12.5", "deviation=0", "zscore", "must be > 0"),
        Mistake("odd argument", "mean=40", "man=40", "zscore", "did you mean 'mean'?"),
        Mistake("not a number", "mean=40", "mean=forty", "forty", "'forty' is not a number"),
        Mistake("formula", AGE, '    normalizer: "method=expression,expr=log(y)"', "log(y)", "y"),
        Mistake("raw default", AGE, '    default_value: "none"', '"none"', "'none' is not a number"),
        Mistake(
            "wide default",
            AGE,
            '    value_dim: 3\n    default_value: "1\\x1d2"',
            "x1d",
            "has 2 values for value_dim = 3",
        ),
        Mistake("no raw width", AGE, "    value_dim: 0", "value_dim: 0", "must be at least 1 without boundaries"),
        Mistake(
            "autodis alone", AGE, "    autodis { num_channels: 4 }", "autodis", "needs a width; write embedding_dim"
        ),
        Mistake("channels", AGE, "    embedding_dim: 4 autodis {}", "autodis", "is missing; write num_channels: ..."),
        Mistake("both embeddings", PRICE, PRICE + "\n    mlp {}", "    mlp {}", "does not go with boundaries"),
        Mistake("id default", ITEM, ITEM + '\n    default_value: "50"', '"50"', "'50' is not an id of this feature"),
        Mistake(
            "weighted default",
            ITEM,
            ITEM + '\n    weighted: true separator: "|" default_value: "3:0.5|x:2"',
            "x:2",
            "'x' is not an id of this feature; write one from 0 to 49, or nothing",
        ),
        Mistake("misspelt rows", "num_buckets: 50", "num_bucket: 50", "num_bucket:", "did you mean num_buckets?"),
        Mistake("unread rows", "num_buckets: 50", "num_buckets: many", "many", "must be a whole number"),
        Mistake(
            "rows beyond all", "num_buckets: 50", "num_buckets: 1099511627776", "1099511627776", "must be below 2^40"
        ),
    ]


def _groups() -> list[Mistake]:
    name = '["user_id", "item", "tab", "price", "age"]'
    suffix = [USER + f"\n    {TABLE}", ITEM + f"\n    {TABLE} # 2"]
    return [
        Mistake("unknown feature", name, name.replace("price", "prise"), "prise", "did you mean 'price'?"),
        Mistake("feature again", name, name.replace('"tab"', '"item"'), '"item", "item"', "is in this group already"),
        Mistake("empty group", '    feature_names: ["tab"]\n', "", "", "name at least one feature"),
        Mistake("group twice", 'group_name: "uia"', 'group_name: "domain" # 2', "# 2", "the name of an earlier group"),
        Mistake(
            "wide group",
            "group_type: DEEP",
            "group_type: WIDE",
            "WIDE",
            "pepnet reads no wide groups, which deepfm and",
        ),
        Mistake(
            "sequences", "group_type: DEEP", "group_type: SEQUENCE", "SEQUENCE", "not supported yet; write DEEP or"
        ),
        Mistake("sequence group", "group_type: DEEP", "sequence_groups {}", "sequence_groups", "is not supported yet"),
        Mistake(
            "no main group", 'group_name: "all"', 'group_name: "main"', "pepnet {", "there is no feature group 'all'"
        ),
        Mistake(
            "named group",
            "domain_input_name",
            'uia_group_name: "uja"\n    domain_input_name',
            "uja",
            "did you mean 'uia'?",
        ),
        Mistake(
            "shared rows",
            f'{USER}\n  }}\n}}\nfeature_configs {{\n  id_feature {{\n    feature_name: "item"\n{ITEM}',
            f'{suffix[0]}\n  }}\n}}\nfeature_configs {{\n  id_feature {{\n    feature_name: "item"\n{suffix[1]}',
            "id_feature {",
            "the table 'shared' is shared with 'user_id': rows is 100 there and 50 here",
        ),
    ]


def _model() -> list[Mistake]:
    return [
        Mistake("two models", "model_config {", "model_config {\n  dbmtl {}", "dbmtl", "stands beside pepnet"),
        Mistake(
            "pareto", "model_config {", "model_config {\n  use_pareto_loss_weight: true", "pareto", "not supported yet"
        ),
        Mistake("kernel", "model_config {", "model_config {\n  kernel: TRITON", "TRITON", "is not supported yet"),
        Mistake(
            "variational", "model_config {", "model_config {\n  variational_dropout {}", "variational", "not supported"
        ),
        Mistake(
            "gamma", "task_domain_num: 3", "task_domain_num: 3\n    epnet_gamma: 0", "epnet_gamma", "must be > 0; the p"
        ),
        Mistake(
            "ppnet gamma", "task_domain_num: 3", "task_domain_num: 3\n    ppnet_gamma: -1", "ppnet_gamma", "must be > 0"
        ),
        Mistake(
            "epnet width", "task_domain_num: 3", "task_domain_num: 3\n    epnet_hidden_unit: 0", "unit: 0", "at least 1"
        ),
        Mistake(
            "no layers",
            "    ppnet_hidden_units: [16, 8]\n    ppnet_dropout_ratio: [0.1, 0.2]\n",
            "",
            "pepnet {",
            "[100",
        ),
        Mistake("zero layer", "[16, 8]", "[16, 0]", "[16, 0]", "every width must be at least 1"),
        Mistake("dropouts", "[0.1, 0.2]", "[0.1, 0.2, 0.3]", "0.3", "has 3 values for 2 layers; give none, one or all"),
        Mistake("full dropout", "[0.1, 0.2]", "[0.1, 1.0]", "1.0", "must lie in [0, 1)"),
        Mistake(
            "activation", "task_domain_num: 3", 'task_domain_num: 3\n    ppnet_activation: "nn.Relu"', "Relu", "'ReLU'?"
        ),
        Mistake(
            "gate width", "task_domain_num: 3", "task_domain_num: 3\n    ppnet_gate_hidden_unit: 4", "unit: 4", "TZREC"
        ),
        Mistake("few towers", "task_domain_num: 3", "task_domain_num: 2", "num: 2", "ids from 2 on have no tower"),
        Mistake("many towers", "task_domain_num: 3", "task_domain_num: 5", "num: 5", "2 towers would never learn"),
        Mistake("no towers", "task_domain_num: 3", "task_domain_num: 0", "num: 0", "must be at least 1"),
        Mistake("paper mlp", "task_domain_num: 3", "wiring: PAPER", "mlp {", "put its widths into ppnet_hidden_units"),
        Mistake(
            "paper towers",
            UNGATED,
            f"wiring: PAPER\n{UNGATED}".replace(MLP, ""),
            "num: 3",
            "the PAPER wiring shares towers between",
        ),
        Mistake("domain typo", 'domain_input_name: "tab"', 'domain_input_name: "tap"', "tap", "did you mean 'tab'?"),
        Mistake("plain domain", 'domain_input_name: "tab"', 'domain_input_name: "age"', '"age"', "holds plain numbers"),
        Mistake(
            "domain feature", "model_config {", 'model_config {\n  domain_feature: "tba"', "tba", "did you mean 'tab'?"
        ),
        Mistake(
            "default domain",
            "model_config {",
            'model_config {\n  default_domain: "3"',
            '"3"',
            'write one from "0" to "2"',
        ),
        Mistake(
            "default of buckets",
            'pepnet {\n    domain_input_name: "tab"\n    task_domain_num: 3',
            'default_domain: "cheap"\n  pepnet {\n    domain_input_name: "price"\n    task_domain_num: 4',
            '"cheap"',
            "'cheap' is not a number",
        ),
    ]


def _towers() -> list[Mistake]:
    return [
        Mistake("tower twice", 'tower_name: "ltr"', 'tower_name: "ctr" # 2', "# 2", "is the name of an earlier tower"),
        Mistake("no tower name", '      tower_name: "ctr"\n', "", "task_towers {", "is missing; write tower_name"),
        Mistake("label typo", 'label_name: "click"', 'label_name: "clik"', "clik", "did you mean 'click'?"),
        Mistake(
            "indicator typo",
            'indicator_label: "click"',
            'indicator_label: "clic"',
            '"clic"',
            "not in data_config.label",
        ),
        Mistake("weight typo", 'name: "row_weight"', 'name: "weight"', '"weight"', "sample_weight_fields"),
        Mistake("negative weight", MLP, "weight: -1", "weight: -1", "must be >= 0"),
        Mistake("negative space", "space_weight: 0.5", "space_weight: -0.5", "-0.5", "must be >= 0"),
        Mistake(
            "weightless",
            "out_task_space_weight: 0.5",
            "in_task_space_weight: 0 out_task_space_weight: 0",
            "in_t",
            "no row",
        ),
        Mistake("no loss", f"      {LOSS}\n", "", "", "write losses { binary_cross_entropy {} }"),
        Mistake("empty loss", LOSS, "losses {}", "losses {}", "names no loss"),
        Mistake("loss twice", LOSS, f"{LOSS}\n      {LOSS} # 2", "# 2", "is asked for twice"),
        Mistake(
            "mixed losses",
            f"{LOSS}\n      {AUC}",
            f"{LOSS}\n      losses {{ l2_loss {{}} }}",
            "entropy",
            "mixes l2_loss",
        ),
        Mistake("classes of bce", LOSS, f"{LOSS}\n      num_class: 2", "num_class: 2", "write num_class: 1"),
        Mistake("classes of jrc", LOSS, 'losses { jrc_loss { session_name: "user_id" } }', "jrc", "write num_class: 2"),
        Mistake("classes of softmax", LOSS, SOFTMAX, "softmax", "write num_class: 2 or more"),
        Mistake("session", LOSS, 'num_class: 2 losses { jrc_loss { session_name: "age" } }', "jrc", "is a raw feature"),
        Mistake("no session", LOSS, "num_class: 2 losses { jrc_loss {} }", "jrc", "is missing; write session_name"),
        Mistake(
            "smoothing", LOSS, "losses { binary_cross_entropy { label_smoothing: 1 } }", "smoothing", "lie in [0, 1)"
        ),
        Mistake("focal alpha", "binary_focal_loss {}", "binary_focal_loss { alpha: 2 }", "alpha", "must lie in [0, 1]"),
        Mistake("sid loss", LOSS, f"{LOSS}\n      losses {{ recon_loss {{}} }}", "recon", "is not supported yet"),
        Mistake("metric twice", AUC, f"{AUC}\n      metrics {{ auc {{ thresholds: 9 }} }}", ": 9", "asked for twice"),
        Mistake("retrieval", AUC, "metrics { recall_at_k {} }", "recall", "is not supported yet"),
        Mistake("empty metric", AUC, "metrics {}", "metrics {}", "names no metric; write auc {}"),
        Mistake("one bin", AUC, "metrics { auc { thresholds: 1 } }", "thresholds", "remove it for the exact AUC"),
        Mistake("multiclass", AUC, "metrics { multiclass_auc {} }", "multiclass", "needs num_class of 2 or more"),
        Mistake(
            "number metric",
            f"{LOSS}\n      {AUC}",
            f"num_class: 3 {SOFTMAX}\n      metrics {{ mean_squared_error {{}} }}",
            "squared",
            "judges one number per row, but num_class = 3; write accuracy {} instead",
        ),
        Mistake("auc of a number", LOSS, "losses { l2_loss {} }", "metrics { auc", "judges probabilities, but l2_loss"),
        Mistake("auc of classes", LOSS, f"num_class: 3 {SOFTMAX}", "{ auc", "multiclass_auc {}"),
        Mistake(
            "grouping typo", 'grouping_key: "user_id"', 'grouping_key: "uid"', '"uid"', "is not the name of a feature"
        ),
        Mistake(
            "grouping numbers", 'grouping_key: "user_id"', 'grouping_key: "price"', 'key: "price"', "is a raw feature"
        ),
        Mistake("no grouping", '{ grouping_key: "user_id" }', "{}", "grouped_auc {}", "is missing; write grouping_key"),
        Mistake(
            "average",
            LOSS,
            f"num_class: 2 {SOFTMAX} metrics {{ multiclass_auc {{ average: 'm' }} }}",
            "'m'",
            '"macro" or',
        ),
        Mistake(
            "top of too few",
            f"{LOSS}\n      {AUC}",
            f"num_class: 3 {SOFTMAX} train_metrics {{ accuracy {{ top_k: 4 }} }}",
            "top_k: 4",
            "must be at most num_class, which is 3",
        ),
        Mistake("decay", AUC, "train_metrics { auc {} decay_rate: 1 }", "decay_rate", "must lie in [0, 1)"),
        Mistake(
            "both norms", MLP, "mlp { hidden_units: 8 use_bn: true use_ln: true }", "use_ln", "keep one of the two"
        ),
        Mistake("mlp dropouts", MLP, "mlp { hidden_units: [8, 4] dropout_ratio: 1.5 }", "1.5", "must lie in [0, 1)"),
        Mistake("mlp widths", MLP, "mlp { hidden_units: [8, 0] }", "[8, 0]", "every width must be at least 1"),
    ]


MISTAKES = [*_pipeline(), *_train(), *_judging(), *_data(), *_features(), *_groups(), *_model(), *_towers()]
