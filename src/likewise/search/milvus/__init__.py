"""An index whose vectors are on a Milvus server."""
