"""Why the model of an encoder cannot be had."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE encoder ADD code text, ADD reason text")


def downgrade() -> None:
    op.execute("ALTER TABLE encoder DROP code, DROP reason")
