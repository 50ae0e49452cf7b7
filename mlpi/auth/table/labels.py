"""Labeling: Label Studio's API, and this room's own pages."""

from mlpi.auth.table.match import rows

API = rows(
    "label-studio",
    """
    login  GET      /api/version
    login  GET      /api/version/
    viewer GET      /api/current-user/whoami
    viewer GET      /api/users/
    viewer GET      /api/users/{user_id}/
    viewer GET      /api/organizations/

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

    # reviews; webhooks, whose addresses may be secrets
    viewer GET      /api/annotation-reviews/
    editor POST     /api/annotation-reviews/
    viewer GET      /api/annotation-reviews/{review_id}/
    editor PATCH,DELETE /api/annotation-reviews/{review_id}/
    editor GET,POST /api/webhooks/
    viewer GET      /api/webhooks/info/
    editor GET,PUT,PATCH,DELETE /api/webhooks/{webhook_id}/
    """,
)

PAGES = rows(
    "own",
    """
    viewer GET      /labels
    editor GET      /labels/new
    editor POST     /labels
    viewer GET      /labels/{project_id}
    editor GET,POST /labels/{project_id}/settings
    owner  POST     /labels/{project_id}/remove
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
    """,
)

ROWS = [*API, *PAGES]
