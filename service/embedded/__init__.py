"""PostgreSQL and Valkey as child processes: for the demo, for development and for tests, never for production."""

from service.embedded.directories import default_data_dir, temporary_data_dir
from service.embedded.errors import DataDirectoryInUse, EmbeddedError, EngineFailed, EngineMissing
from service.embedded.postgres import EmbeddedPostgres
from service.embedded.valkey import EmbeddedValkey

__all__ = [
    "DataDirectoryInUse",
    "EmbeddedError",
    "EmbeddedPostgres",
    "EmbeddedValkey",
    "EngineFailed",
    "EngineMissing",
    "default_data_dir",
    "temporary_data_dir",
]
