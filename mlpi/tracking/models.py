"""The columns of MLflow's tables that our pages read. A contract test compares them with MLflow's.

Times are milliseconds since 1970, as MLflow stores them; those of spans are nanoseconds.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String, Table

from mlpi.mlflow_tables import (
    META,
    experiments,
    logged_models,
    model_aliases,
    model_versions,
    registered_model_tags,
    registered_models,
)

# Those that other rooms read too are here as well.
__all__ = (
    "experiments",
    "logged_models",
    "model_aliases",
    "model_versions",
    "registered_model_tags",
    "registered_models",
)
runs = Table(
    "runs",
    META,
    Column("run_uuid", String, primary_key=True),
    Column("experiment_id", Integer),
    Column("name", String),
    Column("user_id", String),
    Column("status", String),
    Column("start_time", BigInteger),
    Column("end_time", BigInteger),
    Column("lifecycle_stage", String),
    Column("deleted_time", BigInteger),
    Column("artifact_uri", String),
)
params = Table(
    "params",
    META,
    Column("run_uuid", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
tags = Table(
    "tags",
    META,
    Column("run_uuid", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
latest_metrics = Table(
    "latest_metrics",
    META,
    Column("run_uuid", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", Float),
    Column("step", BigInteger),
    Column("timestamp", BigInteger),
    Column("is_nan", Boolean),
)
metrics = Table(
    "metrics",
    META,
    Column("run_uuid", String),
    Column("key", String),
    Column("value", Float),
    Column("step", BigInteger),
    Column("timestamp", BigInteger),
    Column("is_nan", Boolean),
)
experiment_tags = Table(
    "experiment_tags",
    META,
    Column("experiment_id", Integer, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
datasets = Table(
    "datasets",
    META,
    Column("dataset_uuid", String),
    Column("experiment_id", Integer, primary_key=True),
    Column("name", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("dataset_source_type", String),
    Column("dataset_source", String),
    Column("dataset_schema", String),
    Column("dataset_profile", String),
)
# What a run was given: source_id is a dataset's uuid, destination_id a run's.
inputs = Table(
    "inputs",
    META,
    Column("input_uuid", String),
    Column("source_type", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("destination_type", String, primary_key=True),
    Column("destination_id", String, primary_key=True),
)
input_tags = Table(
    "input_tags",
    META,
    Column("input_uuid", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", String),
)
model_version_tags = Table(
    "model_version_tags",
    META,
    Column("workspace", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("value", String),
)
logged_model_metrics = Table(
    "logged_model_metrics",
    META,
    Column("model_id", String, primary_key=True),
    Column("metric_name", String, primary_key=True),
    Column("metric_timestamp_ms", BigInteger, primary_key=True),
    Column("metric_step", BigInteger, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("metric_value", Float),
    Column("dataset_name", String),
    Column("dataset_digest", String),
)
logged_model_params = Table(
    "logged_model_params",
    META,
    Column("model_id", String, primary_key=True),
    Column("param_key", String, primary_key=True),
    Column("param_value", String),
)
logged_model_tags = Table(
    "logged_model_tags",
    META,
    Column("model_id", String, primary_key=True),
    Column("tag_key", String, primary_key=True),
    Column("tag_value", String),
)
traces = Table(
    "trace_info",
    META,
    Column("request_id", String, primary_key=True),
    Column("experiment_id", Integer),
    Column("timestamp_ms", BigInteger),
    Column("execution_time_ms", BigInteger),
    Column("status", String),
    Column("request_preview", String),
    Column("response_preview", String),
    Column("trace_name", String),
    Column("session_id", String),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    Column("total_cost", Float),
)
trace_tags = Table(
    "trace_tags",
    META,
    Column("request_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
trace_metadata = Table(
    "trace_request_metadata",
    META,
    Column("request_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
assessments = Table(
    "assessments",
    META,
    Column("assessment_id", String, primary_key=True),
    Column("trace_id", String),
    Column("name", String),
    Column("assessment_type", String),
    Column("value", String),
    Column("error", String),
    Column("created_timestamp", BigInteger),
    Column("source_type", String),
    Column("source_id", String),
    Column("span_id", String),
    Column("rationale", String),
    Column("valid", Boolean),
)
spans = Table(
    "spans",
    META,
    Column("trace_id", String, primary_key=True),
    Column("span_id", String, primary_key=True),
    Column("parent_span_id", String),
    Column("name", String),
    Column("type", String),
    Column("status", String),
    Column("start_time_unix_nano", BigInteger),
    Column("end_time_unix_nano", BigInteger),
    Column("content", String),
)
# What was tied to something else afterwards, such as a "trace" to a "run".
associations = Table(
    "entity_associations",
    META,
    Column("source_type", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("destination_type", String, primary_key=True),
    Column("destination_id", String, primary_key=True),
)

ALL = tuple(META.sorted_tables)
