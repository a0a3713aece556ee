"""Originals at 16 kHz are no longer read as they came: the confined child decodes them, too.

Their recordings stand as they are. To the sweep one object of each has changed, so it is decoded once more; until then
a recording of which nothing is in work cannot be heard.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        UPDATE stored_object SET etag = '' WHERE object_id IN (
            SELECT DISTINCT ON (recording_id) object_id FROM recording JOIN stored_object USING (recording_id)
            WHERE derived_key IS NULL ORDER BY recording_id, stored_object.key)
    """)
    op.execute("""
        UPDATE recording SET derived_key = 'recordings/1/' || left(sha256, 2) || '/' || sha256 || '.flac'
        WHERE derived_key IS NULL
    """)


def downgrade() -> None:
    """What was decoded stays so."""
