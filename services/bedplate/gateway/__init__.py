"""HTTP and JSON in front of the pipeline, by google.api.http."""
