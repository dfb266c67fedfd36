"""The migrations, as `numbergate migrate` and the check at start know them."""

from alembic.script import ScriptDirectory

from service.migrations import SCRIPTS, revisions

from .command import numbergate


def test_each_file_is_named_after_its_revision_and_they_stand_in_one_line():
    scripts = list(ScriptDirectory(str(SCRIPTS)).walk_revisions())

    assert [script.revision for script in reversed(scripts)] == revisions()


def test_as_sql_it_needs_no_configuration():
    ended = numbergate("migrate", "--sql")

    assert ended.returncode == 0, ended.stderr
    assert "CREATE TABLE intents" in ended.stdout
