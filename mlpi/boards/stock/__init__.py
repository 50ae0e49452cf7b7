"""TensorBoard's own UI under /tensorboard/, fed by our reader.

`room` answers a request: the page and its files from `webfiles`, everything else from TensorBoard's
backend in a thread. `backend` puts that backend together, an app a workspace; `provider` is the
data it serves, `values` and `metadata` bring what the files hold into the form TensorBoard keeps;
`projector` bounds the one plugin that opens files itself. All but `room` and `webfiles` import
TensorBoard, so they are imported with the first request only.
"""
