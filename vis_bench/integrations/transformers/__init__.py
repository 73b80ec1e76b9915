"""Models of the transformers library as methods: `hf:PATH_OR_REPO`, from a local folder or a repository."""
