"""Labeling: Label Studio's API, and this room's own pages."""

from __future__ import annotations

from dataclasses import replace

from mlpi.auth.table.match import Row, rows


def either_slash(room: str, text: str) -> list[Row]:
    """Rows for each address with and without a slash at its end, as Label Studio's clients ask."""
    found = rows(room, text)
    there = {(row.method, row.pattern) for row in found}
    turned = [
        replace(row, pattern=row.pattern.rstrip("/") + "/" * (not row.pattern.endswith("/")))
        for row in found
    ]
    return found + [row for row in turned if (row.method, row.pattern) not in there]


API = either_slash(
    "label-studio",
    """
    login  GET      /api/version
    login  GET      /api/version/
    login  GET      /api/health
    viewer GET      /api/current-user/
    viewer GET      /api/current-user/whoami
    viewer GET      /api/users/
    viewer POST     /api/users/  # for an admin, which is told in Label Studio's words
    viewer GET,PATCH /api/users/{user_id}/  # PATCH changes nothing
    viewer DELETE   /api/users/{user_id}/  # for an admin
    viewer GET      /api/current-user/hotkeys/
    viewer GET      /api/organizations/
    viewer GET      /api/organizations/{organization_id}
    viewer GET      /api/organizations/{organization_id}/memberships
    viewer GET      /api/organizations/{organization_id}/memberships/{user_id}/
    owner  DELETE   /api/organizations/{organization_id}/memberships/{user_id}/

    # projects
    viewer GET      /api/projects/
    editor POST     /api/projects/
    viewer GET      /api/projects/counts/
    viewer POST     /api/projects/validate/  # reads only
    viewer GET      /api/projects/{project_id}/
    editor PUT,PATCH /api/projects/{project_id}/
    owner  DELETE   /api/projects/{project_id}/
    viewer POST     /api/projects/{project_id}/validate/  # reads only
    viewer GET      /api/projects/{project_id}/summary/
    viewer GET      /api/projects/{project_id}/model-versions/
    editor DELETE   /api/projects/{project_id}/model-versions/
    viewer GET      /api/projects/{project_id}/annotators/
    editor GET      /api/projects/{project_id}/next/  # takes a lease
    viewer GET      /api/projects/{project_id}/tasks/
    editor POST     /api/projects/{project_id}/tasks/
    owner  DELETE   /api/projects/{project_id}/tasks/
    editor POST     /api/projects/{project_id}/import
    editor POST     /api/projects/{project_id}/import/predictions
    editor POST     /api/projects/{project_id}/tasks/bulk/
    editor POST     /api/projects/{project_id}/reimport

    # files that were uploaded, and those on this server that tasks name
    viewer GET      /api/projects/{project_id}/file-uploads
    owner  DELETE   /api/projects/{project_id}/file-uploads
    viewer GET      /api/import/file-upload/{file_id}
    editor PUT,PATCH,DELETE /api/import/file-upload/{file_id}
    viewer GET      /data/upload/{project_id}/{key}
    viewer GET      /data/local-files/

    # tasks, annotations, drafts, predictions
    viewer GET      /api/tasks/
    editor POST     /api/tasks/
    viewer GET      /api/tasks/{task_id}/
    editor PUT,PATCH,DELETE /api/tasks/{task_id}/
    viewer GET      /api/tasks/{task_id}/annotations/
    editor POST     /api/tasks/{task_id}/annotations/
    viewer GET      /api/tasks/{task_id}/drafts
    editor POST     /api/tasks/{task_id}/drafts
    viewer GET      /api/tasks/{task_id}/annotations/{annotation_id}/drafts
    editor POST     /api/tasks/{task_id}/annotations/{annotation_id}/drafts
    viewer GET      /api/annotations/{annotation_id}/
    editor PUT,PATCH,DELETE /api/annotations/{annotation_id}/
    editor POST     /api/annotations/{annotation_id}/convert-to-draft
    viewer GET      /api/drafts/{draft_id}/
    editor PUT,PATCH,DELETE /api/drafts/{draft_id}/
    viewer GET      /api/predictions/
    editor POST     /api/predictions/
    viewer GET      /api/predictions/{prediction_id}/
    editor PUT,PATCH,DELETE /api/predictions/{prediction_id}/

    # exports
    viewer GET      /api/projects/{project_id}/export
    viewer GET      /api/projects/{project_id}/export/formats
    viewer GET      /api/projects/{project_id}/export/files
    viewer GET      /api/projects/{project_id}/exports/
    editor POST     /api/projects/{project_id}/exports/
    viewer GET      /api/projects/{project_id}/exports/{export_id}
    owner  DELETE   /api/projects/{project_id}/exports/{export_id}
    viewer GET      /api/projects/{project_id}/exports/{export_id}/download
    editor POST     /api/projects/{project_id}/exports/{export_id}/convert
    # the data manager
    viewer GET      /api/dm/views/
    editor POST     /api/dm/views/
    editor DELETE   /api/dm/views/reset/
    editor POST     /api/dm/views/order/
    viewer GET      /api/dm/views/{view_id}/
    editor PUT,PATCH,DELETE /api/dm/views/{view_id}/
    viewer GET      /api/dm/columns/
    viewer GET      /api/dm/project/
    viewer GET      /api/dm/actions/
    editor POST     /api/dm/actions/  # deleting all tasks of a project is an owner's
    # reviews; webhooks, whose addresses may be secrets
    viewer GET      /api/annotation-reviews/
    editor POST     /api/annotation-reviews/
    viewer GET      /api/annotation-reviews/{review_id}/
    editor PATCH,DELETE /api/annotation-reviews/{review_id}/
    editor GET,POST /api/webhooks/
    viewer GET      /api/webhooks/info/
    editor GET,PUT,PATCH,DELETE /api/webhooks/{webhook_id}/
    # templates and copies
    viewer GET      /api/templates/
    viewer POST     /api/projects/{project_id}/sample-task/  # reads only
    editor POST     /api/projects/{project_id}/duplicate/
    viewer GET      /api/projects/{project_id}/label-stream-history/

    # models
    viewer GET      /api/ml/
    editor POST     /api/ml/
    viewer GET      /api/ml/{backend_id}
    editor PUT,PATCH,DELETE /api/ml/{backend_id}
    editor POST     /api/ml/{backend_id}/train
    viewer GET      /api/ml/{backend_id}/versions
    editor POST     /api/ml/{backend_id}/predict/test
    editor POST     /api/ml/{backend_id}/interactive-annotating
    """,
)

# They see the secret that asks, which the room of Label Studio's API is not shown.
TOKENS = either_slash(
    "own",
    """
    viewer GET      /api/current-user/token
    viewer POST     /api/current-user/reset-token/  # a user's own
    viewer GET      /api/token/
    viewer POST     /api/token/  # for a browser, which is told in Label Studio's words
    viewer POST     /api/token/refresh/  # reads only
    viewer POST     /api/token/rotate/  # a user's own
    viewer POST     /api/token/blacklist/  # a user's own
    viewer GET      /api/jwt/settings
    owner  POST     /api/jwt/settings  # changes nothing
    viewer GET      /api/invite
    owner  POST     /api/invite/reset-token
    """,
)

PAGES = rows(
    "own",
    """
    viewer GET      /labels
    editor GET      /labels/new
    editor POST     /labels/preview
    editor POST     /labels
    viewer GET      /labels/{project_id}
    editor GET,POST /labels/{project_id}/settings
    editor POST     /labels/{project_id}/duplicate
    owner  POST     /labels/{project_id}/remove
    editor GET,POST /labels/{project_id}/import
    editor POST     /labels/{project_id}/import/media
    editor GET,POST /labels/{project_id}/imports/{file_id}
    editor POST     /labels/{project_id}/imports/{file_id}/remove
    viewer GET      /labels/{project_id}/picture
    editor POST     /api/mlpi/uploads/labels
    editor GET,PATCH,DELETE /api/mlpi/uploads/labels/{upload_id}
    viewer GET      /labels/{project_id}/export
    viewer GET      /labels/{project_id}/export/download
    editor POST     /labels/{project_id}/exports
    editor POST     /labels/{project_id}/exports/dataset
    editor POST     /labels/{project_id}/exports/schedule
    viewer GET      /labels/{project_id}/exports/{export_id}/download
    editor POST     /labels/{project_id}/exports/{export_id}/dataset
    owner  POST     /labels/{project_id}/exports/{export_id}/remove

    # the data manager
    viewer GET      /labels/{project_id}/tasks
    viewer GET      /labels/{project_id}/tasks/export
    viewer GET      /labels/{project_id}/tasks/{task_id}
    editor POST     /labels/{project_id}/tasks/deed
    editor POST     /labels/{project_id}/views
    editor POST     /labels/{project_id}/views/{view_id}/remove

    # the labeling page
    editor GET      /labels/{project_id}/label
    editor GET      /labels/{project_id}/label/next  # takes a lease
    editor GET      /labels/{project_id}/label/tasks/{task_id}
    editor POST     /api/mlpi/labels/tasks/{task_id}/annotations
    editor PUT      /api/mlpi/labels/annotations/{annotation_id}
    editor PUT      /api/mlpi/labels/tasks/{task_id}/draft
    editor POST     /api/mlpi/labels/projects/{project_id}/release
    viewer GET      /labels/{project_id}/conflicts
    viewer GET      /labels/{project_id}/review
    editor POST     /labels/{project_id}/review/{annotation_id}
    editor POST     /labels/{project_id}/review/{annotation_id}/truth
    editor GET,POST /labels/{project_id}/webhooks
    editor POST     /labels/{project_id}/webhooks/{webhook_id}/test
    editor POST     /labels/{project_id}/webhooks/{webhook_id}/switch
    editor POST     /labels/{project_id}/webhooks/{webhook_id}/remove
    editor POST     /labels/{project_id}/webhooks/{webhook_id}/deliveries/{delivery_id}
    viewer GET      /api/mlpi/labels/{project_id}/agreement
    viewer GET      /api/mlpi/labels/{project_id}/conflicts
    viewer GET      /api/mlpi/labels/{project_id}/reviews
    editor POST     /api/mlpi/labels/annotations/{annotation_id}/review

    # models that predict
    viewer GET      /labels/{project_id}/models
    editor POST     /labels/{project_id}/models
    editor POST     /labels/{project_id}/models/{backend_id}/run
    editor POST     /labels/{project_id}/models/{backend_id}/try
    viewer GET      /labels/{project_id}/models/tries/{job_id}
    editor POST     /labels/{project_id}/models/{backend_id}/remove
    editor POST     /labels/{project_id}/versions/shown
    editor POST     /labels/{project_id}/versions/accept
    editor POST     /labels/{project_id}/versions/remove
    editor POST     /api/mlpi/labels/projects/{project_id}/predictions
    editor POST     /api/mlpi/labels/projects/{project_id}/accept
    viewer GET      /api/mlpi/labels/projects/{project_id}/health
    editor POST     /api/mlpi/labels/projects/{project_id}/setup
    editor POST     /api/mlpi/labels/projects/{project_id}/predict
    """,
)

ROWS = [*API, *TOKENS, *PAGES]
