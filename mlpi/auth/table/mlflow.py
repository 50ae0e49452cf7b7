"""MLflow's rows. Searches by POST read; a whole thing is deleted by owners, its parts by editors.

Deletion follows MLflow's own permissions, where EDIT may change and only MANAGE may delete.
"""

from mlpi.auth.table.match import rows

API = """
    public GET    /health
    public GET    /version
    public GET    {api}/3.0/mlflow/server-info

    # workspaces: the provider shows only what the user is a member of
    login  GET    {api}/3.0/mlflow/workspaces
    admin  POST   {api}/3.0/mlflow/workspaces
    viewer GET    {api}/3.0/mlflow/workspaces/{workspace_name}
    owner  PATCH  {api}/3.0/mlflow/workspaces/{workspace_name}
    admin  DELETE {api}/3.0/mlflow/workspaces/{workspace_name}

    # experiments
    viewer GET    {api}/2.0/mlflow/experiments/get
    viewer GET    {api}/2.0/mlflow/experiments/get-by-name
    viewer GET,POST {api}/2.0/mlflow/experiments/search
    editor POST   {api}/2.0/mlflow/experiments/create
    editor POST   {api}/2.0/mlflow/experiments/update
    editor POST   {api}/2.0/mlflow/experiments/set-experiment-tag
    editor POST   {api}/2.0/mlflow/experiments/delete-experiment-tag
    owner  POST   {api}/2.0/mlflow/experiments/delete
    owner  POST   {api}/2.0/mlflow/experiments/restore
    viewer POST   /ajax-api/2.0/mlflow/experiments/search-datasets
    viewer POST   /api/2.0mlflow/experiments/search-datasets   # upstream's own typing error
    viewer POST   /ajax-api/2.0mlflow/experiments/search-datasets

    # runs and their metrics
    viewer GET    {api}/2.0/mlflow/runs/get
    viewer POST   {api}/2.0/mlflow/runs/search
    viewer GET    {api}/2.0/mlflow/metrics/get-history
    viewer GET    /ajax-api/2.0/mlflow/metrics/get-history-bulk
    viewer GET    {api}/2.0/mlflow/metrics/get-history-bulk-interval
    editor POST   {api}/2.0/mlflow/runs/create
    editor POST   {api}/2.0/mlflow/runs/update
    editor POST   {api}/2.0/mlflow/runs/log-metric
    editor POST   {api}/2.0/mlflow/runs/log-batch
    editor POST   {api}/2.0/mlflow/runs/log-parameter
    editor POST   {api}/2.0/mlflow/runs/log-model
    editor POST   {api}/2.0/mlflow/runs/log-inputs
    editor POST   {api}/2.0/mlflow/runs/outputs
    editor POST   {api}/2.0/mlflow/runs/set-tag
    editor POST   {api}/2.0/mlflow/runs/delete-tag
    owner  POST   {api}/2.0/mlflow/runs/delete
    owner  POST   {api}/2.0/mlflow/runs/restore
    editor POST   /ajax-api/2.0/mlflow/runs/create-promptlab-run

    # artifacts
    viewer GET    {api}/2.0/mlflow/artifacts/list
    viewer GET    {api}/2.0/mlflow-artifacts/artifacts
    viewer GET    {api}/2.0/mlflow-artifacts/artifacts/{artifact_path:path}
    viewer GET    {api}/2.0/mlflow-artifacts/presigned/{artifact_path:path}
    viewer POST   {api}/2.0/mlflow/artifacts/presigned-download-url
    viewer GET    /get-artifact
    viewer GET    /model-versions/get-artifact
    viewer GET    /ajax-api/2.0/mlflow/get-trace-artifact
    viewer GET    /ajax-api/3.0/mlflow/get-trace-artifact
    viewer GET    {api}/2.0/mlflow/logged-models/{model_id}/artifacts/directories
    viewer GET    /ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files
    editor PUT    {api}/2.0/mlflow-artifacts/artifacts/{artifact_path:path}
    editor POST   {api}/2.0/mlflow-artifacts/mpu/create/{artifact_path:path}
    editor POST   {api}/2.0/mlflow-artifacts/mpu/complete/{artifact_path:path}
    editor POST   {api}/2.0/mlflow-artifacts/mpu/abort/{artifact_path:path}
    editor POST   {api}/2.0/mlflow/artifacts/presigned-upload-url
    editor POST   /ajax-api/2.0/mlflow/upload-artifact
    owner  DELETE {api}/2.0/mlflow-artifacts/artifacts/{artifact_path:path}

    # logged models
    viewer POST   {api}/2.0/mlflow/logged-models/search
    viewer GET    {api}/2.0/mlflow/logged-models/{model_id}
    editor POST   {api}/2.0/mlflow/logged-models
    editor PATCH  {api}/2.0/mlflow/logged-models/{model_id}
    editor POST   {api}/2.0/mlflow/logged-models/{model_id}/params
    editor PATCH  {api}/2.0/mlflow/logged-models/{model_id}/tags
    editor DELETE {api}/2.0/mlflow/logged-models/{model_id}/tags/{tag_key}
    owner  DELETE {api}/2.0/mlflow/logged-models/{model_id}

    # registered models and their versions
    viewer GET    {api}/2.0/mlflow/registered-models/get
    viewer GET    {api}/2.0/mlflow/registered-models/search
    viewer GET,POST {api}/2.0/mlflow/registered-models/get-latest-versions
    viewer GET    {api}/2.0/mlflow/registered-models/alias
    editor POST   {api}/2.0/mlflow/registered-models/create
    editor POST   {api}/2.0/mlflow/registered-models/rename
    editor PATCH  {api}/2.0/mlflow/registered-models/update
    editor POST   {api}/2.0/mlflow/registered-models/alias
    editor DELETE {api}/2.0/mlflow/registered-models/alias
    editor POST   {api}/2.0/mlflow/registered-models/set-tag
    editor DELETE {api}/2.0/mlflow/registered-models/delete-tag
    owner  DELETE {api}/2.0/mlflow/registered-models/delete
    viewer GET    {api}/2.0/mlflow/model-versions/get
    viewer GET    {api}/2.0/mlflow/model-versions/get-download-uri
    viewer GET    {api}/2.0/mlflow/model-versions/search
    editor POST   {api}/2.0/mlflow/model-versions/create
    editor PATCH  {api}/2.0/mlflow/model-versions/update
    editor POST   {api}/2.0/mlflow/model-versions/transition-stage
    editor POST   {api}/2.0/mlflow/model-versions/set-tag
    editor DELETE {api}/2.0/mlflow/model-versions/delete-tag
    owner  DELETE {api}/2.0/mlflow/model-versions/delete

    # traces
    editor POST   /v1/traces
    viewer GET    {api}/2.0/mlflow/traces
    editor POST   {api}/2.0/mlflow/traces
    editor PATCH  {api}/2.0/mlflow/traces/{request_id}
    viewer GET    {api}/2.0/mlflow/traces/{request_id}/info
    editor PATCH,DELETE {api}/2.0/mlflow/traces/{request_id}/tags
    owner  POST   {api}/2.0/mlflow/traces/delete-traces
    editor POST   {api}/2.0/mlflow/traces/link-prompts
    editor POST   {api}/2.0/mlflow/traces/link-to-run
    viewer GET    {api}/2.0/mlflow/unified-traces
    viewer GET    {api}/2.0/mlflow/get-online-trace-details
    editor POST   {api}/3.0/mlflow/traces
    viewer POST   {api}/3.0/mlflow/traces/search
    viewer POST   {api}/3.0/mlflow/traces/metrics
    viewer POST   {api}/3.0/mlflow/traces/calculate-filter-correlation
    viewer POST   {api}/3.0/mlflow/traces/batchGetInfos
    viewer GET    {api}/3.0/mlflow/traces/batchGet
    viewer GET    {api}/3.0/mlflow/traces/get
    owner  POST   {api}/3.0/mlflow/traces/delete-traces
    viewer GET    {api}/3.0/mlflow/traces/{trace_id}
    editor PATCH,DELETE {api}/3.0/mlflow/traces/{trace_id}/tags
    editor POST   {api}/3.0/mlflow/traces/{trace_id}/assessments
    viewer GET    {api}/3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}
    editor PATCH,DELETE {api}/3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}

    # evaluation: datasets, scorers, issues, label schemas, review queues
    viewer GET,POST {api}/3.0/mlflow/datasets/search
    editor POST   {api}/3.0/mlflow/datasets/create
    viewer GET    {api}/3.0/mlflow/datasets/{dataset_id}
    owner  DELETE {api}/3.0/mlflow/datasets/{dataset_id}
    editor POST   {api}/3.0/mlflow/datasets/{dataset_id}/add-experiments
    editor POST   {api}/3.0/mlflow/datasets/{dataset_id}/remove-experiments
    viewer GET    {api}/3.0/mlflow/datasets/{dataset_id}/experiment-ids
    viewer GET    {api}/3.0/mlflow/datasets/{dataset_id}/records
    editor POST,DELETE {api}/3.0/mlflow/datasets/{dataset_id}/records
    editor PATCH  {api}/3.0/mlflow/datasets/{dataset_id}/tags
    editor DELETE {api}/3.0/mlflow/datasets/{dataset_id}/tags/{key}
    viewer GET    {api}/3.0/mlflow/scorers/get
    viewer GET    {api}/3.0/mlflow/scorers/list
    viewer GET    {api}/3.0/mlflow/scorers/versions
    viewer GET    {api}/3.0/mlflow/scorers/online-configs
    editor POST   {api}/3.0/mlflow/scorers/register
    editor PUT    {api}/3.0/mlflow/scorers/online-config
    owner  DELETE {api}/3.0/mlflow/scorers/delete
    editor POST   /ajax-api/3.0/mlflow/scorer/invoke
    editor POST   /ajax-api/3.0/mlflow/genai/evaluate/invoke
    viewer POST   {api}/3.0/mlflow/issues/search
    editor POST   {api}/3.0/mlflow/issues
    editor POST   /ajax-api/3.0/mlflow/issues/invoke
    viewer GET    {api}/3.0/mlflow/issues/{issue_id}
    editor PATCH  {api}/3.0/mlflow/issues/{issue_id}
    viewer GET    {api}/3.0/mlflow/label-schemas/get
    viewer GET    {api}/3.0/mlflow/label-schemas/get-by-name
    viewer GET    {api}/3.0/mlflow/label-schemas/list
    editor POST   {api}/3.0/mlflow/label-schemas/create
    editor PATCH  {api}/3.0/mlflow/label-schemas/update
    owner  DELETE {api}/3.0/mlflow/label-schemas/delete
    viewer GET    {api}/3.0/mlflow/review-queues/get
    viewer GET    {api}/3.0/mlflow/review-queues/get-by-name
    viewer GET    {api}/3.0/mlflow/review-queues/list
    viewer GET    {api}/3.0/mlflow/review-queues/items/list
    editor POST   {api}/3.0/mlflow/review-queues/get-or-create-user
    editor POST   {api}/3.0/mlflow/review-queues/create
    editor POST   {api}/3.0/mlflow/review-queues/update
    editor POST   {api}/3.0/mlflow/review-queues/items/add
    editor POST   {api}/3.0/mlflow/review-queues/items/remove
    editor POST   {api}/3.0/mlflow/review-queues/items/set-status
    owner  POST   {api}/3.0/mlflow/review-queues/delete

    # jobs of MLflow's own runner, which stays off: starting one is refused (RunnerOff)
    viewer GET,POST {api}/3.0/mlflow/prompt-optimization/jobs/search
    editor POST   {api}/3.0/mlflow/prompt-optimization/jobs
    viewer GET    {api}/3.0/mlflow/prompt-optimization/jobs/{job_id}
    owner  DELETE {api}/3.0/mlflow/prompt-optimization/jobs/{job_id}
    editor POST   {api}/3.0/mlflow/prompt-optimization/jobs/{job_id}/cancel
    editor POST   /ajax-api/3.0/jobs/
    viewer POST   /ajax-api/3.0/jobs/search
    viewer GET    /ajax-api/3.0/jobs/{job_id}
    editor PATCH  /ajax-api/3.0/jobs/cancel/{job_id}
    viewer GET    /ajax-api/3.0/mlflow/jobs/{job_id}
    editor PATCH  /ajax-api/3.0/mlflow/jobs/cancel/{job_id}

    # webhooks call out of the house with what they are told
    viewer GET    {api}/2.0/mlflow/webhooks
    owner  POST   {api}/2.0/mlflow/webhooks
    viewer GET    {api}/2.0/mlflow/webhooks/{webhook_id}
    owner  PATCH,DELETE {api}/2.0/mlflow/webhooks/{webhook_id}
    owner  POST   {api}/2.0/mlflow/webhooks/{webhook_id}/test

    # the UI's odds and ends
    viewer GET,POST /graphql
    viewer GET,POST /ajax-api/2.0/mlflow/gateway-proxy
    login  GET,POST /ajax-api/3.0/mlflow/ui-telemetry
    editor POST   /ajax-api/3.0/mlflow/demo/generate
    owner  POST   /ajax-api/3.0/mlflow/demo/delete
    """

GATEWAY = """
    # gateway configuration: secrets belong to owners
    viewer GET    {api}/3.0/mlflow/gateway/secrets/get
    viewer GET    {api}/3.0/mlflow/gateway/secrets/list
    owner  POST   {api}/3.0/mlflow/gateway/secrets/create
    owner  POST   {api}/3.0/mlflow/gateway/secrets/update
    owner  DELETE {api}/3.0/mlflow/gateway/secrets/delete
    viewer GET    /ajax-api/3.0/mlflow/gateway/secrets/config
    viewer GET    /ajax-api/3.0/mlflow/gateway/provider-config
    viewer GET    /ajax-api/3.0/mlflow/gateway/supported-models
    viewer GET    /ajax-api/3.0/mlflow/gateway/supported-providers
    viewer GET    {api}/3.0/mlflow/gateway/endpoints/get
    viewer GET    {api}/3.0/mlflow/gateway/endpoints/list
    editor POST   {api}/3.0/mlflow/gateway/endpoints/create
    editor POST   {api}/3.0/mlflow/gateway/endpoints/update
    editor POST   {api}/3.0/mlflow/gateway/endpoints/set-tag
    editor DELETE {api}/3.0/mlflow/gateway/endpoints/delete-tag
    owner  DELETE {api}/3.0/mlflow/gateway/endpoints/delete
    viewer GET    {api}/3.0/mlflow/gateway/endpoints/bindings/list
    editor POST   {api}/3.0/mlflow/gateway/endpoints/bindings/create
    editor DELETE {api}/3.0/mlflow/gateway/endpoints/bindings/delete
    editor POST   {api}/3.0/mlflow/gateway/endpoints/models/attach
    editor POST   {api}/3.0/mlflow/gateway/endpoints/models/detach
    viewer GET    {api}/3.0/mlflow/gateway/model-definitions/get
    viewer GET    {api}/3.0/mlflow/gateway/model-definitions/list
    editor POST   {api}/3.0/mlflow/gateway/model-definitions/create
    editor POST   {api}/3.0/mlflow/gateway/model-definitions/update
    owner  DELETE {api}/3.0/mlflow/gateway/model-definitions/delete
    viewer GET    {api}/3.0/mlflow/gateway/budgets/get
    viewer GET    {api}/3.0/mlflow/gateway/budgets/list
    viewer GET    {api}/3.0/mlflow/gateway/budgets/windows
    owner  POST   {api}/3.0/mlflow/gateway/budgets/create
    owner  POST   {api}/3.0/mlflow/gateway/budgets/update
    owner  DELETE {api}/3.0/mlflow/gateway/budgets/delete
    viewer GET    {api}/3.0/mlflow/gateway/guardrails/get
    viewer GET    {api}/3.0/mlflow/gateway/guardrails/list
    viewer GET    {api}/3.0/mlflow/gateway/guardrails/list-for-endpoint
    owner  POST   {api}/3.0/mlflow/gateway/guardrails/create
    owner  POST   {api}/3.0/mlflow/gateway/guardrails/add-to-endpoint
    owner  PATCH  {api}/3.0/mlflow/gateway/guardrails/update-config
    owner  DELETE {api}/3.0/mlflow/gateway/guardrails/delete
    owner  DELETE {api}/3.0/mlflow/gateway/guardrails/remove-from-endpoint
    """

# Their code is heavy and few use it: loaded at the first request.
LATE = """
    # calls to models cost money
    viewer GET    /gateway/mlflow/v1/models
    editor POST   /gateway/mlflow/v1/chat/completions
    editor POST   /gateway/openai/v1/chat/completions
    editor POST   /gateway/openai/v1/embeddings
    editor POST   /gateway/openai/v1/responses
    editor POST   /gateway/openai/v1/responses/compact
    editor POST   /gateway/anthropic/v1/messages
    editor POST   /gateway/gemini/v1beta/models/{endpoint_name}:generateContent
    editor POST   /gateway/gemini/v1beta/models/{endpoint_name}:streamGenerateContent
    editor POST   /gateway/typesafe/v1/systemone
    editor POST   /gateway/proxy/{endpoint_name}/{path:path}
    editor POST   /gateway/{endpoint_name}/mlflow/invocations

    # MCP registry
    viewer GET    {api}/3.0/mlflow/mcp-servers
    editor POST   {api}/3.0/mlflow/mcp-servers
    viewer GET    {api}/3.0/mlflow/mcp-servers/endpoints
    editor POST   {api}/3.0/mlflow/mcp-servers/{name:path}/aliases
    viewer GET    {api}/3.0/mlflow/mcp-servers/{name:path}/aliases/{alias:path}
    editor DELETE {api}/3.0/mlflow/mcp-servers/{name:path}/aliases/{alias:path}
    editor POST   {api}/3.0/mlflow/mcp-servers/{name:path}/tags
    editor DELETE {api}/3.0/mlflow/mcp-servers/{name:path}/tags/{key:path}
    viewer GET    {api}/3.0/mlflow/mcp-servers/{name:path}/endpoints
    editor POST   {api}/3.0/mlflow/mcp-servers/{name:path}/endpoints
    viewer GET    {api}/3.0/mlflow/mcp-servers/{name:path}/endpoints/{endpoint_id}
    editor PATCH,DELETE {api}/3.0/mlflow/mcp-servers/{name:path}/endpoints/{endpoint_id}
    editor POST   {api}/3.0/mlflow/mcp-servers/{name:path}/versions/{version:path}/tags
    editor DELETE {api}/3.0/mlflow/mcp-servers/{name:path}/versions/{version:path}/tags/{key:path}
    viewer GET    {api}/3.0/mlflow/mcp-servers/{name:path}/versions
    editor POST   {api}/3.0/mlflow/mcp-servers/{name:path}/versions
    viewer GET    {api}/3.0/mlflow/mcp-servers/{name:path}/versions/{version:path}
    editor PATCH  {api}/3.0/mlflow/mcp-servers/{name:path}/versions/{version:path}
    owner  DELETE {api}/3.0/mlflow/mcp-servers/{name:path}/versions/{version:path}
    viewer GET    {api}/3.0/mlflow/mcp-servers/{name:path}
    editor PATCH  {api}/3.0/mlflow/mcp-servers/{name:path}
    owner  DELETE {api}/3.0/mlflow/mcp-servers/{name:path}
    """

# The assistant runs shell commands on the server: never, for nobody.
ASSISTANT = """
    off GET,PUT {api}/3.0/mlflow/assistant/config
    off POST    {api}/3.0/mlflow/assistant/message
    off GET     {api}/3.0/mlflow/assistant/providers
    off GET     {api}/3.0/mlflow/assistant/providers/{provider}/health
    off GET     {api}/3.0/mlflow/assistant/providers/{provider}/models
    off PATCH   {api}/3.0/mlflow/assistant/sessions/{session_id}
    off POST    {api}/3.0/mlflow/assistant/sessions/{session_id}/permission
    off GET     {api}/3.0/mlflow/assistant/sessions/{session_id}/stream
    off POST    {api}/3.0/mlflow/assistant/sessions/{session_id}/tool-result
    off POST    {api}/3.0/mlflow/assistant/skills/install
    """

# Reached only under /mlflow/, where the rows above are reachable too.
UI = """
    login  GET    /mlflow/
    login  GET    /mlflow/static-files/{path:path}
    off    GET    /mlflow/build/{path:path}     # Flask's own door to the same files
    """

PREFIX = "/mlflow"

ROWS = [
    *rows("mlflow", API),
    *rows("mlflow", ASSISTANT),
    *rows("mlflow", GATEWAY),
    *rows("mlflow-late", LATE),
    *rows("mlflow-ui", UI),
]
