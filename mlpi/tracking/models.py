"""The columns of MLflow's tables that our pages read. A contract test compares them with MLflow's.

Times are milliseconds since 1970, as MLflow stores them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, MetaData, String, Table

_meta = MetaData()

experiments = Table(
    "experiments",
    _meta,
    Column("experiment_id", Integer, primary_key=True),
    Column("name", String),
    Column("workspace", String),
    Column("lifecycle_stage", String),
    Column("creation_time", BigInteger),
    Column("last_update_time", BigInteger),
)
runs = Table(
    "runs",
    _meta,
    Column("run_uuid", String, primary_key=True),
    Column("experiment_id", Integer),
    Column("name", String),
    Column("user_id", String),
    Column("status", String),
    Column("start_time", BigInteger),
    Column("end_time", BigInteger),
    Column("lifecycle_stage", String),
    Column("artifact_uri", String),
)
params = Table(
    "params",
    _meta,
    Column("run_uuid", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
tags = Table(
    "tags",
    _meta,
    Column("run_uuid", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
latest_metrics = Table(
    "latest_metrics",
    _meta,
    Column("run_uuid", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", Float),
    Column("step", BigInteger),
    Column("timestamp", BigInteger),
    Column("is_nan", Boolean),
)
metrics = Table(
    "metrics",
    _meta,
    Column("run_uuid", String),
    Column("key", String),
    Column("value", Float),
    Column("step", BigInteger),
    Column("timestamp", BigInteger),
    Column("is_nan", Boolean),
)
experiment_tags = Table(
    "experiment_tags",
    _meta,
    Column("experiment_id", Integer, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
datasets = Table(
    "datasets",
    _meta,
    Column("dataset_uuid", String),
    Column("experiment_id", Integer, primary_key=True),
    Column("name", String, primary_key=True),
    Column("digest", String, primary_key=True),
)
# What a run was given: source_id is a dataset's uuid, destination_id a run's.
inputs = Table(
    "inputs",
    _meta,
    Column("input_uuid", String),
    Column("source_type", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("destination_type", String, primary_key=True),
    Column("destination_id", String, primary_key=True),
)
input_tags = Table(
    "input_tags",
    _meta,
    Column("input_uuid", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", String),
)
registered_models = Table(
    "registered_models",
    _meta,
    Column("workspace", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("description", String),
    Column("creation_time", BigInteger),
    Column("last_updated_time", BigInteger),
)
registered_model_tags = Table(
    "registered_model_tags",
    _meta,
    Column("workspace", String, primary_key=True),
    Column("key", String, primary_key=True),  # in front of the name, as in MLflow's key
    Column("name", String, primary_key=True),
    Column("value", String),
)
model_versions = Table(
    "model_versions",
    _meta,
    Column("workspace", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("creation_time", BigInteger),
    Column("last_updated_time", BigInteger),
    Column("description", String),
    Column("status", String),
    Column("status_message", String),
    Column("run_id", String),
    Column("current_stage", String),
    Column("source", String),
    Column("storage_location", String),
)
model_version_tags = Table(
    "model_version_tags",
    _meta,
    Column("workspace", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("value", String),
)
model_aliases = Table(
    "registered_model_aliases",
    _meta,
    Column("workspace", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("version", Integer),
)
# What MLflow 3 keeps of a model that a run logged, registered or not.
logged_models = Table(
    "logged_models",
    _meta,
    Column("model_id", String, primary_key=True),
    Column("experiment_id", Integer),
    Column("name", String),
    Column("artifact_location", String),
    Column("creation_timestamp_ms", BigInteger),
    Column("status", Integer),
    Column("lifecycle_stage", String),
    Column("source_run_id", String),
)

ALL = tuple(_meta.sorted_tables)
