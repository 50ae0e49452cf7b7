"""The tables of MLflow that more than one room reads: experiments and models.

Tracking reads the others too (`tracking.models`). A contract test compares them with MLflow's.
Times are milliseconds since 1970, as MLflow stores them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table

META = MetaData()

experiments = Table(
    "experiments",
    META,
    Column("experiment_id", Integer, primary_key=True),
    Column("name", String),
    Column("workspace", String),
    Column("lifecycle_stage", String),
    Column("artifact_location", String),
    Column("creation_time", BigInteger),
    Column("last_update_time", BigInteger),
)
registered_models = Table(
    "registered_models",
    META,
    Column("workspace", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("description", String),
    Column("creation_time", BigInteger),
    Column("last_updated_time", BigInteger),
)
registered_model_tags = Table(
    "registered_model_tags",
    META,
    Column("workspace", String, primary_key=True),
    Column("key", String, primary_key=True),  # in front of the name, as in MLflow's key
    Column("name", String, primary_key=True),
    Column("value", String),
)
model_versions = Table(
    "model_versions",
    META,
    Column("workspace", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("creation_time", BigInteger),
    Column("last_updated_time", BigInteger),
    Column("description", String),
    Column("user_id", String),
    Column("status", String),
    Column("status_message", String),
    Column("run_id", String),
    Column("current_stage", String),
    Column("source", String),
    Column("storage_location", String),
)
model_aliases = Table(
    "registered_model_aliases",
    META,
    Column("workspace", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("version", Integer),
)
# What MLflow 3 keeps of a model that a run logged, registered or not.
logged_models = Table(
    "logged_models",
    META,
    Column("model_id", String, primary_key=True),
    Column("experiment_id", Integer),
    Column("name", String),
    Column("artifact_location", String),
    Column("creation_timestamp_ms", BigInteger),
    Column("last_updated_timestamp_ms", BigInteger),
    Column("status", Integer),
    Column("lifecycle_stage", String),
    Column("model_type", String),
    Column("source_run_id", String),
)
ALL = tuple(META.sorted_tables)
