"""Online scoring: the Open Inference Protocol over HTTP around one scorer per model version."""
