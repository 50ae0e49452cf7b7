"""More columns of MLflow's tables, for the page of a run; a contract test compares them too.

Times are milliseconds since 1970, as MLflow stores them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table

_meta = MetaData()

# What a dataset is; name and digest say which.
dataset_facts = Table(
    "datasets",
    _meta,
    Column("dataset_uuid", String, primary_key=True),
    Column("name", String),
    Column("digest", String),
    Column("dataset_source_type", String),
    Column("dataset_source", String),
    Column("dataset_schema", String),
    Column("dataset_profile", String),
)
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
    Column("model_type", String),
    Column("source_run_id", String),
)
traces = Table(
    "trace_info",
    _meta,
    Column("request_id", String, primary_key=True),
    Column("experiment_id", Integer),
    Column("timestamp_ms", BigInteger),
    Column("execution_time_ms", BigInteger),
    Column("status", String),
    Column("request_preview", String),
    Column("trace_name", String),
)
trace_metadata = Table(
    "trace_request_metadata",
    _meta,
    Column("request_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
trace_tags = Table(
    "trace_tags",
    _meta,
    Column("request_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
# Traces that were linked to a run after they were made.
associations = Table(
    "entity_associations",
    _meta,
    Column("source_type", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("destination_type", String, primary_key=True),
    Column("destination_id", String, primary_key=True),
)

ALL = tuple(_meta.sorted_tables)
