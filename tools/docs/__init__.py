"""The docs as a site: the pages of `docs/`, and the reference of the HTTP API made of its own OpenAPI document."""
