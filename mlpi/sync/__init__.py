"""`mlpi sync`: a folder of event files, sent to an mlpi as it grows. Runs beside a training."""
