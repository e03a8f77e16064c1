from peprank.config.protos import data_pb2 as _data_pb2
from peprank.config.protos import embedding_pb2 as _embedding_pb2
from peprank.config.protos import feature_pb2 as _feature_pb2
from peprank.config.protos import loss_pb2 as _loss_pb2
from peprank.config.protos import metric_pb2 as _metric_pb2
from peprank.config.protos import model_pb2 as _model_pb2
from peprank.config.protos import module_pb2 as _module_pb2
from peprank.config.protos import multi_task_rank_pb2 as _multi_task_rank_pb2
from peprank.config.protos import optimizer_pb2 as _optimizer_pb2
from peprank.config.protos import sampler_pb2 as _sampler_pb2
from peprank.config.protos import seq_encoder_pb2 as _seq_encoder_pb2
from peprank.config.protos import train_pb2 as _train_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union
from peprank.config.protos.data_pb2 import DataConfig as DataConfig
from peprank.config.protos.data_pb2 import Field as Field
from peprank.config.protos.data_pb2 import DatasetType as DatasetType
from peprank.config.protos.data_pb2 import FgMode as FgMode
from peprank.config.protos.data_pb2 import FieldType as FieldType
from peprank.config.protos.embedding_pb2 import AutoDisEmbedding as AutoDisEmbedding
from peprank.config.protos.embedding_pb2 import MLPEmbedding as MLPEmbedding
from peprank.config.protos.embedding_pb2 import ParameterConstraints as ParameterConstraints
from peprank.config.protos.embedding_pb2 import ZeroCollisionHash as ZeroCollisionHash
from peprank.config.protos.embedding_pb2 import LFU_EvictionPolicy as LFU_EvictionPolicy
from peprank.config.protos.embedding_pb2 import LRU_EvictionPolicy as LRU_EvictionPolicy
from peprank.config.protos.embedding_pb2 import DistanceLFU_EvictionPolicy as DistanceLFU_EvictionPolicy
from peprank.config.protos.embedding_pb2 import DynamicEmbedding as DynamicEmbedding
from peprank.config.protos.embedding_pb2 import DynamicEmbInitializerArgs as DynamicEmbInitializerArgs
from peprank.config.protos.embedding_pb2 import DynamicEmbFrequencyAdmissionStrategy as DynamicEmbFrequencyAdmissionStrategy
from peprank.config.protos.feature_pb2 import FeatureConfig as FeatureConfig
from peprank.config.protos.feature_pb2 import IdFeature as IdFeature
from peprank.config.protos.feature_pb2 import RawFeature as RawFeature
from peprank.config.protos.feature_pb2 import ComboFeature as ComboFeature
from peprank.config.protos.feature_pb2 import LookupFeature as LookupFeature
from peprank.config.protos.feature_pb2 import MatchFeature as MatchFeature
from peprank.config.protos.feature_pb2 import ExprFeature as ExprFeature
from peprank.config.protos.feature_pb2 import OverlapFeature as OverlapFeature
from peprank.config.protos.feature_pb2 import TokenizeFeature as TokenizeFeature
from peprank.config.protos.feature_pb2 import CustomFeature as CustomFeature
from peprank.config.protos.feature_pb2 import KvDotProduct as KvDotProduct
from peprank.config.protos.feature_pb2 import BoolMaskFeature as BoolMaskFeature
from peprank.config.protos.feature_pb2 import CombineFeature as CombineFeature
from peprank.config.protos.feature_pb2 import SequenceFeature as SequenceFeature
from peprank.config.protos.feature_pb2 import SeqFeatureConfig as SeqFeatureConfig
from peprank.config.protos.feature_pb2 import TextNormalizer as TextNormalizer
from peprank.config.protos.feature_pb2 import TextNormalizeOption as TextNormalizeOption
from peprank.config.protos.loss_pb2 import LossConfig as LossConfig
from peprank.config.protos.loss_pb2 import BinaryCrossEntropy as BinaryCrossEntropy
from peprank.config.protos.loss_pb2 import BinaryFocalLoss as BinaryFocalLoss
from peprank.config.protos.loss_pb2 import SoftmaxCrossEntropy as SoftmaxCrossEntropy
from peprank.config.protos.loss_pb2 import JRCLoss as JRCLoss
from peprank.config.protos.loss_pb2 import L2Loss as L2Loss
from peprank.config.protos.metric_pb2 import MetricConfig as MetricConfig
from peprank.config.protos.metric_pb2 import TrainMetricConfig as TrainMetricConfig
from peprank.config.protos.metric_pb2 import AUC as AUC
from peprank.config.protos.metric_pb2 import MulticlassAUC as MulticlassAUC
from peprank.config.protos.metric_pb2 import GroupedAUC as GroupedAUC
from peprank.config.protos.metric_pb2 import XAUC as XAUC
from peprank.config.protos.metric_pb2 import GroupedXAUC as GroupedXAUC
from peprank.config.protos.metric_pb2 import NormalizedEntropy as NormalizedEntropy
from peprank.config.protos.metric_pb2 import MeanAbsoluteError as MeanAbsoluteError
from peprank.config.protos.metric_pb2 import MeanSquaredError as MeanSquaredError
from peprank.config.protos.metric_pb2 import Accuracy as Accuracy
from peprank.config.protos.metric_pb2 import RecallAtK as RecallAtK
from peprank.config.protos.model_pb2 import ModelConfig as ModelConfig
from peprank.config.protos.model_pb2 import FeatureGroupConfig as FeatureGroupConfig
from peprank.config.protos.model_pb2 import SeqGroupConfig as SeqGroupConfig
from peprank.config.protos.model_pb2 import VariationalDropout as VariationalDropout
from peprank.config.protos.model_pb2 import FeatureGroupType as FeatureGroupType
from peprank.config.protos.model_pb2 import Kernel as Kernel
from peprank.config.protos.module_pb2 import MLP as MLP
from peprank.config.protos.module_pb2 import Foreign as Foreign
from peprank.config.protos.multi_task_rank_pb2 import PEPNet as PEPNet
from peprank.config.protos.multi_task_rank_pb2 import TaskTower as TaskTower
from peprank.config.protos.multi_task_rank_pb2 import PEPNetWiring as PEPNetWiring
from peprank.config.protos.multi_task_rank_pb2 import EPNetGateKind as EPNetGateKind
from peprank.config.protos.optimizer_pb2 import SparseOptimizer as SparseOptimizer
from peprank.config.protos.optimizer_pb2 import DenseOptimizer as DenseOptimizer
from peprank.config.protos.optimizer_pb2 import PartOptimizer as PartOptimizer
from peprank.config.protos.optimizer_pb2 import EMAConfig as EMAConfig
from peprank.config.protos.optimizer_pb2 import FusedSGDOptimizer as FusedSGDOptimizer
from peprank.config.protos.optimizer_pb2 import FusedAdagradOptimizer as FusedAdagradOptimizer
from peprank.config.protos.optimizer_pb2 import FusedAdamOptimizer as FusedAdamOptimizer
from peprank.config.protos.optimizer_pb2 import FusedLarsSGDOptimizer as FusedLarsSGDOptimizer
from peprank.config.protos.optimizer_pb2 import FusedLAMBOptimizer as FusedLAMBOptimizer
from peprank.config.protos.optimizer_pb2 import FusedPartialRowWiseLAMBOptimizer as FusedPartialRowWiseLAMBOptimizer
from peprank.config.protos.optimizer_pb2 import FusedPartialRowWiseAdamOptimizer as FusedPartialRowWiseAdamOptimizer
from peprank.config.protos.optimizer_pb2 import FusedRowWiseAdagradOptimizer as FusedRowWiseAdagradOptimizer
from peprank.config.protos.optimizer_pb2 import FusedAdadeltaOptimizer as FusedAdadeltaOptimizer
from peprank.config.protos.optimizer_pb2 import FusedRMSpropOptimizer as FusedRMSpropOptimizer
from peprank.config.protos.optimizer_pb2 import SGDOptimizer as SGDOptimizer
from peprank.config.protos.optimizer_pb2 import AdagradOptimizer as AdagradOptimizer
from peprank.config.protos.optimizer_pb2 import AdamOptimizer as AdamOptimizer
from peprank.config.protos.optimizer_pb2 import AdamWOptimizer as AdamWOptimizer
from peprank.config.protos.optimizer_pb2 import AdadeltaOptimizer as AdadeltaOptimizer
from peprank.config.protos.optimizer_pb2 import RMSpropOptimizer as RMSpropOptimizer
from peprank.config.protos.optimizer_pb2 import ConstantLR as ConstantLR
from peprank.config.protos.optimizer_pb2 import ExponentialDecayLR as ExponentialDecayLR
from peprank.config.protos.optimizer_pb2 import ManualStepLR as ManualStepLR
from peprank.config.protos.optimizer_pb2 import CosineAnnealingLR as CosineAnnealingLR
from peprank.config.protos.optimizer_pb2 import CosineAnnealingWarmRestartsLR as CosineAnnealingWarmRestartsLR
from peprank.config.protos.optimizer_pb2 import WeightDecayMode as WeightDecayMode
from peprank.config.protos.sampler_pb2 import NegativeSampler as NegativeSampler
from peprank.config.protos.sampler_pb2 import NegativeSamplerV2 as NegativeSamplerV2
from peprank.config.protos.sampler_pb2 import HardNegativeSampler as HardNegativeSampler
from peprank.config.protos.sampler_pb2 import HardNegativeSamplerV2 as HardNegativeSamplerV2
from peprank.config.protos.sampler_pb2 import TDMSampler as TDMSampler
from peprank.config.protos.seq_encoder_pb2 import SeqEncoderConfig as SeqEncoderConfig
from peprank.config.protos.seq_encoder_pb2 import DINEncoder as DINEncoder
from peprank.config.protos.seq_encoder_pb2 import SimpleAttention as SimpleAttention
from peprank.config.protos.seq_encoder_pb2 import PoolingEncoder as PoolingEncoder
from peprank.config.protos.seq_encoder_pb2 import MultiWindowDINEncoder as MultiWindowDINEncoder
from peprank.config.protos.seq_encoder_pb2 import SelfAttentionEncoder as SelfAttentionEncoder
from peprank.config.protos.train_pb2 import TrainConfig as TrainConfig
from peprank.config.protos.train_pb2 import EarlyStopping as EarlyStopping
from peprank.config.protos.train_pb2 import GradScaler as GradScaler
from peprank.config.protos.train_pb2 import GradClipping as GradClipping
from peprank.config.protos.train_pb2 import DeltaEmbeddingDumpConfig as DeltaEmbeddingDumpConfig
from peprank.config.protos.train_pb2 import FeatureStoreConfig as FeatureStoreConfig
from peprank.config.protos.train_pb2 import EvalConfig as EvalConfig
from peprank.config.protos.train_pb2 import ExportConfig as ExportConfig
from peprank.config.protos.train_pb2 import DeltaEmbeddingQuantType as DeltaEmbeddingQuantType

DESCRIPTOR: _descriptor.FileDescriptor
OdpsDataset: _data_pb2.DatasetType
ParquetDataset: _data_pb2.DatasetType
CsvDataset: _data_pb2.DatasetType
OdpsDatasetV1: _data_pb2.DatasetType
KafkaDataset: _data_pb2.DatasetType
FG_NONE: _data_pb2.FgMode
FG_NORMAL: _data_pb2.FgMode
FG_DAG: _data_pb2.FgMode
FG_BUCKETIZE: _data_pb2.FgMode
INT32: _data_pb2.FieldType
INT64: _data_pb2.FieldType
STRING: _data_pb2.FieldType
FLOAT: _data_pb2.FieldType
DOUBLE: _data_pb2.FieldType
ARRAY_INT32: _data_pb2.FieldType
ARRAY_INT64: _data_pb2.FieldType
ARRAY_STRING: _data_pb2.FieldType
ARRAY_FLOAT: _data_pb2.FieldType
ARRAY_DOUBLE: _data_pb2.FieldType
ARRAY_ARRAY_INT32: _data_pb2.FieldType
ARRAY_ARRAY_INT64: _data_pb2.FieldType
ARRAY_ARRAY_STRING: _data_pb2.FieldType
ARRAY_ARRAY_FLOAT: _data_pb2.FieldType
ARRAY_ARRAY_DOUBLE: _data_pb2.FieldType
MAP_STRING_INT32: _data_pb2.FieldType
MAP_STRING_INT64: _data_pb2.FieldType
MAP_STRING_STRING: _data_pb2.FieldType
MAP_STRING_FLOAT: _data_pb2.FieldType
MAP_STRING_DOUBLE: _data_pb2.FieldType
MAP_INT64_INT32: _data_pb2.FieldType
MAP_INT64_INT64: _data_pb2.FieldType
MAP_INT64_STRING: _data_pb2.FieldType
MAP_INT64_FLOAT: _data_pb2.FieldType
MAP_INT64_DOUBLE: _data_pb2.FieldType
MAP_INT32_INT32: _data_pb2.FieldType
MAP_INT32_INT64: _data_pb2.FieldType
MAP_INT32_STRING: _data_pb2.FieldType
MAP_INT32_FLOAT: _data_pb2.FieldType
MAP_INT32_DOUBLE: _data_pb2.FieldType
TEXT_LOWER2UPPER: _feature_pb2.TextNormalizeOption
TEXT_UPPER2LOWER: _feature_pb2.TextNormalizeOption
TEXT_SBC2DBC: _feature_pb2.TextNormalizeOption
TEXT_CHT2CHS: _feature_pb2.TextNormalizeOption
TEXT_FILTER: _feature_pb2.TextNormalizeOption
TEXT_SPLITCHRS: _feature_pb2.TextNormalizeOption
TEXT_REMOVE_SPACE: _feature_pb2.TextNormalizeOption
DEEP: _model_pb2.FeatureGroupType
WIDE: _model_pb2.FeatureGroupType
SEQUENCE: _model_pb2.FeatureGroupType
JAGGED_SEQUENCE: _model_pb2.FeatureGroupType
TRITON: _model_pb2.Kernel
PYTORCH: _model_pb2.Kernel
CUTLASS: _model_pb2.Kernel
TZREC: _multi_task_rank_pb2.PEPNetWiring
PAPER: _multi_task_rank_pb2.PEPNetWiring
HIDDEN_ONLY: _multi_task_rank_pb2.PEPNetWiring
ELEMENT: _multi_task_rank_pb2.EPNetGateKind
FIELD: _multi_task_rank_pb2.EPNetGateKind
NONE: _optimizer_pb2.WeightDecayMode
L2: _optimizer_pb2.WeightDecayMode
DECOUPLE: _optimizer_pb2.WeightDecayMode
DELTA_EMBEDDING_QUANT_NONE: _train_pb2.DeltaEmbeddingQuantType
DELTA_EMBEDDING_QUANT_INT8: _train_pb2.DeltaEmbeddingQuantType

class EasyRecConfig(_message.Message):
    __slots__ = ("train_input_path", "eval_input_path", "model_dir", "train_config", "eval_config", "export_config", "data_config", "feature_configs", "model_config")
    TRAIN_INPUT_PATH_FIELD_NUMBER: _ClassVar[int]
    EVAL_INPUT_PATH_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIR_FIELD_NUMBER: _ClassVar[int]
    TRAIN_CONFIG_FIELD_NUMBER: _ClassVar[int]
    EVAL_CONFIG_FIELD_NUMBER: _ClassVar[int]
    EXPORT_CONFIG_FIELD_NUMBER: _ClassVar[int]
    DATA_CONFIG_FIELD_NUMBER: _ClassVar[int]
    FEATURE_CONFIGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_CONFIG_FIELD_NUMBER: _ClassVar[int]
    train_input_path: str
    eval_input_path: str
    model_dir: str
    train_config: _train_pb2.TrainConfig
    eval_config: _train_pb2.EvalConfig
    export_config: _train_pb2.ExportConfig
    data_config: _data_pb2.DataConfig
    feature_configs: _containers.RepeatedCompositeFieldContainer[_feature_pb2.FeatureConfig]
    model_config: _model_pb2.ModelConfig
    def __init__(self, train_input_path: _Optional[str] = ..., eval_input_path: _Optional[str] = ..., model_dir: _Optional[str] = ..., train_config: _Optional[_Union[_train_pb2.TrainConfig, _Mapping]] = ..., eval_config: _Optional[_Union[_train_pb2.EvalConfig, _Mapping]] = ..., export_config: _Optional[_Union[_train_pb2.ExportConfig, _Mapping]] = ..., data_config: _Optional[_Union[_data_pb2.DataConfig, _Mapping]] = ..., feature_configs: _Optional[_Iterable[_Union[_feature_pb2.FeatureConfig, _Mapping]]] = ..., model_config: _Optional[_Union[_model_pb2.ModelConfig, _Mapping]] = ...) -> None: ...
