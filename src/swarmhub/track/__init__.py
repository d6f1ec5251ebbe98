"""Training metrics of settled rounds, written to MLflow or TensorBoard beside the node."""
